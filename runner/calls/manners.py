"""The small manners of a call: it waits for a slot, begins when the one before it has, and ends at its deadline."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from runner.errors import OutOfTime
from runner.report.events import StepStarted
from runner.tape.reel import Player

if TYPE_CHECKING:
    from runner.calls.call import Call, Invoke, Reply
    from runner.report.events import Emit


def slotted(invoke: Invoke, slots: asyncio.Semaphore, emit: Emit) -> Invoke:
    """At most as many calls in flight as there are slots, over the whole run, whatever the pattern nests.

    A step begins when it first has one: what waits has not started.
    """

    async def in_a_slot(call: Call) -> Reply:
        async with slots:
            if call.tally.begun is None:
                call.tally.begun = asyncio.get_running_loop().time()
                emit(StepStarted(call.path, call.step.agent.id))
            return await invoke(call)

    return in_a_slot


def staggered(invoke: Invoke, first: int) -> Invoke:
    """The first calls begin one after the other, and the loop turns between two. Or all of them would be prepared
    before one is sent, and all their answers be there at once, and so on until the run ends: 100 short calls, ten wide,
    take 5 % longer. Calls behind them follow answers, one by one. A recording asks nobody, and goes past."""
    beginning, left = asyncio.Lock(), first

    async def in_turn(call: Call) -> Reply:
        nonlocal left
        if left and not isinstance(call.reel, Player):
            left -= 1
            await beginning.acquire()
            asyncio.get_running_loop().call_soon(beginning.release)
        return await invoke(call)

    return in_turn


def timed(invoke: Invoke) -> Invoke:
    """No call works longer than its allowance. A step that ran out of time is not asked again."""

    async def in_time(call: Call) -> Reply:
        try:
            async with call.allowance.spend():
                return await invoke(call)
        except TimeoutError:
            raise OutOfTime(f"no answer within {call.allowance.granted:g} s (timeout_s)") from None

    return in_time
