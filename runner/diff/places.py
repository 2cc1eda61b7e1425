"""Which lines of a change may be commented on: the host takes those of its hunks and no others. What is to be said
there is not known here.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_left
from collections import Counter
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

    `mark` is its fingerprint. Of lines that read alike each has another: what was said of one `return` is not said of
    the next.
    """

    path: str
    line: int
    side: Side
    text: str
    hunk: int
    mark: str


class Places:
    """All places of a change. The lines of a file are gone through when they are asked for first, and once."""

    def __init__(self, change: Change) -> None:
        self._files: Mapping[str, _File] = {file.path: _File(file) for file in reversed(change.files)}

    def file(self, path: str) -> FileChange | None:
        """The file of that name, which may be commented on as a whole."""
        return self._files[path].file if path in self._files else None

    def at(self, path: str, line: int, side: Side = "new") -> Place | None:
        """The place of that line, None where it is in no hunk. An unchanged line of the old file is one of the new."""
        return self._files[path].places[side].get(line) if path in self._files else None

    def last(self, path: str, side: Side) -> int:
        """The last line of a file that is in the diff; 0 for none."""
        numbers = self._numbers(path, side)
        return numbers[-1] if numbers else 0

    def nearest(self, path: str, line: int, side: Side = "new", within: int | None = None) -> Place | None:
        """The place nearest to that line, at most `within` lines away, the upper of two."""
        numbers = self._numbers(path, side)
        after = bisect_left(numbers, line)
        near = min(numbers[max(after - 1, 0) : after + 1], key=lambda one: abs(one - line), default=None)
        if near is None or (within is not None and abs(near - line) > within):
            return None
        return self.at(path, near, side)

    def _numbers(self, path: str, side: Side) -> list[int]:
        return self._files[path].numbers[side] if path in self._files else []


class _File:
    def __init__(self, file: FileChange) -> None:
        self.file = file

    @cached_property
    def places(self) -> Mapping[Side, Mapping[int, Place]]:
        """By their numbers on each side."""
        found: dict[Side, dict[int, Place]] = {"new": {}, "old": {}}
        alike: Counter[tuple[Side, str]] = Counter()
        for index, hunk in enumerate(self.file.hunks):
            for line in hunk.lines:
                place = self._place(line, index, alike)
                if line.new is not None:
                    found["new"][line.new] = place
                if line.old is not None:
                    found["old"][line.old] = place
        return found

    @cached_property
    def numbers(self) -> Mapping[Side, list[int]]:
        return {side: sorted(places) for side, places in self.places.items()}

    def _place(self, line: Line, hunk: int, alike: Counter[tuple[Side, str]]) -> Place:
        side: Side = "old" if line.new is None else "new"
        number = line.new if line.new is not None else line.old or 0
        text = line.text.strip()
        before = alike[side, text]
        alike[side, text] += 1
        mark = fingerprint(self.file.path, f"{text}\n{before}" if before else text)
        return Place(self.file.path, number, side, line.text, hunk, mark)


def fingerprint(path: str, text: str | None = None) -> str:
    """16 hex digits for a place that stay the same when the line moves or is indented otherwise: of a line by its text,
    of a whole file without."""
    named = [path] if text is None else [path, text.strip()]
    return hashlib.sha256(json.dumps(named).encode()).hexdigest()[:16]
