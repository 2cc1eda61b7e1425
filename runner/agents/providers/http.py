"""The run's connections, under everything that asks a provider by HTTP, and what is said when they fail.

One aiohttp session for plain HTTP and one for TLS, made when they are first needed: to read the certificate
authorities takes 20 ms, which a server on this machine need not cost.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

import certifi

from runner.agents.aio import aiohttp
from runner.agents.closing import all_closed
from runner.agents.providers.faults import Fault, one_line
from runner.errors import UsageError

if TYPE_CHECKING:
    import httpx
    from yarl import URL

LONGEST_DOCUMENT: Final = 2**16
"""Bytes that are read of what came in place of a stream, for the error in it."""

PATIENCE_S: Final = 2.0
"""How long the rest of a finished stream is waited for. Most end at once; a new connection costs a few round trips."""

A_PAGE: Final = "a page of HTML in place of an answer, as a proxy or a sign-in page sends"
A_DOCUMENT: Final = "a JSON document in place of an event stream"
NOT_UTF8: Final = "a stream with bytes in it that are not UTF-8"


class Transport:
    """The run's connections. Proxies and certificate authorities are those of the environment.

    `connect_s` bounds the connection alone, names looked up and TLS included: how long a model may think is counted in
    `runner.agents.paced`, which sees more than bytes.
    """

    def __init__(self, max_parallel: int, environ: Mapping[str, str], connect_s: float) -> None:
        self._max_parallel, self._environ, self.connect_s = max_parallel, environ, connect_s
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    def session(self, url: URL | httpx.URL) -> aiohttp.ClientSession:
        """That which leads to a place. Nothing is remembered between requests but connections."""
        secure = url.scheme == "https" or self.proxy(url).startswith("https:")
        if secure not in self._sessions:
            self._sessions[secure] = aiohttp.ClientSession(
                # Not trust_env: it would also read ~/.netrc, a file that any earlier step of a job can plant.
                connector=aiohttp.TCPConnector(limit=self._max_parallel, ssl=self.tls if secure else True),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._sessions[secure]

    def proxy(self, url: URL | httpx.URL) -> str:
        """The proxy that leads to a place; empty where none is needed."""
        return proxy_for(url, self._environ) or ""

    async def close(self) -> None:
        await all_closed(*(session.close() for session in self._sessions.values()))

    @cached_property
    def tls(self) -> ssl.SSLContext:
        """Of the authorities that SSL_CERT_FILE or SSL_CERT_DIR names, or else of those that browsers trust."""
        file, directory = self._environ.get("SSL_CERT_FILE"), self._environ.get("SSL_CERT_DIR")
        if file or directory:
            try:
                return ssl.create_default_context(cafile=file or None, capath=directory if not file else None)
            except OSError as error:
                name = "SSL_CERT_FILE" if file else "SSL_CERT_DIR"
                raise UsageError(f"{name}: '{file or directory}' holds no certificates: {error}") from None
        return ssl.create_default_context(cafile=certifi.where())


def proxy_for(url: URL | httpx.URL, environ: Mapping[str, str]) -> str | None:
    """The proxy that HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY name for a place, in either spelling.

    A place on this machine has none: no proxy elsewhere could reach it.
    """

    def setting(name: str) -> str:
        return environ.get(name) or environ.get(name.upper()) or ""

    host = url.host or ""
    here = host in ("localhost", "::1") or host.startswith("127.")
    if here or proxy_bypass_environment(host, {"no": setting("no_proxy")}):
        return None
    found = setting(f"{url.scheme}_proxy") or setting("all_proxy")
    return found if "://" in found or not found else f"http://{found}"


def lost(error: BaseException | None, place: Any, otherwise: str = "") -> Fault:
    """What aiohttp reports of a connection to a place: refused, lost, timed out, or an answer that is none. `otherwise`
    is said of the rest."""
    told = otherwise or one_line(str(error)) or type(error).__name__
    match error:
        case aiohttp.ClientResponseError():  # its message repeats the line
            return Fault(f"what {place} sent is no answer of an HTTP server", transient=True, lost=True)
        case aiohttp.ConnectionTimeoutError():
            return Fault(f"cannot reach {place}: no connection in time (timeouts.connect_s)", transient=True)
        case aiohttp.ClientConnectorCertificateError(certificate_error=refused):
            why = getattr(refused, "verify_message", refused)
            return Fault(f"cannot reach {place}: its certificate is not to be trusted: {why}", transient=True)
        case aiohttp.ClientConnectorError(os_error=refused):
            return Fault(f"cannot reach {place}: {one_line(refused.strerror or str(refused))}", transient=True)
        case aiohttp.ClientPayloadError():
            return Fault(f"the connection to {place} was lost in the middle of the answer", transient=True, lost=True)
        case aiohttp.ServerDisconnectedError():  # its words are what the parser had in hand
            told = "the server closed it without an answer"
    return Fault(f"the connection to {place} was lost: {told}", transient=True, lost=True)
