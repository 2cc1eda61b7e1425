"""Two values side by side: what differs in their structure, and what only in its words.

What a program reads weighs more than what a person does. Keys, types, numbers, booleans and single words (`bug`,
`2.4.1`) are read by programs; a text with a space in it, or a long one, is prose, and may be said in other words.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

LONGEST_WORD: Final = 40
"""Characters. Languages without spaces write prose too."""

DEEPEST: Final = 50
"""Levels that are told apart; below them a value is compared as a whole."""

MOST_SHOWN: Final = 60
"""Characters of a value."""


@dataclass(frozen=True)
class Gap:
    """One place where two values differ. `only_words` says that a person would have to judge."""

    told: str
    only_words: bool = False


def gaps(where: str, old: Any, new: Any, depth: int = 0) -> Iterator[Gap]:
    """What differs between two values of JSON, place by place."""
    if depth > DEEPEST:
        if json.dumps(old, sort_keys=True) != json.dumps(new, sort_keys=True):
            yield Gap(f"{where}: not the same further down")
    elif _kind(old) != _kind(new):
        yield Gap(f"{where}: {_typed(old)} → {_typed(new)}")
    elif isinstance(old, Mapping):
        yield from _of_keys(where, old, new, depth)
    elif isinstance(old, list | tuple):
        yield from _of_entries(where, old, new, depth)
    elif not _same(old, new):
        words = isinstance(old, str) and prose(old) and prose(new)
        yield Gap(f"{where} reworded", only_words=True) if words else Gap(f"{where}: {shown(old)} → {shown(new)}")


def prose(text: str) -> bool:
    """Whether a text is for people: more than a word."""
    return len(text) > LONGEST_WORD or len(text.split()) > 1


def shown(value: Any) -> str:
    """A value, short enough to read: a word as it is, all else as JSON."""
    text = value if isinstance(value, str) and value and not prose(value) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MOST_SHOWN else text[:MOST_SHOWN] + "…"


def _of_keys(where: str, old: Mapping[str, Any], new: Mapping[str, Any], depth: int) -> Iterator[Gap]:
    for key in dict.fromkeys([*old, *new]):
        place = f"{where}.{key}"
        if key not in new:
            yield Gap(f"{place} is gone")
        elif key not in old:
            yield Gap(f"{place} is new")
        else:
            yield from gaps(place, old[key], new[key], depth + 1)


def _of_entries(where: str, old: Any, new: Any, depth: int) -> Iterator[Gap]:
    if len(old) != len(new):  # which of them are the same ones, nobody can say
        yield Gap(f"{where}: {len(old)} → {len(new)} entries")
        return
    for at, (one, other) in enumerate(zip(old, new, strict=True)):
        yield from gaps(f"{where}[{at}]", one, other, depth + 1)


def _kind(value: Any) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "text"
        case Mapping():
            return "object"
    return "list"


def _typed(value: Any) -> str:
    """A value for people who wonder about its type."""
    kind = _kind(value)
    return kind if kind in ("nothing", "object", "list") else f"{kind} {shown(value)}"


def _same(old: Any, new: Any) -> bool:
    return bool(old == new) or (old != old and new != new)  # NaN, which Python reads from JSON, is not equal to itself
