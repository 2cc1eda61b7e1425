"""A diff as text to a change as data: what git prints, and what the host tells of a file. Both may be a stranger's, so
nothing here believes them: what is no diff is refused or counts as withheld, in one pass over the text.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, get_args

from runner.diff.change import FileChange, Hunk, Line, Status
from runner.diff.quoted import QUOTED, unquoted
from runner.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

GIT_DIFF: Final = (
    "diff",
    *("--no-color", "--no-ext-diff", "--no-textconv", "--no-relative", "--find-renames", "--unified=3"),
    *("--inter-hunk-context=0", "--src-prefix=a/", "--dst-prefix=b/", "--submodule=short", "--ignore-submodules=dirty"),
)
"""How git is asked for what `files_of_git` reads, whatever the user's own settings are."""

_HUNK: Final = re.compile(
    r"@@ -([0-9]{1,9})(?:,([0-9]{1,9}))? \+([0-9]{1,9})(?:,([0-9]{1,9}))? @@(?: (.*))?", re.DOTALL
)
_HEADER: Final = re.compile(
    r"(old mode|new mode|deleted file mode|new file mode|copy from|copy to|rename from|rename to|similarity index"
    r"|dissimilarity index|index|---|\+\+\+) (.*)",
    re.DOTALL,
)
_SUBMODULE: Final = "160000"
_EMPTY_BLOB: Final = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"


class _Malformed(Exception):
    """Line `at` (from 0) is not what could stand there."""

    def __init__(self, at: int, why: str) -> None:
        self.at = at
        self.why = why


# -- git --------------------------------------------------------------------------------------------------------------


def files_of_git(text: str) -> tuple[FileChange, ...]:
    """What `git` with GIT_DIFF printed. A UsageError names the line that is not git's."""
    lines = _lines(text)
    try:
        return tuple(_joined(_files(lines)))
    except _Malformed as error:
        raise UsageError(f"this is no diff as git prints it: line {error.at + 1}: {error.why}") from None


def _files(lines: Sequence[str]) -> Iterator[FileChange]:
    at = 0
    while at < len(lines):
        if lines[at].startswith("* Unmerged path "):
            at += 1
            continue
        if not lines[at].startswith("diff --git "):
            raise _Malformed(at, "a file begins with 'diff --git'")
        start, at = at, at + 1
        told: dict[str, str] = {}
        while at < len(lines) and (found := _HEADER.fullmatch(lines[at])):
            told[found[1]] = found[2]
            at += 1
        binary = at < len(lines) and lines[at].startswith(("Binary files ", "GIT binary patch"))
        while binary and at < len(lines) and not lines[at].startswith("diff --git "):
            at += 1
        hunks, at = _hunks(lines, at)
        yield _file(_paths(lines[start], told, start), told, hunks, binary=binary)


def _file(paths: tuple[str, str], told: Mapping[str, str], hunks: tuple[Hunk, ...], *, binary: bool) -> FileChange:
    old, new = paths
    added, removed = counts(hunks)
    status: Status = "modified" if hunks or binary else "unchanged"
    for header, one in _STATUS_OF_HEADER.items():
        status = one if header in told else status
    modes = (told.get("new file mode"), told.get("deleted file mode"), told.get("index", "").rpartition(" ")[2])
    return FileChange(
        path=new,
        status=status,
        hunks=hunks,
        old_path=old if old != new else "",
        added=added,
        removed=removed,
        binary=binary,
        submodule=_SUBMODULE in modes,
    )


_STATUS_OF_HEADER: Final[Mapping[str, Status]] = {
    "new file mode": "added",
    "deleted file mode": "removed",
    "rename to": "renamed",
    "copy to": "copied",
}


def _paths(first: str, told: Mapping[str, str], at: int) -> tuple[str, str]:
    """The names before and after. They stand in as many places as git needs them, and with a prefix in some."""
    old = told.get("rename from") or told.get("copy from")
    new = told.get("rename to") or told.get("copy to")
    if old and new:
        return unquoted(old), unquoted(new)
    sides = [(told.get("---"), "a/"), (told.get("+++"), "b/")]
    names = [
        unquoted(name.removesuffix("\t")).removeprefix(prefix)
        for name, prefix in sides
        if name not in _NO_NAME and name
    ]
    if not names:
        names = [_only_name(first.removeprefix("diff --git "), at)]
    return names[0], names[-1]


_NO_NAME: Final = (None, "/dev/null")


def _only_name(both: str, at: int) -> str:
    """The name in `a/name b/name`, which is nowhere else told where no line is shown and the name is no other."""
    if found := QUOTED.match(both):
        return unquoted(found[0]).removeprefix("a/")
    name = both[2 : len(both) // 2]
    if both != f"a/{name} b/{name}":
        raise _Malformed(at, "it names no file")
    return name


def _joined(files: Iterator[FileChange]) -> Iterator[FileChange]:
    """What became another kind of file, such as a link, git tells as one removed and one added: that is one file."""
    last: FileChange | None = None
    for file in files:
        if last and last.path == file.path and (last.status, file.status) == ("removed", "added"):
            hunks, removed = last.hunks + file.hunks, last.removed
            last = replace(file, status="modified", hunks=hunks, removed=removed, binary=last.binary or file.binary)
            continue
        if last:
            yield last
        last = file
    if last:
        yield last


# -- the host ---------------------------------------------------------------------------------------------------------


def file_of_host(told: Mapping[str, Any]) -> FileChange:
    """What the host's API tells of one file: filename, status, additions, deletions, previous_filename, patch.

    A file of which the host shows no lines, or such that nobody can read, is `withheld` where it has some, and else
    `binary`: the API has no word for that. A UsageError names what is missing or of another kind.
    """
    path, patch = _text(told, "filename", None), _text(told, "patch", "")
    added, removed = _count(told, path, "additions"), _count(told, path, "deletions")
    try:
        hunks = _hunks_of_patch(patch)
    except _Malformed:
        hunks = ()
    if hunks:
        added, removed = counts(hunks)
    status = _status(_text(told, "status", "modified"), any_lines=bool(patch or added or removed))
    silent = not hunks and not added and not removed
    return FileChange(
        path=path,
        status=status,
        hunks=hunks,
        old_path=_text(told, "previous_filename", ""),
        added=added,
        removed=removed,
        binary=silent and not patch and status in ("added", "removed", "modified") and told.get("sha") != _EMPTY_BLOB,
        withheld=not hunks and bool(patch or not silent),
        submodule=bool(hunks) and all(_SUBPROJECT.fullmatch(line.text) for one in hunks for line in one.lines),
    )


_SUBPROJECT: Final = re.compile(r"Subproject commit [0-9a-f]{40,64}")


def _hunks_of_patch(patch: str) -> tuple[Hunk, ...]:
    lines = _lines(patch)
    hunks, at = _hunks(lines, 0)
    if at < len(lines):
        raise _Malformed(at, "a hunk begins with '@@'")
    return hunks


def _status(told: str, *, any_lines: bool) -> Status:
    known: Mapping[str, Status] = {status: status for status in get_args(Status)}
    return known.get(told, "modified" if any_lines else "unchanged")


def _text(told: Mapping[str, Any], key: str, default: str | None) -> str:
    text = told.get(key) or default
    if not isinstance(text, str):
        raise UsageError(f"a file of the change has '{key}: {text!r:.100}', and a text is needed")
    return text


def _count(told: Mapping[str, Any], path: str, key: str) -> int:
    count = told.get(key) or 0
    if not isinstance(count, int) or count < 0:
        raise UsageError(f"the file {path!r:.100} of the change has '{key}: {count!r:.100}', and a number is needed")
    return count


# -- hunks ------------------------------------------------------------------------------------------------------------


def _lines(text: str) -> list[str]:
    return text.removesuffix("\n").split("\n") if text else []


def _hunks(lines: Sequence[str], at: int) -> tuple[tuple[Hunk, ...], int]:
    """All hunks from line `at` on, and where they end."""
    hunks = []
    while at < len(lines) and (found := _HUNK.fullmatch(lines[at])):
        hunk, at = _hunk(lines, at + 1, found)
        hunks.append(hunk)
    return tuple(hunks), at


def _hunk(lines: Sequence[str], at: int, header: re.Match[str]) -> tuple[Hunk, int]:
    """Lines are counted, never guessed: a removed '-- a' looks like the head of a file."""
    old, new = int(header[1]), int(header[3])
    old_end, new_end = old + int(header[2] or 1), new + int(header[4] or 1)
    told: list[Line] = []
    while at < len(lines):
        sign, text = lines[at][:1], lines[at][1:]
        if sign == "\\" and told:
            told[-1] = replace(told[-1], bare=True)
        elif (old, new) == (old_end, new_end):
            break
        elif sign == "+" and new < new_end:
            told.append(Line("added", text, None, new))
            new += 1
        elif sign == "-" and old < old_end:
            told.append(Line("removed", text, old, None))
            old += 1
        elif sign in ("", " ") and old < old_end and new < new_end:
            told.append(Line("same", text, old, new))
            old, new = old + 1, new + 1
        else:
            raise _Malformed(at, "the hunk is to have other lines here")
        at += 1
    if (old, new) != (old_end, new_end):
        raise _Malformed(at, "the hunk is to have more lines")
    return Hunk(tuple(told), (header[5] or "").strip()), at


def counts(hunks: tuple[Hunk, ...]) -> tuple[int, int]:
    """Lines that are added, and that are removed."""
    kinds = [line.kind for hunk in hunks for line in hunk.lines]
    return kinds.count("added"), kinds.count("removed")
