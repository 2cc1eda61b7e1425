"""What a run may be asked for again and is too much to hold: in memory up to a limit, and beyond it in a file without a
name, which nobody else finds and which is gone with the process.
"""

from __future__ import annotations

import os
import tempfile
import threading
import weakref
from typing import Final, TypeAlias

from runner.errors import FileProblem

ROOM: Final = 32 * 1024 * 1024
"""Bytes that are held in memory."""

SMALL: Final = 256
"""Bytes: to hold where so little is would cost as much."""

Kept: TypeAlias = bytes | tuple[int, int]
"""What was kept: itself, or from where and how much of the file."""


class Spill:
    """`room` is how many bytes stay in memory, ROOM where nothing is said; the file is where TMPDIR says. For any
    thread."""

    def __init__(self, room: int | None = None) -> None:
        self._room, self._end = ROOM if room is None else room, 0
        self._file: int | None = None
        self._lock = threading.Lock()

    def holds(self, size: int) -> bool:
        """Whether so many bytes stay in memory, which then they do."""
        if size <= SMALL:
            return True
        with self._lock:
            fits = size <= self._room
            self._room -= size if fits else 0
            return fits

    def keep(self, content: bytes) -> Kept:
        """Keep this, wherever there is room. Raises FileProblem where there is none."""
        return content if self.holds(len(content)) else self.put(content)

    def put(self, content: bytes) -> Kept:
        """Keep this in the file. Raises FileProblem where there is no room for it."""
        size = len(content)
        with self._lock:
            start, self._end = self._end, self._end + size
            try:
                self._file = self._opened() if self._file is None else self._file
                _write(self._file, content, start)
            except OSError as error:
                raise FileProblem(
                    f"what does not fit into memory cannot be kept below {_place()} (TMPDIR): {error.strerror}"
                ) from error
        return start, size

    def read(self, kept: Kept) -> bytes:
        """What was kept. Raises FileProblem."""
        if isinstance(kept, bytes):
            return kept
        assert self._file is not None, "nothing is in a file before there is one"
        start, size = kept
        try:
            found = os.pread(self._file, size, start)
            while len(found) < size and (more := os.pread(self._file, size - len(found), start + len(found))):
                found += more
        except OSError as error:
            raise FileProblem(f"what was kept below {_place()} (TMPDIR) cannot be read: {error.strerror}") from error
        return found

    def _opened(self) -> int:
        with tempfile.TemporaryFile() as file:
            opened = os.dup(file.fileno())
        weakref.finalize(self, os.close, opened)
        return opened


def _write(file: int, content: bytes, at: int) -> None:
    left = memoryview(content)
    while left:
        written = os.pwrite(file, left, at)
        left, at = left[written:], at + written


def _place() -> str:
    try:
        return tempfile.gettempdir()
    except OSError:
        return "any directory for temporary files"
