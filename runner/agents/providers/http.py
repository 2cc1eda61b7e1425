"""The one HTTP transport of a run, under every client that speaks HTTP: one TLS context, one set of connections.

aiohttp's connections carry httpx's requests, by the backend that the `openai` package offers itself: about a third
less CPU a call than httpx's own. Streams are read to their end, or the connection would be lost: the `openai` client
stops reading at `[DONE]`, before the body ends (https://github.com/openai/openai-python/pull/3580).
"""

from __future__ import annotations

import asyncio
import contextlib
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

    def client(self) -> httpx.AsyncClient:
        """A client on the shared connections, for a provider's own client to send with."""
        return httpx.AsyncClient(transport=self.shared, timeout=self.timeout, follow_redirects=False)

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


class _Shared(httpx.AsyncBaseTransport):
    """Gives connections back also when a reader stops at the end-of-stream marker."""

    def __init__(self, connections: Callable[[httpx.URL], httpx.AsyncBaseTransport]) -> None:
        self._connections = connections

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._connections(request.url).handle_async_request(request)
        if "text/event-stream" in response.headers.get("content-type", ""):
            assert isinstance(response.stream, httpx.AsyncByteStream)
            response.stream = _DrainedStream(response.stream)
        return response

    async def aclose(self) -> None:
        """The connections are the run's to close, not a client's."""


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
    if not isinstance(error, httpx.TransportError):
        return None
    # The backend calls nearly every failure a ConnectTimeout; its own error below tells them apart.
    cause = error.__cause__
    told = one_line(str(error)) or type(cause or error).__name__
    if isinstance(cause, aiohttp.ConnectionTimeoutError):
        return Fault(f"cannot reach {_where(error)}: no connection in time (timeouts.connect_s)", transient=True)
    if isinstance(cause, aiohttp.ClientConnectorError):
        return Fault(f"cannot reach {_where(error)}: {told}", transient=True)
    return Fault(f"the connection to {_where(error)} was lost: {told}", transient=True, lost=True)


def _where(error: httpx.RequestError) -> str:
    try:
        return f"{error.request.url.scheme}://{error.request.url.netloc.decode()}"
    except RuntimeError:  # raised outside a request
        return "the model's server"
