"""Every way a run can end badly, as one tree.

Each kind owns the `status` output and the exit code that users script against (docs/reference.md), so that one
handler at the door turns any of them into a sentence, an annotation and an exit. Locations and findings live here
too: they are what an error about a file is made of, as questions are of a run that waits for a human.
"""

from __future__ import annotations

import re
from copy import copy
from typing import TYPE_CHECKING, ClassVar, Final, Literal, Self

from runner.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

Status = Literal["success", "failed", "budget", "timeout", "cancelled", "paused", "invalid", "skipped"]
"""How a run ended: the values of the `status` output."""


@dataclass(frozen=True, slots=True, order=True)
class Location:
    """A place in a file a user wrote; line and column count from 1, and 0 means the whole file."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to say about a workflow file: what is wrong or unwise, where, and what would be right."""

    message: str
    at: Location
    level: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        return f"{self.at}: {self.message}"


@dataclass(frozen=True, slots=True)
class Question:
    """What a gate asks a human, and shows beside it. From `until` on its `default` is the answer, or there is none."""

    path: str
    prompt: str
    context: str = ""
    at: Location = Location("")
    default: str | None = None
    until: datetime | None = None


HELP: Final = "https://github.com/org/strands-action/blob/v1/docs/troubleshooting.md"
"""The page that has a section for the title of every error."""


def what_to_do(title: str) -> str:
    """The address of the section on errors with this title."""
    return f"{HELP}#{'-'.join(re.findall('[a-z]+', title.lower()))}"


class RunnerError(Exception):
    """A run that could not begin or did not succeed, told in one plain sentence."""

    status: ClassVar[Status] = "failed"
    exit_code: ClassVar[int] = 70
    title: ClassVar[str] = "Internal error"

    def __init__(self, message: str, *, at: Location | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.at = at
        self.response = ""
        """The best answer there is by then, set by the pattern that has one: it is not lost."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The error as findings; those about no file have an empty one."""
        return (Finding(self.message, self.at or Location("")),)


class UsageError(RunnerError):
    """The inputs or the command line are wrong, or something they call for is missing from the environment."""

    status = "invalid"
    exit_code = 2
    title = "Invalid input"


class SecretsMissing(UsageError):
    """Secrets that the file declares cannot be had. Carries a finding for each; no message holds a value."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self._findings = tuple(findings)
        super().__init__("; ".join(f"{one.message} at {one.at}" for one in self._findings))

    @property
    def findings(self) -> tuple[Finding, ...]:
        return self._findings


class SpecError(RunnerError):
    """The workflow file says something that cannot run. Carries every finding, not just the first."""

    status = "invalid"
    exit_code = 3
    title = "Invalid workflow"

    def __init__(self, findings: Iterable[Finding]) -> None:
        self._findings = tuple(findings)
        first, *rest = self._findings
        more = f" (and {len(rest)} more)" if rest else ""
        super().__init__(first.message + more, at=first.at)

    @property
    def findings(self) -> tuple[Finding, ...]:
        return self._findings


class StepFailed(RunnerError):
    """A step did not give an answer that counts."""

    exit_code = 10
    title = "Step failed"

    def __init__(self, message: str, *, path: str, at: Location | None = None) -> None:
        super().__init__(message, at=at)
        self.path = path


class PolicyFailed(StepFailed):
    """Every step answered, and the pattern's own rule says that this is not enough."""

    title = "Not good enough"

    def __init__(self, message: str, *, path: str, at: Location | None, response: str) -> None:
        super().__init__(message, path=path, at=at)
        self.response = response


class Rejected(StepFailed):
    """A human was asked, and said no."""

    title = "Rejected"

    def __init__(self, message: str, *, path: str, at: Location | None, response: str) -> None:
        super().__init__(message, path=path, at=at)
        self.response = response


class PostProblem(RunnerError):
    """What was to be posted is not, or is not known to be, what stands at the host now."""

    exit_code = 11
    title = "Not posted"


class FileProblem(RunnerError):
    """A file could not be read or written."""

    status = "invalid"
    exit_code = 12
    title = "File problem"


class RecordingProblem(RunnerError):
    """A recording is missing, stale, unused or unreadable. Carries a finding for each step that it is about."""

    status = "invalid"
    exit_code = 14
    title = "Recording problem"

    def __init__(self, message: str, findings: Iterable[Finding] = (), *, path: str | None = None) -> None:
        super().__init__(message)
        self._findings = tuple(findings)
        self.path = path

    @property
    def findings(self) -> tuple[Finding, ...]:
        return self._findings or super().findings


class NotRecorded(RecordingProblem):
    """A step that was to be replayed has no recording. It may have been cancelled beside one that failed."""


class TookMore(RunnerError):
    """What was recorded anew takes more than a gate allows; a sentence for each."""

    exit_code = 10
    title = "Takes more than it did"

    def __init__(self, sentences: Iterable[str]) -> None:
        self._sentences = tuple(sentences)
        super().__init__("; ".join(self._sentences))

    @property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(Finding(one, Location("")) for one in self._sentences)


class RunPaused(RunnerError):
    """The run waits for answers of humans; what could go on without them is finished and kept."""

    status = "paused"
    exit_code = 19
    title = "Waiting for an answer"

    def __init__(self, questions: Iterable[Question]) -> None:
        self.questions = tuple(questions)
        super().__init__("; ".join(f"{one.path}: {one.prompt}" for one in self.questions))


class BudgetExceeded(RunnerError):
    """The run reached a limit on tokens, money or steps; what had finished is kept."""

    status = "budget"
    exit_code = 20
    title = "Budget exceeded"


class RunTimeout(RunnerError):
    """The run reached its wall-clock limit; what had finished is kept."""

    status = "timeout"
    exit_code = 21
    title = "Run timed out"


class RunCancelled(RunnerError):
    """Somebody asked the run to stop; what had finished is kept."""

    status = "cancelled"
    exit_code = 130
    title = "Run cancelled"


class TemplateProblem(RunnerError):
    """A template could not be rendered. The step that asked for it turns this into its own failure."""

    exit_code = 10
    title = "Template problem"


class ModelProblem(RunnerError):
    """A model call failed, in the provider's words made plain.

    `transient` says that asking again may help: throttling, a server's own failure, a lost or timed-out connection.
    `retry_after` is the server's own wish, in seconds. `unavailable` says that another model may help: what is
    transient, and a quota or a credit that is `used_up`.

    `throttled` says that the provider has too much to do for us, `unauthorized` that it does not take the credentials,
    whatever they ask. `lost` says that the request went out and nobody knows what became of it, nor what it cost.
    """

    exit_code = 10
    title = "Model call failed"

    def __init__(
        self,
        message: str,
        *,
        transient: bool = False,
        retry_after: float | None = None,
        used_up: bool = False,
        throttled: bool = False,
        unauthorized: bool = False,
        lost: bool = False,
    ) -> None:
        super().__init__(message)
        self.transient = transient
        self.unavailable = transient or used_up
        self.retry_after = retry_after
        self.throttled, self.unauthorized, self.lost = throttled, unauthorized, lost

    def in_words(self, message: str) -> Self:
        """The same problem, told otherwise."""
        other = copy(self)
        other.args, other.message = (message,), message
        return other


class OutOfTime(ModelProblem):
    """A step had no answer by the end of its time, which tells nothing of the answer that there might have been."""
