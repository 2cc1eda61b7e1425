"""What will run, as a value: recipes with their hashes, limits and order. Frozen, and printable before it runs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from runner.errors import Finding, Location
from runner.plan.tools import ToolRecipe


@dataclass(frozen=True)
class ModelRecipe:
    """Which model is asked, and where. `params` are passed to the provider as they are."""

    provider: str
    model_id: str
    host: str | None = None
    region: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class AgentRecipe:
    """Everything an agent is made of. `config_hash` covers all of it that can change an answer, and not its id."""

    id: str
    prompt: str
    model: ModelRecipe
    tools: tuple[str, ...] = ()
    output_schema: Mapping[str, Any] | None = None
    config_hash: str = ""


@dataclass(frozen=True)
class Step:
    """One question to one agent, with `config_hash` over the agent and the question's template."""

    path: str
    agent: AgentRecipe
    input: str | None = None
    vars: Mapping[str, Any] = field(default_factory=dict)
    id: str | None = None
    timeout_s: float | None = None
    retries: int = 2
    config_hash: str = ""
    at: Location = Location("")


@dataclass(frozen=True)
class ChainFlow:
    steps: tuple[Step, ...]
    type: Literal["chain"] = "chain"

    def all_steps(self) -> Iterator[Step]:
        yield from self.steps


@dataclass(frozen=True)
class Branch:
    id: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class ParallelFlow:
    branches: tuple[Branch, ...]
    reduce: Step | None = None
    keep_going: bool = False
    type: Literal["parallel"] = "parallel"

    def all_steps(self) -> Iterator[Step]:
        for branch in self.branches:
            yield from branch.steps
        if self.reduce is not None:
            yield self.reduce


@dataclass(frozen=True)
class Task:
    """A node of the DAG: `deps` are ids of other tasks."""

    id: str
    step: Step
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

    def all_steps(self) -> Iterator[Step]:
        for task in self.tasks:
            yield task.step


Flow: TypeAlias = ChainFlow | ParallelFlow | WorkflowFlow


@dataclass(frozen=True)
class RetryPolicy:
    """Waits between attempts, in seconds: `wait_min` doubling up to `wait_max`, constant, or drawn between the two."""

    backoff: Literal["exponential", "constant", "jittered"] = "exponential"
    wait_min: float = 1.0
    wait_max: float = 60.0


@dataclass(frozen=True)
class Limits:
    """What holds a run in bounds. Durations in seconds; None means no limit of that kind."""

    max_parallel: int = 5
    max_tokens: int | None = None
    max_steps: int | None = None
    timeout_s: float | None = None
    warn_threshold: float = 0.8
    retry: RetryPolicy = RetryPolicy()


@dataclass(frozen=True)
class Plan:
    name: str
    file: str
    flow: Flow
    limits: Limits
    variables: Mapping[str, Any]
    step_outputs: Mapping[str, str]
    artifacts: tuple[tuple[str, str], ...]
    config_hash: str
    tools: Mapping[str, ToolRecipe] = field(default_factory=dict)
    """Every tool that some agent of a step has, by its name."""
    warnings: tuple[Finding, ...] = ()

    def steps(self) -> tuple[Step, ...]:
        return tuple(self.flow.all_steps())

    def needs(self) -> dict[str, tuple[str, ...]]:
        """For every step's path the paths of the steps it waits for: the edges of the picture in the summary."""
        match self.flow:
            case ChainFlow(steps):
                return _in_a_row(steps)
            case ParallelFlow(branches, reduce):
                edges: dict[str, tuple[str, ...]] = {}
                for branch in branches:
                    edges |= _in_a_row(branch.steps)
                if reduce is not None:
                    edges[reduce.path] = tuple(branch.steps[-1].path for branch in branches)
                return edges
            case WorkflowFlow(tasks):
                paths = {task.id: task.step.path for task in tasks}
                return {task.step.path: tuple(paths[dep] for dep in task.deps) for task in tasks}


def _in_a_row(steps: tuple[Step, ...]) -> dict[str, tuple[str, ...]]:
    before: tuple[tuple[str, ...], ...] = ((), *((step.path,) for step in steps))
    return {step.path: earlier for step, earlier in zip(steps, before, strict=False)}
