"""Which lines of a change may be commented on: the host takes those of its hunks and no others. What is to be said
there is not known here.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.diff.change import Change, FileChange, Line, Side


@dataclass(frozen=True, slots=True)
class Place:
    """A line that may be commented on, as the host wants it named: one that is removed in the old file, every other
    in the new one. A comment on several lines needs all of them in one `hunk` (its index in the file) and on one side.
    """

    path: str
    line: int
    side: Side
    text: str
    hunk: int


class Places:
    """All places of a change. A file is gone through when it is asked about first, and once."""

    def __init__(self, change: Change) -> None:
        self._files: Mapping[str, _File] = {file.path: _File(file) for file in reversed(change.files)}

    def has(self, path: str) -> bool:
        """Whether the change has that file, so that it may be commented on as a whole."""
        return path in self._files

    def at(self, path: str, line: int, side: Side = "new") -> Place | None:
        """The place of that line, None where it is in no hunk. An unchanged line of the old file is one of the new."""
        file = self._files.get(path)
        return file.side(side).get(line) if file else None

    def nearest(self, path: str, line: int, side: Side = "new", within: int | None = None) -> Place | None:
        """The place nearest to that line, at most `within` lines away, the upper of two."""
        file = self._files.get(path)
        numbers = file.numbers(side) if file else []
        after = bisect_left(numbers, line)
        near = min(numbers[max(after - 1, 0) : after + 1], key=lambda one: abs(one - line), default=None)
        if file is None or near is None or (within is not None and abs(near - line) > within):
            return None
        return file.side(side)[near]


class _File:
    def __init__(self, file: FileChange) -> None:
        self._file = file

    def side(self, side: Side) -> Mapping[int, Place]:
        return self._new if side == "new" else self._old

    def numbers(self, side: Side) -> list[int]:
        return self._new_numbers if side == "new" else self._old_numbers

    @cached_property
    def _new(self) -> Mapping[int, Place]:
        return {line.new: place for line, place in self._all() if line.new is not None}

    @cached_property
    def _old(self) -> Mapping[int, Place]:
        return {line.old: place for line, place in self._all() if line.old is not None}

    @cached_property
    def _new_numbers(self) -> list[int]:
        return sorted(self._new)

    @cached_property
    def _old_numbers(self) -> list[int]:
        return sorted(self._old)

    def _all(self) -> list[tuple[Line, Place]]:
        hunks = enumerate(self._file.hunks)
        return [(line, _place(self._file.path, line, index)) for index, hunk in hunks for line in hunk.lines]


def _place(path: str, line: Line, hunk: int) -> Place:
    if line.new is not None:
        return Place(path, line.new, "new", line.text, hunk)
    return Place(path, line.old or 0, "old", line.text, hunk)


def fingerprint(path: str, text: str | None = None) -> str:
    """16 hex digits for a place that stay the same when the line moves or is indented otherwise: of a line by its text,
    of a whole file without."""
    named = [path] if text is None else [path, text.strip()]
    return hashlib.sha256(json.dumps(named).encode()).hexdigest()[:16]
