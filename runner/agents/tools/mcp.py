"""An MCP server as the run sees it: started once, shared by every agent that names it, stopped with the run.

How one is spoken to is in `mcp_link`, which imports `mcp`: 0.6 s of an event loop, so it is imported in a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import shlex
import sys
from typing import TYPE_CHECKING, Final

from runner.agents.providers.faults import one_line
from runner.errors import TemplateProblem, UsageError
from runner.report.events import ToolsLost

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runner.agents.tools.bench import Bench
    from runner.agents.tools.mcp_link import Link, ServerTool
    from runner.plan.tools import McpServer
    from runner.report.events import Emit

LINK: Final = "runner.agents.tools.mcp_link"
CLOSING_S: Final = 1.5
"""Seconds a server and its connection have to end by themselves; the run gives all of its closing three."""

MAX_SHOWN: Final = 120


class Server:
    """One server: `open` before the first agent is built, `close` with the run, also where `open` failed."""

    def __init__(self, recipe: McpServer, bench: Bench, emit: Emit) -> None:
        self._recipe, self._bench, self._emit = recipe, bench, emit
        self._link: Link | None = None
        self._starting: asyncio.Task[None] | None = None
        self._closing = False
        self.tools: tuple[ServerTool, ...] = ()

    async def open(self) -> None:
        """Start it and ask for its tools. Raises UsageError where it does not answer, with what was seen of it."""
        recipe = self._filled()
        loop = asyncio.get_running_loop()
        self._starting = asyncio.create_task(asyncio.to_thread(self._start, recipe, loop))
        try:
            async with asyncio.timeout(recipe.timeout_s):
                await asyncio.shield(self._starting)  # the thread goes on, whoever stops waiting for it
        except TimeoutError:
            raise self._refusal(f"did not answer within {recipe.timeout_s:g} s") from None
        except Exception as error:
            raise self._refusal(self._reason(error)) from error

    async def close(self) -> None:
        """Stop it, and with it all that it started."""
        if self._starting is None:
            return
        self._closing = True
        if not self._starting.done() and self._link is not None:
            self._link.cut()
        await asyncio.wait([self._starting])
        if not self._starting.cancelled():
            self._starting.exception()  # it was told, or nobody waits for it any more
        if self._link is None:
            return
        stopping = asyncio.create_task(asyncio.to_thread(self._link.stop))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSING_S):
                await asyncio.shield(stopping)
        self._link.cut()
        await stopping

    def _start(self, recipe: McpServer, loop: asyncio.AbstractEventLoop) -> None:
        from runner.agents.tools.mcp_link import Link

        def lost() -> None:
            with contextlib.suppress(RuntimeError):  # the run's loop has ended
                loop.call_soon_threadsafe(self._lost)

        self._link = Link(recipe, self._bench, lost)
        if not self._closing:
            self.tools = self._link.start()

    def _lost(self) -> None:
        """It ended in the middle of the run: its tools answer so from now on, and the log says it once."""
        if self.tools and not self._closing and self._link is not None:
            seen = self._link.seen() or "the connection was lost"
            self._emit(ToolsLost(self._recipe.name, seen))

    # -- what is said of it -------------------------------------------------------------------------------------------

    def _filled(self) -> McpServer:
        """The recipe with its secrets in. On the loop's thread, where a template that takes too long is stopped."""
        try:
            return self._recipe.filled(self._bench.fill)
        except TemplateProblem as problem:
            raise self._refusal(f"cannot be used: {problem.message}") from None

    def _reason(self, error: BaseException) -> str:
        if isinstance(error, UsageError):
            return f"cannot be used: {error.message}"
        if self._link is not None and self._link.refused:
            return "cannot be used"
        if self._link is not None and self._link.ended:
            return "ended before it answered"
        return f"cannot be used: {one_line(self._bench.scrub(str(_root(error)))) or type(_root(error)).__name__}"

    def _refusal(self, what: str) -> UsageError:
        recipe = self._recipe
        said = shlex.join([recipe.command, *recipe.args]) if recipe.command else str(recipe.url)
        shown = said if len(said) <= MAX_SHOWN else f"{said[:MAX_SHOWN]}…"
        seen = self._link.seen() if self._link is not None else ""
        told = what + (f"; {seen}" if seen else "")
        return UsageError(f"MCP server '{recipe.name}' ({shown}) {self._bench.scrub(told)}")


async def open_all(servers: Iterable[Server]) -> None:
    """Start them all at once. Raises UsageError for the first that cannot be; the others are not waited for."""
    found, problem = tuple(servers), None
    if found:
        # Once, before several threads would: modules that import each other take no two importers.
        await asyncio.to_thread(_import_link)
    try:
        async with asyncio.TaskGroup() as group:
            for server in found:
                group.create_task(server.open())
    except* UsageError as problems:
        problem = problems.exceptions[0]
    if problem is not None:
        raise problem


def _import_link() -> None:
    """Import what speaks to servers. To look for garbage among all that is there holds every thread for 30 ms, so it
    is put off while the modules are made, and they are not looked through again: they stay."""
    if LINK in sys.modules:
        return
    collects = gc.isenabled()
    gc.disable()
    try:
        importlib.import_module(LINK)
        gc.freeze()
    finally:
        if collects:
            gc.enable()


def _root(error: BaseException) -> BaseException:
    """What was behind an error: the SDK wraps, and task groups wrap what is wrapped."""
    while True:
        inner = error.exceptions[0] if isinstance(error, BaseExceptionGroup) else error.__cause__
        if inner is None:
            return error
        error = inner
