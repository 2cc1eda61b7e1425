"""The seven patterns as they will run: which steps, what waits for what, and what else decides. Frozen values.

Each flow tells `all_rows`, the steps and gates it may take, each once however often it is taken; `needs`, for every
row's path the paths of those it can follow; and `control`, what else decides which way it goes, for the hash of the
plan.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from runner.records import dataclass

if TYPE_CHECKING:
    from runner.plan.plan import Gate, Row, Step

Needs: TypeAlias = dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class ChainFlow:
    steps: tuple[Row, ...]
    type: Literal["chain"] = "chain"

    def all_rows(self) -> Iterator[Row]:
        yield from self.steps

    def needs(self) -> Needs:
        return _in_a_row(self.steps)

    def control(self) -> Any:
        return None


@dataclass(frozen=True)
class Branch:
    """Steps and gates in a row under a name: a branch of `parallel`, a route of `routing`."""

    id: str
    steps: tuple[Row, ...]


@dataclass(frozen=True)
class ParallelFlow:
    branches: tuple[Branch, ...]
    reduce: Row | None = None
    keep_going: bool = False
    type: Literal["parallel"] = "parallel"

    def all_rows(self) -> Iterator[Row]:
        for branch in self.branches:
            yield from branch.steps
        if self.reduce is not None:
            yield self.reduce

    def needs(self) -> Needs:
        needs: Needs = {}
        for branch in self.branches:
            needs |= _in_a_row(branch.steps)
        if self.reduce is not None:
            needs[self.reduce.path] = tuple(branch.steps[-1].path for branch in self.branches)
        return needs

    def control(self) -> Any:
        return None


@dataclass(frozen=True)
class Task:
    """A node of the DAG: `deps` are ids of other tasks."""

    id: str
    step: Row
    deps: tuple[str, ...] = ()


class Upstream(Collection[str]):
    """The ids of everything a task waits for, directly or not; walked only when asked."""

    def __init__(self, task: str, deps: Mapping[str, tuple[str, ...]]) -> None:
        self._task, self._deps = task, deps

    def __contains__(self, other: object) -> bool:
        return other in self._deps[self._task] or any(other == found for found in self)

    def __iter__(self) -> Iterator[str]:
        pending, seen = list(self._deps[self._task]), set[str]()
        while pending:
            one = pending.pop()
            if one not in seen:
                seen.add(one)
                yield one
                pending.extend(self._deps[one])

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclass(frozen=True)
class WorkflowFlow:
    """Tasks in the order of the file; none waits for itself, however indirectly."""

    tasks: tuple[Task, ...]
    keep_going: bool = False
    type: Literal["workflow"] = "workflow"

    @property
    def deps(self) -> dict[str, tuple[str, ...]]:
        """For every task's id the ids of those it waits for."""
        return {task.id: task.deps for task in self.tasks}

    def all_rows(self) -> Iterator[Row]:
        for task in self.tasks:
            yield task.step

    def needs(self) -> Needs:
        paths = {task.id: task.step.path for task in self.tasks}
        return {task.step.path: tuple(paths[dep] for dep in task.deps) for task in self.tasks}

    def control(self) -> Any:
        return None


@dataclass(frozen=True)
class RoutingFlow:
    """The router's data names one of the routes, unless who reviews it names another."""

    router: Step
    routes: tuple[Branch, ...]
    review: Gate | None = None
    type: Literal["routing"] = "routing"

    def all_rows(self) -> Iterator[Row]:
        yield self.router
        if self.review is not None:
            yield self.review
        for route in self.routes:
            yield from route.steps

    def needs(self) -> Needs:
        needs: Needs = _in_a_row((self.router, *([self.review] if self.review is not None else [])))
        decided = [*needs][-1]
        for route in self.routes:
            needs |= _in_a_row(route.steps)
            needs[route.steps[0].path] = (decided,)
        return needs

    def control(self) -> Any:
        return [route.id for route in self.routes]


@dataclass(frozen=True)
class Way:
    """A way on from a node: taken when its condition holds, or when it has none."""

    to: str
    when: str | None = None


@dataclass(frozen=True)
class GraphFlow:
    """A state machine: begins at the first node, goes on by the first of a node's `ways` that is open."""

    nodes: Mapping[str, Row]
    ways: Mapping[str, tuple[Way, ...]] = field(default_factory=dict)
    max_iterations: int = 10
    on_no_match: Literal["end", "fail"] = "end"
    on_max_iterations: Literal["fail", "end"] = "fail"
    type: Literal["graph"] = "graph"

    @property
    def leads_to(self) -> dict[str, tuple[str, ...]]:
        """For every node that is no end the nodes that may come next."""
        return {node: tuple(way.to for way in ways) for node, ways in self.ways.items()}

    def all_rows(self) -> Iterator[Row]:
        yield from self.nodes.values()

    def needs(self) -> Needs:
        before: dict[str, dict[str, None]] = {node: {} for node in self.nodes}
        for node, ways in self.ways.items():
            for way in ways:
                before[way.to][self.nodes[node].path] = None
        return {step.path: tuple(before[node]) for node, step in self.nodes.items()}

    def control(self) -> Any:
        ways = {node: [[way.when, way.to] for way in ways] for node, ways in self.ways.items()}
        return [ways, self.max_iterations, self.on_no_match, self.on_max_iterations]


@dataclass(frozen=True)
class EvaluatorOptimizerFlow:
    """A draft, its score, a better draft: until the score is reached or the iterations are used up."""

    producer: Step
    reviser: Step
    evaluator: Step
    min_score: float
    max_iters: int = 3
    on_exhausted: Literal["accept_best", "accept_last", "fail"] = "accept_best"
    review: Gate | None = None
    type: Literal["evaluator_optimizer"] = "evaluator_optimizer"

    def all_rows(self) -> Iterator[Row]:
        yield self.producer
        yield self.evaluator
        yield from self._again()

    def _again(self) -> Iterator[Row]:
        """What leads from one draft to the next."""
        if self.max_iters > 1:
            if self.review is not None:
                yield self.review
            yield self.reviser

    def needs(self) -> Needs:
        again = tuple(self._again())
        last = [row.path for row in again[-1:]]
        circle = {row.path: (before.path,) for before, row in pairwise((self.evaluator, *again))}
        return {self.producer.path: (), self.evaluator.path: (self.producer.path, *last), **circle}

    def control(self) -> Any:
        return [self.min_score, self.max_iters, self.on_exhausted]


@dataclass(frozen=True)
class OrchestratorWorkersFlow:
    """An orchestrator makes tasks, `max_tasks` a round at most, and workers do them, `max_workers` at once; `again`
    asks for more of them in later rounds, and `revised` for others, where who reviews them wants that."""

    orchestrator: Step
    worker: Step
    again: Step | None = None
    reduce: Row | None = None
    writeup: Row | None = None
    max_workers: int | None = None
    max_rounds: int = 1
    max_tasks: int = 50
    on_exhausted: Literal["accept", "fail"] = "accept"
    keep_going: bool = False
    review: Gate | None = None
    revised: Step | None = None
    reduce_review: Gate | None = None
    type: Literal["orchestrator_workers"] = "orchestrator_workers"

    def all_rows(self) -> Iterator[Row]:
        yield self.orchestrator
        yield from _given(self.review, self.revised)
        yield self.worker
        yield from _given(self.again, self.reduce_review, self.reduce, self.writeup)

    def needs(self) -> Needs:
        made = tuple(row.path for row in _given(self.orchestrator, self.again, self.revised))
        needs: Needs = {self.orchestrator.path: ()}
        if self.review is not None:
            needs[self.review.path] = made
        if self.review is not None and self.revised is not None:
            needs[self.revised.path] = (self.review.path,)
        needs[self.worker.path] = (self.orchestrator.path if self.review is None else self.review.path,)
        if self.again is not None:
            needs[self.again.path] = (self.worker.path,)
        ends = [row.path for row in _given(self.worker, self.reduce_review, self.reduce, self.writeup)]
        return needs | {path: (before,) for before, path in pairwise(ends)}

    def control(self) -> Any:
        return [self.max_rounds, self.on_exhausted]


Flow: TypeAlias = (
    ChainFlow | ParallelFlow | WorkflowFlow | RoutingFlow | GraphFlow | EvaluatorOptimizerFlow | OrchestratorWorkersFlow
)

CHANGING: tuple[str, ...] = ("graph", "evaluator_optimizer", "orchestrator_workers")
"""Types of flows that take a step again, under a path of its own: `nodes.a`, then `nodes.a#2`; `workers[0]`, …"""


def nth(path: str, number: int) -> str:
    """The path of a step that is taken for the `number`th time."""
    return path if number == 1 else f"{path}#{number}"


def planned(path: str) -> str:
    """The path under which a step that was taken is planned."""
    return path.split("#")[0] if not path.startswith("workers[") else "workers"


def _given(*rows: Row | None) -> Iterator[Row]:
    """Those that there are."""
    return (row for row in rows if row is not None)


def _in_a_row(steps: tuple[Row, ...]) -> Needs:
    before: tuple[tuple[str, ...], ...] = ((), *((step.path,) for step in steps))
    return {step.path: earlier for step, earlier in zip(steps, before, strict=False)}
