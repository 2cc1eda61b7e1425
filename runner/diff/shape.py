"""A change as the text that a model is shown, never longer than a limit.

Over the limit hunks go before files: as many files as possible keep their heading and the beginning of their hunks,
files that are gone give way first, and what is left out is said where it would be, or at the end.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from runner.diff.lines import HOW_TO_READ, has_other_returns, heading, hunk_lines, is_of_file, name
from runner.tokens import tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runner.diff.change import Change, FileChange

_FLOOR: Final = 200
"""Tokens of its hunks without which a file is not worth a heading, where others need the room."""

_CUT: Final = 20
"""Tokens of the line that says what of a file is cut."""

_NOTES, _LEAST_NOTES = 1_000, 32
"""Tokens that say at the end what is not shown: at most a tenth of the limit, and at least how many files it is."""

_NAMES: Final = (20, 5, 1)
"""Files that are named for each reason to leave them out, as many as there is room for."""


@dataclass(frozen=True, slots=True)
class ShapedFile:
    """One file: its part of the text, empty where it is left out, and why it is, or what of it is."""

    file: FileChange
    text: str
    left_out: str


@dataclass(frozen=True, slots=True)
class Shaped:
    """A change as text, at most as long as was asked for. `left_out` lists what is not in it; empty where all is."""

    text: str
    files: tuple[ShapedFile, ...]
    left_out: str


def shaped(change: Change, max_tokens: int, why_left_out: Callable[[str], str] = lambda _: "") -> Shaped:
    """The change in at most `max_tokens`, as runner.tokens estimates them. Of a file for whose path there is a reason
    to leave it out nothing is shown but that."""
    drafts = [_Draft(file, why_left_out(file.path), max_tokens) for file in change.files]
    wanted = [draft for draft in drafts if not draft.left_out]
    for_notes = max(min(max_tokens // 10, _NOTES), _LEAST_NOTES)
    room = max_tokens - _cost(HOW_TO_READ)
    all_is_shown = change.whole and len(wanted) == len(drafts)
    if sum(draft.cost for draft in wanted) <= room - (0 if all_is_shown else for_notes):
        for draft in wanted:
            draft.fill(draft.body)
    else:
        _share_out(wanted, room - for_notes)
    files = tuple(ShapedFile(draft.file, draft.text, draft.left_out) for draft in drafts)
    notes = _notes("Not shown", [one for one in files if not one.text], change, for_notes)
    parts = [one.text for one in files if one.text]
    text = "\n".join([HOW_TO_READ, *parts, *([notes] if notes else [])]) if parts else notes
    text = text if tokens(text) <= max_tokens else ""
    return Shaped(text, files, _notes("Not all shown", [one for one in files if one.left_out], change, for_notes))


def _cost(text: str) -> int:
    """Tokens of a part, never fewer than it adds to a whole: each is rounded on its own."""
    return tokens(text) + 1


# -- who gets how much ------------------------------------------------------------------------------------------------


def _share_out(drafts: Sequence[_Draft], room: int) -> None:
    """Choose the files that there is room for at all, in their order; then small ones get all they need, and the others
    the same of what is left. Files that are gone are last in both."""
    floor = max(min(_FLOOR, room // 4), _CUT)
    kept: list[_Draft] = []
    for draft in sorted(drafts, key=lambda one: one.is_gone):
        draft.least = min(draft.body, _CUT if draft.is_gone else floor)
        if draft.heading_cost + draft.least <= room:
            room -= draft.heading_cost + draft.least
            kept.append(draft)
        else:
            draft.left_out = "no room"
    for gone in (False, True):
        some = sorted((draft for draft in kept if draft.is_gone is gone), key=lambda one: one.body)
        room += sum(draft.least for draft in some)
        for index, draft in enumerate(some):
            room -= draft.fill(room // (len(some) - index))


class _Draft:
    """A file on its way into the text. Nothing is rendered of a file that is left out, nor beyond the limit."""

    def __init__(self, file: FileChange, left_out: str, limit: int) -> None:
        self.file = file
        self.left_out = left_out
        self.text = ""
        self.least = 0
        self.is_gone = file.status == "removed"
        self._heading = "" if left_out else heading(file)
        self.heading_cost = _cost(self._heading)
        self._hunks: list[tuple[list[str], int]] = []
        self.body = 0
        """Tokens of all hunks, or more than the limit."""
        returns = not left_out and has_other_returns(file)
        for hunk in () if left_out else file.hunks:
            lines = hunk_lines(hunk, first=not self._hunks, returns=returns)
            self._hunks.append((lines, _cost("\n".join(lines))))
            self.body += self._hunks[-1][1]
            if self.body > limit:
                break

    @property
    def cost(self) -> int:
        return self.heading_cost + self.body

    def fill(self, share: int) -> int:
        """Write as much as there is room for, and say how much of it that took."""
        if self.body <= share:
            lines, used = [line for hunk, _ in self._hunks for line in hunk], self.body
        else:
            lines = self._beginning(share - _CUT)
            self.left_out = self._missing(lines)
            lines.append(f"[cut: {self.left_out}]")
            used = _cost("\n".join(lines))
        self.text = "\n".join([self._heading, *lines]) + "\n"
        return used

    def _missing(self, lines: Sequence[str]) -> str:
        ends = [*accumulate(len(hunk.lines) for hunk in self.file.hunks)]
        shown = sum(map(is_of_file, lines))
        missing = ends[-1] - shown
        told = "1 line" if missing == 1 else f"{missing:,} lines"
        return told + (f" in {len(ends) - bisect_right(ends, shown):,} of {len(ends):,} hunks" if len(ends) > 1 else "")

    def _beginning(self, room: int) -> list[str]:
        """The hunks that there is room for from the first on, and of the next the lines that there is."""
        lines: list[str] = []
        for hunk, cost in self._hunks:
            if cost > room:
                some = range(1, min(len(hunk), max(room, 0)) + 1)
                fits = bisect_right(some, room, key=lambda count: _cost("\n".join(hunk[:count])))
                return lines + hunk[:fits]
            lines += hunk
            room -= cost
        return lines


# -- what is not there ------------------------------------------------------------------------------------------------


def _notes(title: str, files: Sequence[ShapedFile], change: Change, room: int) -> str:
    """What is left out and why, as much of it as there is room for: at least how many files it is."""
    by_reason: dict[str, list[str]] = {}
    for one in files:
        cut = f" ({one.left_out})" if one.text else ""
        by_reason.setdefault("cut" if cut else one.left_out, []).append(name(one.file.path) + cut)
    head = [] if change.whole else ["There are more files than the host told of."]
    head += [f"{title}: {len(files):,} of {len(change.files):,} files."] if files else []
    rows: list[str] = []
    for most in _NAMES:
        rows = head + [_row(reason, names, most) for reason, names in by_reason.items()]
        if _cost("\n".join(rows)) <= room:
            break
    fits = bisect_right(range(1, len(rows) + 1), room, key=lambda count: _cost("\n".join(rows[:count])))
    return "\n".join(rows[:fits])


def _row(reason: str, names: Sequence[str], most: int) -> str:
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return f"- {reason}: {', '.join(names[:most])}{more}"
