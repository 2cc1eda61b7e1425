"""Builders for tests of tools: a bench in a directory, and one use of a tool as an agent of the SDK would make it."""

from __future__ import annotations

import sys
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


def anybodys_python() -> str:
    """An interpreter that other users can start as well: that of a test of root may be in root's home."""
    for path in map(Path, (sys.executable, "/usr/local/bin/python3", "/usr/bin/python3")):
        ways = {*path.parents, *path.resolve().parents} if path.exists() else None
        if ways and all(way.stat().st_mode & 0o001 for way in ways):
            return str(path)
    raise AssertionError("no other user can start a Python here")


def running(mark: str) -> list[str]:
    """The commands of all processes that have `mark` among their arguments."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = file.read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if mark in command:
            found.append(command)
    return found


async def use(name: str, where: Bench, **given: Any) -> Told:
    """One use of a built-in tool, with its arguments checked and its result cut as in a run."""
    (tool,) = ToolBox({name: BuiltIn(TOOLS[name])}, where, lambda event: None).tools([name])
    asked = {"toolUseId": "1", "name": name, "input": given}
    (event,) = [event async for event in tool.stream(asked, {})]
    result = event["tool_result"]
    return Told(result["status"], result["content"][0]["text"])
