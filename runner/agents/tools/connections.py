"""The connections that tools make, and nobody else: one request at a time, to addresses that the guard has seen.

Apart from the providers' transport, which goes wherever a file says. Here a name is looked up once for a connection,
by us; every address is checked, and what was checked is what is connected to. Nothing is remembered between requests
but connections: no cookies, no `.netrc`. Answers are read up to a limit and never unpacked.
"""

from __future__ import annotations

import codecs
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from http.client import responses
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final

from yarl import URL

from runner.agents.aio import aiohttp
from runner.agents.closing import all_closed
from runner.agents.providers.http import proxy_for
from runner.agents.tools import guard
from runner.agents.tools.tool import ToolProblem

if TYPE_CHECKING:
    import ssl

MAX_READ: Final = 1_000_000
"""Bytes read of one answer; the rest is left where it is."""

MAX_REDIRECTS: Final = 5
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
TIMEOUT: Final = aiohttp.ClientTimeout(total=None, sock_connect=10.0)
"""A whole use of a tool is bounded by the tool."""

_TEXTUAL: Final = frozenset(
    "application/json application/xml application/javascript application/ecmascript application/yaml "
    "application/x-yaml application/toml application/sql application/graphql application/x-sh "
    "application/x-www-form-urlencoded application/x-ndjson application/jsonl application/x-javascript "
    "image/svg+xml".split()
)
_CODINGS: Final = ("utf", "iso8859", "latin", "ascii", "cp", "koi8", "mac", "shift", "euc", "gb", "big5", "iso2022")
"""How encodings of text are called; what else Python decodes is no encoding of pages, and some of it takes minutes."""


@dataclass(frozen=True)
class Request:
    """What is asked of a place. The URL has been through the guard's `parsed`."""

    method: str
    url: URL
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    private: bool = False


@dataclass(frozen=True)
class Answer:
    """What came back. `location` is where a redirect leads that was not followed."""

    request: Request
    status: int
    type: str
    text: str = ""
    length: str | None = None
    location: str | None = None
    is_cut: bool = False

    def told(self, text: str | None = None) -> str:
        """For a model: status, content type and the body, or another text made of it."""
        lines = [f"{self.status} {responses.get(self.status, '')}".rstrip()]
        lines += [f"content-type: {self.type}"] * bool(self.type)
        lines += [f"content-length: {self.length}"] * bool(self.length and self.request.method == "HEAD")
        if self.location is not None:
            return "\n".join([*lines, f"redirects to {self.location[:1000]}, not followed"])
        end = [f"[cut here: only the first {MAX_READ:,} bytes were read]"] if self.is_cut else []
        return "\n".join([*lines, "", self.text if text is None else text, *end]).rstrip("\n")


class Connections:
    """Made when they are first needed, kept for the run, closed with it."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._sessions: dict[str, aiohttp.ClientSession] = {}

    async def visit(self, request: Request, onward: Callable[[URL], URL | None]) -> Answer:
        """Ask, and follow redirects of a GET or HEAD: `onward` gives the URL to follow one to, None to leave it
        untaken, or raises. Raises ToolProblem for everything that is no answer."""
        for _ in range(MAX_REDIRECTS + 1):
            answer = await self._ask(request)
            if answer.location is None or request.method not in ("GET", "HEAD"):
                return answer
            try:
                target = request.url.join(URL(answer.location)).with_fragment(None)
            except ValueError:
                raise ToolProblem(f"{answer.status}: redirects to what is no URL") from None
            if (url := onward(target)) is None:
                return replace(answer, location=str(target))
            request = replace(request, url=url)
        raise ToolProblem(f"more than {MAX_REDIRECTS} redirects")

    async def close(self) -> None:
        sessions, self._sessions = self._sessions, {}
        await all_closed(*(session.close() for session in sessions.values()))

    async def _ask(self, request: Request) -> Answer:
        url, host = request.url, request.url.raw_host or ""
        try:
            proxy = proxy_for(url, self._environ)
            if proxy:  # which looks the name up once more, out of our sight; so it is for those who trust theirs
                await guard.addresses(host, url.port or 0, private=request.private)
            session = self._session("proxied" if proxy else "private" if request.private else "public")
            async with session.request(
                request.method,
                url,
                headers={"User-Agent": "strands-action", "Accept-Encoding": "identity", **request.headers},
                data=request.body,
                proxy=proxy,
                allow_redirects=False,
                ssl=self._tls if "https" in (url.scheme, URL(proxy or "").scheme) else True,
            ) as response:
                return await _answer(request, response)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise ToolProblem(f"cannot ask {host}: {_reason(error)}") from None

    def _session(self, kind: str) -> aiohttp.ClientSession:
        if kind not in self._sessions:
            self._sessions[kind] = aiohttp.ClientSession(
                connector=_connector(kind), cookie_jar=aiohttp.DummyCookieJar(), timeout=TIMEOUT, auto_decompress=False
            )
        return self._sessions[kind]

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        import httpx  # which nothing else here needs

        return httpx.create_ssl_context()


def _connector(kind: str) -> aiohttp.TCPConnector:
    if kind == "proxied":  # only ever to the proxy, which may stand anywhere
        return aiohttp.TCPConnector()
    private = kind == "private"

    def opened(info: Any) -> socket.socket:
        # The last one to see an address before it is connected to; what gets here by another way ends here.
        if kind := guard.refusal(ip_address(info[4][0]), private=private):
            raise PermissionError(f"{info[4][0]} is {kind}")
        return socket.socket(*info[:3])

    return aiohttp.TCPConnector(resolver=_Resolver(private), use_dns_cache=False, socket_factory=opened)


class _Resolver(aiohttp.abc.AbstractResolver):
    """Looks a name up by way of the guard, for a connection that is about to be made."""

    def __init__(self, private: bool) -> None:
        self._private = private

    async def resolve(
        self, host: str, port: int = 0, family: Any = socket.AF_UNSPEC
    ) -> list[aiohttp.abc.ResolveResult]:
        found = await guard.addresses(host, port, private=self._private)
        return [
            aiohttp.abc.ResolveResult(
                hostname=host, host=str(one), port=port, proto=0, flags=socket.AI_NUMERICHOST,
                family=socket.AF_INET if one.version == 4 else socket.AF_INET6,
            )
            for one in found
        ]  # fmt: skip

    async def close(self) -> None:
        """Nothing is open."""


async def _answer(request: Request, response: aiohttp.ClientResponse) -> Answer:
    kind = response.headers.get("Content-Type", "")[:200]
    answer = Answer(request, response.status, kind, length=response.headers.get("Content-Length"))
    if response.status in REDIRECTS and "Location" in response.headers:
        return replace(answer, location=response.headers["Location"])
    if request.method == "HEAD":
        return answer
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise ToolProblem(f"{response.status}: the answer is compressed, which was not asked for")
    if kind and not _is_text(response.content_type):
        raise ToolProblem(f"{response.status}: the answer is {response.content_type}, which is not text")
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_READ:
            break
    text = _decoded(bytes(body[:MAX_READ]), response.charset)
    if "\0" in text:
        raise ToolProblem(f"{response.status}: the answer is binary, not text")
    return replace(answer, text=text, is_cut=len(body) > MAX_READ)


def _is_text(kind: str) -> bool:
    return kind.startswith("text/") or kind.endswith(("+json", "+xml")) or kind in _TEXTUAL


def _decoded(body: bytes, charset: str | None) -> str:
    try:
        name = codecs.lookup(charset or "utf-8").name
        if name != "utf-7" and name.startswith(_CODINGS):
            return body.decode(name, "replace")
    except (LookupError, ValueError):
        pass
    return body.decode("utf-8", "replace")


def _reason(error: Exception) -> str:
    """In our words: those of the library may hold the address of a proxy and its password."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return "its certificate is not valid for that name"
        case aiohttp.ClientProxyConnectionError() | aiohttp.ClientHttpProxyError():
            return "the proxy of the environment does not let it through"
        case aiohttp.ClientConnectorError():
            return error.os_error.strerror or type(error.os_error).__name__
        case TimeoutError():
            return "it did not answer in time"
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError() | aiohttp.ClientPayloadError():
            return "the connection was lost"
    return type(error).__name__
