"""evaluator_optimizer: produce, evaluate, revise, until a draft is good enough or the iterations are used up.

The best draft is kept, whatever comes after it, also a failure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.errors import PolicyFailed, RunnerError
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

    def seen_in(self, scope: Scope) -> Scope:
        """A scope in which this draft is the latest answer."""
        evaluation = {"issues": [], "fixes": [], **self.judged.data}
        named = scope.with_names(draft=self.draft.response, iteration=self.number, evaluation=evaluation)
        return named.joining([self.draft]).behind(self.judged)


async def evaluator_optimizer(flow: EvaluatorOptimizerFlow, scope: Scope, run: RunStep) -> Scope:
    rounds: list[Round] = []
    for number in range(1, flow.max_iters + 1):
        try:
            rounds.append(await _round(flow, number, scope, run))
        except RunnerError as error:
            error.response = _best(rounds).draft.response if rounds else ""
            raise
        scope = rounds[-1].seen_in(scope)
        if rounds[-1].score >= flow.min_score:
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


async def _round(flow: EvaluatorOptimizerFlow, number: int, scope: Scope, run: RunStep) -> Round:
    scope = scope.with_names(iteration=number)
    if number == 1:
        draft = await run(flow.producer, scope, flow.producer.path)
    else:
        draft = await run(flow.reviser, scope, nth(flow.reviser.path, number - 1))
    seen = scope.with_names(draft=draft.response).joining([draft])
    judged = await run(flow.evaluator, seen, nth(flow.evaluator.path, number))
    return Round(number, draft, judged)
