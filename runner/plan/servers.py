"""Whether an MCP server of a file could be started or asked at all, known without starting or asking it."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from runner.errors import TemplateProblem
from runner.plan import headers, names
from runner.plan.templates import references

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.spec import models as spec

    Problem = tuple[str, tuple[str | int, ...]]

_ENV_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def problems(server: spec.McpServer, inputs: spec.Inputs) -> Iterator[Problem]:
    """What is wrong with a server, and where inside of its declaration."""
    if server.command is not None:
        if not server.command.strip():
            yield "an MCP server's command cannot be empty", ("command",)
        if server.headers:
            yield "'headers' belong to a url; what a command needs goes into 'args' and 'env'", ("headers",)
    elif server.url is not None:
        if problem := _bad_url(server.url):
            yield problem, ("url",)
        for name in ("args", "env"):
            if getattr(server, name):
                yield f"'{name}' belongs to a command; what a url needs goes into 'headers'", (name,)
    for name in server.env:
        if not _ENV_NAME.fullmatch(name):
            yield f"{name!r} cannot be the name of an environment variable", ("env", name)
    yield from ((problem, ("headers", name)) for problem, name in headers.problems(server.headers))
    scope = names.Names(frozenset({"secrets", *inputs.required, *inputs.optional, *inputs.values}))
    yield from _bad_templates(server, scope)


def _bad_templates(server: spec.McpServer, scope: names.Names) -> Iterator[Problem]:
    templates: list[tuple[str, tuple[str | int, ...]]] = [(one, ("args", i)) for i, one in enumerate(server.args)]
    templates += [(value, ("env", name)) for name, value in server.env.items()]
    templates += [(value, ("headers", name)) for name, value in server.headers.items()]
    for template, place in templates:
        yield from ((problem, place) for problem in names.problems(template, scope))
    for name, template in server.headers.items():
        with suppress(TemplateProblem):  # told above
            found = references(template)
            exposed = headers.exposed(name, found.names | found.guarded, server.url or "", near=True)
            yield from ((problem, ("headers", name)) for problem in exposed)


def _bad_url(url: str) -> str | None:
    """Why a text cannot be the address of a server; None when it can."""
    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and not re.search(r"[\s{}]", url):
            if parts.username is None and parts.password is None:
                return None
            return "a url cannot carry credentials; they go into 'headers', as {{ secrets.NAME }}"
    except ValueError:
        pass
    return f"url {url!r} is not the address of an MCP server, such as https://tools.example.com/mcp"
