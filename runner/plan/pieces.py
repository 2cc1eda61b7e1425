"""Templates of nothing but text and holes, cut where Jinja would cut them. Most are: a thousand tasks say `{{ goal }}`
between words of their own, and what is read and compiled of them is that one hole, once.

A hole that is a path, as `tasks.t16.response`, is not even compiled: it is looked up as the compiled one would be.
Whatever could be read otherwise, for a statement, a comment, a quote or a brace in it, is not cut.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple, TypeAlias

LONG: Final = 4096
"""Characters from which on a template is one of the few that are kept once they are read."""

MAX_PARTS: Final = 5_000
"""Statements, expressions and texts of one template: Python's compiler takes a tenth of a second for as many."""

_TEXT: Final = re.compile(r"(?:[^{]+|\{(?![{%#]))+")
_HOLE: Final = re.compile(r"\{\{(?![-+])([^{}'\"]*)(?<!-)\}\}")
_WORD: Final = r"(?!(?:and|else|false|if|in|is|none|not|or|range|recursive|self|true)\b)[a-z_][a-z0-9_]*"
_PATH: Final = re.compile(rf"\s*({_WORD}(?:\.{_WORD})*)\s*", re.ASCII | re.IGNORECASE)


class Path(tuple[str, ...]):
    """A name, and what is looked up below it."""

    __slots__ = ()


class Code(NamedTuple):
    """A template that Jinja compiles: a hole that is no path, or a whole that cannot be cut."""

    source: str


Piece: TypeAlias = str | Path | Code


def cut(source: str) -> tuple[Piece, ...]:
    """The pieces of a template. Takes no longer than to look at every character a few times."""
    # As Jinja does, which knows no other line ends.
    rest = source.replace("\r\n", "\n").replace("\r", "\n") if "\r" in source else source
    pieces: list[Piece] = []
    at = 0
    while at < len(rest):
        if text := _TEXT.match(rest, at):
            pieces.append(text[0])
            at = text.end()
        elif hole := _HOLE.match(rest, at):
            path = _PATH.fullmatch(hole[1])
            pieces.append(Path(path[1].split(".")) if path else Code(hole[0]))
            at = hole.end()
        else:
            return (Code(source),)
    return tuple(pieces)
