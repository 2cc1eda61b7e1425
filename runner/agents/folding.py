"""A model's answer as the SDK streams it, folded to a message to be kept, and streamed again.

Events: https://strandsagents.com (`types.streaming`). What is not known here is kept as it came, at its place.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from strands.types.session import decode_bytes_values, encode_bytes_values

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_ENVELOPE = frozenset({"messageStart", "messageStop", "metadata"})


def fold(events: Iterable[Mapping[str, Any]]) -> tuple[Any, ...]:
    """The blocks of a message from the events of a stream."""
    blocks: list[Any] = []
    block: dict[str, Any] = {}
    for event in events:
        match event:
            case {"contentBlockStart": {"start": {"toolUse": used}}} if used:
                block["toolUse"] = {**used, "input": ""}
            case {"contentBlockStart": _}:
                pass
            case {"contentBlockDelta": {"delta": delta}}:
                _add(block, delta)
            case {"contentBlockStop": _}:
                blocks += _finished(block)
                block = {}
            case _ if not _ENVELOPE & event.keys():
                blocks.append({"event": event})
    blocks += _finished(block)
    return tuple(encode_bytes_values(blocks))


def _add(block: dict[str, Any], delta: Mapping[str, Any]) -> None:
    match delta:
        case {"text": text}:
            block["text"] = block.get("text", "") + text
        case {"toolUse": used}:
            mine = block.setdefault("toolUse", {"input": ""})
            mine["input"] += used.get("input", "")
            mine |= {name: used[name] for name in ("toolUseId", "name") if name in used and name not in mine}
        case {"reasoningContent": reasoning}:
            mine = block.setdefault("reasoningContent", {})
            for name, value in reasoning.items():
                mine[name] = mine[name] + value if name in mine else value
        case _:
            block.setdefault("deltas", []).append(delta)


def _finished(block: dict[str, Any]) -> list[Any]:
    if used := block.get("toolUse"):
        used["input"] = _arguments(used["input"])
    return [block] if block else []


def _arguments(text: str) -> Any:
    """Arguments as the data they are; what is no JSON object stays a text."""
    if not text.strip():
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return found if isinstance(found, dict) else text


def unfold(content: Sequence[Any], stop: str, usage: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    """The events of a message: what a model would have streamed, in larger pieces."""
    yield from _blocks(content)
    yield {"messageStop": {"stopReason": stop}}
    yield _account(usage)


def broken_off(content: Sequence[Any], usage: Mapping[str, int] | None) -> Iterator[dict[str, Any]]:
    """The events of a message that never came to its end; `usage` where it was told all the same."""
    yield from _blocks(content)
    if usage is not None:
        yield _account(usage)


def _account(usage: Mapping[str, int]) -> dict[str, Any]:
    return {"metadata": {"usage": usage, "metrics": {"latencyMs": 0}}}


def _blocks(content: Sequence[Any]) -> Iterator[dict[str, Any]]:
    yield {"messageStart": {"role": "assistant"}}
    for block in decode_bytes_values([*content]):
        if "event" in block:
            yield block["event"]
            continue
        yield {"contentBlockStart": {"start": _start(block)}}
        for delta in _deltas(block):
            yield {"contentBlockDelta": {"delta": delta}}
        yield {"contentBlockStop": {}}


def _start(block: Mapping[str, Any]) -> dict[str, Any]:
    used = block.get("toolUse")
    return {} if used is None else {"toolUse": {name: value for name, value in used.items() if name != "input"}}


def _deltas(block: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for name, value in block.get("reasoningContent", {}).items():
        yield {"reasoningContent": {name: value}}
    if "text" in block:
        yield {"text": block["text"]}
    if "toolUse" in block:
        given = block["toolUse"].get("input", {})
        yield {"toolUse": {"input": given if isinstance(given, str) else json.dumps(given)}}
    yield from block.get("deltas", ())
