"""A change as data: files, their hunks, and the lines of these. What reads one, or makes a text of it, is next door."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LineKind = Literal["same", "added", "removed"]
Status = Literal["added", "removed", "modified", "renamed", "copied", "unchanged"]
"""What became of a file; `unchanged` is one of which only the mode is another."""

Side = Literal["new", "old"]
"""Which of the two files a line is counted in: of a removed line it is the old one."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a hunk, without its end. `old` and `new` are its numbers there, from 1; None where it is not.

    A carriage return before the end is part of the text. `bare` is a file's last line that has no end.
    """

    kind: LineKind
    text: str
    old: int | None
    new: int | None
    bare: bool = False


@dataclass(frozen=True, slots=True)
class Hunk:
    """Lines that stand together. `heading` is what git names behind the @@: the function they are in, say."""

    lines: tuple[Line, ...]
    heading: str = ""


@dataclass(frozen=True, slots=True)
class FileChange:
    """What became of one file. `old_path` is set where it had another name.

    A file without hunks is binary, has another mode or name and nothing else, or is `withheld`: too large for the
    host to show. `added` and `removed` count lines, also where those are not shown.
    """

    path: str
    status: Status
    hunks: tuple[Hunk, ...] = ()
    old_path: str = ""
    added: int = 0
    removed: int = 0
    binary: bool = False
    withheld: bool = False
    submodule: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """All that a pull request, or a branch, changes. `whole` says that the host named every file."""

    files: tuple[FileChange, ...] = ()
    whole: bool = True
