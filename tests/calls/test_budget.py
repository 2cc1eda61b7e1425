"""The ledger: what is spent of tokens, money and steps stays below its limits, whatever runs at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.calls.budget import USEFUL, Ledger, Turn
from runner.errors import BudgetExceeded
from runner.plan.plan import Limits
from runner.report.events import BudgetReached, BudgetWarning, Event, UsageUnknown
from runner.report.results import Usage


def ledger(events: list[Event] | None = None, **limits: Any) -> Ledger:
    """A ledger in which a million tokens cost a dollar, and ten of an answer."""
    return Ledger(Limits(**limits), (events if events is not None else []).append, cents)


def cents(model: str, usage: Usage) -> Decimal | None:
    return Decimal(usage.input + 10 * usage.output + usage.cache_write) / 1_000_000


def turn(prompt: int, answer: int | None = None, **changes: Any) -> Turn:
    return Turn("openai/m", prompt, answer, **changes)


def run(test: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    return asyncio.run(test())


async def spend(book: Ledger, asked: Turn, used: Usage, pauses: int = 0) -> int | None:
    """Take a turn that uses so many tokens. Returns what its answer was cut to, if it was."""
    async with book.turn(asked) as let:
        let.begun = True
        for _ in range(pauses):
            await asyncio.sleep(0)
        let.usage = used
    return asked.granted


# -- one at a time ----------------------------------------------------------------------------------------------------


def test_a_turn_that_does_not_fit_is_refused_when_none_is_in_flight() -> None:
    events: list[Event] = []
    book = ledger(events, max_tokens=100)

    async def test() -> None:
        await spend(book, turn(10, 50), Usage(10, 50))
        await spend(book, turn(10, 50), Usage())

    with pytest.raises(BudgetExceeded, match=r"60 of 100 tokens are spent; the next turn needs about 60 tokens"):
        run(test)
    assert [one for one in events if isinstance(one, BudgetReached)] == [BudgetReached("tokens", 60, 100)]


def test_a_long_answer_is_cut_to_what_is_left() -> None:
    book = ledger(max_tokens=2000)
    assert run(lambda: spend(book, turn(500, 4000), Usage(500, 1500))) == 1500
    assert book.statistics.tokens == 2000


def test_what_is_left_is_not_spent_on_an_answer_too_short_to_be_of_use() -> None:
    book = ledger(max_tokens=500 + USEFUL - 1)
    with pytest.raises(BudgetExceeded, match=f"needs about {500 + USEFUL} tokens"):
        run(lambda: spend(book, turn(500, 4000), Usage()))


def test_an_answer_that_may_only_be_short_is_of_use() -> None:
    assert run(lambda: spend(ledger(max_tokens=110), turn(100, 10), Usage(100, 10))) is None


def test_what_is_left_is_not_spent_on_an_answer_that_would_be_all_thinking() -> None:
    with pytest.raises(BudgetExceeded, match=f"needs about {500 + 2000 + USEFUL:,} tokens"):
        run(lambda: spend(ledger(max_tokens=2600), turn(500, 4000, thinking=2000), Usage()))


def test_a_turn_that_is_recorded_is_never_refused_but_counts() -> None:
    book = ledger(max_tokens=1000)
    assert run(lambda: spend(book, turn(500, 600, recorded=True), Usage(500, 600))) is None
    with pytest.raises(BudgetExceeded, match=r"1,100 of 1,000 tokens were spent: what is recorded took more"):
        book.audit()


def test_a_prompt_that_had_more_tokens_than_thought_makes_the_next_estimates_longer() -> None:
    book, asked = ledger(max_tokens=100_000), turn(2000, 10)

    async def test() -> None:
        await spend(book, turn(100, 10), Usage(450, 10))  # something stands around every prompt
        await spend(book, turn(2000, 10), Usage(4350, 10))  # and its words are cut more finely
        await spend(book, asked, Usage(4350, 10))

    run(test)
    assert asked.prompt == 4350


def test_a_turn_that_nobody_counted_costs_what_was_reserved_and_is_told_once() -> None:
    events: list[Event] = []
    book = ledger(events, max_tokens=10_000)

    async def test() -> None:
        await spend(book, turn(100, 200), Usage())
        await spend(book, turn(100, heard=50), Usage())  # nothing held it to a number, so what was heard of it

    run(test)
    assert book.statistics.tokens == 300 + 150
    assert events == [UsageUnknown()]


def test_a_turn_that_was_never_sent_costs_nothing() -> None:
    book = ledger(max_tokens=1000)

    async def test() -> None:
        async with book.turn(turn(100, 200)):
            pass

    run(test)
    assert book.statistics.tokens == 0


def test_more_than_was_allowed_is_told_at_the_end() -> None:
    book = ledger(max_tokens=100)
    run(lambda: spend(book, turn(10), Usage(10, 500)))
    with pytest.raises(BudgetExceeded, match=r"510 of 100 tokens were spent: calls without max_tokens may answer more"):
        book.audit()


def test_a_model_that_does_not_keep_to_its_limit_is_told_apart_from_one_that_has_none() -> None:
    book = ledger(max_tokens=100)
    run(lambda: spend(book, turn(10, 20), Usage(10, 500)))
    with pytest.raises(BudgetExceeded, match=r"a provider counted more than was estimated"):
        book.audit()


# -- several at once --------------------------------------------------------------------------------------------------


def test_a_turn_that_might_not_fit_waits_for_those_in_flight() -> None:
    async def test() -> list[str]:
        book, order = ledger(max_tokens=100), []
        started = asyncio.Event()

        async def first() -> None:
            async with book.turn(turn(40, 40)) as let:
                started.set()
                await asyncio.sleep(0.01)
                let.usage = Usage(20, 0)
                order.append("first")

        async def second() -> None:
            await started.wait()
            async with book.turn(turn(10, 40)):
                order.append("second")

        await asyncio.gather(first(), second())
        return order

    assert run(test) == ["first", "second"]


def test_a_turn_waits_rather_than_to_be_cut() -> None:
    async def test() -> list[int | None]:
        book = ledger(max_tokens=5000)
        turns = (spend(book, turn(1000, 2000), Usage(1000, 10), pauses=3) for _ in range(4))
        return await asyncio.gather(*turns)

    assert run(test) == [None, None, 1980, 970]


def test_nobody_overtakes_a_turn_that_waits() -> None:
    async def test() -> list[str]:
        book, order = ledger(max_tokens=1000), []

        async def one(name: str, answer: int) -> None:
            async with book.turn(turn(0, answer)) as let:
                order.append(name)
                await asyncio.sleep(0)
                let.usage = Usage(0, 1)

        await asyncio.gather(one("first", 600), one("large", 900), one("small", 10))
        return order

    assert run(test) == ["first", "large", "small"]


def test_a_turn_that_is_cancelled_while_it_waits_gives_its_place_on() -> None:
    async def test() -> list[str]:
        book, order = ledger(max_tokens=1000), []

        async def one(name: str, answer: int) -> None:
            async with book.turn(turn(0, answer)) as let:
                order.append(name)
                await asyncio.sleep(0.01)
                let.usage = Usage(0, 1)

        first, large, small = (asyncio.create_task(one(*asked)) for asked in (("a", 600), ("b", 900), ("c", 10)))
        await asyncio.sleep(0)
        large.cancel()
        await asyncio.gather(first, large, small, return_exceptions=True)
        return order

    assert run(test) == ["a", "c"]


@settings(max_examples=200)
@given(
    st.integers(1, 60_000),
    st.lists(
        st.tuples(st.integers(1, 3000), st.integers(1, 5000), st.integers(0, 5), st.booleans(), st.integers(0, 9)),
        min_size=1,
        max_size=50,
    ),
    st.randoms(use_true_random=False),
    st.sampled_from(["max_tokens", "max_cost_usd"]),
)
def test_what_is_spent_never_exceeds_the_limit_when_calls_have_one_of_their_own(
    limit: int, turns: list[tuple[int, int, int, bool, int]], random: Random, kind: str
) -> None:
    """Over schedules: turns of any size that end in any order, some cancelled on the way."""
    book = ledger(**{kind: limit if kind == "max_tokens" else limit / 100_000})

    async def one(prompt: int, answer: int, pauses: int, cancelled: bool, later: int) -> None:
        for _ in range(later):
            await asyncio.sleep(0)
        asked = turn(prompt, answer)
        try:
            async with book.turn(asked) as let:
                let.begun = True
                for _ in range(pauses):
                    await asyncio.sleep(0)
                if cancelled:
                    raise asyncio.CancelledError
                let.usage = Usage(random.randint(1, prompt), random.randint(0, asked.granted or answer))
        except (BudgetExceeded, asyncio.CancelledError):
            pass

    async def test() -> None:
        await asyncio.gather(*(one(*given) for given in turns))

    run(test)
    spent = book.statistics
    assert spent.tokens <= limit if kind == "max_tokens" else (spent.cost_usd or 0) <= limit / 100_000
    book.audit()


@given(st.integers(1, 500), st.integers(1, 20), st.lists(st.integers(1, 300), min_size=1, max_size=40))
def test_without_limits_of_their_own_calls_overshoot_by_one_turn_a_slot_at_most(
    limit: int, slots: int, answers: list[int]
) -> None:
    book, gate = ledger(max_tokens=limit), asyncio.Semaphore(slots)

    async def one(answer: int) -> None:
        try:
            async with gate:
                await spend(book, turn(1), Usage(1, answer), pauses=2)
        except BudgetExceeded:
            pass

    async def test() -> None:
        await asyncio.gather(*map(one, answers))

    run(test)
    largest = sorted(answers, reverse=True)[:slots]
    assert book.statistics.tokens <= limit + sum(largest) + slots


# -- money ------------------------------------------------------------------------------------------------------------


def test_a_limit_in_money_is_kept_like_one_in_tokens() -> None:
    book = ledger(max_cost_usd=0.012)  # a thousand tokens sent and 1,100 received
    assert run(lambda: spend(book, turn(1000, 4000), Usage(1000, 1100))) == 1100
    assert book.statistics.cost_usd == pytest.approx(0.012)


def test_what_does_not_fit_into_the_money_is_refused_in_dollars() -> None:
    events: list[Event] = []
    with pytest.raises(BudgetExceeded, match=r"\$0.00 of \$0.0010 are spent.*max_cost_usd"):
        run(lambda: spend(ledger(events, max_cost_usd=0.001), turn(1000, 4000), Usage()))
    assert [type(one) for one in events] == [BudgetReached]


def test_the_tighter_of_two_limits_holds() -> None:
    assert run(lambda: spend(ledger(max_tokens=9000, max_cost_usd=0.012), turn(1000, 9000), Usage(1, 1))) == 1100
    assert run(lambda: spend(ledger(max_tokens=1500, max_cost_usd=1), turn(1000, 9000), Usage(1, 1))) == 500


def test_a_prompt_that_a_provider_keeps_may_cost_more() -> None:
    book = ledger(max_cost_usd=0.012)
    assert run(lambda: spend(book, turn(1000, 4000, cached=True), Usage(1000, 1000, cache_write=1000))) == 1000


# -- warnings ---------------------------------------------------------------------------------------------------------


def test_the_warning_comes_once_for_each_limit() -> None:
    events: list[Event] = []
    book = ledger(events, max_tokens=100, max_cost_usd=0.0001, warn_threshold=0.5)

    async def test() -> None:
        for _ in range(3):
            await spend(book, turn(10), Usage(30, 0))

    run(test)
    assert events == [BudgetWarning("tokens", 60, 100), BudgetWarning("dollars", Decimal("0.00006"), Decimal("0.0001"))]


def test_the_time_of_a_run_is_warned_of_as_well() -> None:
    events: list[Event] = []
    book = ledger(events, timeout_s=0.1, warn_threshold=0.2)

    async def test() -> None:
        with book.told_of_time():
            await asyncio.sleep(0.05)

    run(test)
    assert [(one.what, one.percent) for one in events if isinstance(one, BudgetWarning)] == [("seconds", 20)]


# -- steps ------------------------------------------------------------------------------------------------------------


def test_a_step_too_many_is_refused_when_those_that_were_allowed_have_ended() -> None:
    events, ended = list[Event](), list[str]()

    async def test() -> None:
        book = ledger(events, max_steps=2, warn_threshold=2)

        async def one(name: str) -> None:
            async with book.step():
                await asyncio.sleep(0.01)
                ended.append(name)

        refused = await asyncio.gather(*map(one, "abcd"), return_exceptions=True)
        assert [type(one) for one in refused] == [type(None), type(None), BudgetExceeded, BudgetExceeded]

    run(test)
    assert ended == ["a", "b"]
    assert events == [BudgetReached("steps", 2, 2)]
