"""The pool lends, counts, evicts and closes; tested on clients that only remember what happened to them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from runner.agents.closing import all_closed
from runner.agents.pool import Client, ClientKey, ClientPool
from runner.report.results import ClientStatistics


class Shop:
    """Opens clients that are their own key, and remembers which are open."""

    def __init__(self, delay: float = 0.0, fail: int = 0) -> None:
        self.open: list[ClientKey] = []
        self.opened = 0
        self._delay, self._fail = delay, fail

    async def __call__(self, key: ClientKey) -> Client:
        await asyncio.sleep(self._delay)
        self.opened += 1
        if self.opened <= self._fail:
            raise ConnectionError(f"opening {self.opened}")
        self.open.append(key)

        async def close() -> None:
            self.open.remove(key)

        return Client(key, close)


def key(number: int) -> ClientKey:
    return ClientKey("shop", str(number))


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(test())  # type: ignore[arg-type]


async def use(pool: ClientPool, *numbers: int) -> None:
    for number in numbers:
        async with pool.lease(key(number)) as client:
            assert client.raw == key(number)


def test_a_client_is_opened_once_and_lent_again():
    async def test() -> None:
        shop = Shop()
        pool = ClientPool(shop)
        await use(pool, 1, 1, 2, 1)
        assert pool.statistics == ClientStatistics(created=2, hits=2)
        assert shop.opened == 2

    run(test)


def test_callers_who_come_while_it_is_being_opened_share_it():
    async def test() -> None:
        shop = Shop(delay=0.02)
        pool = ClientPool(shop)
        await asyncio.gather(*(use(pool, 1) for _ in range(20)))
        assert shop.opened == 1
        assert pool.statistics == ClientStatistics(created=1, hits=19)

    run(test)


def test_a_caller_who_gives_up_does_not_spoil_the_opening_for_others():
    async def test() -> None:
        pool = ClientPool(Shop(delay=0.05))
        first = asyncio.create_task(use(pool, 1))
        await asyncio.sleep(0.01)
        second = asyncio.create_task(use(pool, 1))
        await asyncio.sleep(0.01)
        first.cancel()
        await second

    run(test)


def test_the_least_recently_used_client_is_closed_when_there_are_too_many():
    async def test() -> None:
        shop = Shop()
        pool = ClientPool(shop, size=2)
        await use(pool, 1, 2, 1, 3)
        await asyncio.sleep(0)  # closing goes on beside the calls
        assert shop.open == [key(1), key(3)]

    run(test)


def test_a_client_in_use_is_never_closed():
    async def test() -> None:
        shop = Shop()
        pool = ClientPool(shop, size=1)
        async with pool.lease(key(1)):
            await use(pool, 2, 3)
            assert key(1) in shop.open
        await asyncio.sleep(0)
        assert shop.open == [key(1)]

    run(test)


def test_a_client_that_will_not_close_does_not_spoil_the_call_that_put_it_out():
    async def test() -> None:
        async def stubborn(which: ClientKey) -> Client:
            async def close() -> None:
                raise OSError("will not")

            return Client(which, close)

        pool = ClientPool(stubborn, size=1)
        await use(pool, 1, 2)
        with pytest.raises(ExceptionGroup):
            await pool.close()

    run(test)


def test_a_client_that_is_taken_again_while_another_closes_stays_open():
    async def test() -> None:
        shop = Shop()

        async def slow(which: ClientKey) -> Client:
            client = await shop(which)

            async def close() -> None:
                await asyncio.sleep(0.01)
                await client.close()

            return Client(which, close)

        pool = ClientPool(slow, size=1)
        async with pool.lease(key(1)), pool.lease(key(2)):
            pass
        async with pool.lease(key(2)):
            await asyncio.sleep(0.05)
            assert key(2) in shop.open
        await pool.close()

    run(test)


def test_further_attempts_of_a_call_are_not_counted():
    async def test() -> None:
        pool = ClientPool(Shop())
        for attempt in (1, 2, 3):
            async with pool.lease(key(1), count=attempt == 1):
                pass
        assert pool.statistics == ClientStatistics(created=1, hits=0)

    run(test)


def test_sixteen_are_kept():
    async def test() -> None:
        shop = Shop()
        pool = ClientPool(shop)
        await use(pool, *range(40))
        await asyncio.sleep(0)
        assert len(shop.open) == 16

    run(test)


def test_an_opening_that_failed_is_tried_again_by_the_next_caller():
    async def test() -> None:
        shop = Shop(fail=1)
        pool = ClientPool(shop)
        with pytest.raises(ConnectionError):
            await use(pool, 1)
        await use(pool, 1)
        await pool.close()
        assert shop.open == []

    run(test)


def test_closing_closes_every_client_also_when_one_refuses():
    async def test() -> None:
        shop = Shop()

        async def stubborn(which: ClientKey) -> Client:
            client = await shop(which)

            async def close() -> None:
                await client.close()
                if which == key(2):
                    raise OSError("will not")

            return Client(which, close)

        pool = ClientPool(stubborn)
        await use(pool, 1, 2, 3)
        with pytest.raises(ExceptionGroup):
            await pool.close()
        assert shop.open == []

    run(test)


def test_what_refuses_to_close_hides_nothing_and_stops_nothing():
    async def test() -> None:
        shop = Shop()
        pool = ClientPool(shop)
        await use(pool, 1)

        async def refuse(why: str) -> None:
            raise OSError(why)

        async def slow() -> None:
            await asyncio.sleep(0.01)
            await pool.close()

        with pytest.raises(ExceptionGroup) as raised:
            await all_closed(refuse("one"), slow(), refuse("two"))
        assert [str(one) for one in raised.value.exceptions] == ["one", "two"]
        assert shop.open == []

    run(test)


def test_closing_while_a_client_is_being_opened_leaves_nothing_open():
    async def test() -> None:
        shop = Shop(delay=0.05)
        pool = ClientPool(shop)
        caller = asyncio.create_task(use(pool, 1))
        await asyncio.sleep(0.01)
        caller.cancel()
        await pool.close()
        await asyncio.sleep(0.1)
        assert shop.open == []

    run(test)
