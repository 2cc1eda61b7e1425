"""One request to a host and its answer, within bounds: sizes, times, proxies, and where the host may send us on.

What an answer means is read in `refusal`, and asking again is for `waiting`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from io import BufferedReader, RawIOBase
from socket import gaierror
from ssl import SSLCertVerificationError, SSLContext, create_default_context
from typing import TYPE_CHECKING, Final
from urllib.error import URLError
from urllib.parse import urljoin, urlsplit
from urllib.request import (  # type: ignore[attr-defined]
    AbstractHTTPHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    proxy_bypass_environment,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from _typeshed import WriteableBuffer

    class Sink(Protocol):
        """What an answer is written to."""

        def write(self, piece: bytes, /) -> object: ...


SILENT_S: Final = 15.0
"""How long the host may keep silent. It gives up on a request after ten seconds itself."""

WHOLE_S: Final = 60.0
"""How long one answer may take as a whole, its last silence left aside."""

MAX_REFUSAL: Final = 64 * 1024
"""Bytes of a failure's body that are looked at."""

PIECE: Final = 64 * 1024
MOST_TURNS: Final = 5
SENT_ON: Final = (301, 302, 303, 307, 308)
TOO_LONG: Final = "the host takes too long to answer"
NEVER_LEFT: Final = (ConnectionRefusedError, gaierror, SSLCertVerificationError)
"""Failures of a connection over which no request has gone."""


class Unheard(Exception):
    """There is no answer, or none that can be read; the half sentence tells why.

    `passing` says that it may be otherwise a moment later, `arrived` that the host may have done what it was asked.
    """

    def __init__(self, told: str, *, passing: bool = False, arrived: bool = True) -> None:
        super().__init__(told)
        self.passing, self.arrived = passing, arrived


@dataclass(frozen=True)
class Ask:
    """One request. Of its answer `most` bytes are taken."""

    method: str
    url: str
    body: bytes | None = None
    most: int = 8 * 1024 * 1024


@dataclass(frozen=True)
class Heard:
    """What came back, but for the body of a success; `told` is that of a failure. Names of headers are in lower
    case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    told: bytes = b""

    @property
    def good(self) -> bool:
        return 200 <= self.status < 300


@dataclass(frozen=True)
class Wire:
    """The way to one host. `token` is sent to it and to nobody else, also where it sends us on.

    Every request has a connection of its own: they are few, and of one that was kept open and closes nobody could say
    whether it took a wish along.
    """

    homes: tuple[str, ...]
    """Addresses at the host, one for each origin."""
    token: str = field(repr=False)
    proxies: Mapping[str, str] = field(repr=False)

    def exchange(self, ask: Ask, into: Sink, seconds: float = WHOLE_S) -> Heard:
        """Ask, and write the body of a success to `into`. Only what reads is sent on elsewhere. Raises Unheard."""
        until = time.monotonic() + min(seconds, WHOLE_S)
        url = ask.url
        for _ in range(MOST_TURNS):
            heard = self._once(ask, url, into, until)
            further = heard.headers.get("location", "")
            if heard.status not in SENT_ON or not further or ask.method != "GET":
                return heard
            url = _sent_on(url, further)
        raise Unheard("the host sends us on without an end")

    def _once(self, ask: Ask, url: str, into: Sink, until: float) -> Heard:
        left = until - time.monotonic()
        if left <= 0:
            raise Unheard(TOO_LONG, arrived=False)
        try:
            with self._opener(until).open(self._request(ask, url), timeout=min(SILENT_S, left)) as answer:
                headers = {name.lower(): value for name, value in answer.headers.items()}
                if 200 <= answer.status < 300:
                    _copy(answer, into, ask.most)
                    return Heard(answer.status, headers)
                return Heard(answer.status, headers, _reason(answer).replace(self.token.encode(), b"***"))
        except TimeoutError:  # silence may have an end in another attempt
            raise Unheard(TOO_LONG, passing=time.monotonic() < until) from None
        except URLError as error:
            arrived = not isinstance(error.reason, NEVER_LEFT)
            raise Unheard(f"the host cannot be asked: {error.reason}", passing=True, arrived=arrived) from None
        except (OSError, HTTPException) as error:
            raise Unheard(f"the host cannot be asked: {type(error).__name__}", passing=True) from None
        except ValueError:  # an address that is none
            raise Unheard("the host's answer cannot be read") from None

    def _request(self, ask: Ask, url: str) -> Request:
        headers = {
            "User-Agent": "strands-action",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
        }
        if ask.body is not None:
            headers["Content-Type"] = "application/json"
        if origin(url) in map(origin, self.homes):
            headers["Authorization"] = f"Bearer {self.token}"
        return Request(url, ask.body, headers, method=ask.method)  # noqa: S310 - nothing else than HTTP is opened

    def _opener(self, until: float) -> OpenerDirector:
        """One that knows HTTP and proxies and nothing else: no file, no cookie, and no sending on of its own."""
        opener = OpenerDirector()
        for handler in (_Proxies(self.proxies), _Connections(until, lambda: self._trusted)):
            opener.add_handler(handler)
        return opener

    @cached_property
    def _trusted(self) -> SSLContext:
        """To load whom safe connections trust takes longer than most answers, so it is done once, and only where there
        is one."""
        return create_default_context()


class _Connections(AbstractHTTPHandler):
    """Connections whose answers are read until a moment and no longer."""

    http_request = https_request = AbstractHTTPHandler.do_request_

    def __init__(self, until: float, trusted: Callable[[], SSLContext]) -> None:
        super().__init__()
        self._until, self._trusted = until, trusted

    def http_open(self, req: Request) -> HTTPResponse:
        return self.do_open(partial(self._made, HTTPConnection), req)

    def https_open(self, req: Request) -> HTTPResponse:
        return self.do_open(partial(self._made, HTTPSConnection), req, context=self._trusted())

    def _made(self, kind: Callable[..., HTTPConnection], host: str, **more: Any) -> HTTPConnection:
        made = kind(host, **more)
        made.response_class = partial(_Timely, until=self._until)  # type: ignore[assignment]
        return made


class _Timely(HTTPResponse):
    """An answer of which every byte comes in time, from its first line to what is behind its end: the time-out of a
    socket is that of the next byte."""

    def __init__(self, *args: Any, until: float, **more: Any) -> None:
        super().__init__(*args, **more)
        self.fp = BufferedReader(_InTime(self.fp.detach(), until))


class _InTime(RawIOBase):
    def __init__(self, source: RawIOBase, until: float) -> None:
        self._source, self._until = source, until

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int | None:
        if time.monotonic() > self._until:
            raise TimeoutError
        return self._source.readinto(buffer)

    def close(self) -> None:
        self._source.close()
        super().close()


class _Proxies(ProxyHandler):
    """Proxies by scheme, as they were handed in; to hosts that `no` names there is none."""

    def __init__(self, proxies: Mapping[str, str]) -> None:
        self._but_for = {"no": "", **proxies}
        super().__init__({scheme: url for scheme, url in proxies.items() if scheme != "no"})

    def proxy_open(self, req: Request, proxy: str, type: str) -> HTTPResponse | None:  # noqa: A002 - its name there
        if proxy_bypass_environment(req.host, self._but_for):
            return None
        return super().proxy_open(req, proxy, type)


def origin(url: str) -> tuple[str, str]:
    """The scheme and the host of an address, with its port if one is written. Raises ValueError."""
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()


def _sent_on(url: str, further: str) -> str:
    """Where the host sends us, if we go there: over HTTP, and not from a safe connection to one that is not. Raises
    Unheard."""
    try:
        there = urljoin(url, further)
        scheme, host = origin(there)
    except ValueError:
        scheme, host = "", ""
    if not host or scheme not in ("https", origin(url)[0]):
        raise Unheard("the host sends us on to what is no safe address")
    return there


def _copy(answer: HTTPResponse, into: Sink, most: int) -> None:
    total = 0
    while piece := answer.read1(PIECE):
        total += len(piece)
        if total > most:
            raise Unheard(f"the host's answer is larger than {most // 1024 // 1024} MiB")
        into.write(piece)
    if getattr(answer, "length", None):
        raise Unheard("the host's answer ends too soon", passing=True)


def _reason(answer: HTTPResponse) -> bytes:
    """What a failure says of itself, as much as can be had of it."""
    told = b""
    with suppress(OSError, HTTPException):
        while len(told) < MAX_REFUSAL and (piece := answer.read1(PIECE)):
            told += piece
    return told[:MAX_REFUSAL]
