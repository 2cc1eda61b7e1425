"""The ledger: one per run, asked before every model turn, told after it.

A turn reserves what it may cost (its prompt, estimated, and its `max_tokens`) before it is sent, and settles with what
the provider counted. So parallel calls cannot all slip through the same gap: a turn that might not fit waits for the
turns in flight to settle, in the order in which they came. When none is left to wait for, it may answer less, where
what is left is worth a prompt; or it is refused, and with it the run is over. Tokens and money are kept alike.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Final, TypeAlias

from runner.errors import BudgetExceeded
from runner.prices import amount, of_limit
from runner.report.events import BudgetReached, BudgetWarning, UsageUnknown
from runner.report.results import BudgetStatistics, Usage
from runner.tokens import Surplus

if TYPE_CHECKING:
    from runner.calls.call import Call, Invoke, Reply
    from runner.plan.plan import Limits
    from runner.report.events import Emit

USEFUL: Final = 256
"""Tokens of an answer that are worth asking for, where it might have had more."""

Price: TypeAlias = Callable[[str, Usage], Decimal | None]
"""What a turn of `provider/model_id` costs in US dollars."""


def unpriced(model: str, usage: Usage) -> Decimal | None:
    """For a run without a limit in money."""
    return None


def budgeted(invoke: Invoke, ledger: Ledger) -> Invoke:
    """Every step counts against the run's steps before it does anything."""

    async def within_budget(call: Call) -> Reply:
        async with ledger.step():
            return await invoke(call)

    return within_budget


@dataclass(eq=False)
class Turn:
    """A turn that is to be let through, and what came of it.

    It sends about `prompt` tokens to `model` and may have `answer` of them back, None where nothing holds it to a
    number; the first `thinking` of them may go before what is of use. A provider that keeps prompts (`cached`) may take
    more for one. One that is `recorded` was let through when it was, and only counts. `granted` is set when it was let
    through with fewer than `answer`. One that was `begun`, or got lost on its way, and ended without a count costs all
    that it might have.
    """

    model: str
    prompt: int = 0
    answer: int | None = None
    thinking: int = 0
    cached: bool = False
    recorded: bool = False
    granted: int | None = None
    usage: Usage = Usage()
    begun: bool = False
    heard: int = 0
    """About how many tokens of its answer have come."""

    @property
    def least(self) -> int:
        """The fewest tokens of an answer that are of use."""
        return min(self.wished, self.thinking + USEFUL)

    @property
    def wished(self) -> int:
        """The tokens of its answer that there must be room for."""
        return 1 if self.answer is None else self.answer

    @property
    def most(self) -> int:
        """The tokens that its answer may have come to, as far as is known."""
        return next(one for one in (self.granted, self.answer, self.heard) if one is not None)

    @property
    def uncounted(self) -> bool:
        """Whether it may have cost something that nobody told."""
        return self.begun and not self.usage.total

    def coming_to(self, answer: int) -> Usage:
        return Usage(self.prompt, answer, cache_write=self.prompt if self.cached else 0)


@dataclass(eq=False)
class Account:
    """A limit in one currency: what is spent of it, and what is reserved. `price` gives the amount of a usage."""

    what: str
    key: str
    limit: Decimal
    price: Callable[[str, Usage], Decimal | None]
    spent: Decimal = Decimal(0)
    reserved: dict[Turn, Decimal] = field(default_factory=dict)

    @property
    def room(self) -> Decimal:
        return self.limit - self.spent - sum(self.reserved.values(), Decimal(0))

    def fits(self, turn: Turn, answer: int) -> bool:
        return self.amount(turn.model, turn.coming_to(answer)) <= self.room

    def amount(self, model: str, usage: Usage) -> Decimal:
        """A usage in this currency; one that has no price, which the plan has seen to, is not free."""
        found = self.price(model, usage)
        return self.limit if found is None else found

    def settle(self, turn: Turn) -> None:
        """What it came to, in the place of what it might have."""
        self.reserved.pop(turn, None)
        found = self.price(turn.model, turn.usage) if turn.usage.total else None
        if found is not None:
            self.spent += found
        elif turn.begun:
            self.spent += self.amount(turn.model, turn.coming_to(turn.most))


class Ledger:
    """Tokens, money and steps of one run against their limits."""

    def __init__(self, limits: Limits, emit: Emit, price: Price = unpriced) -> None:
        self._limits, self._emit = limits, emit
        self._accounts = [*_accounts(limits, price)]
        self._tokens = self._steps = self._running = 0
        self._in_flight: set[Turn] = set()
        self._waiting: deque[tuple[Turn, asyncio.Future[None]]] = deque()
        self._surplus: defaultdict[str, Surplus] = defaultdict(Surplus)
        self._warned: set[str] = set()
        self._uncounted = self._unbounded = self._recorded = False
        self._refused = ""
        self._idle = asyncio.Event()
        self._pauses: set[asyncio.Timeout] = set()

    @property
    def statistics(self) -> BudgetStatistics:
        spent = {account.what: account.spent for account in self._accounts}
        return BudgetStatistics(
            tokens=int(spent.get("tokens", self._tokens)),
            max_tokens=self._limits.max_tokens,
            steps=self._steps,
            max_steps=self._limits.max_steps,
            cost_usd=float(spent["dollars"]) if "dollars" in spent else None,
            max_cost_usd=self._limits.max_cost_usd,
            warned=bool(self._warned),
        )

    @property
    def bounds_turns(self) -> bool:
        """Whether anybody needs to know what a turn may cost."""
        return bool(self._accounts)

    def spent_before(self, model: str, usage: Usage) -> None:
        """Count what an earlier run spent on a turn of an answer that this one takes over."""
        self._tokens += usage.total
        self._recorded = True
        for account in self._accounts:
            account.spent += account.price(model, usage) or 0
            self._warn(account.what, account.spent, account.limit)

    @contextmanager
    def told_of_time(self) -> Iterator[None]:
        """While the run goes on: warns of the time that it takes as of all else that it spends."""
        limit = self._limits.timeout_s
        if limit is None:
            yield
            return
        spent = self._limits.warn_threshold * limit
        bell = asyncio.get_running_loop().call_later(spent, self._warn, "seconds", Decimal(spent), Decimal(limit))
        try:
            yield
        finally:
            bell.cancel()

    def audit(self) -> None:
        """Asked at the end. Raises BudgetExceeded when more was spent than was allowed."""
        for account in self._accounts:
            if account.spent > account.limit:
                self._emit(BudgetReached(account.what, account.spent, account.limit))
                spent = of_limit(account.what, account.spent, account.limit)
                raise BudgetExceeded(f"{spent} were spent: {self._why_more}")

    @property
    def _why_more(self) -> str:
        if self._unbounded:
            return "calls without max_tokens may answer more than is left"
        if self._recorded:
            return "what is recorded took more than the budget has"
        return "a provider counted more than was estimated, or answered more than max_tokens"

    # -- steps --------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def step(self) -> AsyncIterator[None]:
        """Count a step. Raises BudgetExceeded when the run has had all its steps, or when one of them was refused a
        turn; but a refusal ends the run, and so it is told when all have ended: what was paid for is not cut short."""
        limit = self._limits.max_steps
        if limit is not None and self._steps >= limit:
            await self._idle.wait()
            why = f"{of_limit('steps', self._steps, limit)} are spent; the next one would not fit (budgets.max_steps)"
            self._refuse(why, "steps", self._steps, limit)
        if self._refused:
            await self._idle.wait()
            raise BudgetExceeded(self._refused)
        if limit is not None:
            self._warn("steps", self._steps + 1, limit)
        self._steps += 1
        self._running += 1
        self._idle.clear()
        try:
            try:
                yield
            finally:
                self._running -= 1
                if self._running == 0:
                    self._idle.set()
        except BudgetExceeded:
            await self._idle.wait()
            raise

    @asynccontextmanager
    async def pause(self) -> AsyncIterator[None]:
        """A wait for a model's next turn. Raises BudgetExceeded once a turn was refused: this one would be too."""
        pause = asyncio.timeout(0 if self._refused else None)
        self._pauses.add(pause)
        try:
            async with pause:
                yield
        except TimeoutError:
            raise BudgetExceeded(self._refused) from None
        finally:
            self._pauses.discard(pause)

    # -- turns --------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def turn(self, turn: Turn) -> AsyncIterator[Turn]:
        """Room for one turn of a model. Raises BudgetExceeded when there is none."""
        estimated = turn.prompt
        self._recorded = self._recorded or turn.recorded
        if self._accounts and not turn.recorded:
            turn.prompt = self._surplus[turn.model].over(estimated)
            await self._let_through(turn)
        self._unbounded = self._unbounded or turn.answer is None
        try:
            yield turn
        finally:
            self._tokens += turn.usage.total
            if self._accounts:
                self._surplus[turn.model].learn(estimated, turn.usage.input)
                self._settle(turn)

    async def _let_through(self, turn: Turn) -> None:
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((turn, place))
        self._serve()
        try:
            await place
        except asyncio.CancelledError:
            if turn in self._in_flight:  # let through and cancelled in one moment: it was never sent
                self._settle(turn)
            else:
                self._serve()
            raise
        if turn not in self._in_flight:
            raise BudgetExceeded(self._refused)

    def _serve(self) -> None:
        """Let through who may go, in order. Nobody overtakes: the next one will fit when those in flight have settled,
        or never."""
        while self._waiting:
            turn, place = self._waiting[0]
            if not place.done() and not self._refused and not self._reserved(turn):
                if self._in_flight:
                    return
                self._refuse_turn(turn)
            self._waiting.popleft()
            if not place.done():  # or it was cancelled while it waited
                place.set_result(None)

    def _reserved(self, turn: Turn) -> bool:
        """Reserve what a turn may cost, if there is room; alone, it may have to do with less."""
        if not self._fits(turn, turn.wished):
            if self._in_flight or not self._fits(turn, turn.least):
                return False
            turn.granted = self._most(turn)
        self._in_flight.add(turn)
        for account in self._accounts:
            account.reserved[turn] = account.amount(turn.model, turn.coming_to(turn.most))
        return True

    def _fits(self, turn: Turn, answer: int) -> bool:
        return all(account.fits(turn, answer) for account in self._accounts)

    def _most(self, turn: Turn) -> int:
        """The longest answer that there is room for, between `least` and `wished`."""
        fits, too_long = turn.least, turn.wished
        while too_long - fits > 1:
            middle = (fits + too_long) // 2
            fits, too_long = (middle, too_long) if self._fits(turn, middle) else (fits, middle)
        return fits

    def _settle(self, turn: Turn) -> None:
        self._in_flight.discard(turn)
        if turn.uncounted and not self._uncounted:
            self._uncounted = True
            self._emit(UsageUnknown())
        for account in self._accounts:
            account.settle(turn)
            self._warn(account.what, account.spent, account.limit)
        self._serve()

    def _refuse_turn(self, turn: Turn) -> None:
        account = next(one for one in self._accounts if not one.fits(turn, turn.least))
        needs = account.amount(turn.model, turn.coming_to(turn.least))
        spent = f"{of_limit(account.what, account.spent, account.limit)} are spent"
        why = f"{spent}; the next turn needs about {amount(account.what, needs)} (budgets.{account.key})"
        self._refuse(why, account.what, account.spent, account.limit)

    def _refuse(self, why: str, what: str, spent: Decimal | int, limit: Decimal | int) -> None:
        if not self._refused:  # several may wait for the same
            self._refused = why
            self._emit(BudgetReached(what, spent, limit))
            for pause in self._pauses:
                pause.reschedule(0)

    def _warn(self, what: str, usage: Decimal | int, limit: Decimal | int) -> None:
        if what not in self._warned and float(usage) >= self._limits.warn_threshold * float(limit):
            self._warned.add(what)
            self._emit(BudgetWarning(what, usage, limit))


def _accounts(limits: Limits, price: Price) -> list[Account]:
    found = []
    if limits.max_tokens is not None:
        found.append(
            Account("tokens", "max_tokens", Decimal(limits.max_tokens), lambda model, usage: Decimal(usage.total))
        )
    if limits.max_cost_usd is not None:
        found.append(Account("dollars", "max_cost_usd", Decimal(str(limits.max_cost_usd)), price))
    return found
