"""The small manners of a call: it waits for a slot, and it ends at its deadline."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from runner.errors import OutOfTime
from runner.report.events import StepStarted

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


def timed(invoke: Invoke) -> Invoke:
    """No call works longer than its allowance. A step that ran out of time is not asked again."""

    async def in_time(call: Call) -> Reply:
        try:
            async with call.allowance.spend():
                return await invoke(call)
        except TimeoutError:
            raise OutOfTime(f"no answer within {call.allowance.granted:g} s (timeout_s)") from None

    return in_time
