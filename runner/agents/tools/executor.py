"""The tools of `tools.http_executors`: requests to one origin, below one path, with headers no model ever sees."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from runner.agents.tools import guard
from runner.agents.tools.connections import Request
from runner.agents.tools.tool import ToolProblem, sdk_tool
from runner.errors import TemplateProblem, UsageError
from runner.plan.templates import references

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from strands.tools.tools import PythonAgentTool
    from yarl import URL

    from runner.agents.tools.bench import Bench
    from runner.plan.tools import HttpTool

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD")
MAX_ENCODED: Final = 8
"""How often a path is decoded: each time costs, and a path of 8 KB can be made that takes thousands."""


class Executor:
    """One of them, with its headers filled in. Raises UsageError when they cannot be, or when its place is none that
    is asked."""

    def __init__(self, recipe: HttpTool, bench: Bench) -> None:
        self._recipe, self._connections = recipe, bench.connections
        self._base = _base(recipe)
        self._headers = {name: _filled(recipe, name, bench) for name in recipe.headers}
        self._scrub = bench.scrub

    def tool(self) -> PythonAgentTool:
        """For an Agent."""
        one = self._recipe
        return sdk_tool(one.told_as, described(one), parameters(one), self._run, self._scrub, seconds=one.timeout_s)

    async def _run(self, given: Mapping[str, Any]) -> str:
        method, headers, body = given["method"], {**self._headers}, given.get("body")
        if body is not None:
            if method in ("GET", "HEAD"):
                raise ToolProblem(f"a {method} has no body; put what is asked for into 'query'")
            headers = {**_content_type(body, headers), **headers}
            body = (body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)).encode()
        url = self._url(given["path"], given["query"])
        request = Request(method, url, headers, body, self._recipe.allow_private)
        return (await self._connections.visit(request, self._onward)).told()

    def _url(self, path: str, query: Mapping[str, str]) -> URL:
        check_path(path)
        url = guard.parsed(f"{self._base}/{path.removeprefix('/').replace(' ', '%20')}")
        url = url.extend_query(query) if query else url
        if not self._holds(url):
            raise ToolProblem(f"the path leads out of {self._base}")
        return url

    def _onward(self, target: URL) -> URL | None:
        """Where a redirect is followed to: a place that the model could have asked for."""
        try:
            check_path(target.raw_path.lstrip("/"))
        except ToolProblem:
            return None
        return target if self._holds(target) else None

    def _holds(self, url: URL) -> bool:
        """Whether a URL is of this origin and below the path of its base."""
        origin = (url.scheme, url.raw_host, url.port, url.raw_user, url.raw_password)
        ours = (self._base.scheme, self._base.raw_host, self._base.port, None, None)
        root = self._base.raw_path.rstrip("/")
        return origin == ours and (url.raw_path == root or url.raw_path.startswith(f"{root}/"))


def check_path(path: str) -> None:
    """Raises ToolProblem for a path that is not plainly below where it is put."""
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:/|//", path):
        raise ToolProblem("the path names a place of its own; give only what comes behind the base URL")
    if "#" in path:
        raise ToolProblem("the path has a fragment (#); servers are not asked for those")
    if re.search(r"[\x00-\x1f\x7f]", path):
        raise ToolProblem("the path has control characters in it")
    plain = path.partition("?")[0]
    for _ in range(MAX_ENCODED):  # a server may decode more than once
        plain, was = unquote(plain), plain
        if re.search(r"[\x00-\x1f\x7f\\]", plain):
            raise ToolProblem("the path has control characters or backslashes in it")
        if any(part.partition(";")[0] in (".", "..") for part in plain.split("/")):
            raise ToolProblem("the path has '.' or '..' in it; give the path that is meant")
        if plain == was:
            return
    raise ToolProblem("the path is encoded again and again; give it as it is")


def methods(recipe: HttpTool) -> list[str]:
    """What may be asked: the methods of the endpoints where any is named, else all."""
    named = [method for _, _, method in recipe.endpoints]
    return [one for one in METHODS if one in {method or "GET" for method in named}] if any(named) else list(METHODS)


def parameters(recipe: HttpTool) -> dict[str, Any]:
    """The JSON Schema of a use."""
    offered = methods(recipe)
    first = {"default": "GET"} if "GET" in offered else {}
    return {
        "type": "object",
        "properties": {
            "method": {"type": "string", "enum": offered, **first},
            "path": {"type": "string", "maxLength": 4000, "description": "Below the base URL, such as /items/7"},
            "query": {
                "type": "object", "additionalProperties": {"type": "string"}, "default": {},
                "description": "What stands behind the question mark, by name",
            },
            "body": {"type": ["object", "array", "string"], "description": "Sent as JSON, or text as it is"},
        },
        "required": ["path"] if first else ["method", "path"],
        "additionalProperties": False,
    }  # fmt: skip


def described(recipe: HttpTool) -> str:
    """What a model is told of the tool."""
    return "\n".join(_description(recipe))


def _description(recipe: HttpTool) -> Iterator[str]:
    yield recipe.description or "Make an HTTP request."
    yield f"Base URL: {recipe.base_url}"
    if recipe.endpoints:
        yield "Endpoints:"
        yield from (f"- {method or 'GET'} {path}: {what}" for path, what, method in recipe.endpoints)
    if recipe.examples:
        yield "Examples:"
        yield from (f"- {_text(example)}" for example in recipe.examples)
    if recipe.response_format:
        yield f"Answers: {recipe.response_format}"
    if recipe.authentication_info:
        yield f"Authentication: {recipe.authentication_info}"


def _text(example: Any) -> str:
    return example if isinstance(example, str) else json.dumps(example, ensure_ascii=False, default=str)


def _content_type(body: Any, headers: Mapping[str, str]) -> dict[str, str]:
    if "content-type" in {name.lower() for name in headers}:
        return {}
    return {"Content-Type": "text/plain; charset=utf-8" if isinstance(body, str) else "application/json"}


def _base(recipe: HttpTool) -> URL:
    try:
        base = guard.parsed(recipe.base_url.rstrip("/"))
        guard.check_literal(base, private=recipe.allow_private)
    except ToolProblem as problem:
        hint = "" if recipe.allow_private else " (allow_private: true is for one's own machine and network)"
        raise UsageError(f"tool '{recipe.name}', base_url: {problem}{hint}") from None
    return base


def _filled(recipe: HttpTool, name: str, bench: Bench) -> str:
    """A header with its secrets. The error names what is missing, and never repeats what a template made of it."""
    template, where = recipe.headers[name], f"tool '{recipe.name}', header '{name}'"
    for root, secret in sorted(references(template).parts, key=str):
        if root == "secrets" and bench.fill(f"{{{{ secrets[{json.dumps(secret)}] is defined }}}}") != "true":
            raise UsageError(f"{where}: there is no secret '{secret}'")
    try:
        value = bench.fill(template)
    except TemplateProblem:
        raise UsageError(f"{where}: the template cannot be rendered") from None
    if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value):
        raise UsageError(f"{where}: what the template gives has a line break or a control character in it")
    return value
