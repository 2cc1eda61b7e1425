"""httpx clients on the run's connections, for the providers whose packages bring a client of their own.

aiohttp's connections carry httpx's requests: about a third less CPU a call than httpx's own.
"""

from __future__ import annotations

import codecs
import contextlib
import json
import ssl
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

import httpx
from httpx_aiohttp import AiohttpTransport

from runner.agents.aio import aiohttp
from runner.agents.providers.faults import Fault, one_line
from runner.agents.providers.http import A_DOCUMENT, A_PAGE, LONGEST_DOCUMENT, NOT_UTF8, lost

if TYPE_CHECKING:
    from runner.agents.providers.http import Transport


def client(http: Transport, *, events: bool = False) -> httpx.AsyncClient:
    """A client for a provider's own client to send with. With `events` it is one that finds an error in an event
    stream, and nowhere else where the status says that all is well."""
    return httpx.AsyncClient(transport=shared(http, events=events), timeout=timeout(http), follow_redirects=False)


def shared(http: Transport, *, events: bool = False) -> httpx.AsyncBaseTransport:
    """For many clients at once: closing one of them leaves it open."""
    return _Shared(http, events=events)


def timeout(http: Transport) -> httpx.Timeout:
    """What clients send their requests with; it bounds the connection alone."""
    # To the backend the wait for a connection is one for the pool; there is a place in it for every call.
    return httpx.Timeout(None, connect=http.connect_s, pool=http.connect_s)


class Unreadable(httpx.TransportError):
    """What came is no answer of a model's server. The message says what it is instead, and repeats nothing of it."""


class _Shared(httpx.AsyncBaseTransport):
    """Refuses what is no stream: clients read nothing in it, and would tell of an answer that broke off. `events` says
    that nothing but event streams is asked for."""

    def __init__(self, http: Transport, *, events: bool = False) -> None:
        self._http, self._events = http, events

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._backend(request.url).handle_async_request(request)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        kind = response.headers.get("content-type", "").lower()
        if response.status_code == 200 and "text/html" in kind:
            await response.stream.aclose()
            raise Unreadable(A_PAGE, request=request)
        if response.status_code == 200 and self._events and "application/json" in kind:
            return await _error_as_event(response.stream, request)
        if "text/event-stream" in kind or "ndjson" in kind:
            response.stream = _Text(response.stream, request)
        return response

    def _backend(self, url: httpx.URL) -> AiohttpTransport:
        proxy = self._http.proxy(url)
        return AiohttpTransport(
            verify=_NO_TLS,
            proxy=httpx.Proxy(proxy) if proxy else None,
            client=self._http.session(url),
        )

    async def aclose(self) -> None:
        """The connections are the run's to close, not a client's."""


_NO_TLS: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""The backend wants one although it connects by a session that has its own."""


async def _error_as_event(body: httpx.AsyncByteStream, request: httpx.Request) -> httpx.Response:
    """An error that came as a document, with a status that says all is well: as the event that it would be in a stream,
    where clients look for one. Raises Unreadable for every other document."""
    document = b""
    async with contextlib.aclosing(body):
        async for chunk in body:
            document += chunk
            if len(document) > LONGEST_DOCUMENT:
                break
    try:
        told = json.loads(document)
    except ValueError:
        told = None
    if not isinstance(told, dict) or not told.get("error"):
        raise Unreadable(A_DOCUMENT, request=request)
    event = b"event: error\ndata: " + json.dumps(told).encode() + b"\n\n"
    return httpx.Response(200, headers={"content-type": "text/event-stream"}, content=event)


class _Text(httpx.AsyncByteStream):
    """What is no text is refused: some clients read it with characters replaced, and take it for what the model
    said."""

    def __init__(self, inner: httpx.AsyncByteStream, request: httpx.Request) -> None:
        self._inner, self._request = inner, request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        decode = codecs.getincrementaldecoder("utf-8")().decode
        async for chunk in self._inner:
            try:
                decode(chunk)
            except UnicodeDecodeError:
                raise Unreadable(NOT_UTF8, request=self._request) from None
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()


def http_fault(error: BaseException) -> Fault | None:
    """What httpx and the backend below it report: connections refused, lost, timed out, and answers that are none."""
    if isinstance(error, Unreadable):
        return Fault(f"{_where(error)} sent {error}", transient=True, lost=True)
    if isinstance(error, aiohttp.ClientResponseError):  # which the backend lets through
        return lost(error, error.request_info.real_url.origin())
    if isinstance(error, httpx.TransportError):
        # The backend calls nearly every failure a ConnectTimeout; its own error below tells them apart.
        return lost(error.__cause__ or error, _where(error), one_line(str(error)))
    return None


def connection_fault(cause: BaseException | None, message: str) -> Fault:
    """What a client's own error of its connection says: its cause tells more, where there is one that we know."""
    found = http_fault(cause) if cause is not None else None
    return found or Fault(message, transient=True, lost=True)


def _where(error: httpx.RequestError) -> str:
    try:
        return f"{error.request.url.scheme}://{error.request.url.netloc.decode()}"
    except RuntimeError:  # raised outside a request
        return "the model's server"
