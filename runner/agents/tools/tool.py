"""A tool as the SDK takes it, around a function of ours: bounded in time and in what it gives back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias

from strands.tools.tools import PythonAgentTool

from runner.invisible import shown

MAX_RESULT: Final = 60_000
"""Characters a tool may tell the model; what is longer is cut with a marker."""

MAX_SECONDS: Final = 60.0
"""Seconds one use of a tool may take, where it does not set its own."""

Run: TypeAlias = Callable[[Mapping[str, Any]], Awaitable[str]]
"""What a tool does: from the model's arguments to a text. Raises ToolProblem for what the model should be told."""


class ToolProblem(Exception):
    """A tool could not or would not do what the model asked; the model is told the sentence and may try otherwise."""


def sdk_tool(
    name: str,
    description: str,
    parameters: Mapping[str, Any],
    run: Run,
    scrub: Callable[[str], str],
    *,
    seconds: float = MAX_SECONDS,
) -> PythonAgentTool:
    """A tool of ours for an Agent. `parameters` is the JSON Schema of its arguments; `scrub` takes secrets out of what
    it gives, which a model could take elsewhere."""

    async def call(tool_use: Any, **_: Any) -> Any:
        try:
            async with asyncio.timeout(seconds):
                text, status = await run(_arguments(tool_use["input"], parameters)), "success"
        except ToolProblem as problem:
            text, status = f"Error: {problem}", "error"
        except TimeoutError:
            text, status = f"Error: no result within {seconds:g} s", "error"
        return {"toolUseId": tool_use["toolUseId"], "status": status, "content": [{"text": cut(scrub(text))}]}

    schema = {"json": dict(parameters)}
    return PythonAgentTool(name, {"name": name, "description": description, "inputSchema": schema}, call)


def cut(text: str) -> str:
    """A text as a model is told it: what nobody sees written out, and where it is too long a marker for the rest."""
    seen = shown(text[:MAX_RESULT])
    more = max(len(text), len(seen)) - MAX_RESULT
    return f"{seen[:MAX_RESULT]}\n[cut here: {more:,} more characters]" if more > 0 else seen


def _arguments(given: Any, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """The model's arguments with the defaults of those it left out. Raises ToolProblem when they do not fit."""
    from runner.plan.schemas import mismatch

    defaults = {name: one["default"] for name, one in parameters["properties"].items() if "default" in one}
    arguments = {**defaults, **given} if isinstance(given, dict) else given
    if wrong := mismatch(arguments, parameters):
        raise ToolProblem(f"the arguments do not fit: {wrong}")
    found: Mapping[str, Any] = arguments
    return found
