"""What the tools of MCP servers are called: as providers take it, and so that an agent can tell them apart."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_NAME: Final = 64


def valid(name: str) -> str:
    """A tool's name as every provider takes it."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)[:MAX_NAME] or "tool"


def told_apart(tools: Sequence[tuple[str | None, str]]) -> Iterator[str]:
    """The name that an agent knows each of its tools by. They are given as server (None for what is not of one) and
    name; a tool of a server whose name is not the only one carries its server's in front."""
    # To the SDK names that differ in - and _ only are the same.
    often = Counter(_key(name) for _, name in tools)
    taken = {_key(name) for server, name in tools if server is None}
    for server, name in tools:
        if server is None:
            yield name
            continue
        wish = found = name if often[_key(name)] == 1 else valid(f"{server}_{name}")
        number = 1
        while _key(found) in taken:
            number += 1
            found = f"{wish[: MAX_NAME - 4]}_{number}"
        taken.add(_key(found))
        yield found


def _key(name: str) -> str:
    return name.replace("-", "_")
