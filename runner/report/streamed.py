"""JSON that is too long to be one text: written piece by piece, in the bytes that `json.dumps` would give."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any


def members(of: Mapping[str, Any], indent: int) -> Iterator[str]:
    """An object and the end of its line. A value that is an iterator is written as the list of what it gives, of which
    one is there at a time."""
    inside, sign = "\n" + " " * indent, "{"
    for name, value in of.items():
        yield f"{sign}{inside}{json.dumps(name, ensure_ascii=False)}: "
        if isinstance(value, Iterator):
            yield from _entries(value, indent, inside)
        else:
            yield _written(value, indent, inside)
        sign = ","
    yield "{}\n" if sign == "{" else "\n}\n"


def _entries(values: Iterator[Any], indent: int, inside: str) -> Iterator[str]:
    deeper, sign = inside + " " * indent, "["
    for value in values:
        yield f"{sign}{deeper}{_written(value, indent, deeper)}"
        sign = ","
    yield "[]" if sign == "[" else f"{inside}]"


def _written(value: Any, indent: int, inside: str) -> str:
    return json.dumps(value, indent=indent, ensure_ascii=False).replace("\n", inside)  # texts have no line end in JSON
