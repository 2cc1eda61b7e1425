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
    from collections.abc import Iterable, Iterator

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
        for candidates in found_in(reply.text):
            mistakes = [(data, mismatch(data, schema)) for data in candidates]
            fitting = [data for data, mistake in mistakes if mistake is None]
            if any(data != fitting[0] for data in fitting[1:]):
                # One of them may be quoted from somebody else; which one is meant is not ours to guess.
                raise ModelProblem("the answer holds several different values that satisfy output_schema")
            if fitting:
                return replace(reply, data=fitting[0])
            wrong = wrong or next((mistake for _, mistake in mistakes), None)
        if wrong:
            raise ModelProblem(f"the answer does not satisfy output_schema at {wrong}")
        raise ModelProblem("the answer is not the JSON that output_schema asks for")

    return with_data


MOST_STARTS: Final = 50
"""Brackets tried as the beginning of a value, in a text that is not JSON as a whole."""


def found_in(text: str) -> Iterator[list[Any]]:
    """The JSON values in a text, the likeliest first: the whole of it; those in fenced blocks; those at brackets."""
    yield list(_parsed([text]))
    yield list(_parsed(match.group(1) for match in _FENCE.finditer(text)))
    yield list(_at_brackets(text))


def _parsed(texts: Iterable[str]) -> Iterator[Any]:
    for text in texts:
        with suppress(ValueError, RecursionError):
            yield json.loads(text, parse_constant=_refuse)


def _at_brackets(text: str) -> Iterator[Any]:
    decoder, behind = json.JSONDecoder(parse_constant=_refuse), 0
    for start in islice(re.finditer(r"[{\[]", text), MOST_STARTS):
        if start.start() < behind:
            continue  # inside a value that was found already
        with suppress(ValueError, RecursionError):
            value, behind = decoder.raw_decode(text, start.start())
            yield value


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")
