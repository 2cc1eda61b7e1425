"""What a run leaves behind, as data: steps, statistics, the whole report. Nothing here knows how it came about."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, Final, Literal

from runner.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from runner.errors import Finding, Question, Status
    from runner.report.verdicts import Review

StepStatus = Literal["success", "failed", "cancelled", "skipped", "paused"]
"""`paused` is a gate whose question nobody has answered yet."""

AnsweredBy = Literal["response", "default"]
"""Who answered a gate: the input `hitl-response`, or its own default, for nobody did."""

Source = Literal["live", "tape", "resumed"]

HUMAN: Final = "a human"
"""What stands where an agent's name would, for a gate."""

OUTPUTS: Final[dict[str, str]] = {
    "status": "how the run ended: success, failed, budget, timeout, cancelled, paused, invalid, skipped",
    "response": "the last answer; above 256 KiB cut with a marker, and whole in results.json",
    "structured": "the last answer as JSON, when the step asked for data",
    "results-path": "results.json of this run",
    "trace-path": "the trace of this run",
    "review-path": "what became of each recording, as Markdown (mode record, or a baseline); beside it as JSON",
    "junit-path": "the JUnit XML of test cases (mode test)",
    "tests-passed": "test cases that passed",
    "tests-failed": "test cases that did not",
    "tape-path": "directory of the recordings that this run made, or that it was replayed from",
    "post-plan-path": "what was to be posted, as JSON (with the input post)",
    "posted-url": "where it was posted: the address of the comment that is kept up to date",
    "input-tokens": "tokens sent, as the providers counted them",
    "output-tokens": "tokens received",
    "total-tokens": "both",
    "cost-usd": "about what the run cost in US dollars, at list prices; empty where a price is not known",
    "steps-run": "steps that were begun",
    "steps-replayed": "steps answered by a recording (modes record and replay)",
    "steps-resumed": "steps taken over from an earlier run (mode resume)",
    "steps-failed": "steps that failed",
    "cache-builds": "agent blueprints built",
    "cache-hits": "agent blueprints used again",
    "cache-hit-rate": "hits among all look-ups, in whole percent",
    "clients-created": "provider clients created",
    "client-hits": "provider clients used again",
    "budget-used-percent": "share of the tightest budget; empty without one",
    "duration-ms": "wall-clock time of the run",
    "config-hash": "hash of everything that can change an answer, over the whole plan",
    "trust": "trusted or untrusted: whether who caused the event may write to the repository",
    "matrix": "of mode plan: the plan's shards as JSON, for strategy.matrix; empty where it cannot be sharded",
}
"""Every output this version writes, and what it means. Written on failure too; `outputs.step_outputs` add more."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider counted them. `input` is all that was sent; what of it was read from the provider's
    prompt cache or written to it is told apart, where the provider tells."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0

    @property
    def total(self) -> int:
        return self.input + self.output

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input + other.input,
            self.output + other.output,
            self.cache_read + other.cache_read,
            self.cache_write + other.cache_write,
        )


@dataclass(frozen=True, slots=True)
class Bill:
    """One turn of one model, as its provider counted it: `model` is `provider/model_id`. A usage of nothing is a count
    that was not told: it may have cost something all the same. `own_host` says that the model was asked at a `host`
    that the user gave."""

    model: str
    usage: Usage = Usage()
    own_host: bool = False


@dataclass(frozen=True, slots=True)
class StepResult:
    """One step's answer, or a human's at a gate, or why there is none.

    `started` is when it first had a slot, and `duration_ms` counts from then; waiting for one is not in it. A gate has
    a `question` and no agent.
    """

    path: str
    agent: str
    config_hash: str
    status: StepStatus
    response: str = ""
    data: Any = None
    usage: Usage = Usage()
    attempts: int = 0
    turns: int = 0
    source: Source = "live"
    model: str = ""
    id: str | None = None
    started: datetime | None = None
    duration_ms: int = 0
    error: str | None = None
    tools: tuple[str, ...] = ()
    """The tools that were used, in the order in which the model asked for them."""
    recorded_ms: int | None = None
    """How long it took when it was recorded; what templates are told, so that a replay says the same."""
    bills: tuple[Bill, ...] = ()
    """Every turn that a provider began in this run, failed attempts and summaries included. Empty where a recording
    answered, though `usage` tells what that has counted."""
    uncounted: int = 0
    """Turns that may have cost something that no provider told: cut off, lost on the way, or never counted. Where there
    are some, `usage` is the least that was spent."""
    question: Question | None = None
    answered_by: AnsweredBy | None = None

    @property
    def asked(self) -> str:
        """Who was asked, for people to read."""
        return self.agent or HUMAN


@dataclass(frozen=True, slots=True)
class CacheStatistics:
    """Blueprints of agents built and found again."""

    builds: int = 0
    hits: int = 0

    @property
    def hit_rate(self) -> int:
        """Hits among all look-ups in whole percent; 0 when there were none, and 100 only when nothing was built."""
        total = self.builds + self.hits
        rate = round(100 * self.hits / total) if total else 0
        return min(rate, 99) if self.builds else rate


@dataclass(frozen=True, slots=True)
class ClientStatistics:
    """Provider clients created and taken from the pool again."""

    created: int = 0
    hits: int = 0


@dataclass(frozen=True, slots=True)
class BudgetStatistics:
    """What was spent of the limits that were set; None where there is no limit. Dollars are counted where they have
    one."""

    tokens: int = 0
    max_tokens: int | None = None
    steps: int = 0
    max_steps: int | None = None
    cost_usd: float | None = None
    max_cost_usd: float | None = None
    warned: bool = False

    @property
    def used_percent(self) -> int | None:
        """The share of the tightest limit, in whole percent."""
        return max((int(round(100 * used / limit, 9)) for _, used, limit in self.limits), default=None)

    @property
    def limits(self) -> list[tuple[str, float, float]]:
        """Every limit that was set: of what, how much of it is spent, and the limit itself."""
        every = (
            ("tokens", self.tokens, self.max_tokens),
            ("dollars", self.cost_usd, self.max_cost_usd),
            ("steps", self.steps, self.max_steps),
        )
        return [(what, used, limit) for what, used, limit in every if used is not None and limit is not None]


@dataclass(frozen=True, slots=True)
class Shard:
    """What one job of several runs: the `number`th of `of` shares of a plan that has so many independent `parts`. It
    has `steps` of the `planned`."""

    number: int
    of: int
    steps: int
    planned: int
    parts: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    @property
    def told(self) -> str:
        """The share in a sentence."""
        if not self.steps:
            return f"shard {self}: nothing is left for it; the plan has no more than {self.parts} independent parts"
        rest = "; the rest is left to the job that resumes" if self.steps < self.planned else ""
        return f"shard {self}: {self.steps} of {self.planned} steps{rest}"


@dataclass(frozen=True, slots=True)
class Trust:
    """Whether who caused a run may write to the repository, why that is thought, and what is otherwise for it."""

    trusted: bool
    why: str
    otherwise: str = ""

    @property
    def word(self) -> str:
        return "trusted" if self.trusted else "untrusted"

    @property
    def told(self) -> str:
        """The same in a line."""
        return f"{self.word}: {self.why}" + (f"; {self.otherwise}" if self.otherwise else "")


@dataclass(frozen=True, slots=True)
class Posted:
    """What became of a post, read back from the host. `written` counts requests that changed something there."""

    url: str
    comments: int = 0
    """New ones at lines or files of the diff."""
    known: int = 0
    """Those that had been said before."""
    resolved: int = 0
    written: int = 0
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a run did not succeed, in plain words."""

    title: str
    message: str
    path: str | None = None
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class RunReport:
    """A whole run: what every output, summary, trace and results file is made from."""

    name: str
    status: Status
    exit_code: int
    mode: str
    started: datetime
    duration_ms: int
    pattern: str = ""
    config_hash: str = ""
    response: str = ""
    data: Any = None
    steps: tuple[StepResult, ...] = ()
    needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    step_outputs: Mapping[str, str] = field(default_factory=dict)
    artifacts: Mapping[str, str] = field(default_factory=dict)
    cache: CacheStatistics = CacheStatistics()
    clients: ClientStatistics = ClientStatistics()
    budget: BudgetStatistics = BudgetStatistics()
    failure: Failure | None = None
    warnings: tuple[Finding, ...] = ()
    unused: tuple[str, ...] = ()
    """Paths of recordings that a replay did not ask for."""
    tape: str = ""
    """Where the run's recordings are, relative to the workspace."""
    review: Review | None = None
    """What became of the recordings that there were, where they were made anew or held against others."""
    shard: Shard | None = None
    matrix: str = ""
    """Of a plan that was shown: its shards as JSON, where it has some."""
    trust: Trust | None = None
    idle: str = ""
    """Why nothing ran, where that is as it should be."""
    to_post: Any = None
    """What the file says is to be posted: data, or a text."""
    post_plan: str = ""
    """Where the plan of it was written, relative to the workspace."""
    post_shown: str = ""
    """That plan as a text, where it is only shown; `post_page` is it in Markdown."""
    post_page: str = ""
    posted: Posted | None = None
    """What stands at the host by now, also where the rest of it failed."""
    unposted: str = ""
    """Why nothing was posted where something should have been, in a sentence."""

    @property
    def questions(self) -> tuple[Question, ...]:
        """Those that wait for an answer."""
        return tuple(step.question for step in self.steps if step.status == "paused" and step.question is not None)

    @property
    def usage(self) -> Usage:
        return sum((step.usage for step in self.steps), Usage())

    @property
    def uncounted(self) -> int:
        """Turns that may have cost something that no provider told."""
        return sum(step.uncounted for step in self.steps)

    def count(self, status: StepStatus) -> int:
        return sum(step.status == status for step in self.steps)
