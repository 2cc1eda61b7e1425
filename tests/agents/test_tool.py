"""A tool around a function of ours: what the model is told of what it gave."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from runner.agents.tools.tool import MAX_RESULT, sdk_tool

NOTHING: dict[str, Any] = {"type": "object", "properties": {}}


def told(given: str) -> str:
    """What a model is told by a tool that gives this, where `hunter22` is a secret."""

    async def run(_: Mapping[str, Any]) -> str:
        return given

    async def use() -> Any:
        tool = sdk_tool("a_tool", "Gives.", NOTHING, run, lambda text: text.replace("hunter22", "***"))
        return [event async for event in tool.stream({"toolUseId": "1", "name": "a_tool", "input": {}}, {})]

    (event,) = asyncio.run(use())
    text: str = event.tool_result["content"][0]["text"]
    return text


def test_a_secret_is_taken_out_before_a_result_is_cut() -> None:
    assert told("a" * (MAX_RESULT - 4) + "hunter22").endswith("a***")
