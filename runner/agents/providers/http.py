"""The one HTTP transport of a run, under every client that speaks HTTP: one TLS context, one set of connections.

aiohttp's connections carry httpx's requests, by the backend that the `openai` package offers itself: about a third
less CPU a call than httpx's own. Streams are read to their end, or the connection would be lost: the `openai` client
stops reading at `[DONE]`, before the body ends (https://github.com/openai/openai-python/pull/3580).
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from functools import cached_property
from typing import Final
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from runner.agents.closing import all_closed
from runner.agents.providers.faults import Fault, one_line

END_OF_STREAM: Final = b"[DONE]"
LONGEST_DOCUMENT: Final = 2**16
"""Bytes that are read of what came in place of a stream, for the error in it."""

PATIENCE_S: Final = 2.0
"""How long the rest of a finished stream is waited for. Most end at once; a new connection costs a few round trips."""


class Transport:
    """The run's connections, made when a client first needs them. Proxies are those of the environment.

    `timeout` is what clients send their requests with. It bounds the connection alone, names looked up and TLS
    included: how long a model may think is counted in `runner.agents.paced`, which sees more than bytes.
    """

    def __init__(self, max_parallel: int, environ: Mapping[str, str], connect_s: float) -> None:
        self._max_parallel, self._environ = max_parallel, environ
        # To the backend the wait for a connection is one for the pool; there is a place in it for every call.
        self.timeout = httpx.Timeout(None, connect=connect_s, pool=connect_s)
        self._through: dict[str | None, AiohttpTransport] = {}

    @cached_property
    def shared(self) -> httpx.AsyncBaseTransport:
        """For many clients at once: closing one of them leaves it open."""
        return _Shared(self.connections)

    def connections(self, url: httpx.URL) -> AiohttpTransport:
        """The connections that lead to a place, directly or through its proxy."""
        proxy = proxy_for(url, self._environ)
        if proxy not in self._through:
            self._through[proxy] = self._connected(proxy)
        return self._through[proxy]

    def client(self, *, events: bool = False) -> httpx.AsyncClient:
        """A client on the shared connections, for a provider's own client to send with. With `events` it is one that
        finds an error in an event stream, and nowhere else where the status says that all is well."""
        return httpx.AsyncClient(
            transport=_Shared(self.connections, events=events), timeout=self.timeout, follow_redirects=False
        )

    async def close(self) -> None:
        await all_closed(*(transport.aclose() for transport in self._through.values()))

    @cached_property
    def tls(self) -> ssl.SSLContext:
        return httpx.create_ssl_context()  # 27 ms: it reads every certificate authority

    def _connected(self, proxy: str | None) -> AiohttpTransport:
        def session() -> aiohttp.ClientSession:
            # Not trust_env: it would also read ~/.netrc, a file that any earlier step of a job can plant.
            return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=self._max_parallel, ssl=self.tls))

        return AiohttpTransport(verify=self.tls, proxy=httpx.Proxy(proxy) if proxy else None, client=session)


def proxy_for(url: httpx.URL, environ: Mapping[str, str]) -> str | None:
    """The proxy that HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY name for a place, in either spelling.

    A place on this machine has none: no proxy elsewhere could reach it.
    """

    def setting(name: str) -> str:
        return environ.get(name) or environ.get(name.upper()) or ""

    here = url.host in ("localhost", "::1") or url.host.startswith("127.")
    if here or proxy_bypass_environment(url.host, {"no": setting("no_proxy")}):
        return None
    found = setting(f"{url.scheme}_proxy") or setting("all_proxy")
    return found if "://" in found or not found else f"http://{found}"


class Unreadable(httpx.TransportError):
    """What came is no answer of a model's server. The message says what it is instead, and repeats nothing of it."""


class _Shared(httpx.AsyncBaseTransport):
    """Gives connections back also when a reader stops at the end-of-stream marker, and refuses what is no stream:
    clients read nothing in it, and would tell of an answer that broke off. `events` says that nothing but event
    streams is asked for."""

    def __init__(self, connections: Callable[[httpx.URL], httpx.AsyncBaseTransport], *, events: bool = False) -> None:
        self._connections, self._events = connections, events

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._connections(request.url).handle_async_request(request)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        kind = response.headers.get("content-type", "").lower()
        if response.status_code == 200 and "text/html" in kind:
            await response.stream.aclose()
            raise Unreadable(
                "a page of HTML in place of an answer, as a proxy or a sign-in page sends", request=request
            )
        if response.status_code == 200 and self._events and "application/json" in kind:
            return await _error_as_event(response.stream, request)
        if "text/event-stream" in kind or "ndjson" in kind:
            response.stream = _DrainedStream(response.stream, request)
        return response

    async def aclose(self) -> None:
        """The connections are the run's to close, not a client's."""


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
        raise Unreadable("a JSON document in place of an event stream", request=request)
    event = b"event: error\ndata: " + json.dumps(told).encode() + b"\n\n"
    return httpx.Response(200, headers={"content-type": "text/event-stream"}, content=event)


class _DrainedStream(httpx.AsyncByteStream):
    """Text, by lines. What is none is refused: some clients read it with characters replaced, and take it for what
    the model said."""

    def __init__(self, inner: httpx.AsyncByteStream, request: httpx.Request) -> None:
        self._inner, self._rest, self._request = inner, aiter(inner), request
        self._tail, self._ended = b"", False
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._rest:
            self._tail = (self._tail + chunk)[-64:]
            try:
                self._decoder.decode(chunk)
            except UnicodeDecodeError:
                raise Unreadable("a stream with bytes in it that are not UTF-8", request=self._request) from None
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
    """What httpx and the backend below it report: connections refused, lost, timed out, and answers that are none."""
    if isinstance(error, Unreadable):
        return Fault(f"{_where(error)} sent {error}", transient=True, lost=True)
    if isinstance(error, aiohttp.ClientResponseError):  # which the backend lets through; its message repeats the line
        place = error.request_info.real_url.origin()
        return Fault(f"what {place} sent is no answer of an HTTP server", transient=True, lost=True)
    if not isinstance(error, httpx.TransportError):
        return None
    # The backend calls nearly every failure a ConnectTimeout; its own error below tells them apart.
    cause = error.__cause__
    told = one_line(str(error)) or type(cause or error).__name__
    if isinstance(cause, aiohttp.ConnectionTimeoutError):
        return Fault(f"cannot reach {_where(error)}: no connection in time (timeouts.connect_s)", transient=True)
    if isinstance(cause, aiohttp.ClientConnectorError):
        return Fault(f"cannot reach {_where(error)}: {told}", transient=True)
    if isinstance(cause, aiohttp.ClientPayloadError):
        return Fault(
            f"the connection to {_where(error)} was lost in the middle of the answer", transient=True, lost=True
        )
    if isinstance(cause, aiohttp.ServerDisconnectedError):  # its words are what the parser had in hand
        told = "the server closed it without an answer"
    return Fault(f"the connection to {_where(error)} was lost: {told}", transient=True, lost=True)


def connection_fault(cause: BaseException | None, message: str) -> Fault:
    """What a client's own error of its connection says: its cause tells more, where there is one that we know."""
    found = http_fault(cause) if cause is not None else None
    return found or Fault(message, transient=True, lost=True)


def _where(error: httpx.RequestError) -> str:
    try:
        return f"{error.request.url.scheme}://{error.request.url.netloc.decode()}"
    except RuntimeError:  # raised outside a request
        return "the model's server"
