"""What of a change is new since it was looked at last: for a review that says nothing twice."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from typing import TYPE_CHECKING

from runner.diff.change import Change
from runner.diff.read import counts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.diff.change import FileChange, Hunk


def fresh(change: Change, since: Change) -> Change:
    """Of the whole change the hunks that touch lines which `since` changes; both lead to the same new files.

    Rather too much than too little: a file of which it is not known what has changed in it stays whole, and so does
    the change where the host did not name all files that have.
    """
    if not since.whole:
        return change
    newer = {file.path: file for file in since.files}
    kept = (_fresh(file, newer[file.path]) for file in change.files if file.path in newer)
    return replace(change, files=tuple(file for file in kept if file))


def _fresh(file: FileChange, newer: FileChange) -> FileChange | None:
    if not file.hunks or not newer.hunks:
        return file
    places = sorted(place for hunk in newer.hunks for place in _places(hunk))
    hunks = tuple(hunk for hunk in file.hunks if _touched(hunk, places))
    added, removed = counts(hunks)
    return replace(file, hunks=hunks, added=added, removed=removed) if hunks else None


def _places(hunk: Hunk) -> Iterator[float]:
    """Where in the new file something is other: a line's number, and between two lines where some were removed."""
    after = next((line.new for line in hunk.lines if line.new is not None), 1) - 1
    for line in hunk.lines:
        after = line.new if line.new is not None else after
        if line.kind != "same":
            yield line.new if line.new is not None else after + 0.5


def _touched(hunk: Hunk, places: list[float]) -> bool:
    news = [line.new for line in hunk.lines if line.new is not None]
    if not news:
        return True
    first = bisect_left(places, news[0] - 0.5)
    return first < len(places) and places[first] <= news[-1] + 0.5
