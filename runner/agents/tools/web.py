"""The tools `http_request` and `web_fetch`: reading what is public, and nothing else. GET and HEAD, without headers."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any, Final

from runner.agents.tools import guard
from runner.agents.tools.connections import Request
from runner.agents.tools.readable import readable
from runner.agents.tools.tool import ToolProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from yarl import URL

    from runner.agents.tools.bench import Bench
    from runner.agents.tools.connections import Answer
    from runner.agents.tools.tool import Run

_ACCEPTED: Final = re.compile(r"[A-Za-z0-9*/+.,;= -]{1,200}")


def _http_request(bench: Bench) -> Run:
    async def run(given: Mapping[str, Any]) -> str:
        if not _ACCEPTED.fullmatch(given["accept"]):
            raise ToolProblem("'accept' is a list of content types, such as text/html, application/json;q=0.9")
        return (await _visited(bench, given["url"], given["method"], given["accept"])).told()

    return run


def _web_fetch(bench: Bench) -> Run:
    async def run(given: Mapping[str, Any]) -> str:
        answer = await _visited(bench, given["url"], "GET", "text/html, text/*;q=0.9, */*;q=0.5")
        if given["format"] == "html" or "html" not in answer.type.lower():
            return answer.told()
        page = str(answer.request.url)
        text = await asyncio.to_thread(readable, answer.text, page, markdown=given["format"] == "markdown")
        return answer.told(text)

    return run


async def _visited(bench: Bench, url: str, method: str, accept: str) -> Answer:
    """The answer of a public place, and of those it redirects to, as long as they are public too."""

    def onward(target: URL) -> URL:
        return guard.public(str(target))

    first = guard.public(url).with_fragment(None)
    return await bench.connections.visit(Request(method, first, {"Accept": accept}), onward)


TOOLS: Final[Mapping[str, Callable[[Bench], Run]]] = {"http_request": _http_request, "web_fetch": _web_fetch}
