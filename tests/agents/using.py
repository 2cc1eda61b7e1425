"""Builders for tests of tools: a bench in a directory, and one use of a tool as an agent of the SDK would make it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from runner.agents.tools.bench import Bench
from runner.agents.tools.box import ToolBox
from runner.plan.catalogue import TOOLS
from runner.plan.tools import BuiltIn
from tests.build import NOON


class Told(NamedTuple):
    """What the model is told of one use of a tool."""

    status: str
    text: str

    @property
    def refused(self) -> bool:
        return self.status == "error" and self.text.startswith("Error: ")


def bench(workspace: Path, **changes: Any) -> Bench:
    """A bench at noon, with nothing closed."""
    return Bench(**{"workspace": workspace, "closed": (), "now": lambda: NOON, **changes})


async def use(name: str, where: Bench, **given: Any) -> Told:
    """One use of a built-in tool, with its arguments checked and its result cut as in a run."""
    (tool,) = ToolBox({name: BuiltIn(TOOLS[name])}, where, lambda event: None).tools([name])
    asked = {"toolUseId": "1", "name": name, "input": given}
    (event,) = [event async for event in tool.stream(asked, {})]
    result = event["tool_result"]
    return Told(result["status"], result["content"][0]["text"])
