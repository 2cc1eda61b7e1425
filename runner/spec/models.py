"""What a workflow file may say, as types: the shape only, no behaviour.

`pattern` is a union on its `type`, so a mixture of two patterns cannot be written. Unknown keys are errors. What
the language means is told in docs/language.md; what of it this version runs is decided in `runner.plan.offered`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AliasChoices, BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationInfo, model_validator

Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]+$", max_length=200)]
Template: TypeAlias = str
Positive = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Provider = Literal["bedrock", "openai", "ollama", "anthropic", "gemini", "azure_openai", "local"]
InputType = Literal["string", "number", "integer", "boolean", "array", "object"]


class Shape(BaseModel):
    """The base of every shape: unknown keys refused, values never coerced, immutable once read."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _remember_known_keys(cls, value: Any, info: ValidationInfo) -> Any:
        """Leave the keys this shape knows where the loader finds them, to name the nearest one to a stranger."""
        if isinstance(value, dict) and isinstance(info.context, dict):
            info.context[id(value)] = cls.known_keys()
        return value

    @classmethod
    def known_keys(cls) -> tuple[str, ...]:
        """Every key that may be written, each in all its spellings."""
        keys: list[str] = []
        for name, field in cls.model_fields.items():
            match field.validation_alias:
                case AliasChoices(choices=choices):
                    keys.extend(str(choice) for choice in choices)
                case str(alias):
                    keys.append(alias)
                case _:
                    keys.append(name)
        return tuple(keys)


# -- what surrounds the work ------------------------------------------------------------------------------------------


class Metadata(Shape):
    name: str | None = None
    description: str | None = None
    labels: dict[str, str] = {}


class InputDeclaration(Shape):
    type: InputType
    description: str | None = None
    default: Any = None
    enum: list[Any] | None = None


def _kind_of_declaration(value: Any) -> str:
    return "full" if isinstance(value, dict | InputDeclaration) else "type"


Declared = Annotated[
    Annotated[InputType, Tag("type")] | Annotated[InputDeclaration, Tag("full")],
    Discriminator(_kind_of_declaration),
]


class Inputs(Shape):
    required: dict[Identifier, Declared] = {}
    optional: dict[Identifier, Declared] = {}
    values: dict[Identifier, Any] = {}


class Secret(Shape):
    key: str
    name: str | None = None
    source: Literal["env", "file", "secrets_manager", "ssm"]
    path: str | None = None


class Env(Shape):
    secrets: list[Secret] = []
    mounts: dict[str, str] = {}


class Otel(Shape):
    endpoint: str | None = None
    service_name: str | None = None
    sample_ratio: Share = 1.0


class Redact(Shape):
    tool_inputs: bool = True
    tool_outputs: bool = False


class Telemetry(Shape):
    otel: Otel | None = None
    redact: Redact | None = None


class Compaction(Shape):
    enabled: bool = False
    when_tokens_over: Positive | None = None
    summary_ratio: Share = 0.35
    preserve_recent_messages: Positive = 12
    summarization_model: str | None = None


class Notes(Shape):
    file: str
    include_last: Positive = 12
    format: Literal["markdown", "json"] = "markdown"


class Retrieval(Shape):
    jit_tools: list[str] = []
    mcp_servers: list[str] = []


class ContextPolicy(Shape):
    compaction: Compaction | None = None
    notes: Notes | None = None
    retrieval: Retrieval | None = None


class Skill(Shape):
    id: Identifier
    path: str
    description: str | None = None
    preload_metadata: bool = True


class Artifact(Shape):
    path: Template
    from_: Template = Field(validation_alias="from")


class Outputs(Shape):
    artifacts: list[Artifact] = []
    step_outputs: dict[Identifier, Template] = {}


class Guardrails(Shape):
    deny_network: bool | None = None
    pii_redaction: bool | None = None
    allow_tools: list[str] | None = None


class Security(Shape):
    guardrails: Guardrails | None = None


# -- runtime ----------------------------------------------------------------------------------------------------------


class Budgets(Shape):
    max_tokens: Positive | None = Field(None, validation_alias=AliasChoices("max_tokens", "tokens"))
    max_steps: Positive | None = None
    max_duration_s: Seconds | None = None
    max_cost_usd: Annotated[float, Field(gt=0)] | None = None
    warn_threshold: Share = 0.8


class FailurePolicy(Shape):
    retries: Annotated[int, Field(ge=0, le=20)] = 2
    backoff: Literal["exponential", "constant", "jittered"] = "exponential"
    wait_min: Annotated[float, Field(ge=0)] = 1.0
    wait_max: Annotated[float, Field(ge=0)] = 60.0
    on_failure: Literal["fail_fast", "continue"] = "fail_fast"


class Inference(Shape):
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Share | None = None
    max_tokens: Positive | None = None


class Endpoint(Inference):
    """A model and where it lives: a runtime, or one of its fallbacks."""

    provider: Provider
    model_id: str | None = None
    region: str | None = None
    host: str | None = None
    params: dict[str, Any] = {}


class Runtime(Endpoint):
    max_parallel: Positive = 5
    budgets: Budgets | None = None
    failure_policy: FailurePolicy = FailurePolicy()
    prompt_cache: Literal["auto", "off"] | None = None
    timeout_s: Seconds | None = None
    fallbacks: list[Endpoint] = []


# -- agents and tools -------------------------------------------------------------------------------------------------


class Agent(Shape):
    ref: str | None = Field(None, validation_alias="$ref")
    prompt: Template | None = None
    tools: list[str] | None = None
    provider: Provider | None = None
    model_id: str | None = None
    inference: Inference | None = None
    input_schema: str | dict[str, Any] | None = None
    output_schema: str | dict[str, Any] | None = None

    @model_validator(mode="after")
    def _needs_a_prompt(self) -> Agent:
        if self.prompt is None and self.ref is None:
            raise ValueError("an agent needs a prompt (or $ref to a file that has one)")
        return self


class PythonCallable(Shape):
    callable: Annotated[str, Field(pattern=r"^[\w.]+:\w+$")]


class CommonEndpoint(Shape):
    path: str
    description: str
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"] | None = None


class HttpExecutor(Shape):
    id: Identifier
    base_url: str
    headers: dict[str, str] = {}
    timeout_ms: Positive | None = None
    description: str | None = None
    examples: list[Any] = []
    common_endpoints: list[CommonEndpoint] = []
    response_format: str | None = None
    authentication_info: str | None = None


class McpServer(Shape):
    id: Identifier
    command: str | None = None
    args: list[str] = []
    env: dict[str, str] = {}
    url: str | None = None
    headers: dict[str, str] = {}

    @model_validator(mode="after")
    def _one_transport(self) -> McpServer:
        if (self.command is None) == (self.url is None):
            raise ValueError("an MCP server has either a command (stdio) or a url (HTTP)")
        return self


class Tools(Shape):
    python: list[str | PythonCallable] = []
    http_executors: list[HttpExecutor] = []
    mcp: list[McpServer] = []


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
    """A question to a human, in place of a step or between rounds."""

    type: Literal["hitl"]
    prompt: Template
    context_display: Template | None = None
    default: str | None = None
    timeout_seconds: Seconds | None = None


def _kind_of_step(value: Any) -> str:
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return "step" if kind is None else "hitl"


StepOrGate = Annotated[
    Annotated[Step, Tag("step")] | Annotated[Gate, Tag("hitl")],
    Discriminator(_kind_of_step),
]
Steps = Annotated[list[StepOrGate], Field(min_length=1)]


# -- the seven patterns -----------------------------------------------------------------------------------------------


class ChainConfig(Shape):
    steps: Steps


class Router(Ask):
    max_retries: Annotated[int, Field(ge=0)] = 2
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
    reduce: Step | None = None


class Task(Step):
    id: Identifier
    deps: list[Identifier] = Field([], validation_alias=AliasChoices("deps", "depends_on"))
    description: Template | None = None


class WorkflowConfig(Shape):
    tasks: Annotated[list[Task], Field(min_length=1)]


class Choice(Shape):
    when: Template
    to: Identifier


class Edge(Shape):
    from_: Identifier = Field(validation_alias="from")
    to: Identifier | list[Identifier] | None = None
    choose: list[Choice] | None = None

    @model_validator(mode="after")
    def _one_way_on(self) -> Edge:
        if (self.to is None) == (self.choose is None):
            raise ValueError("an edge has either 'to' or 'choose'")
        return self


class GraphConfig(Shape):
    nodes: Annotated[dict[Identifier, Ask], Field(min_length=1)]
    edges: list[Edge] = []
    max_iterations: Positive = 10


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


class Orchestrator(Ask):
    limits: OrchestratorLimits = OrchestratorLimits()


class WorkerTemplate(Shape):
    agent: Identifier
    tools: list[str] | None = None


class OrchestratorWorkersConfig(Shape):
    orchestrator: Orchestrator
    worker_template: WorkerTemplate
    decomposition_review: Gate | None = None
    reduce_review: Gate | None = None
    reduce: Step | None = None
    writeup: Step | None = None


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


class Spec(Shape):
    """A whole workflow file."""

    version: Literal[0, 1]
    name: Annotated[str, Field(min_length=1, max_length=200)]
    description: str | None = None
    metadata: Metadata | None = None
    tags: list[str] = []
    inputs: Inputs = Inputs()
    env: Env | None = None
    telemetry: Telemetry | None = None
    context_policy: ContextPolicy | None = None
    skills: list[Skill] = []
    tools: Tools | None = None
    runtime: Runtime
    agents: Annotated[dict[Identifier, Agent], Field(min_length=1)]
    pattern: Pattern
    outputs: Outputs = Outputs()
    security: Security | None = None
