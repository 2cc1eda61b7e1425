"""What will run, as a value: recipes with their hashes, limits and order. Frozen, and printable before it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from functools import cached_property
from typing import Any, Final, Literal, TypeAlias

from runner.errors import Finding, Location
from runner.plan.flows import Flow
from runner.plan.secrets import Secret
from runner.plan.telemetry import Telemetry
from runner.plan.tools import ToolRecipe
from runner.records import dataclass
from runner.report.results import Shard


@dataclass(frozen=True)
class ModelRecipe:
    """Which model is asked, and where. `params` are passed to the provider as they are; `prompt_cache` asks it to keep
    what prompts begin with."""

    provider: str
    model_id: str
    host: str | None = None
    region: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    prompt_cache: bool = False

    @cached_property
    def name(self) -> str:
        """How messages call it, and every bill."""
        return f"{self.provider}/{self.model_id}"


@dataclass(frozen=True)
class AgentRecipe:
    """Everything an agent is made of. `config_hash` covers all of it that can change an answer, and not its id.

    The question must satisfy `input_schema`, and the answer is data by `output_schema`, where there is one.
    """

    id: str
    prompt: str
    model: ModelRecipe
    tools: tuple[str, ...] = ()
    output_schema: Mapping[str, Any] | None = None
    input_schema: Mapping[str, Any] | None = None
    config_hash: str = ""


@dataclass(frozen=True)
class Step:
    """One question to one agent, with `config_hash` over the agent and the question's template.

    `when` is a condition: where it does not hold the step is skipped. Steps of one `session` share a conversation.
    `fallbacks` are the same agent on other models, asked when the one before stays unavailable. An answer that is not
    the data it should be is asked for again up to `reasks` times; `otherwise`, where it is set, is the data then.
    """

    path: str
    agent: AgentRecipe
    input: str | None = None
    vars: Mapping[str, Any] = field(default_factory=dict)
    id: str | None = None
    when: str | None = None
    session: str | None = None
    fallbacks: tuple[AgentRecipe, ...] = ()
    reasks: int = 1
    otherwise: Any = None
    timeout_s: float | None = None
    retries: int = 2
    config_hash: str = ""
    at: Location = Location("")


@dataclass(frozen=True)
class Gate:
    """One question to a human, in the place of a step or as a review between two.

    It waits `timeout_s` seconds, over all runs that reach it, before its `default` is the answer; None waits for ever.
    `reviews` says what its answer decides, and so which answers there are: one of the `routes`, or at most `max_tasks`
    tasks, or any text. `when` is a condition as that of a step.
    """

    path: str
    prompt: str
    context_display: str | None = None
    default: str | None = None
    timeout_s: float | None = None
    reviews: Literal["route", "draft", "tasks", "answers"] | None = None
    routes: tuple[str, ...] = ()
    max_tasks: int = 0
    id: str | None = None
    when: str | None = None
    config_hash: str = ""
    at: Location = Location("")


Row: TypeAlias = Step | Gate
"""What a plan is a list of, and what a run takes one by one."""


@dataclass(frozen=True)
class RetryPolicy:
    """Waits between attempts, in seconds: `wait_min` doubling up to `wait_max`, constant, or drawn between the two."""

    backoff: Literal["exponential", "constant", "jittered"] = "exponential"
    wait_min: float = 1.0
    wait_max: float = 60.0


@dataclass(frozen=True)
class Timeouts:
    """How many seconds a turn of a model may keep silent: until there is a connection, until the first part of its
    answer, from the turn's beginning, and between two parts. They bound a call and do not change the question."""

    connect_s: float = 10.0
    first_token_s: float = 300.0
    between_tokens_s: float = 120.0

    @property
    def longest_s(self) -> float:
        """Who waits longer than this for anything waits in vain."""
        return max(self.first_token_s, self.between_tokens_s)


@dataclass(frozen=True)
class Limits:
    """What holds a run in bounds. Durations in seconds; None means no limit of that kind."""

    max_parallel: int = 5
    max_tokens: int | None = None
    max_cost_usd: float | None = None
    max_steps: int | None = None
    timeout_s: float | None = None
    warn_threshold: float = 0.8
    retry: RetryPolicy = RetryPolicy()
    timeouts: Timeouts = Timeouts()


@dataclass(frozen=True)
class CompactionPlan:
    """A conversation of more than `when_tokens_over` tokens (estimated) has the oldest `summary_ratio` of its messages
    replaced by a summary, never the last `preserve_recent_messages`. `model_id` writes it; None is the agent's own."""

    when_tokens_over: int = 100_000
    summary_ratio: float = 0.35
    preserve_recent_messages: int = 12
    model_id: str | None = None


@dataclass(frozen=True)
class NotesPlan:
    """A file in the workspace that steps add to, and whose last `include_last` entries they are told."""

    file: str
    include_last: int = 12
    format: Literal["markdown", "json"] = "markdown"


@dataclass(frozen=True)
class ContextPlan:
    """What is done to everything that models are sent, in every step alike."""

    compaction: CompactionPlan | None = None
    notes: NotesPlan | None = None
    redact_pii: bool = False


NO_POLICY: Final = ContextPlan()


@dataclass(frozen=True)
class DiffRecipe:
    """What models are shown of a diff: at most `max_tokens` (estimated), without the files that `ignore` names as
    .gitignore would, and with `incremental` only what has changed since the last review."""

    max_tokens: int = 50_000
    ignore: tuple[str, ...] = ()
    incremental: bool = False


@dataclass(frozen=True)
class PostRecipe:
    """What of an answer is posted, where somebody asks for that. `source` is an expression over answers; None is the
    run's answer. Of the `labels` some may be set and no others. `check` is the name of a check run; None makes none."""

    source: str | None = None
    labels: tuple[str, ...] = ()
    check: str | None = None
    max_comments: int = 25


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
    context: ContextPlan = NO_POLICY
    secrets: tuple[Secret, ...] = ()
    telemetry: Telemetry = Telemetry()
    warnings: tuple[Finding, ...] = ()
    deny_network: bool = False
    """Nothing that a tool starts may reach a network."""
    withheld: tuple[str, ...] = ()
    """Tools that agents ask for and are not given, for the run is read-only."""
    facts: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """What templates ask of the event that nobody has given them: `pr`, say, and of it `title` and `diff`."""
    facts_needed: frozenset[str] = frozenset()
    """The names among them that some template cannot do without."""
    diff: DiffRecipe = DiffRecipe()
    post: PostRecipe = PostRecipe()
    shard: Shard | None = None
    """Which share of a larger plan this is. The hashes are those of the whole."""

    def rows(self) -> tuple[Row, ...]:
        """Everything that may be taken: what models are asked, and what humans are."""
        return tuple(self.flow.all_rows())

    def steps(self) -> tuple[Step, ...]:
        """What models are asked."""
        return tuple(row for row in self.rows() if isinstance(row, Step))

    def gates(self) -> tuple[Gate, ...]:
        """What humans are asked."""
        return tuple(row for row in self.rows() if isinstance(row, Gate))

    def needs(self) -> dict[str, tuple[str, ...]]:
        """For every row's path the paths of those it can follow: the edges of the picture in the summary."""
        return self.flow.needs()
