"""Shards: a plan as parts that need nothing of each other, shared out among the jobs of a matrix.

A shard keeps the paths and hashes of the whole plan, so what its job records is what a job that resumes looks for. What
brings several parts together is in no shard, and neither are gates and what is behind them: all that is left to that
job, so that one job alone asks humans.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter
from heapq import heapify, heapreplace
from itertools import takewhile
from typing import TYPE_CHECKING, Final

from runner.errors import UsageError
from runner.plan.flows import Branch, ParallelFlow, WorkflowFlow
from runner.plan.order import behind
from runner.plan.plan import Gate, PostRecipe
from runner.report.results import Shard

if TYPE_CHECKING:
    from runner.plan.plan import Plan, Row, Step
    from runner.plan.tools import ToolRecipe

MOST_JOBS: Final = 256
"""Jobs that the host makes of one matrix:
https://docs.github.com/en/actions/how-tos/write-workflows/choose-what-workflows-do/run-job-variations."""

_WHY_NOT: Final[Mapping[str, str]] = {
    "chain": "each step waits for the one before it",
    "routing": "which way is taken is known when the router has answered",
    "graph": "which node comes next is known when the one before has answered",
    "evaluator_optimizer": "each draft waits for the judgement of the one before it",
    "orchestrator_workers": "the tasks are known when the orchestrator has answered",
}


@dataclass(frozen=True)
class Part:
    """What can run without the rest: ids of branches or of tasks in the order of the file, and how many steps they
    are."""

    ids: tuple[str, ...]
    steps: int


def parts(plan: Plan) -> tuple[Part, ...]:
    """The independent parts of a plan, in the order of the file, up to its gates. Of `parallel` each branch is one; of
    `workflow` each task that waits for nothing, with all that waits for it and for no other part. Parts that share a
    session are one.

    Raises UsageError for a plan that has none.
    """
    flow = _flow(plan)
    found = _of_tasks(flow) if isinstance(flow, WorkflowFlow) else _of_branches(flow)
    if not found:
        raise UsageError("this plan cannot be sharded: all of it waits for a human")
    return found


def shard_of(plan: Plan, number: int, of: int) -> Plan:
    """The plan of the `number`th of `of` jobs, from 1: its share of the parts, without the templates of `outputs`,
    which may name what is not in it. Beyond the number of parts shards are empty.

    Raises UsageError for a plan that cannot be sharded.
    """
    found = parts(plan)
    shares = _shared_out(found, min(of, len(found)))
    mine = {one for part in shares[number - 1] for one in part.ids} if number <= len(shares) else set[str]()
    reduced = replace(plan, flow=_only(_flow(plan), mine), step_outputs={}, artifacts=(), post=PostRecipe())
    shard = Shard(number, of, steps=len(reduced.rows()), planned=len(plan.rows()), parts=len(found))
    return replace(reduced, tools=_tools_of(reduced.steps(), plan.tools), shard=shard)


def jobs(plan: Plan, most: int | None = None) -> tuple[str, ...]:
    """The shards of a plan as the input `shard` takes them, none of them empty: one for each part, or `most`.

    Raises UsageError for a plan that cannot be sharded.
    """
    of = min(len(parts(plan)), most or MOST_JOBS, MOST_JOBS)
    return tuple(f"{number}/{of}" for number in range(1, of + 1))


def _flow(plan: Plan) -> ParallelFlow | WorkflowFlow:
    """The flow of a plan that has parts, without its gates and what is behind them."""
    if plan.context.notes is not None:
        raise UsageError(
            "a plan with notes cannot be sharded: its steps are told what others noted (context_policy.notes)"
        )
    match plan.flow:
        case ParallelFlow(branches):
            cut = [Branch(branch.id, tuple(takewhile(_is_step, branch.steps))) for branch in branches]
            return replace(plan.flow, branches=tuple(branch for branch in cut if branch.steps))
        case WorkflowFlow(tasks):
            gates = {task.id for task in tasks if not _is_step(task.step)}
            left = gates | behind(plan.flow.deps, gates)
            return replace(plan.flow, tasks=tuple(task for task in tasks if task.id not in left))
    told = f"a plan of the pattern '{plan.flow.type}' cannot be sharded: {_WHY_NOT[plan.flow.type]}"
    raise UsageError(f"{told}; parallel and workflow can")


def _is_step(row: Row) -> bool:
    return not isinstance(row, Gate)


# -- the parts --------------------------------------------------------------------------------------------------------


class _Joined:
    """Names of which some mean the same; the one that was there first stands for them."""

    def __init__(self) -> None:
        self._above: dict[str, str] = {}

    def name(self, one: str) -> str:
        while one in self._above:
            above = self._above[one]
            self._above[one] = self._above.get(above, above)  # shorter for the next who asks
            one = above
        return one

    def join(self, first: str, second: str) -> bool:
        """Make two names mean the same; false where they did already."""
        first, second = self.name(first), self.name(second)
        if first != second:
            self._above[second] = first
        return first != second

    def by_session(self, steps: Iterable[tuple[str, Row]]) -> bool:
        """Join the owners of steps that share a session: what was said in one is part of what the other asks."""
        first: dict[str, str] = {}
        changed = False
        for owner, step in steps:
            if not isinstance(step, Gate) and step.session is not None:
                changed |= self.join(first.setdefault(step.session, owner), owner)
        return changed


def _of_branches(flow: ParallelFlow) -> tuple[Part, ...]:
    joined = _Joined()
    joined.by_session((branch.id, step) for branch in flow.branches for step in branch.steps)
    return _grouped((joined.name(branch.id), branch.id, len(branch.steps)) for branch in flow.branches)


def _of_tasks(flow: WorkflowFlow) -> tuple[Part, ...]:
    joined = _Joined()
    while True:
        owners = _owners(flow, joined)
        owned = [(owners[task.id], task) for task in flow.tasks if task.id in owners]
        # A task that joins two parts belongs to them when they are one, and may bring another session along.
        if not joined.by_session((owner, task.step) for owner, task in owned):
            return _grouped((owner, task.id, 1) for owner, task in owned)


def _owners(flow: WorkflowFlow, joined: _Joined) -> dict[str, str]:
    """For each task of a part that part's name; not for those that bring several together, nor what follows them."""
    deps = flow.deps
    owners: dict[str, str] = {}
    for one in TopologicalSorter(deps).static_order():
        above = {owners.get(dep) for dep in deps[one]} if deps[one] else {joined.name(one)}
        owner = above.pop()
        if owner is not None and not above:
            owners[one] = owner
    return owners


def _grouped(owned: Iterable[tuple[str, str, int]]) -> tuple[Part, ...]:
    """Parts out of ids with their owner's name and how many steps they are."""
    found: dict[str, list[tuple[str, int]]] = {}
    for owner, one, steps in owned:
        found.setdefault(owner, []).append((one, steps))
    return tuple(Part(tuple(one for one, _ in part), sum(steps for _, steps in part)) for part in found.values())


# -- the shards -------------------------------------------------------------------------------------------------------


def _shared_out(found: Sequence[Part], of: int) -> list[list[Part]]:
    """The largest part first, each to the shard that has the fewest steps by then; of equals the first."""
    shares: list[list[Part]] = [[] for _ in range(of)]
    loads = [(0, index) for index in range(of)]
    heapify(loads)
    for part in sorted(found, key=lambda part: -part.steps):
        load, index = loads[0]
        shares[index].append(part)
        heapreplace(loads, (load + part.steps, index))
    return shares


def _only(flow: ParallelFlow | WorkflowFlow, ids: set[str]) -> ParallelFlow | WorkflowFlow:
    """The flow with these branches or tasks and nothing else, in the order of the file."""
    if isinstance(flow, WorkflowFlow):
        return replace(flow, tasks=tuple(task for task in flow.tasks if task.id in ids))
    return replace(flow, branches=tuple(branch for branch in flow.branches if branch.id in ids), reduce=None)


def _tools_of(steps: Sequence[Step], tools: Mapping[str, ToolRecipe]) -> dict[str, ToolRecipe]:
    """The tools that agents of these steps have: no server is started for nothing."""
    had = {name for step in steps for agent in (step.agent, *step.fallbacks) for name in agent.tools}
    return {name: tool for name, tool in tools.items() if name in had}
