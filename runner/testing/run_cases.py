"""Goes through test cases, one after the other, and keeps what became of each. How a case is run is somebody else's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from runner.errors import RunCancelled, RunnerError, UsageError
from runner.report.results import Failure
from runner.report.tested import CaseResult, Session
from runner.report.verdicts import Review
from runner.testing.cases import Case, load_all
from runner.testing.find import files_of_cases
from runner.testing.judge import judge

if TYPE_CHECKING:
    from runner.errors import Finding
    from runner.report.results import RunReport
    from runner.report.tested import Failed

Run: TypeAlias = "Callable[[Case], RunReport]"
"""One run of a case. It raises RunnerError where there is none, such as for a recording that is stale."""

Cost: TypeAlias = "Callable[[RunReport], float | None]"
"""What the answers of a run cost, or did when they were recorded, in US dollars; None where a price is not known. What
is billed for a replay is nothing, and no limit could be passed."""


NOT_JUDGED: Final = ("invalid", "cancelled")
"""How runs end of which nothing can be said: they did not begin, as with a recording that is stale, or were stopped.
Nor can it of one that a bug of ours ended."""


def unknown(_: RunReport) -> None:
    return None


def cases_of(spec: Iterable[str], workspace: Path) -> tuple[Case, ...]:
    """Every case of the files that names, globs, directories and workflows stand for. Raises UsageError, SpecError
    with every finding in any of the files, and FileProblem; then nothing is run."""
    return load_all(files_of_cases(spec, workspace), workspace)


def run_cases(
    cases: Iterable[Case], run: Run, *, cost: Cost = unknown, tell: Callable[[CaseResult], None] = lambda _: None
) -> Session:
    """Run cases in their order, live ones as often as they say, and `tell` of each when it is done.

    A RunnerError is the error of its case, and the others go on; somebody's wish to stop ends it all. Raises UsageError
    where there is no case: nothing tested is no success.
    """
    waiting = list(cases)
    if not waiting:
        raise UsageError("there is no case to test")
    results: list[CaseResult] = []
    for case in waiting:
        runs = _Runs(case)
        results.append(runs.result(run, cost))
        tell(results[-1])
        if runs.cancelled:
            return Session(tuple(results), cancelled=True, unrun=len(waiting) - len(results))
    return Session(tuple(results))


@dataclass
class _Runs:
    """The runs of one case."""

    case: Case
    failures: list[Failed] = field(default_factory=list)
    passes: int = 0
    done: int = 0
    tokens: int = 0
    duration_ms: int = 0
    costs: list[float | None] = field(default_factory=list)
    error: str | None = None
    exit_code: int = 0
    review: Review | None = None

    @property
    def cancelled(self) -> bool:
        return self.exit_code == RunCancelled.exit_code

    def result(self, run: Run, cost: Cost) -> CaseResult:
        """What becomes of it when it is run. After an error it is not run again: no answer of a model's is the cause,
        so it would be the same the next time."""
        while self.done < self.case.repeat and self.error is None:
            try:
                self._take(run(self.case), cost)
            except RunnerError as error:
                place = f"{error.at}: " if error.at is not None and error.at.file else ""
                self.error, self.exit_code = _whole(place + error.message, error.findings), error.exit_code
        return self._told()

    def _take(self, report: RunReport, cost: Cost) -> None:
        self.done += 1
        self.tokens += report.usage.total
        self.duration_ms += report.duration_ms
        self.costs.append(cost(report))
        self.review = report.review and _placed(report.review, report.tape)
        if report.status in NOT_JUDGED or report.exit_code == RunnerError.exit_code:
            failure = report.failure or Failure("", f"the run is {report.status}")
            self.error, self.exit_code = _whole(failure.message, failure.findings), report.exit_code
            return
        found = judge(self.case.expected, report, self.costs[-1])
        self.passes += not found
        several = self.case.repeat > 1
        self.failures += [replace(one, run=self.done) for one in found] if several else found

    def _told(self) -> CaseResult:
        case = self.case
        known = [one for one in self.costs if one is not None]
        return CaseResult(
            file=case.file,
            name=case.name,
            at=case.at,
            status="error" if self.error is not None else "passed" if self.passes >= case.min_passes else "failed",
            source="live" if case.live else "recorded",
            failures=tuple(self.failures),
            error=self.error,
            exit_code=self.exit_code,
            passes=self.passes,
            runs=self.done,
            tokens=self.tokens,
            cost_usd=sum(known) if known and len(known) == len(self.costs) else None,
            duration_ms=self.duration_ms,
            review=self.review,
        )


def _placed(review: Review, directory: str) -> Review:
    """The review with the directory of the recordings: cases have steps of the same paths."""
    return Review(tuple(replace(step, path=f"{directory}/{step.path}") for step in review.steps))


def _whole(message: str, findings: Iterable[Finding]) -> str:
    """A message, and what it does not say of that which was found."""
    rest = [str(one) if one.at.file else one.message for one in findings if one.message not in message]
    return "; ".join([message, *rest])
