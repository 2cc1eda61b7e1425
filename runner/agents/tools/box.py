"""The tools of one run, as the SDK takes them: made once, shared by every agent that has them, closed with the run."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

from runner.agents.tools.executor import Executor
from runner.agents.tools.tool import sdk_tool
from runner.plan.tools import BuiltIn, HttpTool

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from runner.agents.tools.bench import Bench
    from runner.plan.tools import ToolRecipe

MODULES: Final[Mapping[str, str]] = {
    "calculator": "arithmetic",
    "current_time": "clock",
    "http_request": "web",
    "web_fetch": "web",
}
"""The module of each built-in, which has a `TOOLS`: name -> a function from the bench to what the tool does. Imported
when a run uses it."""


class ToolBox:
    """`open` before the first agent is built, `close` when the last has answered."""

    def __init__(self, recipes: Mapping[str, ToolRecipe], bench: Bench) -> None:
        self._recipes, self._bench = recipes, bench
        self._made: dict[str, tuple[Any, ...]] = {}
        self._executors: dict[str, Executor] = {}

    async def open(self) -> None:
        """Start what must be started. Raises UsageError for what cannot be."""
        for name, recipe in self._recipes.items():
            if isinstance(recipe, HttpTool):
                self._executors[name] = Executor(recipe, self._bench)

    async def close(self) -> None:
        """Stop what was started."""
        await self._bench.connections.close()

    def tools(self, names: Iterable[str]) -> Iterator[Any]:
        """The SDK's tools for an agent that has these."""
        for name in names:
            if name not in self._made:
                self._made[name] = tuple(self._make(self._recipes[name]))
            yield from self._made[name]

    def _make(self, recipe: ToolRecipe) -> Iterator[Any]:
        match recipe:
            case BuiltIn(spec):
                module = importlib.import_module(f"runner.agents.tools.{MODULES[spec.name]}")
                yield sdk_tool(spec.name, spec.description, spec.parameters, module.TOOLS[spec.name](self._bench))
            case HttpTool(name):
                yield self._executors[name].tool()
            case other:
                raise AssertionError(f"{other.name} is refused before the run")
