"""Answers that are data: found in the text, checked against the step's schema."""

from __future__ import annotations

import json
import math
import re
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from runner.errors import ModelProblem
from runner.plan.deadline import bounded
from runner.plan.schemas import MAX_SECONDS, mismatch
from runner.report.events import AnswerMalformed
from runner.tape.reel import Player

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from runner.calls.call import Call, Invoke, Reply
    from runner.report.events import Emit

_FENCE = re.compile(r"```(?:json)?\s*\n(.*?)```", re.DOTALL)


class Malformed(Exception):
    """An answer that is not the data that was asked for, and why."""


def structured(invoke: Invoke, emit: Emit) -> Invoke:
    """Where a step has an `output_schema`, the reply's `data` is the answer read as JSON and valid by it.

    An answer that is not is asked for again with what was wrong, up to the step's `reasks`; then the data that the
    pattern has in its place stands, or there is none.
    """

    async def with_data(call: Call) -> Reply:
        schema, model = call.step.agent.output_schema, call.step.agent.model.name
        if schema is None:
            return await invoke(call)
        asked, most = call, call.step.reasks
        if (reask := call.unfinished.reask) is not None and reask[0] == model:  # an attempt failed there
            asked, most = replace(call, user=reask[1]), reask[2]
        for left in reversed(range(most + 1)):
            reply = await invoke(asked)
            try:
                return replace(reply, data=read(reply.text, schema))
            except Malformed as wrong:
                if isinstance(call.reel, Player) and (kept := call.reel.kept) is not None:
                    return replace(reply, data=kept.data)
                emit(AnswerMalformed(call.path, str(wrong), left))
                if left == 0 and call.step.otherwise is None:
                    raise ModelProblem(str(wrong)) from None
                asked = _again(call, reply, wrong)
                call.unfinished.reask = (model, asked.user, left - 1)
        return replace(reply, data=call.step.otherwise)

    return with_data


def _again(call: Call, reply: Reply, wrong: Malformed) -> Call:
    """The question once more, with the answer it was given and what was wrong with that."""
    answer = reply.text if len(reply.text) <= MOST_REPEATED else f"{reply.text[:MOST_REPEATED]} […]"
    told = f"Your last answer was:\n{answer}\n\nIt cannot be used: {wrong}\nAnswer again, with that JSON alone."
    return replace(call, user=f"{call.user}\n\n{told}")


def read(text: str, schema: Mapping[str, Any]) -> Any:
    """The one value in a text that satisfies a schema, found in bounded time. Raises Malformed."""
    return bounded(MAX_SECONDS, _late, _read, text, schema)


def _late() -> Malformed:
    return Malformed(f"comparing the answer with output_schema takes longer than {MAX_SECONDS:g} s")


def _read(text: str, schema: Mapping[str, Any]) -> Any:
    wrong = None
    for candidates in _candidates(text, schema):
        mistakes = [(data, mismatch(data, schema)) for data in candidates]
        fitting = [data for data, mistake in mistakes if mistake is None]
        if any(data != fitting[0] for data in fitting[1:]):
            # One of them may be quoted from somebody else; which one is meant is not ours to guess.
            raise Malformed("the answer holds several different values that satisfy output_schema")
        if fitting:
            return fitting[0]
        wrong = wrong or next((mistake for _, mistake in mistakes), None)
    if wrong:
        raise Malformed(f"the answer does not satisfy output_schema at {wrong}")
    raise Malformed("the answer is not the JSON that output_schema asks for")


MOST_REPEATED: Final = 4_000
"""Characters of a wrong answer that are shown to the model again."""

MOST_STARTS: Final = 50
"""Brackets tried as the beginning of a value, in a text that is not JSON as a whole."""


def found_in(text: str) -> Iterator[list[Any]]:
    """The JSON values in a text, the likeliest first: the whole of it; those in fenced blocks; those at brackets."""
    yield list(_parsed([text]))
    yield list(_parsed(match.group(1) for match in _FENCE.finditer(text)))
    yield list(_at_brackets(text))


def _candidates(text: str, schema: Mapping[str, Any]) -> Iterator[list[Any]]:
    """What may be meant. A model often leaves out the object around a single property, `[…]` for `{"tasks": […]}`, and
    says one word where it is to choose one of several."""
    properties = schema.get("properties")
    if schema.get("type") != "object" or not isinstance(properties, dict) or len(properties) != 1:
        yield from found_in(text)
        return
    [(name, described)] = properties.items()
    for values in found_in(text):
        yield [value if isinstance(value, dict) else {name: value} for value in values]
    if isinstance(described, dict) and "enum" in described:
        yield [{name: text.strip().strip("\"'`.").strip()}]


def _parsed(texts: Iterable[str]) -> Iterator[Any]:
    for text in texts:
        with suppress(ValueError, RecursionError):
            yield json.loads(text, **_NUMBERS)


def _at_brackets(text: str) -> Iterator[Any]:
    decoder, behind = json.JSONDecoder(**_NUMBERS), 0
    for start in islice(re.finditer(r"[{\[]", text), MOST_STARTS):
        if start.start() < behind:
            continue  # inside a value that was found already
        with suppress(ValueError, RecursionError):
            value, behind = decoder.raw_decode(text, start.start())
            yield value


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _finite(number: str) -> float:
    """`1e999` is infinite to Python, and no file of ours could hold it."""
    if math.isfinite(value := float(number)):
        return value
    raise ValueError("a number too large to count with")


def _whole(number: str) -> int:
    _finite(number)
    return int(number)


_NUMBERS: Final[dict[str, Any]] = {"parse_constant": _refuse, "parse_float": _finite, "parse_int": _whole}
