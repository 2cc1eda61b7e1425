"""One step's question and answer, and the one shape that everything around a call has.

A manner (slots, retries, a deadline, a tape) is a function from an Invoke to an Invoke; `runner.run` stacks them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from runner.plan.plan import Step
from runner.report.results import Bill, Usage
from runner.tape.reel import Player, Recorder


class Allowance:
    """How many seconds a call may still work. Time is spent only inside `spend`: waiting for a slot is free."""

    def __init__(self, seconds: float | None) -> None:
        self.granted = seconds
        self.left = seconds

    @asynccontextmanager
    async def spend(self) -> AsyncIterator[None]:
        """Count the time inside; raises TimeoutError once nothing is left."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            async with asyncio.timeout(self.left):
                yield
        finally:
            if self.left is not None:
                self.left -= loop.time() - started


@dataclass
class Tally:
    """What a call has cost so far, failed attempts included. Filled while it runs; true also when it fails.

    `begun` is the loop's time when the call first had a slot; None while it waits for one.
    """

    begun: float | None = None
    attempts: int = 0
    turns: int = 0
    usage: Usage = Usage()
    bills: list[Bill] = field(default_factory=list)
    """Every turn that a provider may have begun; a fallback's and a summary's are of another model."""
    uncounted: int = 0
    """Those of them that nobody counted."""
    model: str = ""
    """Who was asked last, as `provider/model_id`."""
    tools: list[str] = field(default_factory=list)
    """The tools that were used, in the order in which the model asked for them."""

    def begin_again(self) -> None:
        """Forget what was counted: it was an answer that is not taken."""
        self.attempts, self.turns, self.usage, self.uncounted, self.tools = 0, 0, Usage(), 0, []


@dataclass(frozen=True)
class Exchange:
    """What one step of a session asked and was answered."""

    path: str
    question: str
    answer: str


@dataclass(eq=False)
class Session:
    """What the steps of one session have asked and were answered. One at a time adds to it."""

    exchanges: list[Exchange] = field(default_factory=list)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass
class Unfinished:
    """What had been said when an attempt failed, in the SDK's form: the next one goes on from there, asks no turn again
    that was answered, and uses no tool twice. `of` is who was asked what. `reask` is a question that took the place of
    the step's, after an answer that was no data: who was asked it, the question, and how many more there may be."""

    of: tuple[str, str] | None = None
    conversation: Any = None
    reask: tuple[str, str, int] | None = None


@dataclass(frozen=True)
class Call:
    """A rendered question. `system` is None when the agent's prompt itself is the question; `session` is what went
    before it, where the step is one of a session. `reel` records the turns, or has them.
    `spare` says that another model is asked when this one stays unavailable."""

    path: str
    step: Step
    system: str | None
    user: str
    allowance: Allowance
    tally: Tally = field(default_factory=Tally)
    session: Session | None = None
    reel: Recorder | Player = field(default_factory=Recorder)
    unfinished: Unfinished = field(default_factory=Unfinished)
    spare: bool = False


@dataclass(frozen=True)
class Reply:
    """An answer that counts. `data` is set when the step asked for structure; `took_ms` is how long it took, where that
    was kept, and `recorded_ms` how long it took when it was recorded."""

    text: str
    data: Any = None
    source: Literal["live", "tape", "resumed"] = "live"
    took_ms: int | None = None
    recorded_ms: int | None = None


Paused: TypeAlias = Callable[[], AbstractAsyncContextManager[None]]
"""What a wait for the next attempt happens in: the ledger's `pause`, which ends one that is for nothing."""

Invoke: TypeAlias = Callable[[Call], Awaitable[Reply]]
