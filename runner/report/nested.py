"""JSON with every text in it changed, however deep it nests: a model decides that, and a function that calls itself
would come to its end first.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any


def changed(value: Any, change: Callable[[str], str]) -> Any:
    """The same value with its texts and the names of its entries changed. A number whose digits are changed becomes a
    text: what stands for them is no number."""
    whole: list[Any] = [None]
    pending: list[tuple[Any, Any, Any]] = [(whole, 0, value)]
    while pending:
        holder, key, one = pending.pop()
        inside: list[tuple[Any, Any, Any]] = []
        match one:
            case str():
                holder[key] = change(one)
            case int() | float() if not isinstance(one, bool):
                written = json.dumps(one)
                holder[key] = one if (text := change(written)) == written else text
            case list() | tuple():
                made: Any = [None] * len(one)
                holder[key], inside = made, [(made, place, each) for place, each in enumerate(one)]
            case Mapping():
                made = {}
                holder[key], inside = made, [(made, change(str(name)), each) for name, each in one.items()]
                made |= {name: None for _, name, _ in inside}  # in their order
            case _:
                holder[key] = one
        pending += reversed(inside)
    return whole[0]
