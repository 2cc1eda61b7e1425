"""The one owner of retries: every client below is told to make none of its own."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from itertools import count
from typing import TYPE_CHECKING

from runner.errors import ModelProblem
from runner.report.events import StepRetry
from runner.tape.reel import Player

if TYPE_CHECKING:
    from random import Random

    from runner.calls.call import Call, Invoke, Paused, Reply
    from runner.plan.plan import RetryPolicy
    from runner.report.events import Emit


def retried(invoke: Invoke, policy: RetryPolicy, emit: Emit, random: Random, paused: Paused = nullcontext) -> Invoke:
    """Ask again after a transient failure, up to the step's `retries`; nothing is held while waiting.

    The server's own Retry-After is honoured when it is longer than our wait, and is the end when it is longer than
    `wait_max` or than the time the step has left: an early repeat would only be refused again.
    """

    async def with_retries(call: Call) -> Reply:
        for attempt in count(1):
            call.tally.attempts += 1
            try:
                return await invoke(call)
            except ModelProblem as problem:
                wait_s = _next_wait(problem, attempt, policy, call, random)
                emit(StepRetry(call.path, call.tally.attempts, problem.message, wait_s))
            if call.allowance.left is not None:
                call.allowance.left -= wait_s
            if not isinstance(call.reel, Player):  # a recording knows what comes next
                async with paused():
                    await asyncio.sleep(wait_s)
        raise AssertionError("counting has no end")

    return with_retries


def _next_wait(problem: ModelProblem, attempt: int, policy: RetryPolicy, call: Call, random: Random) -> float:
    """Seconds until the next attempt. Raises ModelProblem when there is none; it stays a transient one, for whoever
    may ask somebody else."""
    if not problem.transient:
        raise problem
    if attempt > call.step.retries:
        gave_up = f"{problem.message} (gave up after {attempt} attempts)"
        raise problem if attempt == 1 else problem.in_words(gave_up)
    wished = problem.retry_after or 0.0
    if wished > policy.wait_max:
        asked = f"the provider asks to wait {wished:g} s, longer than wait_max ({policy.wait_max:g} s)"
        raise problem.in_words(f"{problem.message}; {asked}")
    wait_s = max(pause(policy, attempt, random), wished)
    left = call.allowance.left
    if left is not None and wait_s >= left:
        raise problem.in_words(f"{problem.message}; the step's timeout leaves no time for another attempt")
    return wait_s


def pause(policy: RetryPolicy, attempt: int, random: Random) -> float:
    """Seconds to wait after failed attempt number `attempt` (from 1)."""
    longest = max(policy.wait_min, min(policy.wait_max, policy.wait_min * 2.0 ** min(attempt - 1, 60)))
    match policy.backoff:
        case "constant":
            return policy.wait_min
        case "exponential":
            return longest
        case "jittered":
            return random.uniform(policy.wait_min, longest)
