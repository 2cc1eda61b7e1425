"""Where a finding goes: the lines that it names where the host takes comments there, and else the nearest place that it
does take. The host wants both ends of a comment in one hunk, on the side where they are counted
(https://docs.github.com/rest/pulls/comments#create-a-review-comment-for-a-pull-request).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from runner.diff.places import Place, Places, fingerprint
from runner.post.bounds import may_be_named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.diff.change import Change, FileChange, Side
    from runner.post.plan import Comment
    from runner.post.said import Finding

NEAR: Final = 10
"""A finding is moved by so many lines at most: what is farther away is another matter."""

_MOST_LINES: Final = 1_000  # of a comment, and of a range that are looked at for one in the diff
_DEEPEST: Final = 50  # directories of an absolute path


@dataclass(frozen=True, slots=True)
class Spot:
    """Lines of one hunk, or a whole file where there is no line; `texts` are the lines, `place` their fingerprint."""

    path: str
    place: str
    line: int | None = None
    start_line: int | None = None
    side: Side = "new"
    texts: tuple[str, ...] = ()
    takes_suggestions: bool = False

    @property
    def key(self) -> tuple[str, int | None, str]:
        """Two comments with the same one are at one place."""
        return self.path, self.line, self.side

    @property
    def told(self) -> str:
        """For people."""
        return _told(self.path, self.start_line, self.line)

    def says(self, text: str) -> bool:
        """Whether the lines are that already."""
        return self.line is not None and split(text) == [one.removesuffix("\r") for one in self.texts]


class Ground:
    """A change as that which comments stand on."""

    def __init__(self, change: Change) -> None:
        self._places = Places(change)
        self._renamed = {one.old_path: one for one in change.files if one.status == "renamed"}

    def spot(self, finding: Finding) -> tuple[Spot | None, str]:
        """Where a finding goes, None for nowhere in the diff; and why that is not where it was said, if it is not."""
        if not finding.path.strip():
            return None, ""
        file = self._file(finding.path)
        if file is None:
            return None, "below the text, for that file is not in the diff"
        if not may_be_named(file.path):
            return None, "below the text, for the name of that file is not all seen"
        if finding.lines is None:
            why = "at the whole file, for that is no line" if finding.line or finding.start_line else ""
            return self._whole(file), why
        return self._at_lines(file, *finding.lines, finding.side)

    def standing(self, comment: Comment) -> Spot | None:
        """Where a comment stands; None where the host would not take it there."""
        file = self._places.file(comment.path)
        if file is None or comment.line is None:
            return None if file is None else self._whole(file)
        first, last = comment.start_line or comment.line, comment.line
        found = self._upwards(file, first, last, comment.side)
        exact = len(found) == last - first + 1 and found[-1].side == comment.side
        return self._spot(found) if exact else None

    def _file(self, path: str) -> FileChange | None:
        for spelling in _spellings(path):
            if file := self._places.file(spelling) or self._renamed.get(spelling):
                return file
        return None

    def _whole(self, file: FileChange) -> Spot:
        return Spot(file.path, fingerprint(file.path))

    def _at_lines(self, file: FileChange, first: int, last: int, said: Side | None) -> tuple[Spot, str]:
        side = self._side(file, last, said)
        if found := self._within(file, first, last, side):
            spot = self._spot(found, takes_suggestions=side == "new")
            whole = len(found) == last - first + 1
            return spot, "" if whole else f"at {spot.told}, for the rest is not in the same piece of the diff"
        near = self._places.nearest(file.path, last, side, within=NEAR)
        near = near or self._places.nearest(file.path, first, side, within=NEAR)
        if near is None:
            what = "that line is not in the diff" if file.hunks else "no line of that file is in the diff"
            return self._whole(file), f"at the whole file, for {what}"
        spot = self._spot([near])
        return spot, f"at {spot.told}, for that line is not in the diff"

    def _side(self, file: FileChange, line: int, said: Side | None) -> Side:
        """The side that is meant. A model that names none may mean a line that is gone, if there is no other."""
        if file.status in ("added", "removed"):
            return "new" if file.status == "added" else "old"
        if said is None and self._places.at(file.path, line) is None:
            gone = self._places.at(file.path, line, "old")
            return "old" if gone is not None and gone.side == "old" else "new"
        return said or "new"

    def _within(self, file: FileChange, first: int, last: int, side: Side) -> list[Place]:
        """The last lines of these that are in one hunk."""
        last = min(last, self._places.last(file.path, side))
        for end in range(last, max(first, last - _MOST_LINES) - 1, -1):
            if found := self._upwards(file, first, end, side):
                return found
        return []

    def _upwards(self, file: FileChange, first: int, last: int, side: Side) -> list[Place]:
        """The lines that end with `last` and are in one hunk and on one side, from `first` on."""
        found: list[Place] = []
        for number in range(last, max(first, last - _MOST_LINES + 1) - 1, -1):
            place = self._places.at(file.path, number, side)
            if place is None or (found and (place.hunk, place.side) != (found[-1].hunk, found[-1].side)):
                break
            found.append(place)
        return found[::-1]

    def _spot(self, found: list[Place], *, takes_suggestions: bool = False) -> Spot:
        first, last = found[0], found[-1]
        start = first.line if first.line < last.line else None
        texts = tuple(one.text for one in found)
        return Spot(last.path, last.mark, last.line, start, last.side, texts, takes_suggestions)


def _spellings(path: str) -> Iterator[str]:
    """A path as it was said, and as it may have been meant: of a diff, of a shell, of the machine it was read on."""
    yield path
    plain = re.sub(r"^(\./)+", "", path.strip().strip("`'\"").replace("\\", "/"))
    yield plain
    yield re.sub("^[ab]/", "", plain)
    if plain.startswith("/"):
        parts = plain.split("/")[1:_DEEPEST]
        yield from ("/".join(parts[index:]) for index in range(len(parts)))


def standing_at(comment: Comment) -> str:
    """The place of a comment, for people."""
    return _told(comment.path, comment.start_line, comment.line)


def _told(path: str, first: int | None, last: int | None) -> str:
    return path if last is None else f"{path}:{last}" if first is None else f"{path}:{first}-{last}"


def split(text: str) -> list[str]:
    """The lines of a text, each without its end."""
    lines = text.replace("\r\n", "\n").split("\n")
    return lines if lines[-1] else lines[:-1]
