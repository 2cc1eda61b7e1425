"""ClientPool: the provider clients of one run, shared by every call, opened and closed inside its one event loop.

Least recently used clients are closed when there are more than `size`, never one that is in use. What a client is
and how it is closed is its provider's business; the pool only keeps, counts and lends.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from runner.agents.closing import all_closed
from runner.report.results import ClientStatistics


class ClientKey(NamedTuple):
    """What a client is bound to: a provider, and an address in that provider's own terms. Not a model."""

    provider: str
    address: str


@dataclass(frozen=True)
class Client:
    """A provider's client, and the way that this provider closes it.

    `begin` is called where a turn of a model begins, and gives what cuts off that turn: for a provider whose requests
    run in threads, which a cancelled task leaves behind.
    """

    raw: Any
    close: Callable[[], Awaitable[None]]
    begin: Callable[[], Callable[[], None]] = lambda: lambda: None


@dataclass(eq=False)
class _Entry:
    opening: asyncio.Task[Client]
    leases: int = 0


class ClientPool:
    def __init__(self, open_client: Callable[[ClientKey], Awaitable[Client]], *, size: int = 16) -> None:
        self._open, self._size = open_client, size
        self._entries: OrderedDict[ClientKey, _Entry] = OrderedDict()
        self._closing: list[asyncio.Task[None]] = []
        self._created = self._hits = 0

    @property
    def statistics(self) -> ClientStatistics:
        return ClientStatistics(self._created, self._hits)

    @asynccontextmanager
    async def lease(self, key: ClientKey, *, count: bool = True) -> AsyncIterator[Client]:
        """A client for `key`, opened when there is none; it stays open at least until the lease ends.

        Callers that come while it is being opened wait for the same one. An opening that fails is forgotten, so that
        a later call tries again. `count` says whether it is to be found in the statistics, which tell of calls and
        not of their attempts.
        """
        entry = self._entry(key, count=count)
        entry.leases += 1
        try:
            # Shielded: the caller who happened to come first may be cancelled while others wait for the client.
            yield await asyncio.shield(entry.opening)
        finally:
            entry.leases -= 1
            self._shrink()

    async def close(self) -> None:
        """Close every client. Raises what went wrong with them, once all have been tried."""
        entries = [*self._entries.values()]
        self._entries.clear()
        for entry in entries:
            entry.opening.cancel()
        await asyncio.gather(*(entry.opening for entry in entries), return_exceptions=True)
        await all_closed(*self._closing, *(_close(entry) for entry in entries))

    def _entry(self, key: ClientKey, *, count: bool) -> _Entry:
        entry = self._entries.get(key)
        if entry is not None and not _failed(entry):
            self._entries.move_to_end(key)
            self._hits += count
            return entry
        self._created += 1
        entry = self._entries[key] = _Entry(asyncio.create_task(self._opened(key)))
        self._entries.move_to_end(key)
        return entry

    async def _opened(self, key: ClientKey) -> Client:
        return await self._open(key)

    def _shrink(self) -> None:
        """Put out of the pool what is too much and in nobody's hands; it is closed beside the calls, not by one."""
        idle = [key for key, entry in self._entries.items() if entry.leases == 0]
        surplus = len(self._entries) - self._size
        self._closing += [asyncio.create_task(_close(self._entries.pop(key))) for key in idle[: max(0, surplus)]]


def _failed(entry: _Entry) -> bool:
    return entry.opening.done() and (entry.opening.cancelled() or entry.opening.exception() is not None)


async def _close(entry: _Entry) -> None:
    if not entry.opening.done():
        await asyncio.wait([entry.opening])
    if not _failed(entry):
        await entry.opening.result().close()
