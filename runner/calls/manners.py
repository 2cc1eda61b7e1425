"""The small manners of a call: it waits for a slot, and it ends at its deadline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.errors import ModelProblem

if TYPE_CHECKING:
    import asyncio

    from runner.calls.call import Call, Invoke, Reply


def slotted(invoke: Invoke, slots: asyncio.Semaphore) -> Invoke:
    """At most as many calls in flight as there are slots, over the whole run, whatever the pattern nests."""

    async def in_a_slot(call: Call) -> Reply:
        async with slots:
            return await invoke(call)

    return in_a_slot


def timed(invoke: Invoke) -> Invoke:
    """No call works longer than its allowance. A step that ran out of time is not asked again."""

    async def in_time(call: Call) -> Reply:
        try:
            async with call.allowance.spend():
                return await invoke(call)
        except TimeoutError:
            raise ModelProblem(f"no answer within {call.allowance.granted:g} s (timeout_s)") from None

    return in_time
