"""What a plan may cost before anything of it is known: how often each step is asked, and what that comes to.

Attempts after a failure are not counted, and a call with tools takes more than one turn: nobody can know how many.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
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

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from runner.plan.flows import Flow
    from runner.plan.plan import Step

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
    visits = [_Visits(step, least, most) for step, least, most in _visits(flow)]
    if isinstance(flow, RoutingFlow):
        visits = _one_route(flow, visits)
    limits = [one.step.agent.model.max_tokens for one in visits if one.most]
    known = all(limit is not None for limit in limits)
    return Estimate(
        calls_least=sum(one.least for one in visits),
        calls_most=sum(one.most for one in visits),
        prompt_tokens_least=sum(one.least * _prompt_tokens(one.step) for one in visits),
        answer_tokens_most=sum(one.most * (one.step.agent.model.max_tokens or 0) for one in visits) if known else None,
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


def _visits(flow: Flow) -> Iterator[tuple[Step, int, int]]:
    """Every step with how often it is taken, at least and at most."""
    match flow:
        case ChainFlow() | ParallelFlow() | WorkflowFlow() | RoutingFlow():
            yield from ((step, 1, 1) for step in flow.all_steps())
        case GraphFlow(nodes, max_iterations=most):
            first = next(iter(nodes))
            yield from ((step, int(node == first), most) for node, step in nodes.items())
        case EvaluatorOptimizerFlow(producer, reviser, evaluator, max_iters=most):
            yield from ((producer, 1, 1), (evaluator, 1, most), (reviser, 0, most - 1))
        case OrchestratorWorkersFlow(orchestrator, worker, again, reduce, writeup, max_rounds=rounds):
            yield orchestrator, 1, 1
            yield worker, 1, rounds * flow.max_tasks
            if again is not None:
                yield again, 0, rounds
            yield from ((step, 1, 1) for step in (reduce, writeup) if step is not None)


def _one_route(flow: RoutingFlow, visits: Sequence[_Visits]) -> list[_Visits]:
    """The router, the route with the fewest calls for what is taken at least, and that with the most."""
    of = {one.step.path: one for one in visits}

    def most(steps: Iterable[Step]) -> int:
        return sum(of[step.path].most for step in steps)

    routes = sorted((route.steps for route in flow.routes), key=most)
    least = [replace(of[step.path], visits_most=0) for step in routes[0]]
    return [of[flow.router.path], *least, *(replace(of[step.path], visits_least=0) for step in routes[-1])]


def _prompt_tokens(step: Step) -> int:
    return (len(step.agent.prompt) + len(step.input or "")) // CHARACTERS_A_TOKEN
