"""Answers that are data: found in the text, checked against the step's schema."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runner.errors import ModelProblem
from runner.plan.schemas import mismatch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.calls.call import Call, Invoke, Reply

_FENCE = re.compile(r"```(?:json)?\s*\n(.*?)```", re.DOTALL)


def structured(invoke: Invoke) -> Invoke:
    """Where a step has an `output_schema`, the reply's `data` is the answer read as JSON and valid by it."""

    async def with_data(call: Call) -> Reply:
        reply = await invoke(call)
        schema = call.step.agent.output_schema
        if schema is None:
            return reply
        data = find_json(reply.text)
        if data is None:
            raise ModelProblem(
                f"the answer is not the JSON that output_schema asks for; it begins: {reply.text[:80]!r}"
            )
        if wrong := mismatch(data[0], schema):
            raise ModelProblem(f"the answer does not satisfy output_schema at {wrong}")
        return replace(reply, data=data[0])

    return with_data


def find_json(text: str) -> tuple[Any] | None:
    """The JSON value in a text, as a one-tuple: the whole of it, else a fenced block, else the first object or list."""
    for candidate in _candidates(text):
        try:
            return (json.loads(candidate),)
        except ValueError:
            continue
    for start in re.finditer(r"[{\[]", text):
        try:
            return (json.JSONDecoder().raw_decode(text, start.start())[0],)
        except ValueError:
            continue
    return None


def _candidates(text: str) -> Iterator[str]:
    yield text
    yield from (match.group(1) for match in _FENCE.finditer(text))
