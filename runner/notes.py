"""A file of notes in the workspace: what steps answered, in this run and earlier ones.

Unlike the files of a run (`runner.artifacts`) it is somebody's: it is only ever added to, in whole lines, and never
reached through a link. How steps come to see it is in `runner.calls.notes`.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from runner import walk
from runner.errors import FileProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

MOST_READ: Final = 1024 * 1024
"""Bytes of earlier notes that are looked at, from the end of the file."""

MAX_QUESTION: Final = 200
MAX_ANSWER: Final = 2_000
MAX_ENTRY: Final = 8_000
"""Characters of an entry that a model is told: more than ours have, for a file that anybody may have written."""

_HEADING: Final = re.compile(r"## \S+ (.+)")


@dataclass(frozen=True)
class Note:
    """Who answered (agent and step), what was asked in one line, and the answer."""

    agent: str
    path: str
    question: str
    answer: str

    def told(self) -> str:
        """As a model is told it: without the time, so that the same notes are the same text."""
        return _section(f"{self.agent}, {self.path}", self.question, self.answer)


class Notebook:
    """The notes of one run. `open` before the first step; what is added is seen by the steps that begin later.

    With `once` an entry that is there already is not added again: the run goes on with another, whose notes may have
    been kept.
    """

    def __init__(
        self,
        workspace: Path,
        name: str,
        *,
        as_json: bool,
        closed: Path | None,
        now: Callable[[], datetime],
        scrub: Callable[[str], str],
        once: bool = False,
    ) -> None:
        self._workspace, self._name, self._json = workspace, name, as_json
        self._closed, self._now, self._scrub, self._once = closed, now, scrub, once
        self._entries: list[str] = []
        self._writing = asyncio.Lock()

    async def open(self) -> str | None:
        """Read what is there, and return what to say of it when not all of that could be read.

        Raises FileProblem for a file that cannot be that of notes.
        """
        file = self._workspace.resolve() / self._name
        if self._closed is not None and file.is_relative_to(self._closed.resolve()):
            raise FileProblem(f"notes file '{self._name}' lies in the artifacts directory; name one beside it")
        text = await asyncio.to_thread(self._read)
        self._entries, strange = _json_entries(text) if self._json else _markdown_entries(text)
        return f"{strange} lines of {self._name} are not notes and were left out" if strange else None

    def latest(self, most: int) -> list[str]:
        """The last entries there are by now, the oldest first, as a model is told them."""
        return self._entries[-most:]

    async def add(self, agent: str, path: str, question: str, answer: str) -> None:
        """Add an entry. Raises FileProblem when it cannot be written; steps of this run see it all the same."""
        first = next((line for line in self._scrub(question).splitlines() if line.strip()), "")
        note = Note(agent, path, _short(first, MAX_QUESTION), _short(self._scrub(answer), MAX_ANSWER))
        async with self._writing:
            if self._once and note.told() in self._entries:
                return
            self._entries.append(note.told())
            await asyncio.to_thread(self._append, self._line(note))

    def _line(self, note: Note) -> str:
        time = self._now().isoformat(timespec="seconds")
        if self._json:
            told = {"time": time, "agent": note.agent, "path": note.path}
            return json.dumps(told | {"question": note.question, "answer": note.answer}, ensure_ascii=False) + "\n"
        return _section(f"{time} {note.agent}, {note.path}", note.question, note.answer) + "\n"

    # -- the file -----------------------------------------------------------------------------------------------------

    def _read(self) -> str:
        try:
            with self._opened(os.O_RDONLY) as file:
                size = os.fstat(file).st_size
                found = os.pread(file, MOST_READ, max(0, size - MOST_READ))
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise FileProblem(f"notes file '{self._name}' cannot be read: {_why(error)}") from None
        if size > MOST_READ:
            found = found.partition(b"\n")[2]
        return found.decode("utf-8", "replace")

    def _append(self, text: str) -> None:
        try:
            with self._opened(os.O_RDWR | os.O_APPEND | os.O_CREAT) as file:
                size = os.fstat(file).st_size
                cut_off = size > 0 and os.pread(file, 1, size - 1) != b"\n"
                left = ("\n" * cut_off + text).encode("utf-8", "replace")
                while left:
                    left = left[os.write(file, left) :]
        except OSError as error:
            raise FileProblem(f"notes file '{self._name}' cannot be written: {_why(error)}") from None

    @contextmanager
    def _opened(self, flags: int) -> Iterator[int]:
        """The file, each part of its path opened below the one before: a link leads nowhere, whenever it was made."""
        parent, name = os.path.split(self._workspace.resolve() / self._name)
        making = bool(flags & os.O_CREAT)
        owner = walk.owner_of(self._workspace) if making else None
        with walk.directory(parent, make=making, owner=owner) as here:
            file = _open_file(name, flags, here, owner)
            try:
                if not stat.S_ISREG(os.fstat(file).st_mode):
                    raise OSError("it is not a file")
                yield file
            finally:
                os.close(file)


def _open_file(name: str, flags: int, parent: int, owner: walk.Owner) -> int:
    # What is no file, such as a pipe, would have us wait for its other end.
    flags |= walk.NO_LINK | os.O_NONBLOCK
    try:
        return os.open(name, flags & ~os.O_CREAT, dir_fd=parent)
    except FileNotFoundError:
        if not flags & os.O_CREAT:
            raise
    return walk.create(name, parent, flags, owner)


def _why(error: OSError) -> str:
    return error.strerror or str(error)


# -- entries ----------------------------------------------------------------------------------------------------------


def _section(heading: str, question: str, answer: str) -> str:
    """An entry as text. The answer is quoted, so that no line of it can pass for the heading of another entry."""
    quoted = "\n".join(f"> {line}".rstrip() for line in answer.splitlines())
    return f"## {' '.join(heading.split())}\n\nAsked: {' '.join(question.split())}\n\n{quoted}\n"


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _markdown_entries(text: str) -> tuple[list[str], int]:
    """Entries as a model is told them. What stands before the first is nobody's note, and not missed."""
    entries: list[list[str]] = []
    for line in text.split("\n"):
        if found := _HEADING.fullmatch(line):
            entries.append([f"## {found[1]}"])
        elif entries:
            entries[-1].append(line)
    return [_short("\n".join(lines).rstrip(), MAX_ENTRY) + "\n" for lines in entries], 0


def _json_entries(text: str) -> tuple[list[str], int]:
    """Entries as a model is told them, and how many lines are none: a file that people may edit."""
    entries, strange = [], 0
    for line in text.split("\n"):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
            note = Note(*(found[name] for name in ("agent", "path", "question", "answer")))
            entries.append(_short(note.told().rstrip(), MAX_ENTRY) + "\n")
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            strange += 1
    return entries, strange
