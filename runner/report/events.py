"""What happens during a run, as it happens. The engine emits; the log, the progress display and the trace listen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from runner.errors import Status
from runner.report.results import CacheStatistics, ClientStatistics, StepResult


@dataclass(frozen=True, slots=True)
class RunStarted:
    name: str
    pattern: str
    steps: int
    config_hash: str


@dataclass(frozen=True, slots=True)
class StepStarted:
    path: str
    agent: str


@dataclass(frozen=True, slots=True)
class StepFinished:
    result: StepResult


@dataclass(frozen=True, slots=True)
class StepRetry:
    """Attempt number `attempt` failed and another follows after `wait_s` seconds."""

    path: str
    attempt: int
    reason: str
    wait_s: float


@dataclass(frozen=True, slots=True)
class AnswerMalformed:
    """An answer is not the data that was asked for; it is asked for again `left` times at most."""

    path: str
    reason: str
    left: int


@dataclass(frozen=True, slots=True)
class FellBack:
    """A model stays unavailable and another one is asked: both as `provider/model_id`."""

    path: str
    unavailable: str
    asked: str
    reason: str


@dataclass(frozen=True, slots=True)
class Throttled:
    """A provider refused calls: `limit` at once are made to this model from here on, after `wait_s` seconds."""

    model: str
    limit: int
    wait_s: float


@dataclass(frozen=True, slots=True)
class CircuitOpened:
    """A model failed so often in a row that it is not asked for `wait_s` seconds; `reason` is the last failure's."""

    model: str
    failures: int
    wait_s: float
    reason: str


@dataclass(frozen=True, slots=True)
class CacheLookup:
    agent_id: str
    config_hash: str
    hit: bool


@dataclass(frozen=True, slots=True)
class BudgetWarning:
    """`usage` of `limit` is spent, of tokens, dollars, steps or seconds."""

    what: str
    usage: Decimal | int
    limit: Decimal | int

    @property
    def percent(self) -> int:
        return int(100 * self.usage / self.limit)


@dataclass(frozen=True, slots=True)
class UsageUnknown:
    """A provider told no usage; from here on the budget counts estimates for such turns."""


@dataclass(frozen=True, slots=True)
class ToolsLost:
    """An MCP server ended before the run did; `seen` is what is known of it."""

    server: str
    seen: str


@dataclass(frozen=True, slots=True)
class BudgetReached:
    what: str
    usage: Decimal | int
    limit: Decimal | int


@dataclass(frozen=True, slots=True)
class Compacted:
    """`messages` of a conversation were replaced by a summary; its prompt had `before` tokens (estimated) and has
    `after`."""

    path: str
    messages: int
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class CompactionFailed:
    """A conversation of `tokens` (estimated) goes on as long as it is, for this reason."""

    path: str
    tokens: int
    reason: str


@dataclass(frozen=True, slots=True)
class Warned:
    """Something that the run goes on without; the log tells it, and the report at its end."""

    message: str


@dataclass(frozen=True, slots=True)
class LoopBlocked:
    """Something keeps the event loop from turning, and everything waits: where it is, as the innermost calls."""

    seconds: int
    at: str


@dataclass(frozen=True, slots=True)
class Crashed:
    """A bug of ours: the traceback, for whoever will mend it."""

    traceback: str


@dataclass(frozen=True, slots=True)
class Statistics:
    cache: CacheStatistics
    clients: ClientStatistics


@dataclass(frozen=True, slots=True)
class RunFinished:
    status: Status
    steps: int
    tokens: int
    duration_ms: int


Event: TypeAlias = (
    RunStarted
    | StepStarted
    | StepFinished
    | StepRetry
    | AnswerMalformed
    | FellBack
    | Throttled
    | CircuitOpened
    | CacheLookup
    | BudgetWarning
    | BudgetReached
    | UsageUnknown
    | Compacted
    | CompactionFailed
    | Warned
    | ToolsLost
    | LoopBlocked
    | Crashed
    | Statistics
    | RunFinished
)
Emit: TypeAlias = Callable[[Event], None]


def unheard(event: Event) -> None:
    """For a run that nobody listens to."""
