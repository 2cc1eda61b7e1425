"""The tools of one run, as the SDK takes them: made once, shared by every agent that has them, closed with the run."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

from runner.agents.closing import all_closed
from runner.agents.tools import skills
from runner.agents.tools.mcp import Server, open_all
from runner.agents.tools.names import told_apart
from runner.agents.tools.tool import MAX_SECONDS, sdk_tool
from runner.plan.tools import BuiltIn, HttpTool, McpServer, SkillBook

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from runner.agents.tools.bench import Bench
    from runner.agents.tools.executor import Executor
    from runner.plan.tools import ToolRecipe
    from runner.report.events import Emit

MODULES: Final[Mapping[str, str]] = {
    "calculator": "arithmetic",
    "current_time": "clock",
    "http_request": "web",
    "web_fetch": "web",
    "file_read": "files",
    "file_write": "files",
    "head": "files",
    "tail": "files",
    "grep": "search",
    "search": "search",
    "python_exec": "python_exec",
    "spec_verify": "verify",
}
"""The module of each built-in, which has a `TOOLS`: name -> a function from the bench to what the tool does, and
`SECONDS` where its tools need more of them than others. Imported when a run uses it."""


class ToolBox:
    """`open` before the first agent is built, `close` when the last has answered."""

    def __init__(self, recipes: Mapping[str, ToolRecipe], bench: Bench, emit: Emit) -> None:
        self._recipes, self._bench = recipes, bench
        self._made: dict[str, tuple[Any, ...]] = {}
        self._executors: dict[str, Executor] = {}
        self._servers = {name: Server(one, bench, emit) for name, one in recipes.items() if isinstance(one, McpServer)}

    async def open(self) -> None:
        """Start what must be started. Raises UsageError for what cannot be."""
        for name, recipe in self._recipes.items():
            if isinstance(recipe, HttpTool):
                from runner.agents.tools.executor import Executor

                self._executors[name] = Executor(recipe, self._bench)
        await open_all(self._servers.values())

    async def close(self) -> None:
        """Stop what was started."""
        await all_closed(self._bench.close(), *(server.close() for server in self._servers.values()))

    def tools(self, names: Iterable[str]) -> Iterator[Any]:
        """The SDK's tools for an agent that has these, each with a name of its own."""
        found = [(name if name in self._servers else None, tool) for name in names for tool in self._tools(name)]
        own = told_apart([(server, tool.tool_name) for server, tool in found])
        for (_, tool), name in zip(found, own, strict=True):
            yield tool if tool.tool_name == name else tool.named(name)

    def _tools(self, name: str) -> tuple[Any, ...]:
        if name in self._servers:
            return self._servers[name].tools
        if name not in self._made:
            self._made[name] = tuple(self._make(self._recipes[name]))
        return self._made[name]

    def _make(self, recipe: ToolRecipe) -> Iterator[Any]:
        match recipe:
            case BuiltIn(spec):
                module = importlib.import_module(f"runner.agents.tools.{MODULES[spec.name]}")
                run, seconds = module.TOOLS[spec.name](self._bench), getattr(module, "SECONDS", MAX_SECONDS)
                yield sdk_tool(spec.name, spec.description, spec.parameters, run, self._bench.scrub, seconds=seconds)
            case HttpTool(name):
                yield self._executors[name].tool()
            case SkillBook(name=name):
                yield sdk_tool(name, skills.DESCRIPTION, skills.PARAMETERS, skills.loader(recipe), self._bench.scrub)
            case other:
                raise AssertionError(f"{other.name} is refused before the run")
