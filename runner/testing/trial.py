"""Test cases through the harness: each judged, or recorded and judged, with what it cost when it was recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from runner.errors import RecordingProblem, SpecError, UsageError
from runner.prices import cost_of
from runner.report.costs import run_cost
from runner.report.review import too_much
from runner.tapes import record_command
from runner.testing.checks import unfailing
from runner.testing.run_cases import cases_of, run_cases

if TYPE_CHECKING:
    from runner.inputs import ActionInputs
    from runner.plan.plan import Plan
    from runner.report.results import RunReport
    from runner.report.tested import CaseResult, Session
    from runner.testing.cases import Case
    from runner.testing.harness import Harness, Ran


@dataclass(frozen=True)
class Left:
    """What became of the cases, and how many were left out: live ones where the inputs ask for that, and those that a
    stranger may not have run."""

    session: Session
    left_out: int = 0


def trial(inputs: ActionInputs, harness: Harness, tell: Callable[[CaseResult], None], *, trusted: bool = True) -> Left:
    """Run the cases that the inputs name: on recordings, or in mode record to make them. Those of a stranger ask no
    model and use no tool. Raises UsageError, SpecError and FileProblem for what cannot be run at all."""
    cases = cases_of(inputs.spec, harness.workspace)
    asked = [case for case in cases if not case.live or (inputs.live_cases == "run" and inputs.mode == "test")]
    asked = asked if trusted else [case for case in cases if not case.real_tools]
    if cases and not asked:
        kind = "are live" if trusted else "are live or use real tools"
        raise UsageError(f"all {len(cases)} cases {kind}, and none of those is to be run")
    trials = _Trials(inputs, harness)
    session = run_cases(asked, trials.run, cost=trials.cost, tell=tell)
    if session.review is not None:
        told = too_much(session.review, inputs.max_token_increase, inputs.max_cost_increase)
        session = replace(session, took_more=tuple(told))
    return Left(session, len(cases) - len(asked))


class _Trials:
    """One run after the other; the latest is remembered for its cost, and all for the recordings that they had."""

    def __init__(self, inputs: ActionInputs, harness: Harness) -> None:
        self._inputs, self._harness = inputs, harness
        self._latest: Ran | None = None
        self._anew: set[tuple[str, str | None]] = set()

    def run(self, case: Case) -> RunReport:
        real_tools = case.real_tools and not case.live
        ran = self._harness.run(
            self._asked(case),
            recordings=case.recordings,
            tools_live=real_tools,
            again=self._again(case, "all" if real_tools else "changed"),
            check=partial(_refuse_unfailing, case),
        )
        self._anew.add((case.workflow, case.recordings))
        if ran.report.unused:
            told = f"recordings that nothing asked for: {', '.join(ran.report.unused)}"
            raise RecordingProblem(f"{told}; to be rid of them: {self._again(case)}")
        self._latest = ran
        return ran.report

    def cost(self, report: RunReport) -> float | None:
        """What the answers cost, when they were recorded or just now."""
        ran = self._latest
        if ran is None or ran.deck.mode == "live":
            return run_cost(report)
        turns = (turn for recording in ran.deck.standing.values() for turn in recording.turns)
        return cost_of(((turn.model, turn.usage) for turn in turns if turn.usage.total), report.started)

    def _again(self, case: Case, record: str = "changed") -> str:
        """The command that records a case anew. What a real tool gives now is no other question to a model, so it takes
        `all` to ask again."""
        return record_command(replace(self._inputs, spec=(case.file,), record=record))

    def _asked(self, case: Case) -> ActionInputs:
        mode = "live" if case.live else "record" if self._inputs.mode == "record" else "replay"
        variables: Mapping[str, Any] = {**self._inputs.variables, **case.variables}
        # Another case has asked everything: asked again, its answers would be others than those that it was judged by.
        record = "changed" if (case.workflow, case.recordings) in self._anew else self._inputs.record
        return replace(
            self._inputs,
            spec=(case.workflow,),
            mode=mode,
            record=record,
            variables=variables,
            hitl_response=case.hitl_response,
            facts=case.facts,
            # All cases go through these together: one that should fail must not pass by them.
            max_token_increase=None,
            max_cost_increase=None,
            given={},
        )


def _refuse_unfailing(case: Case, plan: Plan) -> None:
    if found := [*unfailing(case, plan)]:
        raise SpecError(found)
