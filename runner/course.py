"""The course of one run: what became of every step, what led there, and what was worth a warning on the way."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from runner.errors import Finding, Location
from runner.plan.flows import CHANGING, planned
from runner.plan.plan import Gate
from runner.prices import of_limit
from runner.report.events import (
    BudgetWarning,
    CircuitOpened,
    FellBack,
    LoopBlocked,
    StepFinished,
    StepStarted,
    Warned,
)
from runner.report.results import StepResult

if TYPE_CHECKING:
    from runner.plan.plan import Plan, Row
    from runner.plan.scope import Scope
    from runner.report.events import Emit, Event
    from runner.report.results import StepStatus
    from runner.step import RunStep


class Course:
    """Written down while the run goes on, and true whenever it is asked, from whichever thread."""

    def __init__(self, plan: Plan, emit: Emit) -> None:
        self._plan, self._listener = plan, emit
        self._results: dict[str, StepResult] = {}
        self._way: dict[str, tuple[str, ...]] = {}
        self._begun: set[str] = set()
        self._of_steps: dict[str, list[Finding]] = {}
        self._warnings = list(plan.warnings)

    def emit(self, event: Event) -> None:
        """Hear of an event, and pass it on."""
        if isinstance(event, StepFinished):
            self._results[event.result.path] = event.result
            self._begun.discard(event.result.path)
        elif isinstance(event, StepStarted):
            self._begun.add(event.path)
        elif isinstance(event, FellBack):
            told = f"{event.unavailable} was not available and {event.asked} was asked: {event.reason}"
            self._of_steps.setdefault(event.path, []).append(self._warning(f"{event.path}: {told}"))
        elif worth := _worth_a_warning(event):
            self.warn(worth)
        self._listener(event)

    def warn(self, message: str) -> None:
        """Something that the report tells beside how the run ended."""
        self._warnings.append(self._warning(message))

    def _warning(self, message: str) -> Finding:
        return Finding(message, Location(self._plan.file), level="warning")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """All of them; those about steps by their paths, for what runs at once ends in any order."""
        of_steps = [one for path in sorted(self._of_steps) for one in self._of_steps[path]]
        return (*self._warnings, *of_steps)

    def followed(self, run_step: RunStep) -> RunStep:
        """`run_step`, with every path written down in the order it is taken, and what led there."""

        async def follow(step: Row, scope: Scope, path: str) -> StepResult:
            self._way[path] = scope.sources
            return await run_step(step, scope, path)

        return follow

    @property
    def nothing_ran(self) -> bool:
        return all(result.status == "skipped" for result in self._results.values())

    @property
    def needs(self) -> dict[str, tuple[str, ...]]:
        """What led to each step, and for those not taken what could have."""
        return {**self._plan.needs(), **self._way}

    @property
    def steps(self) -> tuple[StepResult, ...]:
        """Every step and gate that was taken, and after them those that were not, which are `skipped`; in the plan's
        order, or in that of the run where the pattern takes steps again."""
        rows, way = self._plan.rows(), [*self._way]
        taken = {planned(path) for path in way}
        planned_rows = {row.path: row for row in rows}
        found = [self._results.get(path) or self._under_way(path, planned_rows[planned(path)]) for path in way]
        found += [_not_taken(row) for row in rows if row.path not in taken]
        if self._plan.flow.type in CHANGING:
            return tuple(found)
        order = {row.path: index for index, row in enumerate(rows)}
        return tuple(sorted(found, key=lambda result: order[result.path]))

    @property
    def ended(self) -> list[StepResult]:
        """Those of the steps that came to an end of their own."""
        return [one for one in self.steps if one.path in self._results]

    def _under_way(self, path: str, row: Row) -> StepResult:
        """What is told of a step that nobody lets come to its end."""
        status: StepStatus = "cancelled" if path in self._begun else "skipped"
        return replace(_not_taken(row), path=path, status=status)


def _not_taken(row: Row) -> StepResult:
    return StepResult(row.path, "" if isinstance(row, Gate) else row.agent.id, row.config_hash, "skipped", id=row.id)


def _worth_a_warning(event: Event) -> str | None:
    """What of the run's events its report tells as well."""
    match event:
        case BudgetWarning():
            return f"{of_limit(event.what, event.usage, event.limit)} are spent ({event.percent} %)"
        case CircuitOpened(model, failures, wait_s, reason):
            return (
                f"{model} failed {failures} times in a row and was not asked for {wait_s:g} s, at last with: {reason}"
            )
        case LoopBlocked():
            return f"the run stood still for {event.seconds} s at {event.at}"
        case Warned():
            return event.message
    return None
