"""What became of test cases, as data: what each expected and found, and the session of them all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from runner.report.verdicts import Review

if TYPE_CHECKING:
    from runner.errors import Location, Status
    from runner.report.verdicts import Reviewed

CaseStatus = Literal["passed", "failed", "error"]
"""`failed`: the run was not as expected. `error`: there was no run to judge."""

FAILED: Final = 10
"""The exit code of a session with a case that failed: that of a step that did."""

CANCELLED: Final = 130


@dataclass(frozen=True, slots=True)
class Failed:
    """One expectation that was not met: `what` should `expected`, but `actual`."""

    what: str
    expected: str
    actual: str
    at: Location
    run: int | None = None
    """Which of several runs of the case, counted from 1."""

    @property
    def message(self) -> str:
        run = f"run {self.run}: " if self.run is not None else ""
        return f"{run}{self.what} should {self.expected}, but {self.actual}"


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One case. `passes` of its `runs` were as expected; tokens, cost and time are those of all of them.

    `failures` are told of a case that passed too, where some of its runs did not. `cost_usd` is None where a price is
    not known. `review` is what became of its recordings, where they were made anew.
    """

    file: str
    name: str
    at: Location
    status: CaseStatus
    source: Literal["recorded", "live"] = "recorded"
    failures: tuple[Failed, ...] = ()
    error: str | None = None
    exit_code: int = 0
    passes: int = 1
    runs: int = 1
    tokens: int = 0
    cost_usd: float | None = None
    duration_ms: int = 0
    review: Review | None = None

    @property
    def flaky(self) -> bool:
        """It passed, and not every time."""
        return self.status == "passed" and self.passes < self.runs

    @property
    def pass_rate(self) -> int:
        """Passes among the runs in whole percent, never rounded up to all of them."""
        return 100 * self.passes // self.runs if self.runs else 0

    @property
    def problems(self) -> tuple[str, ...]:
        """Everything that is wrong, as sentences."""
        return (*(one.message for one in self.failures), *([self.error] if self.error is not None else []))


@dataclass(frozen=True, slots=True)
class Session:
    """Every case that was gone through, in the order of the files. `unrun` were left when somebody asked to stop.
    `took_more` says, in sentences, which recordings take more than a gate allows."""

    cases: tuple[CaseResult, ...]
    cancelled: bool = False
    unrun: int = 0
    took_more: tuple[str, ...] = ()

    def count(self, status: CaseStatus) -> int:
        return sum(one.status == status for one in self.cases)

    @property
    def flaky(self) -> int:
        return sum(one.flaky for one in self.cases)

    @property
    def tokens(self) -> int:
        return sum(one.tokens for one in self.cases)

    @property
    def duration_ms(self) -> int:
        return sum(one.duration_ms for one in self.cases)

    @property
    def has_live(self) -> bool:
        return any(one.source == "live" for one in self.cases)

    @property
    def review(self) -> Review | None:
        """What became of all recordings that were made anew. A case that shares them with one before it finds what that
        one recorded."""
        reviews = [one.review for one in self.cases if one.review is not None]
        steps: dict[str, Reviewed] = {}
        for step in (step for review in reviews for step in review.steps):
            steps.setdefault(step.path, step)
        return Review.of(steps.values()) if reviews else None

    @property
    def exit_code(self) -> int:
        """0 where every case passed and nothing takes too much, else that of the gravest."""
        codes = [FAILED if one.status == "failed" else one.exit_code for one in self.cases]
        return max([*codes, FAILED if self.took_more else 0, CANCELLED if self.cancelled else 0])

    @property
    def status(self) -> Status:
        if self.cancelled:
            return "cancelled"
        return "failed" if self.exit_code else "success"
