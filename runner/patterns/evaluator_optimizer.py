"""evaluator_optimizer: produce, evaluate, revise, until a draft is good enough or the iterations are used up.

The best draft is kept, whatever comes after it, also a failure. Where a human reviews the drafts, that is before each
revision; to stop there accepts the draft that was reviewed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runner.errors import PolicyFailed, RunnerError
from runner.plan import reviews
from runner.plan.flows import nth

if TYPE_CHECKING:
    from runner.plan.flows import EvaluatorOptimizerFlow
    from runner.plan.scope import Scope
    from runner.report.results import StepResult
    from runner.step import RunStep


@dataclass(frozen=True)
class Round:
    """A draft and what was said of it."""

    number: int
    draft: StepResult
    judged: StepResult

    @property
    def score(self) -> float:
        return float(self.judged.data["score"])

    @property
    def evaluation(self) -> dict[str, Any]:
        return {"issues": [], "fixes": [], **self.judged.data}

    def seen_in(self, scope: Scope) -> Scope:
        """A scope in which this draft is the latest answer."""
        named = scope.with_names(draft=self.draft.response, iteration=self.number, evaluation=self.evaluation)
        return named.joining([self.draft]).behind(self.judged)

    def told(self) -> dict[str, Any]:
        """The round as who reviews it is told of it."""
        draft = {"iteration": self.number, "draft": self.draft.response, "draft_preview": self.draft.response[:100]}
        return {**self.evaluation, **draft, "evaluation": self.evaluation}


async def evaluator_optimizer(flow: EvaluatorOptimizerFlow, scope: Scope, run: RunStep) -> Scope:
    rounds: list[Round] = []
    for number in range(1, flow.max_iters + 1):
        try:
            rounds.append(await _round(flow, number, scope, run))
            scope, accepted = await _accepted(flow, rounds, rounds[-1].seen_in(scope), run)
        except RunnerError as error:
            error.response = _best(rounds).draft.response if rounds else ""
            raise
        if accepted:
            return scope
    best = _best(rounds)
    match flow.on_exhausted:
        case "accept_best":
            return best.seen_in(scope)
        case "accept_last":
            return scope
        case "fail":
            told = f"no draft of {len(rounds)} reached min_score {flow.min_score:g}; the best has {best.score:g}"
            raise PolicyFailed(told, path=flow.evaluator.path, at=flow.evaluator.at, response=best.draft.response)


def _best(rounds: list[Round]) -> Round:
    """The one with the highest score; the first of them, where several have it."""
    return max(rounds, key=lambda one: one.score)


async def _accepted(
    flow: EvaluatorOptimizerFlow, rounds: list[Round], scope: Scope, run: RunStep
) -> tuple[Scope, bool]:
    """Whether the latest draft is good enough, or a human says so; and the scope behind that."""
    latest = rounds[-1]
    if latest.score >= flow.min_score or flow.review is None or latest.number == flow.max_iters:
        return scope, latest.score >= flow.min_score
    names = {"current_draft": latest.draft.response, "current_evaluation": latest.evaluation}
    told = [one.told() for one in rounds]
    shown = scope.beside(iterations=told, iteration_index=len(told) - 1, **names)
    said = await run(flow.review, shown, nth(flow.review.path, latest.number))
    return scope.reviewed(said), reviews.stops(said.response)


async def _round(flow: EvaluatorOptimizerFlow, number: int, scope: Scope, run: RunStep) -> Round:
    scope = scope.with_names(iteration=number)
    if number == 1:
        draft = await run(flow.producer, scope, flow.producer.path)
    else:
        draft = await run(flow.reviser, scope, nth(flow.reviser.path, number - 1))
    seen = scope.with_names(draft=draft.response).joining([draft])
    judged = await run(flow.evaluator, seen, nth(flow.evaluator.path, number))
    return Round(number, draft, judged)
