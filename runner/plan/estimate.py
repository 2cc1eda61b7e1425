"""What a plan may cost before anything of it is known: how often each step is asked, and what that comes to.

Attempts after a failure are not counted, and a call with tools takes more than one turn: nobody can know how many.
Neither are tasks that a human wants to be made anew; what humans are asked costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from runner.plan.flows import (
    ChainFlow,
    EvaluatorOptimizerFlow,
    GraphFlow,
    OrchestratorWorkersFlow,
    ParallelFlow,
    RoutingFlow,
    WorkflowFlow,
)
from runner.plan.order import behind
from runner.plan.plan import Gate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from runner.plan.flows import Flow
    from runner.plan.plan import Row, Step

CHARACTERS_A_TOKEN: Final = 4
"""The rule of thumb for English; https://help.openai.com/en/articles/4936856."""


@dataclass(frozen=True)
class Estimate:
    """Calls at least and at most; tokens of the prompts as they are written, without what fills them, at least; and
    tokens of the answers at most, None where some call has no `max_tokens`."""

    calls_least: int
    calls_most: int
    prompt_tokens_least: int
    answer_tokens_most: int | None


def estimate(flow: Flow) -> Estimate:
    if not isinstance(flow, RoutingFlow):
        return _sum(_visits(flow))
    ways = [_sum((step, 1, 1) for step in (flow.router, *route.steps)) for route in flow.routes]
    answers = [way.answer_tokens_most for way in ways if way.answer_tokens_most is not None]
    return Estimate(
        calls_least=min(way.calls_least for way in ways),
        calls_most=max(way.calls_most for way in ways),
        prompt_tokens_least=min(way.prompt_tokens_least for way in ways),
        answer_tokens_most=max(answers) if len(answers) == len(ways) else None,
    )


def _sum(found: Iterable[tuple[Row, int, int]]) -> Estimate:
    visits = [_Visits(row, least, most) for row, least, most in found if not isinstance(row, Gate)]
    limits = [one.step.agent.model.max_tokens for one in visits if one.most]
    return Estimate(
        calls_least=sum(one.least for one in visits),
        calls_most=sum(one.most for one in visits),
        prompt_tokens_least=sum(one.least * _prompt_tokens(one.step) for one in visits),
        answer_tokens_most=sum(one.most * (one.step.agent.model.max_tokens or 0) for one in visits)
        if all(limit is not None for limit in limits)
        else None,
    )


@dataclass(frozen=True)
class _Visits:
    """How often a step is asked. A condition may skip it, and an answer that is not its data is asked for again."""

    step: Step
    visits_least: int
    visits_most: int

    @property
    def least(self) -> int:
        return 0 if self.step.when is not None else self.visits_least

    @property
    def most(self) -> int:
        return self.visits_most * (1 + (self.step.reasks if self.step.agent.output_schema is not None else 0))


def _visits(flow: Flow) -> Iterator[tuple[Row, int, int]]:
    """Every step and gate with how often it is taken, at least and at most."""
    match flow:
        case WorkflowFlow(tasks):
            conditional = {task.id for task in tasks if task.step.when is not None}
            skipped = conditional | behind(flow.deps, conditional)
            yield from ((task.step, int(task.id not in skipped), 1) for task in tasks)
        case ChainFlow() | ParallelFlow() | RoutingFlow():
            yield from ((row, 1, 1) for row in flow.all_rows())
        case GraphFlow(nodes, max_iterations=most):
            first = next(iter(nodes))
            yield from ((step, int(node == first), most) for node, step in nodes.items())
        case EvaluatorOptimizerFlow(producer, reviser, evaluator, max_iters=most):
            yield from ((producer, 1, 1), (evaluator, 1, most), (reviser, 0, most - 1))
        case OrchestratorWorkersFlow(orchestrator, worker, again, reduce, writeup, max_rounds=rounds):
            yield orchestrator, 1, 1
            yield worker, 1, rounds * flow.max_tasks
            if again is not None:
                yield again, 1, rounds if flow.on_exhausted == "fail" else rounds - 1
            yield from ((step, 1, 1) for step in (reduce, writeup) if step is not None)


def _prompt_tokens(step: Step) -> int:
    return (len(step.agent.prompt) + len(step.input or "")) // CHARACTERS_A_TOKEN
