"""How many calls a provider is asked at once, when it is not asked at all, and who goes first."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.calls.call import Allowance, Call, Reply
from runner.calls.circuit import OPENS_AFTER, Circuit
from runner.calls.lanes import WORTH_A_REFUSAL, Lane, laned
from runner.calls.retry import retried
from runner.calls.window import MOST_PATIENCE, START, Window
from runner.errors import ModelProblem
from runner.plan.plan import Limits, RetryPolicy
from runner.report.events import CircuitOpened, StepRetry, Throttled
from runner.tape.reel import Player
from tests.build import agent, model, step

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from runner.report.events import Event

AT_ONCE = RetryPolicy("constant", wait_min=0.0, wait_max=0.05)


def throttled(retry_after: float | None = None) -> ModelProblem:
    return ModelProblem("slow down", transient=True, throttled=True, retry_after=retry_after)


def failed() -> ModelProblem:
    return ModelProblem("gone", transient=True)


# -- the window -------------------------------------------------------------------------------------------------------


def fallen(served: int, most: int = 20) -> Window:
    """A window whose first round was refused but for so many."""
    window = Window(most)
    for number in range(served + 1, START + 1):
        window.refused(number, newest=START, others=START - (number - served))
    return window


def rounds(window: Window, count: int = 1) -> int:
    """So many rounds are served at the width of each; the width behind them."""
    for _ in range(count):
        for _ in range(window.limit):
            window.served(window.limit)
    return window.limit


def test_up_to_ten_calls_at_once_are_never_held_back_before_a_refusal():
    assert [Window(most).limit for most in (1, 5, 10, 11, 50)] == [1, 5, 10, 10, 10]


def test_the_width_doubles_until_somebody_is_refused():
    window = Window(50)
    assert [rounds(window) for _ in range(4)] == [20, 40, 50, 50]


def test_a_quiet_moment_doubles_it_as_well():
    window = Window(15)
    window.quiet()
    assert window.limit == 15


@pytest.mark.parametrize("served", range(1, 10))
def test_the_first_refusals_tell_how_many_are_served(served: int):
    assert fallen(served).limit == served


def test_a_width_that_was_served_and_is_refused_is_halved_once_a_round():
    window = fallen(8)
    told = [window.refused(number, newest=20, others=7) for number in (15, 16, 17)]

    assert window.limit == 4
    assert told == [True, False, False]


def test_behind_a_refusal_it_grows_by_one_a_round():
    window = fallen(8)
    window.refused(15, newest=20, others=7)

    assert [rounds(window) for _ in range(3)] == [5, 6, 7]


def test_the_width_that_was_refused_is_tried_ever_less_often():
    window, needed, number = fallen(4), [], 100
    for _ in range(9):
        before = number
        while window.limit == 4:
            rounds(window)
            number += 1
        needed.append(number - before)
        window.refused(number, newest=number, others=4)

    assert needed == [2, 4, 8, 16, 32, 64, 64, 64, 64]
    assert max(needed) == MOST_PATIENCE


def test_a_try_that_is_refused_costs_nothing_of_what_is_served():
    window = fallen(4)
    assert rounds(window, 2) == 5
    assert not window.refused(30, newest=30, others=4)
    assert window.limit == 4


def test_a_try_that_goes_well_makes_it_grow_every_round_again():
    window = fallen(4)
    assert rounds(window, 2) == 5
    assert [rounds(window) for _ in range(3)] == [6, 7, 8]


def test_a_try_at_max_parallel_that_went_well_is_known_to_be_served():
    window = Window(5)
    window.refused(5, newest=5, others=4)
    assert rounds(window, 3) == 5
    window.refused(30, newest=30, others=4)
    assert window.limit == 2


def test_a_width_that_is_not_used_is_not_known_to_be_served():
    window = fallen(4)
    for _ in range(100):
        window.served(in_flight=3)
    assert window.limit == 4


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 30), st.integers(0, 5)), max_size=200), st.integers(1, 40))
def test_the_width_stays_between_one_and_max_parallel(told: list[tuple[bool, int, int]], most: int):
    window = Window(most)
    for number, (answered, others, late) in enumerate(told, start=10):
        if answered:
            window.served(others)
        else:
            window.refused(number - late, newest=number, others=others)
        assert 1 <= window.limit <= most


# -- the circuit ------------------------------------------------------------------------------------------------------


def opened(wait_max: float = 60) -> Circuit:
    """A circuit after as many failures, one behind the other, as open it; at 100."""
    circuit = Circuit(wait_max)
    for number in range(1, OPENS_AFTER + 1):
        circuit.failed(number, newest=number, now=100)
    return circuit


def test_failures_in_a_row_open_it_and_that_is_told_once():
    circuit = Circuit(60)
    told = [circuit.failed(number, newest=number, now=100) for number in range(1, OPENS_AFTER + 2)]

    assert told == [False, False, False, False, True, False]


def test_calls_that_were_hit_by_one_blip_count_once():
    circuit = Circuit(60)
    for number in range(1, 11):
        circuit.failed(number, newest=10, now=100)
    assert (circuit.failures, circuit.is_open) == (1, False)


def test_an_answer_between_them_begins_the_count_anew():
    circuit = Circuit(60)
    for number in range(1, 30):
        circuit.failed(number, newest=number, now=100)
        if number % (OPENS_AFTER - 1) == 0:
            circuit.answered()
    assert not circuit.is_open


@pytest.mark.parametrize(("wait_max", "cool_down"), [(60, 30), (5, 5)])
def test_it_cools_down_for_half_a_minute_or_the_longest_pause(wait_max: float, cool_down: float):
    circuit = opened(wait_max)
    assert [circuit.left(100 + passed) for passed in (0, cool_down - 1, cool_down)] == [cool_down, 1, 0]


def test_behind_the_cool_down_one_call_decides():
    circuit = opened()
    circuit.began(6)
    assert circuit.is_probed
    circuit.answered()
    circuit.ended(6)
    assert (circuit.is_open, circuit.is_probed) == (False, False)


def test_a_call_that_fails_behind_it_opens_it_again():
    circuit = opened()
    circuit.began(6)
    circuit.failed(6, newest=6, now=200)
    assert circuit.left(200) == 30


# -- lanes ------------------------------------------------------------------------------------------------------------


def call(name: str = "m", **changes: Any) -> Call:
    given = {key: changes.pop(key) for key in ("spare", "reel") if key in changes}
    asked = step(agent=agent(model=model(model_id=name, **changes)))
    return Call(f"steps.{name}", asked, None, "go", Allowance(None), **given)


def in_lanes(
    model_: Callable[[Call], Awaitable[Reply]], policy: RetryPolicy = AT_ONCE, width: int = 5
) -> tuple[Callable[[Call], Awaitable[Reply]], list[Any]]:
    """The model behind the lanes of a run, and what they tell."""
    events: list[Event] = []
    return laned(model_, Limits(max_parallel=width, retry=policy), events.append, Random(1)), events


async def ended(invoke: Callable[[Call], Awaitable[Reply]], asked: Call) -> str:
    """The answer, or why there is none."""
    try:
        return (await invoke(asked)).text
    except ModelProblem as problem:
        return problem.message


class Scripted:
    """A model that answers each call as it is told, in order, and then `ok`; `release` lets those in flight end."""

    def __init__(self, *outcomes: ModelProblem | str) -> None:
        self.outcomes, self.asked, self.in_flight, self.most = [*outcomes], list[Call](), 0, 0
        self.release = asyncio.Event()
        self.release.set()

    async def __call__(self, asked: Call) -> Reply:
        self.asked.append(asked)
        outcome = self.outcomes.pop(0) if self.outcomes else "ok"
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        try:
            await asyncio.sleep(0)
            await self.release.wait()
        finally:
            self.in_flight -= 1
        if isinstance(outcome, ModelProblem):
            raise outcome
        return Reply(outcome)


def test_a_refusal_without_company_holds_everybody_for_as_long_as_the_server_asks():
    async def test() -> None:
        scripted = Scripted(throttled(0.05))
        invoke, events = in_lanes(scripted)
        clock = asyncio.get_running_loop().time
        before = clock()
        assert await ended(invoke, call()) == "slow down"
        assert events == [Throttled("openai/m", 1, 0.05)]
        assert await asyncio.gather(*(ended(invoke, call()) for _ in range(3))) == ["ok"] * 3
        assert clock() - before >= 0.05

    asyncio.run(test())


def test_without_a_wish_of_the_servers_they_wait_as_the_policy_says_ever_longer():
    async def test() -> list[float]:
        scripted = Scripted(*(throttled() for _ in range(3)))
        policy = RetryPolicy("exponential", wait_min=0.01, wait_max=10)
        invoke, events = in_lanes(scripted, policy)
        for _ in range(4):
            await ended(invoke, call())
        return [event.wait_s for event in events]

    assert asyncio.run(test()) == [0.01, 0.02, 0.04]


def test_the_wait_is_shorter_again_once_it_was_worth_a_refusal():
    async def test() -> list[float]:
        served = ["ok"] * WORTH_A_REFUSAL
        scripted = Scripted(throttled(), throttled(), throttled(), *served, throttled(), *served, throttled())
        invoke, events = in_lanes(scripted, RetryPolicy("exponential", wait_min=0.01, wait_max=10))
        while scripted.outcomes:
            await ended(invoke, call())
        return [event.wait_s for event in events if event.wait_s]

    assert asyncio.run(test()) == [0.01, 0.02, 0.04, 0.02, 0.01]


@pytest.mark.parametrize("told", [True, False], ids=["told", "not told"])
def test_calls_that_a_provider_counts_in_a_time_get_their_share_of_each(told: bool):
    """Ten in every fifth of a second, however few at once."""

    async def test() -> int:
        clock = asyncio.get_running_loop().time
        began, left, refused = clock(), 10, 0

        async def model_(_: Call) -> Reply:
            nonlocal began, left, refused
            if clock() - began >= 0.2:
                began, left = clock(), 10
            if left == 0:
                refused += 1
                raise throttled(began + 0.2 - clock() if told else None)
            left -= 1
            await asyncio.sleep(0.01)
            return Reply("ok")

        policy = RetryPolicy("exponential", wait_min=0.02, wait_max=0.2)
        invoke, _ = in_lanes(model_, policy, width=20)
        again = retried(invoke, policy, lambda _: None, Random(1))
        asked = [call() for _ in range(40)]
        await asyncio.gather(*(again(replace(one, step=replace(one.step, retries=5))) for one in asked))
        return refused

    assert asyncio.run(test()) <= 40  # each of twenty at once would be refused as often as it tries


def test_whoever_is_refused_waits_as_long_as_the_others_and_says_so():
    async def test() -> None:
        scripted = Scripted(throttled(), throttled())
        policy = RetryPolicy("jittered", wait_min=0.01, wait_max=0.03)
        invoke, events = in_lanes(scripted, policy)
        told: list[Any] = []
        assert (await retried(invoke, policy, told.append, Random(2))(call())).text == "ok"
        held, waited = ([one.wait_s for one in events], [one.wait_s for one in told if isinstance(one, StepRetry)])
        assert all(wait >= hold for wait, hold in zip(waited, held, strict=True))

    asyncio.run(test())


def test_calls_that_are_told_the_same_wait_do_not_come_back_at_once():
    async def test() -> None:
        scripted = Scripted(*(throttled(0.02) for _ in range(8)))
        invoke, _ = in_lanes(scripted, width=8)
        again = retried(invoke, AT_ONCE, lambda _: None, Random(1))
        tasks = [asyncio.create_task(again(call())) for _ in range(8)]
        while len(scripted.asked) < 8 or scripted.in_flight:
            await asyncio.sleep(0)
        assert scripted.most == 8
        scripted.most = 0
        await asyncio.gather(*tasks)
        assert scripted.most <= 3  # one, and from then on one more a round
        assert len(scripted.asked) == 16

    asyncio.run(test())


def test_a_wait_longer_than_anybody_may_wait_is_told_without_asking():
    async def test() -> None:
        scripted = Scripted(throttled(3600))
        invoke, _ = in_lanes(scripted)
        again = retried(invoke, AT_ONCE, lambda _: None, Random(1))
        first, second = [await ended(again, call()) for _ in range(2)]
        assert "asks to wait 3600 s, longer than wait_max" in first
        assert second.startswith("not asked: slow down; the provider asks to wait 3")
        assert len(scripted.asked) == 1

    asyncio.run(test())


def test_wrong_credentials_are_shown_once_to_a_provider():
    async def test() -> None:
        scripted = Scripted(ModelProblem("who are you?", unauthorized=True))
        invoke, _ = in_lanes(scripted)
        told = [await ended(invoke, one) for one in (call(), call(), call("other"), call(host="http://elsewhere"))]
        assert told == ["who are you?", *["who are you?; it was not asked again"] * 2, "ok"]
        assert len(scripted.asked) == 2

    asyncio.run(test())


def test_those_who_wait_when_credentials_turn_out_wrong_do_not_ask_either():
    async def test() -> None:
        scripted = Scripted(ModelProblem("who are you?", unauthorized=True))
        invoke, _ = in_lanes(scripted, width=1)
        told = await asyncio.gather(*(ended(invoke, call()) for _ in range(4)))
        assert told == ["who are you?", *["who are you?; it was not asked again"] * 3]

    asyncio.run(test())


def test_a_quota_that_is_used_up_is_asked_for_once_and_is_that_of_one_model():
    async def test() -> None:
        invoke, _ = in_lanes(Scripted(ModelProblem("no credit", used_up=True)))
        told = [await ended(invoke, one) for one in (call(), call(), call("other"))]
        assert told == ["no credit", "no credit; it was not asked again", "ok"]

    asyncio.run(test())


def test_each_model_has_a_lane_of_its_own():
    async def test() -> None:
        scripted = Scripted(throttled(0.03))
        invoke, _ = in_lanes(scripted)
        await ended(invoke, call())
        before = asyncio.get_running_loop().time()
        await ended(invoke, call("other"))
        assert asyncio.get_running_loop().time() - before < 0.03

    asyncio.run(test())


def test_a_model_that_keeps_failing_is_not_asked_and_the_attempt_says_why():
    async def test() -> None:
        scripted = Scripted(*(failed() for _ in range(OPENS_AFTER)))
        invoke, events = in_lanes(scripted)
        told = [await ended(invoke, call()) for _ in range(OPENS_AFTER + 2)]
        assert told[-1] == told[-2] == "not asked: its last 5 calls failed, the last with: gone"
        assert events == [CircuitOpened("openai/m", 5, 0.05, "gone")]
        assert len(scripted.asked) == OPENS_AFTER

    asyncio.run(test())


def test_an_attempt_that_was_not_made_is_made_after_the_cool_down():
    async def test() -> None:
        scripted = Scripted(*(failed() for _ in range(OPENS_AFTER)))
        invoke, _ = in_lanes(scripted)
        for _ in range(OPENS_AFTER):
            await ended(invoke, call())
        told: list[Any] = []
        asked = call()
        assert (await retried(invoke, AT_ONCE, told.append, Random(1))(asked)).text == "ok"
        assert asked.tally.attempts == 2
        assert 0 < told[0].wait_s <= 0.05

    asyncio.run(test())


def test_with_somebody_else_to_ask_an_attempt_that_was_not_made_is_not_worth_a_pause():
    async def test() -> None:
        invoke, _ = in_lanes(Scripted(*(failed() for _ in range(OPENS_AFTER))))
        for _ in range(OPENS_AFTER):
            await ended(invoke, call())
        with pytest.raises(ModelProblem, match="not asked") as caught:
            await invoke(call(spare=True))
        assert (caught.value.transient, caught.value.unavailable) == (False, True)

    asyncio.run(test())


def test_while_one_call_tries_the_others_wait_for_what_becomes_of_it():
    async def test() -> None:
        scripted = Scripted(*(failed() for _ in range(OPENS_AFTER)))
        invoke, _ = in_lanes(scripted)
        for _ in range(OPENS_AFTER):
            await ended(invoke, call())
        await asyncio.sleep(0.06)
        scripted.release.clear()
        waiting = [asyncio.create_task(ended(invoke, call())) for _ in range(4)]
        await asyncio.sleep(0.01)
        assert scripted.in_flight == 1
        assert "not asked" in await ended(invoke, call(spare=True))
        scripted.release.set()
        assert await asyncio.gather(*waiting) == ["ok"] * 4

    asyncio.run(test())


@pytest.mark.parametrize("end", ["cancelled", "a failure of its own"])
def test_a_try_that_tells_nothing_leaves_it_to_the_next(end: str):
    async def test() -> None:
        scripted = Scripted(*(failed() for _ in range(OPENS_AFTER)), ModelProblem("too long"))
        invoke, _ = in_lanes(scripted)
        for _ in range(OPENS_AFTER):
            await ended(invoke, call())
        await asyncio.sleep(0.06)
        scripted.release.clear()
        probe, other = (asyncio.create_task(ended(invoke, call())) for _ in range(2))
        await asyncio.sleep(0.01)
        if end == "cancelled":
            probe.cancel()
            await asyncio.sleep(0)
        scripted.release.set()
        assert await other == "ok"

    asyncio.run(test())


def test_what_a_recording_plays_goes_past_the_lanes():
    async def test() -> None:
        invoke, _ = in_lanes(Scripted(ModelProblem("no", unauthorized=True)))
        await ended(invoke, call())
        player = Player(None, AssertionError)  # type: ignore[arg-type,return-value]
        assert await ended(invoke, call(reel=player)) == "ok"

    asyncio.run(test())


def test_first_come_is_first_served():
    async def test() -> None:
        scripted = Scripted()
        invoke, _ = in_lanes(scripted, width=2)
        asked = [call() for _ in range(9)]
        await asyncio.gather(*(invoke(one) for one in asked))
        assert all(one is other for one, other in zip(asked, scripted.asked, strict=True))

    asyncio.run(test())


# -- schedules --------------------------------------------------------------------------------------------------------

ENDS = {
    "served": None,
    "throttled": throttled(),
    "held": throttled(0.001),
    "failed": failed(),
    "own": ModelProblem("no"),
}

SCHEDULES = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 6), st.sampled_from([*ENDS]), st.none() | st.integers(0, 12)),
    max_size=30,
)
"""Of each call: the turns of the loop before it comes and while it works, its end, and when it is cancelled."""


class Watched(Lane):
    """Fails when it lets in one more than its width. That may fall while others are in."""

    _count = 0

    @property  # type: ignore[override]
    def in_flight(self) -> int:
        return self._count

    @in_flight.setter
    def in_flight(self, count: int) -> None:
        assert count <= max(self._count, self.window.limit)
        self._count = count


@given(SCHEDULES, st.integers(1, 12))
def test_whatever_comes_no_place_is_given_twice_or_lost(schedule: list[tuple[int, int, str, int | None]], width: int):
    async def turns(count: int) -> None:
        for _ in range(count):
            await asyncio.sleep(0)

    async def test() -> None:
        policy = RetryPolicy("constant", 0.0, 0.001)
        lane = Watched("openai/m", Limits(max_parallel=width, retry=policy), lambda _: None, Random(1))

        async def one(before: int, during: int, end: str) -> None:
            await turns(before)
            number = await lane.enter(spare=False)
            try:
                await turns(during)
            except asyncio.CancelledError:
                lane.leave(number)
                raise
            problem = ENDS[end]
            if problem is None:
                lane.served(number)
            else:
                lane.failed(number, problem.in_words(end))

        async def cancelled(task: asyncio.Task[None], after: int | None) -> None:
            if after is not None:
                await turns(after)
                task.cancel()

        async with asyncio.timeout(10):  # nobody waits for ever
            tasks = [asyncio.create_task(one(*rest)) for *rest, _ in schedule]
            await asyncio.gather(*(cancelled(task, after) for task, (*_, after) in zip(tasks, schedule, strict=True)))
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            assert {type(one) for one in outcomes} <= {type(None), asyncio.CancelledError, ModelProblem}
            assert lane.in_flight == 0
            await asyncio.sleep(0.002)
            assert not lane.waiting
            await lane.enter(spare=False)  # and whoever comes then is let in

    asyncio.run(test())
