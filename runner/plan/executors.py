"""What must hold of an HTTP executor before anything runs: where it goes, and what it sends there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from runner.errors import TemplateProblem
from runner.plan import headers
from runner.plan.templates import references

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.spec import models as spec

    Problem = tuple[str, tuple[str, ...]]
    """What is wrong, and at which key."""

_BASE_URL: Final = re.compile(r"https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?(/[^\s?#\\]*)?", re.IGNORECASE)


def problems(one: spec.HttpExecutor) -> Iterator[Problem]:
    """Everything that is wrong with an executor."""
    if wrong := _bad_base_url(one.base_url):
        yield wrong, ("base_url",)
    yield from ((problem, ("headers", name)) for problem, name in headers.problems(one.headers))
    for name, template in one.headers.items():
        yield from ((problem, ("headers", name)) for problem in _template_problems(one, name, template))


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


def _template_problems(one: spec.HttpExecutor, name: str, template: str) -> Iterator[str]:
    try:
        found = references(template)
    except TemplateProblem as problem:
        yield f"header '{name}': {problem.message}"
        return
    for other in sorted((found.names | found.guarded) - {"secrets"}):
        yield f"header '{name}': '{other}' is not known here; a header is made of secrets.<name> and text"
    yield from headers.exposed(name, found.names | found.guarded, one.base_url, near=one.allow_private)
