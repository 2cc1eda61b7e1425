"""The manners of a call, each around a model that does what the test says."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.calls.call import Allowance, Call, Reply
from runner.calls.manners import slotted, staggered, timed
from runner.calls.retry import pause, retried
from runner.calls.structured import found_in, structured
from runner.errors import ModelProblem
from runner.plan.plan import RetryPolicy
from runner.report.events import Event, StepRetry
from runner.tape.reel import Player
from tests.build import agent, step

FAST = RetryPolicy("constant", wait_min=0.0, wait_max=1.0)


def call(timeout_s: float | None = None, **changes: Any) -> Call:
    return Call("steps[0]", step(**changes), None, "go", Allowance(timeout_s))


def failing(times: int, problem: ModelProblem) -> Callable[[Call], Any]:
    """A model that fails so often before it answers."""
    left = [times]

    async def invoke(_: Call) -> Reply:
        if left[0]:
            left[0] -= 1
            raise problem
        return Reply("ok")

    return invoke


def transient(retry_after: float | None = None) -> ModelProblem:
    return ModelProblem("busy", transient=True, retry_after=retry_after)


# -- retries ----------------------------------------------------------------------------------------------------------


def test_a_transient_failure_is_tried_again_and_told():
    events: list[Event] = []
    asked = call(retries=2)
    reply = asyncio.run(retried(failing(2, transient()), FAST, events.append, Random(1))(asked))

    assert reply.text == "ok"
    assert asked.tally.attempts == 3
    assert events == [StepRetry("steps[0]", 1, "busy", 0.0), StepRetry("steps[0]", 2, "busy", 0.0)]


def test_the_last_failure_says_how_often_it_was_tried():
    with pytest.raises(ModelProblem, match="gave up after 3 attempts"):
        asyncio.run(retried(failing(9, transient()), FAST, print, Random(1))(call(retries=2)))


def test_a_failure_that_will_not_go_away_is_not_tried_again():
    asked = call(retries=5)
    with pytest.raises(ModelProblem, match=r"^no$"):
        asyncio.run(retried(failing(9, ModelProblem("no")), FAST, print, Random(1))(asked))
    assert asked.tally.attempts == 1


def test_the_servers_own_wish_is_honoured_when_it_is_longer():
    events: list[Event] = []
    asyncio.run(retried(failing(1, transient(0.05)), FAST, events.append, Random(1))(call()))

    assert events == [StepRetry("steps[0]", 1, "busy", 0.05)]


def test_no_attempt_is_made_that_the_timeout_leaves_no_time_for():
    policy = RetryPolicy("constant", wait_min=5, wait_max=60)
    with pytest.raises(ModelProblem, match="leaves no time"):
        asyncio.run(retried(failing(1, transient()), policy, print, Random(1))(call(timeout_s=2)))


def test_a_slot_is_not_held_while_waiting():
    async def test() -> None:
        slots = asyncio.Semaphore(1)
        policy = RetryPolicy("constant", wait_min=0.05, wait_max=1)
        waiting = retried(slotted(failing(1, transient()), slots, lambda _: None), policy, lambda _: None, Random(1))
        task = asyncio.create_task(waiting(call()))
        await asyncio.sleep(0.02)
        assert not slots.locked()
        await task

    asyncio.run(test())


@given(
    st.sampled_from(["exponential", "constant", "jittered"]),
    st.floats(0, 100),
    st.floats(0, 100),
    st.integers(1, 5000),
    st.integers(),
)
def test_every_pause_lies_between_the_shortest_and_the_longest(
    backoff: Any, wait_min: float, wait_max: float, attempt: int, seed: int
):
    wait = pause(RetryPolicy(backoff, wait_min, wait_max), attempt, Random(seed))
    assert wait_min <= wait <= max(wait_min, wait_max)


def test_exponential_pauses_double_up_to_the_longest():
    policy = RetryPolicy("exponential", wait_min=1, wait_max=6)
    assert [pause(policy, attempt, Random(1)) for attempt in (1, 2, 3, 4, 5)] == [1, 2, 4, 6, 6]


# -- slots and time ---------------------------------------------------------------------------------------------------


def test_no_more_calls_are_in_flight_than_there_are_slots():
    async def test() -> int:
        running = most = 0

        async def invoke(_: Call) -> Reply:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(0)
            running -= 1
            return Reply("ok")

        slots = asyncio.Semaphore(3)
        await asyncio.gather(*(slotted(invoke, slots, lambda _: None)(call()) for _ in range(20)))
        return most

    assert asyncio.run(test()) == 3


def begun_in(calls: list[Call], first: int = 10, cancelled: int | None = None) -> dict[int, int]:
    """In which turn of the loop each of these calls began; all of them wanted to in the first."""
    found: dict[int, int] = {}

    async def test() -> None:
        turn, numbers = 0, {id(one): number for number, one in enumerate(calls)}

        async def invoke(asked: Call) -> Reply:
            found[numbers[id(asked)]] = turn
            return Reply("ok")

        begin = staggered(invoke, first)
        tasks = [asyncio.ensure_future(begin(one)) for one in calls]
        while not all(task.done() for task in tasks):
            await asyncio.sleep(0)
            turn += 1
            if cancelled is not None:
                tasks[cancelled].cancel()
        await asyncio.wait(tasks)

    asyncio.run(asyncio.wait_for(test(), 5))
    return found


def test_the_first_calls_begin_in_their_order_and_the_loop_turns_between_them():
    turns = begun_in([call() for _ in range(5)])
    assert [*turns] == [0, 1, 2, 3, 4]
    assert len({*turns.values()}) == 5


def test_a_call_that_is_cancelled_before_it_begins_keeps_nobody_waiting():
    assert [*begun_in([call() for _ in range(4)], cancelled=1)] == [0, 2, 3]


def test_calls_behind_the_first_ones_wait_for_no_turn():
    turns = begun_in([call() for _ in range(5)], first=2)
    assert turns[0] == turns[2] == turns[3] == turns[4] < turns[1]


def test_calls_that_are_played_begin_at_once():
    played = [replace(call(), reel=Player(None, AssertionError)) for _ in range(5)]
    assert len({*begun_in(played).values()}) == 1


def test_time_is_counted_over_all_attempts():
    async def test() -> None:
        async def invoke(_: Call) -> Reply:
            await asyncio.sleep(0.03)
            raise transient()

        with pytest.raises(ModelProblem, match=r"no answer within 0.05 s"):
            await retried(timed(invoke), FAST, lambda _: None, Random(1))(call(timeout_s=0.05, retries=5))

    asyncio.run(test())


# -- answers that are data --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[1, 2]", [1, 2]),
        ("null", None),
        ('a [1] and {"b": 2}', [1]),
        ('```\n{"a": 1}\n```', {"a": 1}),
        ('first {broken, then {"a": 1} and {"b": 2}', {"a": 1}),
    ],
)
def test_json_is_found_in_a_text(text: str, value: Any):
    assert next(found for found in found_in(text) if found)[0] == value


@pytest.mark.parametrize("text", ["", "nothing here", "{", "a [b] c", '{"a": NaN}', "[" * 100_000, "{[" * 90_000])
def test_a_text_without_json_has_none(text: str):
    assert not any(found_in(text))


def test_an_answer_of_many_values_is_compared_within_a_second():
    hard = json.dumps("a" * 50_000 + "b")

    async def invoke(_: Call) -> Reply:
        return Reply("".join(f"```\n{hard}\n```\n" for _ in range(40)))

    asked = call(agent=agent(output_schema={"pattern": "^(a+)+$"}))
    before = time.monotonic()
    with pytest.raises(ModelProblem, match="comparing the answer with output_schema takes longer than 1 s"):
        asyncio.run(structured(invoke, lambda event: None)(asked))
    assert time.monotonic() - before < 3  # it is asked again once
