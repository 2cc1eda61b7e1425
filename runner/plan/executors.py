"""What must hold of an HTTP executor before anything runs: where it goes, and what it sends there."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from runner.errors import TemplateProblem
from runner.plan.templates import references

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.spec import models as spec

    Problem = tuple[str, tuple[str, ...]]
    """What is wrong, and at which key."""

_BASE_URL: Final = re.compile(r"https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?(/[^\s?#\\]*)?", re.IGNORECASE)
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")

_NOT_OURS_TO_SET: Final = frozenset(
    "host content-length transfer-encoding connection keep-alive te trailer upgrade expect accept-encoding "
    "proxy-authorization proxy-connection".split()
)
"""Headers that say how a request is carried; whoever sends it writes them."""


def problems(one: spec.HttpExecutor) -> Iterator[Problem]:
    """Everything that is wrong with an executor."""
    if wrong := _bad_base_url(one.base_url):
        yield wrong, ("base_url",)
    seen: set[str] = set()
    for name, template in one.headers.items():
        yield from ((problem, ("headers", name)) for problem in _header_problems(one, name, template))
        if name.lower() in seen:
            yield f"header '{name}' stands here again", ("headers", name)
        seen.add(name.lower())


def model_name(tool_id: str) -> str:
    """What a model calls an executor: providers take letters, digits, _ and -, and 64 of them."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", tool_id)[:64]


def _bad_base_url(url: str) -> str | None:
    try:
        if "@" in urlsplit(url).netloc:
            return "base_url has a user or a password in it; send them as a header, from a secret"
        if "?" in url or "#" in url:
            return "base_url has a query or a fragment; it is where the paths of requests begin"
        if _BASE_URL.fullmatch(url) and urlsplit(url).port != 0:
            return None
    except ValueError:
        pass
    return f"base_url {url!r} is not one, such as https://api.example.com/v1"


def _header_problems(one: spec.HttpExecutor, name: str, template: str) -> Iterator[str]:
    if not _HEADER_NAME.fullmatch(name):
        yield f"{name!r} is not the name of a header"
    if name.lower() in _NOT_OURS_TO_SET:
        yield f"header '{name}' is written by whoever sends the request; leave it away"
    try:
        found = references(template)
    except TemplateProblem as problem:
        yield f"header '{name}': {problem.message}"
        return
    for other in sorted((found.names | found.guarded) - {"secrets"}):
        yield f"header '{name}': '{other}' is not known here; a header is made of secrets.<name> and text"
    if "secrets" in found.names | found.guarded and not _may_carry_secrets(one):
        yield f"header '{name}' would send a secret over http://, for everybody to read; use https://"


def _may_carry_secrets(one: spec.HttpExecutor) -> bool:
    """Over TLS; or, with `allow_private`, on one's own machine and network, as far as the host's name tells."""
    try:
        parts = urlsplit(one.base_url)
        host = parts.hostname or ""
    except ValueError:
        return True  # not a URL, which is told where it stands
    if parts.scheme == "https" or not host:
        return True
    try:
        is_near = ip_address(host).is_private
    except ValueError:
        is_near = "." not in host or host.endswith((".localhost", ".local", ".internal"))
    return one.allow_private and is_near
