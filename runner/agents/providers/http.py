"""The one HTTP transport of a run, under every client that speaks HTTP: one TLS context, one set of connections.

aiohttp's connections carry httpx's requests (the backend that the `openai` package offers itself): half the CPU a
call of httpx's own, and proxies are honoured. Streams are read to their end, or the connection would be lost: the
`openai` client stops reading at `[DONE]`, before the body ends (openai/openai-python#3580).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import cached_property
from typing import TYPE_CHECKING, Final

import httpx

from runner.agents.providers.faults import Fault, one_line

if TYPE_CHECKING:
    import aiohttp

END_OF_STREAM: Final = b"[DONE]"
PATIENCE_S: Final = 0.5
"""How long the rest of a finished stream is waited for; a new connection over TLS costs about as much."""

TIMEOUT: Final = httpx.Timeout(300.0, connect=10.0, pool=None)
"""Between two reads a model may think for minutes; a connection is there in seconds. The step's own limit is above."""


class Transport:
    """The run's transport, made when a client first needs it."""

    def __init__(self, max_parallel: int) -> None:
        self._max_parallel = max_parallel

    @cached_property
    def shared(self) -> httpx.AsyncBaseTransport:
        """For many clients at once: closing one of them leaves it open."""
        return _Drained(self._connections)

    @cached_property
    def _connections(self) -> httpx.AsyncBaseTransport:
        from httpx_aiohttp import AiohttpTransport

        context = httpx.create_ssl_context()

        def session() -> aiohttp.ClientSession:
            import aiohttp

            connector = aiohttp.TCPConnector(limit=self._max_parallel, ssl=context)
            return aiohttp.ClientSession(connector=connector, trust_env=True)

        return AiohttpTransport(verify=context, client=session)

    async def close(self) -> None:
        if "_connections" in self.__dict__:
            await self._connections.aclose()


class _Drained(httpx.AsyncBaseTransport):
    """Gives connections back also when a reader stops at the end-of-stream marker."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._inner.handle_async_request(request)
        if "text/event-stream" in response.headers.get("content-type", ""):
            assert isinstance(response.stream, httpx.AsyncByteStream)
            response.stream = _DrainedStream(response.stream)
        return response

    async def aclose(self) -> None:
        """The transport is the run's to close, not a client's."""


class _DrainedStream(httpx.AsyncByteStream):
    def __init__(self, inner: httpx.AsyncByteStream) -> None:
        self._inner, self._rest = inner, aiter(inner)
        self._tail, self._ended = b"", False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._rest:
            self._tail = (self._tail + chunk)[-64:]
            yield chunk
        self._ended = True

    async def aclose(self) -> None:
        # Only behind the marker: a stream that is given up half-way is cut off, so that nobody generates for nothing.
        if not self._ended and END_OF_STREAM in self._tail:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(PATIENCE_S):
                    async for _ in self._rest:
                        pass
        await self._inner.aclose()


def http_fault(error: BaseException) -> Fault | None:
    """What httpx itself reports: connections refused, lost, timed out."""
    match error:
        case httpx.ConnectError() | httpx.ConnectTimeout():
            return Fault(f"cannot reach {_where(error)}: {one_line(str(error)) or type(error).__name__}", lost=True)
        case httpx.TimeoutException():
            return Fault(f"{_where(error)} did not answer in time ({type(error).__name__})", lost=True)
        case httpx.TransportError():
            return Fault(f"the connection to {_where(error)} was lost: {one_line(str(error))}", lost=True)
    return None


def _where(error: httpx.RequestError) -> str:
    try:
        return f"{error.request.url.scheme}://{error.request.url.netloc.decode()}"
    except RuntimeError:  # raised outside a request
        return "the model's server"
