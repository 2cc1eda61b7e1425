"""graph: a state machine. It begins at the first node and goes on by the first way that is open, one node at a time.

A node may be taken again, up to `max_iterations` times, and a gate asks again each time; templates see its latest
answer, and the nodes in the order in which they were first taken. Where no way is open it ends, with the last node's
answer.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from runner.errors import PolicyFailed, StepFailed, TemplateProblem
from runner.plan.flows import nth
from runner.plan.scope import Answers
from runner.plan.templates import condition

if TYPE_CHECKING:
    from runner.plan.flows import GraphFlow
    from runner.plan.scope import Scope
    from runner.report.results import StepResult
    from runner.step import RunStep


async def graph(flow: GraphFlow, scope: Scope, run: RunStep) -> Scope:
    taken: Counter[str] = Counter()
    answers: dict[str, StepResult] = {}
    seen = Answers(lambda: [*answers.values()], answers, possible=flow.nodes.keys())
    scope = scope.with_names(nodes=seen)
    node: str | None = next(iter(flow.nodes))
    while node is not None:
        step = flow.nodes[node]
        if taken[node] == flow.max_iterations:
            if flow.on_max_iterations == "end":
                break
            told = f"node '{node}' was to be taken more than {flow.max_iterations} times (max_iterations)"
            raise PolicyFailed(told, path=step.path, at=step.at, response=scope.response)
        taken[node] += 1
        scope = scope.with_names(iteration=taken[node])
        answers[node] = await run(step, scope, nth(step.path, taken[node]))
        scope = scope.answered(answers[node]).with_names(terminal_node=node, total_steps=taken.total())
        node = _next(flow, node, scope)
    return scope


def _next(flow: GraphFlow, node: str, scope: Scope) -> str | None:
    """The node behind the first way that is open; None where the graph ends."""
    ways, step = flow.ways.get(node, ()), flow.nodes[node]
    names = scope.for_templates()
    for way in ways:
        try:
            if way.when is None or condition(way.when, names):
                return way.to
        except TemplateProblem as problem:
            told = f"whether to go from node '{node}' to '{way.to}' cannot be told: {problem.message}"
            raise StepFailed(told, path=step.path, at=step.at) from problem
    if ways and flow.on_no_match == "fail":
        raise PolicyFailed(f"no edge from node '{node}' holds", path=step.path, at=step.at, response=scope.response)
    return None
