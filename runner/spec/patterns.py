"""Steps and the seven patterns as shapes. `pattern` is a union on `type`: a mixture of two cannot be written."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AliasChoices, Discriminator, Field, Tag, model_validator

from runner.spec.shape import Identifier, Positive, Seconds, Shape, Template

# -- steps ------------------------------------------------------------------------------------------------------------


class Ask(Shape):
    """One question to one agent: what every kind of step has in common."""

    agent: Identifier
    input: Template | None = None


class Step(Ask):
    id: Identifier | None = None
    vars: dict[Identifier, Any] = {}
    tool_overrides: list[str] | None = None
    timeout_s: Seconds | None = None
    retries: Annotated[int, Field(ge=0, le=20)] | None = None
    output_schema: str | dict[str, Any] | None = None
    when: Template | None = None
    session: Identifier | None = None


class Gate(Shape):
    """A question to a human, in place of a step, a task or a node, or between rounds."""

    type: Literal["hitl"]
    prompt: Template
    context_display: Template | None = None
    default: str | None = None
    timeout_seconds: Annotated[float, Field(ge=0)] | None = None
    """0 is as good as none: there is no limit."""


def _kind_of_step(value: Any) -> str:
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return "step" if kind is None else "hitl"


StepOrGate = Annotated[
    Annotated[Step, Tag("step")] | Annotated[Gate, Tag("hitl")],
    Discriminator(_kind_of_step),
]
Steps = Annotated[list[StepOrGate], Field(min_length=1)]
NodeOrGate = Annotated[
    Annotated[Ask, Tag("step")] | Annotated[Gate, Tag("hitl")],
    Discriminator(_kind_of_step),
]


# -- the seven patterns -----------------------------------------------------------------------------------------------


class ChainConfig(Shape):
    steps: Steps


class Router(Ask):
    max_retries: Annotated[int, Field(ge=0, le=20)] = 2
    fallback: Identifier | None = None
    review_router: Gate | None = None


class Route(Shape):
    then: Steps


class RoutingConfig(Shape):
    router: Router
    routes: Annotated[dict[Identifier, Route], Field(min_length=1)]


class Branch(Shape):
    id: Identifier
    steps: Steps


class ParallelConfig(Shape):
    branches: Annotated[list[Branch], Field(min_length=1)]
    reduce: StepOrGate | None = None


Deps = Annotated[list[Identifier], Field(validation_alias=AliasChoices("deps", "depends_on"))]


class Task(Step):
    id: Identifier
    deps: Deps = []
    description: Template | None = None


class GateTask(Gate):
    id: Identifier
    deps: Deps = []


TaskOrGate = Annotated[
    Annotated[Task, Tag("step")] | Annotated[GateTask, Tag("hitl")],
    Discriminator(_kind_of_step),
]


class WorkflowConfig(Shape):
    tasks: Annotated[list[TaskOrGate], Field(min_length=1)]


class Choice(Shape):
    when: Template
    to: Identifier


class Edge(Shape):
    from_: Identifier = Field(validation_alias="from")
    to: Identifier | list[Identifier] | None = None
    choose: list[Choice] | None = None

    @model_validator(mode="after")
    def _one_way_on(self) -> Edge:
        if bool(self.to) == bool(self.choose):  # an empty list leads nowhere, which is said by having no edge
            raise ValueError("an edge has either 'to' or 'choose'")
        return self


class GraphConfig(Shape):
    nodes: Annotated[dict[Identifier, NodeOrGate], Field(min_length=1)]
    edges: list[Edge] = []
    max_iterations: Positive = 10
    on_no_match: Literal["end", "fail"] = "end"
    on_max_iterations: Literal["fail", "end"] = "fail"


class Accept(Shape):
    min_score: float
    max_iters: Positive = 3
    on_exhausted: Literal["accept_best", "accept_last", "fail"] = "accept_best"


class EvaluatorOptimizerConfig(Shape):
    producer: Identifier
    evaluator: Ask
    accept: Accept | None = None
    min_score: float | None = None
    max_iters: Positive | None = None
    revise_prompt: Template | None = None
    review_gate: Gate | None = None

    @model_validator(mode="after")
    def _one_acceptance(self) -> EvaluatorOptimizerConfig:
        flat = self.min_score is not None or self.max_iters is not None
        if flat == (self.accept is not None) or (flat and self.min_score is None):
            raise ValueError("say when a draft is good enough once: accept {min_score, max_iters}, or min_score here")
        return self


class OrchestratorLimits(Shape):
    max_workers: Positive | None = None
    max_rounds: Positive = 1
    max_tasks: Annotated[int, Field(ge=1, le=1000)] = 50
    on_exhausted: Literal["accept", "fail"] = "accept"


class Orchestrator(Ask):
    limits: OrchestratorLimits = OrchestratorLimits.model_construct()


class WorkerTemplate(Shape):
    agent: Identifier
    tools: list[str] | None = None


class OrchestratorWorkersConfig(Shape):
    orchestrator: Orchestrator
    worker_template: WorkerTemplate
    decomposition_review: Gate | None = None
    reduce_review: Gate | None = None
    reduce: StepOrGate | None = None
    writeup: StepOrGate | None = None


class Chain(Shape):
    type: Literal["chain"]
    config: ChainConfig


class Routing(Shape):
    type: Literal["routing"]
    config: RoutingConfig


class Parallel(Shape):
    type: Literal["parallel"]
    config: ParallelConfig


class Workflow(Shape):
    type: Literal["workflow"]
    config: WorkflowConfig


class Graph(Shape):
    type: Literal["graph"]
    config: GraphConfig


class EvaluatorOptimizer(Shape):
    type: Literal["evaluator_optimizer"]
    config: EvaluatorOptimizerConfig


class OrchestratorWorkers(Shape):
    type: Literal["orchestrator_workers"]
    config: OrchestratorWorkersConfig


Pattern = Annotated[
    Chain | Routing | Parallel | Workflow | Graph | EvaluatorOptimizer | OrchestratorWorkers,
    Field(discriminator="type"),
]
