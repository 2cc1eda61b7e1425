"""A run as a test reads it: plain attributes of its report, and a repr in one line, because that is what pytest shows
beside an assertion that does not hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from runner.spec.nearest import nearest

if TYPE_CHECKING:
    from runner.report.results import RunReport, StepResult, Usage

MOST_SHOWN: Final = 100
"""Characters of an answer; pytest cuts what it shows of a value at some 240."""


class NoSuchStep(KeyError):
    """There is no step of this name; says which there are."""

    def __str__(self) -> str:
        return str(self.args[0])  # a KeyError would be shown in quotes


class Status(str):
    """A status that knows why it is not another: pytest shows nothing but the two words of a comparison."""

    why: str | None

    def __new__(cls, status: str, why: str | None) -> Status:
        made = super().__new__(cls, status)
        made.why = why
        return made


@dataclass(frozen=True, repr=False)
class StepView:
    """One step of a run."""

    result: StepResult
    """All that is known of it."""

    @property
    def path(self) -> str:
        return self.result.path

    @property
    def id(self) -> str | None:
        return self.result.id

    @property
    def agent(self) -> str:
        return self.result.agent

    @property
    def status(self) -> Status:
        """`success`, `failed`, `paused`, `cancelled` or `skipped`."""
        return Status(self.result.status, self.result.error)

    @property
    def response(self) -> str:
        return self.result.response

    @property
    def data(self) -> Any:
        """The answer as data, where the step asks for data."""
        return self.result.data

    @property
    def tools(self) -> list[str]:
        """The tools that were used, in the order in which the model asked for them."""
        return [*self.result.tools]

    @property
    def turns(self) -> int:
        """How often a model was asked."""
        return self.result.turns

    @property
    def attempts(self) -> int:
        return self.result.attempts

    @property
    def usage(self) -> Usage:
        """Tokens: `input`, `output`, `total`."""
        return self.result.usage

    @property
    def tokens(self) -> int:
        return self.result.usage.total

    @property
    def error(self) -> str | None:
        """Why there is no answer."""
        return self.result.error

    def __repr__(self) -> str:
        name = self.path if self.id is None else f"{self.id} ({self.path})"
        return f"<step {name} {self.status}: {_shown(self.error or self.response)}>"


@dataclass(frozen=True, repr=False)
class Steps:
    """The steps of a run in their order, found by id, by path or by number. An id of a step that was taken several
    times is the last of them, as in templates; each has a path of its own."""

    results: tuple[StepResult, ...]

    def __getitem__(self, name: str | int) -> StepView:
        __tracebackhide__ = True
        if isinstance(name, int):
            return StepView(self.results[name])
        found = {one.id: one for one in self.results} | {one.path: one for one in self.results}
        if name not in found:
            names = [one.id or one.path for one in self.results]
            raise NoSuchStep(f"there is no step '{name}'; {nearest(name, names)}")
        return StepView(found[name])

    def __contains__(self, name: object) -> bool:
        return any(name in (one.id, one.path) for one in self.results)

    def __iter__(self) -> Iterator[StepView]:
        return map(StepView, self.results)

    def __len__(self) -> int:
        return len(self.results)

    def __repr__(self) -> str:
        return f"<steps {', '.join(one.id or one.path for one in self.results)}>"


@dataclass(frozen=True, repr=False)
class Report:
    """A whole run."""

    run: RunReport
    """All that is known of it."""

    @property
    def status(self) -> Status:
        """`success`, `failed`, `budget`, `timeout`, `paused`, `invalid` or `skipped`."""
        return Status(self.run.status, self.failure)

    @property
    def response(self) -> str:
        """The last answer."""
        return self.run.response

    @property
    def data(self) -> Any:
        """The last answer as data, where its step asks for data."""
        return self.run.data

    @property
    def outputs(self) -> dict[str, str]:
        """What the file makes of the answers under `outputs.step_outputs`."""
        return {**self.run.step_outputs}

    @property
    def artifacts(self) -> dict[str, str]:
        """What the file makes of the answers under `outputs.artifacts`, by path. None is written."""
        return {**self.run.artifacts}

    @property
    def steps(self) -> Steps:
        """All steps: `steps["triage"]`, `steps["branches.security.steps[0]"]`, `steps[0]`; those that were not taken
        are `skipped`."""
        return Steps(self.run.steps)

    @property
    def tools(self) -> list[str]:
        """The tools that were used, step by step."""
        return [*chain.from_iterable(step.tools for step in self.run.steps)]

    @property
    def turns(self) -> int:
        """How often a model was asked, in all."""
        return sum(step.turns for step in self.run.steps)

    @property
    def usage(self) -> Usage:
        """Tokens: `input`, `output`, `total`."""
        return self.run.usage

    @property
    def tokens(self) -> int:
        return self.run.usage.total

    @property
    def failure(self) -> str | None:
        """Why the run did not succeed, in plain words."""
        return None if self.run.failure is None else f"{self.run.failure.title}: {self.run.failure.message}"

    @property
    def questions(self) -> dict[str, str]:
        """What waits for the answer of a human, by the path of its gate."""
        return {one.path: one.prompt for one in self.run.questions}

    @property
    def warnings(self) -> list[str]:
        return [one.message for one in self.run.warnings]

    def __repr__(self) -> str:
        return f"<workflow {self.run.name} {self.status}: {_shown(self.failure or self.response)}>"


def _shown(text: str) -> str:
    """A text in one line, and not too much of it."""
    line = " ".join(text.split())
    return line if len(line) <= MOST_SHOWN else line[: MOST_SHOWN - 1] + "…"
