"""The headers that a file declares, of HTTP executors and of MCP servers: their names, and over what secrets go."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")

_NOT_OURS_TO_SET: Final = frozenset(
    "host content-length transfer-encoding connection keep-alive te trailer upgrade expect accept-encoding "
    "proxy-authorization proxy-connection".split()
)
"""Headers that say how a request is carried; whoever sends it writes them."""


def problems(headers: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What is wrong with the names of headers, and with which."""
    seen: set[str] = set()
    for name in headers:
        if not _NAME.fullmatch(name):
            yield f"{name!r} is not the name of a header", name
        if name.lower() in _NOT_OURS_TO_SET:
            yield f"header '{name}' is written by whoever sends the request; leave it away", name
        if name.lower() in seen:
            yield f"header '{name}' stands here again", name
        seen.add(name.lower())


def exposed(name: str, used: Collection[str], url: str, *, near: bool) -> Iterator[str]:
    """What to say of a header that would be read by everybody: `used` are the names in its template. Over http:// a
    secret goes to one's own machine and network only, as far as the host's name tells, and only where it may go `near`.
    """
    if "secrets" in used and not _may_carry_secrets(url, near=near):
        yield f"header '{name}' would send a secret over http://, for everybody to read; use https://"


def _may_carry_secrets(url: str, *, near: bool) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return True  # not a URL, which is told where it stands
    if parts.scheme == "https" or not host:
        return True
    try:
        is_near = ip_address(host).is_private
    except ValueError:
        is_near = "." not in host or host.endswith((".localhost", ".local", ".internal"))
    return near and is_near
