"""The ledger: one per run, asked before every model turn, told after it.

A turn reserves what it may cost (the prompt's estimate and its `max_tokens`) before it is sent and settles with what
the provider counted. So parallel calls cannot all slip through the same gap: a turn that might not fit waits for the
turns in flight to settle, and is refused only when there are none left to wait for.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from runner.errors import BudgetExceeded
from runner.report.events import BudgetReached, BudgetWarning, UsageUnknown
from runner.report.results import BudgetStatistics, Usage

if TYPE_CHECKING:
    from runner.calls.call import Call, Invoke, Reply
    from runner.plan.plan import Limits
    from runner.report.events import Emit


def budgeted(invoke: Invoke, ledger: Ledger) -> Invoke:
    """Every step counts against the run's steps before it does anything."""

    async def within_budget(call: Call) -> Reply:
        async with ledger.step():
            return await invoke(call)

    return within_budget


class Turn:
    """A reservation, settled once. A turn that was `begun` and ended without a count costs what was reserved."""

    def __init__(self, reserved: int) -> None:
        self.reserved = reserved
        self.usage = Usage()
        self.begun = False

    @property
    def cost(self) -> int:
        return self.reserved if self.begun and not self.usage.total else self.usage.total


class Ledger:
    """Tokens and steps of one run against their limits."""

    def __init__(self, limits: Limits, emit: Emit) -> None:
        self._limits, self._emit = limits, emit
        self._spent = 0
        self._steps = 0
        self._reserved = 0
        self._running = 0
        self._warned = self._uncounted = self._refused = False
        self._settled = asyncio.Condition()
        self._idle = asyncio.Event()

    @property
    def statistics(self) -> BudgetStatistics:
        return BudgetStatistics(self._spent, self._limits.max_tokens, self._steps, self._limits.max_steps, self._warned)

    def spent_before(self, usage: Usage) -> None:
        """Count what an earlier run spent on an answer that this one takes over."""
        self._spent += usage.total
        self._warn("tokens", self._spent, self._limits.max_tokens)

    def audit(self) -> None:
        """Asked at the end. Raises BudgetExceeded when more was spent than was allowed."""
        limit = self._limits.max_tokens
        if limit is not None and self._spent > limit:
            self._emit(BudgetReached("tokens", self._spent, limit))
            spent = f"{self._spent:,} tokens were spent of {limit:,}"
            raise BudgetExceeded(f"{spent}: calls without max_tokens may answer more than is left")

    @asynccontextmanager
    async def step(self) -> AsyncIterator[None]:
        """Count a step. Raises BudgetExceeded when the run has had all its steps, once those have ended: a refusal ends
        the run, and what was allowed is not cut short by it."""
        limit = self._limits.max_steps
        if limit is not None and self._steps >= limit:
            await self._idle.wait()
            self._refuse("steps", self._steps, limit, "max_steps")
        self._steps += 1
        self._running += 1
        self._idle.clear()
        self._warn("steps", self._steps, limit)
        try:
            yield
        finally:
            self._running -= 1
            if self._running == 0:
                self._idle.set()

    @asynccontextmanager
    async def turn(self, estimate: int) -> AsyncIterator[Turn]:
        """Room for one model turn that may cost `estimate` tokens. Raises BudgetExceeded when there is none."""
        limit = self._limits.max_tokens
        if limit is not None:
            async with self._settled:
                await self._settled.wait_for(lambda: self._fits(estimate, limit) or self._reserved == 0)
                if not self._fits(estimate, limit):
                    self._refuse("tokens", self._spent, limit, "max_tokens")
                self._reserved += estimate
        turn = Turn(estimate)
        try:
            yield turn
        finally:
            self._spent += turn.usage.total if limit is None else turn.cost
            if limit is not None:
                if turn.cost != turn.usage.total and not self._uncounted:
                    self._uncounted = True
                    self._emit(UsageUnknown())
                self._reserved -= turn.reserved
                self._warn("tokens", self._spent, limit)
                async with self._settled:
                    self._settled.notify_all()

    def _fits(self, estimate: int, limit: int) -> bool:
        return self._spent + self._reserved + estimate <= limit

    def _refuse(self, what: str, usage: int, limit: int, key: str) -> None:
        if not self._refused:  # several may wait for the same
            self._refused = True
            self._emit(BudgetReached(what, usage, limit))
        raise BudgetExceeded(f"{usage:,} of {limit:,} {what} are spent; the next one would not fit (budgets.{key})")

    def _warn(self, what: str, usage: int, limit: int | None) -> None:
        if limit is not None and not self._warned and usage >= self._limits.warn_threshold * limit:
            self._warned = True
            self._emit(BudgetWarning(what, usage, limit))
