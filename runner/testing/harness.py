"""One run of one workflow without a host: no outputs, no summary, no files but the recordings that it makes.

What it is made of is what the door's runs are made of; only what is around it is missing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from runner.calls.recalled import gates_on_tape
from runner.credentials.scrub import Scrubber
from runner.credentials.secrets import needed
from runner.deliver import clean
from runner.errors import RecordingProblem, UsageError
from runner.facts.gather import Sources, informed
from runner.intake import plan_of
from runner.run import Surroundings, run_plan
from runner.tapes import tapes_of

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from runner.inputs import ActionInputs
    from runner.plan.plan import Plan
    from runner.report.events import Emit
    from runner.report.results import RunReport
    from runner.run import Watched
    from runner.tape.deck import Deck

MODES: Final = ("live", "record", "replay")
"""Those of a run that leaves no files: there is nothing that it could resume from."""


@dataclass(frozen=True)
class Ran:
    """What came of a run; `deck.made` are the recordings that it made, by path."""

    report: RunReport
    deck: Deck


@dataclass(frozen=True)
class Harness:
    """Where runs happen. `scrub` takes secrets out of texts; it learns those of each file that is run, and no report or
    recording has one, and `mask` is told those that a host cannot know. `watched` is open around the task of each run,
    and may cancel it."""

    workspace: Path
    environ: Mapping[str, str]
    now: Callable[[], datetime]
    scrub: Scrubber = field(default_factory=Scrubber)
    emit: Emit = lambda event: None
    watched: Watched = nullcontext
    mask: Callable[[Iterable[str]], object] = list

    def run(
        self,
        inputs: ActionInputs,
        *,
        recordings: str | None = None,
        tools_live: bool = False,
        again: str | None = None,
        check: Callable[[Plan], object] = lambda plan: None,
    ) -> Ran:
        """Run the file (or the prompt) that the inputs name, in their mode. How a run failed is in its report.

        `recordings` is the name of a directory below the workflow's own recordings. With `tools_live` a replay uses the
        real tools, and what they give has to be what they gave. `again` is the command that records anew, for messages.
        `check` is given the plan before anything is asked, and may raise a RunnerError.
        A replay asks no model, needs no key and writes nothing. Where there is a `hitl_response`, recorded answers of
        humans are not looked at. In a thread that has an event loop already, the run has another thread.

        Raises RunnerError for a run that cannot begin, and RecordingProblem for a replay of what was not recorded,
        wherever in it that comes up.
        """
        if inputs.mode not in MODES:
            raise UsageError(f"mode '{inputs.mode}' is none of a test's: {', '.join(MODES)}")
        plan = plan_of(inputs, self.workspace, need_values=True)
        check(plan)
        asks = inputs.mode != "replay"
        tools = asks or tools_live
        secrets = needed(plan, self.environ, self.workspace, self.scrub, models=asks, tools=tools, mask=self.mask)
        tapes = tapes_of(inputs, plan, self.workspace, None, self.scrub, within=_name(recordings))
        plan, _ = informed(plan, Sources(inputs, self.environ, self.workspace, tapes.fixtures, asks=False))
        deck = tapes.deck(plan, inputs, again=again, tools_live=tools_live and not asks)
        gates = gates_on_tape(deck, inputs.hitl_response, self.now, recall=inputs.hitl_response is None)
        around = Surroundings(
            self.environ,
            self.workspace,
            None,
            self.emit,
            self.now,
            secrets=secrets,
            scrub=self.scrub,
            deck=deck,
            gates=gates,
        )
        report = tapes.ended(_aside(partial(run_plan, plan, around, self.watched)), deck, inputs)
        return Ran(_replayed(clean(report, self.scrub)), deck)


def _name(recordings: str | None) -> str:
    """The name of a directory below others. Raises UsageError for one that is elsewhere."""
    path = PurePosixPath(recordings or "")
    if path.is_absolute() or ".." in path.parts:
        raise UsageError(f"recordings '{recordings}' should be a directory below the workflow's own recordings")
    return str(path)


def _aside(work: Callable[[], RunReport]) -> RunReport:
    """Do the work here, or in another thread where a loop goes on in this one."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return work()
    with ThreadPoolExecutor(1, "workflow") as thread:
        return thread.submit(work).result()


def _replayed(report: RunReport) -> RunReport:
    """The report, unless it is of a run whose recordings were not those of what was asked: nothing can be said of the
    workflow then, and nobody should be able to overlook it."""
    failure = report.failure
    if failure is None or report.exit_code != RecordingProblem.exit_code:
        return report
    raise RecordingProblem(failure.message, failure.findings, path=failure.path)
