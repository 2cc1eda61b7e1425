"""The connection to one MCP server, in the SDK's client and its thread. Imports `mcp`: import it in a thread only."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import math
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import httpx2
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from strands.tools.mcp import MCPAgentTool, MCPClient
from strands.types._events import ToolResultEvent
from strands.types.exceptions import MCPClientInitializationError

from runner.agents.tools.mcp_process import Process
from runner.agents.tools.names import valid
from runner.agents.tools.tool import cut
from runner.errors import UsageError
from runner.invisible import shown

if TYPE_CHECKING:
    from mcp.types import Tool
    from strands.types.tools import ToolGenerator, ToolUse

    from runner.agents.tools.bench import Bench
    from runner.plan.tools import McpServer

MAX_TOOLS: Final = 256
"""Tools one server may have; providers take fewer."""

MAX_PAGES: Final = 64
MAX_DESCRIPTION: Final = 10_000

for _name in ("strands.tools.mcp.mcp_client", "mcp"):
    # What they log of a failure is told once, by us, in the error or in the tool's result.
    logging.getLogger(_name).setLevel(logging.CRITICAL)


class ServerTool(MCPAgentTool):
    """One tool of a server, under the name that an agent knows it by."""

    def __init__(self, link: Link, tool: Tool, name: str) -> None:
        super().__init__(tool, link.client, name_override=name)
        self._link = link

    def named(self, name: str) -> ServerTool:
        """The same tool under another name."""
        return ServerTool(self._link, self.mcp_tool, name)

    async def stream(self, tool_use: ToolUse, invocation_state: dict[str, Any], **_: Any) -> ToolGenerator:
        text, status = await self._link.call(self.mcp_tool.name, tool_use)
        result: Any = {"toolUseId": tool_use["toolUseId"], "status": status, "content": [{"text": cut(text)}]}
        yield ToolResultEvent(result)


class _Client(MCPClient):
    """The SDK's client, that may be stopped when its connection has ended already."""

    def stop(self, *how: Any) -> None:
        # The SDK's `stop` asks the loop to end; one that has ended would leave the question unasked, with a warning.
        failed = self._init_future.done() and self._init_future.exception() is not None
        closed = self._close_future is not None and self._close_future.done()
        if self._background_thread is not None and (failed or closed or not self._background_thread.is_alive()):
            self._background_thread.join()
            self._background_thread = None
        super().stop(*how)


class Link:
    """Starts, asks and ends one server. `start` and `stop` block and belong into a thread; `cut` may come from any.

    `lost` is called, in the connection's thread, when the server ends before it was stopped.
    """

    def __init__(self, recipe: McpServer, bench: Bench, lost: Callable[[], None]) -> None:
        self._recipe, self._scrub, self._lost = recipe, bench.scrub, lost
        self._process = None
        if recipe.command is not None:
            self._process = Process(recipe, bench.workspace, bench.environ, network=not bench.deny_network)
        self._cut = self._stopping = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None
        self._answered = ""
        # Time is kept by whoever waits for `start`: the SDK's own limit waits for the server in the end.
        self.client = _Client(self._transport, startup_timeout=math.ceil(recipe.timeout_s) + 3600)

    @property
    def ended(self) -> bool:
        return self._process is not None and bool(self._process.ended)

    @property
    def refused(self) -> bool:
        """Whether a command was not started, or a url answered something else; `seen` says why."""
        return bool(self._answered if self._process is None else self._process.refused)

    def seen(self) -> str:
        """What is known of a server that does not answer; nothing where nothing was seen."""
        return self._process.seen(self._scrub) if self._process is not None else self._scrub(self._answered)

    def start(self) -> tuple[ServerTool, ...]:
        """Start it and ask for its tools. Raises UsageError, and whatever the SDK raises."""
        if self._process is not None and self._process.unusable:
            raise UsageError(self._process.unusable)
        self.client.start()
        found: list[ServerTool] = []
        page: str | None = None
        for _ in range(MAX_PAGES):
            tools = self.client.list_tools_sync(page)
            found += (ServerTool(self, _bounded(one.mcp_tool), valid(one.mcp_tool.name)) for one in tools)
            page = tools.pagination_token
            if page is None:
                break
        if page is not None or len(found) > MAX_TOOLS:
            raise UsageError(f"it has more than {MAX_TOOLS} tools, or lists them on more than {MAX_PAGES} pages")
        return tuple(found)

    def stop(self) -> None:
        """End it in its own time."""
        self._stopping = True
        with contextlib.suppress(RuntimeError):  # the connection was lost before
            self.client.stop(None, None, None)

    def cut(self) -> None:
        """End it now, also while it is being started."""
        self._cut = self._stopping = True
        if (loop := self._loop) is not None:
            with contextlib.suppress(RuntimeError):  # it has ended
                loop.call_soon_threadsafe(self._cancel)

    async def call(self, name: str, tool_use: ToolUse) -> tuple[str, str]:
        """What a tool says, and whether that is a success or an error. Never raises for what a server does."""
        seconds = self._recipe.timeout_s
        try:
            if self.ended:
                return self._gone(), "error"
            async with asyncio.timeout(seconds):
                result = await self.client.call_tool_async(
                    tool_use["toolUseId"],
                    name,
                    tool_use["input"],
                    # Not the limit, which is the line above, but the end of a request that nobody waits for.
                    read_timeout_seconds=timedelta(seconds=seconds + 1),
                )
        except TimeoutError:
            return f"Error: no result within {seconds:g} s", "error"
        except MCPClientInitializationError:  # its thread has ended
            return self._gone(), "error"
        if result["status"] == "error" and self.ended:
            return self._gone(), "error"
        # It may repeat what it was given; the model could take that elsewhere.
        return await asyncio.to_thread(self._scrub, _text(result)), result["status"]

    def _gone(self) -> str:
        return f"Error: the MCP server '{self._recipe.name}' has ended; its tools cannot be used any more"

    # -- in the connection's thread -----------------------------------------------------------------------------------

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _end(self) -> None:
        if not self._stopping:
            self._lost()

    @asynccontextmanager
    async def _transport(self) -> AsyncIterator[Any]:
        """The streams to the server. What cuts it off is an error like another to the client, who ends by it."""
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        try:
            if self._cut:
                raise ConnectionAbortedError("cut off")
            streams = self._over_http() if self._process is None else self._process.streams(self._end)
            async with streams as both:
                yield both
        except asyncio.CancelledError:
            raise ConnectionAbortedError("cut off") from None
        except Exception:
            self._end()
            raise
        finally:
            self._task = None

    @asynccontextmanager
    async def _over_http(self) -> AsyncIterator[Any]:
        url = str(self._recipe.url)
        origin = _origin(httpx2.URL(url))

        async def stay(request: httpx2.Request) -> None:
            if _origin(request.url) != origin:
                self._answered = f"it redirects to another origin, {request.url.scheme}://{request.url.netloc.decode()}"
                raise httpx2.RequestError("redirected", request=request)

        async def note(response: httpx2.Response) -> None:
            if response.request.method == "POST":  # a GET asks for what many servers do not have
                self._answered = f"it answered with HTTP {response.status_code}" if response.is_error else ""

        async with create_mcp_http_client(headers=dict(self._recipe.headers)) as http:
            http.event_hooks = {"request": [stay], "response": [note]}
            async with streamable_http_client(url, http_client=http) as both:
                yield both


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _bounded(tool: Tool) -> Tool:
    return tool.model_copy(update={"description": shown((tool.description or "")[:MAX_DESCRIPTION]) or None})


def _text(result: Mapping[str, Any]) -> str:
    """What a result tells in words; of what is no text, that it was there."""
    parts = [block["text"] if "text" in block else f"[{next(iter(block))} left out]" for block in result["content"]]
    if not parts and result.get("structuredContent") is not None:
        parts = [json.dumps(result["structuredContent"])]
    return "\n".join(parts) or "(no output)"
