"""Answers that are data: found in the text, checked against the step's schema."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

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
        wrong = None
        for data in found_in(reply.text):
            mistake = mismatch(data, schema)
            if mistake is None:
                return replace(reply, data=data)
            wrong = wrong or mistake
        if wrong:
            raise ModelProblem(f"the answer does not satisfy output_schema at {wrong}")
        raise ModelProblem(f"the answer is not the JSON that output_schema asks for; it begins: {reply.text[:80]!r}")

    return with_data


MOST_STARTS: Final = 50
"""Brackets tried as the beginning of a value, in a text that is not JSON as a whole."""


def found_in(text: str) -> Iterator[Any]:
    """The JSON values in a text: the whole of it, else those in fenced blocks, else those that begin at a bracket."""
    for candidate in (text, *(match.group(1) for match in _FENCE.finditer(text))):
        with suppress(ValueError, RecursionError):
            yield json.loads(candidate, parse_constant=_refuse)
    decoder, behind = json.JSONDecoder(parse_constant=_refuse), 0
    for start in islice(re.finditer(r"[{\[]", text), MOST_STARTS):
        if start.start() < behind:
            continue  # inside a value that was found already
        with suppress(ValueError, RecursionError):
            value, behind = decoder.raw_decode(text, start.start())
            yield value


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")
