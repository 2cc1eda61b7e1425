"""What git says of the difference between two trees, file by file, and where in it a comment may stand.

It is read here again, apart from what is tested: a stand-in that shared its reader would share its mistakes.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

Tree = Mapping[str, str | bytes]
"""The files of a commit by their paths."""

Place = tuple[str, int]
"""RIGHT or LEFT, and the line there."""

GIT = ["git", "-c", "core.quotePath=false", "diff", "--no-index", "--no-color", "--no-ext-diff", "-M", "--no-prefix"]


@dataclass(frozen=True)
class Hunk:
    """A run of lines of a patch, each with its places and its text."""

    head: str
    lines: tuple[tuple[frozenset[Place], str], ...]

    @cached_property
    def places(self) -> dict[Place, str]:
        return {place: text for places, text in self.lines for place in places}

    def until(self, place: Place) -> str:
        """What the host shows above a comment."""
        end = next(number for number, (places, _) in enumerate(self.lines) if place in places)
        return "\n".join([self.head, *(text for _, text in self.lines[: end + 1])])


@dataclass
class File:
    """A file that was changed; `patch` is None where the host has none to show."""

    path: str
    old_path: str
    status: str = "modified"
    patch: str | None = None
    hunks: tuple[Hunk, ...] = field(default=(), repr=False)

    @property
    def added(self) -> int:
        return sum(text.startswith("+") for hunk in self.hunks for _, text in hunk.lines)

    @property
    def removed(self) -> int:
        return sum(text.startswith("-") for hunk in self.hunks for _, text in hunk.lines)

    def hunk_of(self, place: Place) -> Hunk | None:
        return next((hunk for hunk in self.hunks if place in hunk.places), None)


def between(old: Tree, new: Tree) -> str:
    """The difference as git tells it."""
    with TemporaryDirectory() as aside:
        for name, tree in (("a", old), ("b", new)):
            Path(aside, name).mkdir()
            for path, content in tree.items():
                if old.get(path) != new.get(path):
                    file = Path(aside, name, path)
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_bytes(content if isinstance(content, bytes) else content.encode())
        told = subprocess.run([*GIT, "a", "b"], cwd=aside, capture_output=True, check=False)
    assert not told.stderr, told.stderr
    return told.stdout.decode("utf-8", errors="replace")


def files_of(diff: str) -> list[File]:
    """The files of a difference."""
    sections = re.split(r"^(?=diff --git )", diff, flags=re.MULTILINE)
    return [_file(section) for section in sections if section.startswith("diff --git ")]


def _file(section: str) -> File:
    head, at, rest = section.partition("\n@@ ")
    lines = dict(_told(head.split("\n")))
    both = re.match(r'diff --git "?[ab]/(.+?)"? "?[ab]/(.+?)"?$', head.split("\n")[0])
    assert both, head
    old = lines.get("rename from") or lines.get("copy from") or _named(lines.get("---")) or both[1]
    new = lines.get("rename to") or lines.get("copy to") or _named(lines.get("+++")) or both[2]
    status = next((STATUS[key] for key in STATUS if key in lines), "modified")
    patch = f"@@ {rest}".removesuffix("\n") if at else None
    return File(old if status == "removed" else new, old, status, patch, tuple(_hunks(patch or "")))


STATUS = {"new file mode": "added", "deleted file mode": "removed", "rename to": "renamed", "copy to": "copied"}
HEADERS = (*STATUS, "rename from", "copy from", "---", "+++")


def _told(lines: list[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        for header in HEADERS:
            if line.startswith(f"{header} "):
                yield header, line.removeprefix(f"{header} ")


def _named(told: str | None) -> str:
    """A name behind `---` or `+++`; empty where it is that of no file."""
    told = (told or "").rstrip("\t")
    if told.startswith('"'):
        told = re.sub(r"\\(.)", lambda found: {"t": "\t", "n": "\n"}.get(found[1], found[1]), told[1:-1])
    return told.partition("/")[2] if told[:2] in ("a/", "b/") else ""


def _hunks(patch: str) -> Iterator[Hunk]:
    for told in re.split(r"^(?=@@ )", patch, flags=re.MULTILINE):
        found = re.match(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@", told)
        if found:
            head, *lines = told.removesuffix("\n").split("\n")
            yield Hunk(head, tuple(_lines(lines, int(found[1]), int(found[2]))))


def _lines(lines: list[str], old: int, new: int) -> Iterator[tuple[frozenset[Place], str]]:
    for line in lines:
        if line.startswith("\\"):
            yield frozenset(), line
        elif line.startswith("-"):
            yield frozenset({("LEFT", old)}), line
            old += 1
        elif line.startswith("+"):
            yield frozenset({("RIGHT", new)}), line
            new += 1
        else:
            yield frozenset({("RIGHT", new)}), line
            old, new = old + 1, new + 1
