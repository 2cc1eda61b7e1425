"""Values in one line of a message, shortened around what matters."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from runner.spec.nearest import nearest
from runner.testing.paths import called

if TYPE_CHECKING:
    from runner.testing.paths import Part

WIDTH: Final = 120
"""Characters of a value that are shown."""

BEFORE: Final = 30
"""Characters that are shown of what comes before the place that matters."""


def shown(value: Any, at: int = 0) -> str:
    """A value in one line: text in quotation marks from a little before `at` on, all else as JSON."""
    if isinstance(value, str):
        start = max(0, at - BEFORE) if len(value) > WIDTH else 0
        cut = value[start : start + WIDTH]
        head, tail = "…" * (start > 0), "…" * (start + WIDTH < len(value))
        return f"{head}{cut!r}{tail}"
    try:
        text = json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return "a value nested too deeply to be shown"
    return text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"


@dataclass(frozen=True)
class Difference:
    """Where two values begin to differ, below what is compared: the rest of `what should expected, but actual`."""

    path: tuple[Part, ...]
    expected: str
    actual: str


def differences(expected: Any, actual: Any, name: str, path: tuple[Part, ...] = ()) -> Iterator[Difference]:
    """How a value of JSON differs from what it should be, in the order in which it is written; `name` is how messages
    call it. 1 and 1.0 are the same, 1 and true are not."""
    match expected, actual:
        case dict(), dict():
            yield from _in_mappings(expected, actual, name, path)
        case list(), list():
            if len(expected) != len(actual):
                told = f"have {_count(len(expected))}"
                yield Difference(path, told, f"has {_count(len(actual))}: {shown(actual)}")
            for index, (one, other) in enumerate(zip(expected, actual, strict=False)):
                yield from differences(one, other, name, (*path, index))
        case str(), str() if expected != actual:
            at = _same(expected, actual)
            yield Difference(path, f"be {shown(expected, at)}", f"is {shown(actual, at)}")
        case _ if isinstance(expected, bool) is not isinstance(actual, bool) or expected != actual:
            yield Difference(path, f"be {shown(expected)}", f"is {shown(actual)}")


def _in_mappings(expected: Any, actual: Any, name: str, path: tuple[Part, ...]) -> Iterator[Difference]:
    for key, one in expected.items():
        if key in actual:
            yield from differences(one, actual[key], name, (*path, key))
        else:
            there = nearest(key, [*actual])
            yield Difference((*path, key), f"be {shown(one)}", f"{called(name, path)} has no '{key}'; {there}")
    for key in actual:
        if key not in expected:
            yield Difference((*path, key), "not be there", f"is {shown(actual[key])}")


def _count(number: int) -> str:
    return "1 element" if number == 1 else f"{number} elements"


def _same(one: str, other: str) -> int:
    """How many characters two texts begin alike with."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((number for number, (a, b) in pairs if a != b), min(len(one), len(other)))
