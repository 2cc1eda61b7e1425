"""What a workflow file may say, as types: the shape only, no behaviour.

Unknown keys are errors. What the language means is told in docs/language.md; what of it this version runs is decided
in `runner.plan.offered`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AliasChoices, Discriminator, Field, Tag, model_validator

from runner.spec.patterns import Pattern
from runner.spec.providers import PROVIDERS
from runner.spec.shape import Identifier, NotEmpty, Positive, Seconds, Shape, Share, Template, UpToADay

if TYPE_CHECKING:
    Provider = str
else:
    Provider = Literal[tuple(PROVIDERS)]
InputType = Literal["string", "number", "integer", "boolean", "array", "object"]

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
    key: NotEmpty | None = None
    name: NotEmpty | None = None
    source: Literal["env", "file", "secrets_manager", "ssm"]
    path: NotEmpty | None = None

    @property
    def called(self) -> str:
        """What the file calls it: its name, or else the key it has at its source."""
        return self.name or self.key or ""

    @model_validator(mode="after")
    def _can_be_found(self) -> Secret:
        if not self.called:
            raise ValueError("a secret needs a key or a name")
        if not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", self.called):
            more = "" if self.name else "; add a name"
            raise ValueError(f"the name '{self.called}' may hold only letters, digits and _, no digit first{more}")
        if self.source == "file" and (self.path is None or (self.key and self.name)):
            raise ValueError("a secret from a file is found by its path; it has a path, and a name or a key")
        if self.source == "env" and self.path is not None:
            raise ValueError("a secret from the environment is found by its key; it has no path")
        return self


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


class PullRequest(Shape):
    max_tokens: Positive = 50_000
    ignore: list[NotEmpty] = []
    incremental: bool = False


class ContextPolicy(Shape):
    compaction: Compaction | None = None
    notes: Notes | None = None
    retrieval: Retrieval | None = None
    pull_request: PullRequest | None = None


class Skill(Shape):
    id: Identifier
    path: str
    description: str | None = None
    preload_metadata: bool = True


class Artifact(Shape):
    path: Template
    from_: Template = Field(validation_alias="from")


class Post(Shape):
    from_: Template | None = Field(None, validation_alias="from")
    labels: list[NotEmpty] = []
    check: NotEmpty | None = None
    max_comments: Positive = 25


class Outputs(Shape):
    artifacts: list[Artifact] = []
    step_outputs: dict[Identifier, Template] = {}
    post: Post | None = None


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
    on_malformed: Literal["ask_again", "fail"] = "ask_again"


class Timeouts(Shape):
    connect_s: UpToADay = 10.0
    first_token_s: UpToADay = 300.0
    between_tokens_s: UpToADay = 120.0


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
    max_parallel: Annotated[int, Field(ge=1, le=500)] = 5
    budgets: Budgets | None = None
    failure_policy: FailurePolicy = FailurePolicy.model_construct()
    prompt_cache: Literal["auto", "off"] | None = None
    timeout_s: Seconds | None = None
    timeouts: Timeouts = Timeouts.model_construct()
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
    allow_private: bool = False


class McpServer(Shape):
    id: Identifier
    command: str | None = None
    args: list[str] = []
    env: dict[str, str] = {}
    url: str | None = None
    headers: dict[str, str] = {}
    timeout_s: Seconds | None = None

    @model_validator(mode="after")
    def _one_transport(self) -> McpServer:
        if (self.command is None) == (self.url is None):
            raise ValueError("an MCP server has either a command (stdio) or a url (HTTP)")
        return self


class Tools(Shape):
    python: list[str | PythonCallable] = []
    http_executors: list[HttpExecutor] = []
    mcp: list[McpServer] = []


# -- the whole of it --------------------------------------------------------------------------------------------------


class Spec(Shape):
    """A whole workflow file."""

    version: Literal[0, 1]
    name: Annotated[str, Field(min_length=1, max_length=200)]
    description: str | None = None
    metadata: Metadata | None = None
    tags: list[str] = []
    inputs: Inputs = Inputs.model_construct()
    env: Env | None = None
    telemetry: Telemetry | None = None
    context_policy: ContextPolicy | None = None
    skills: list[Skill] = []
    tools: Tools | None = None
    runtime: Runtime
    agents: Annotated[dict[Identifier, Agent], Field(min_length=1)]
    pattern: Pattern
    outputs: Outputs = Outputs.model_construct()
    security: Security | None = None
