"""The spans of a run that have ended: out of memory but for the last of them, and read when the trace is written."""

from __future__ import annotations

import json
import sys
import threading
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import fields
from operator import attrgetter
from typing import Final

from runner.errors import FileProblem
from runner.report.trace import SpanRecord
from runner.spill import Spill

ROOM: Final = 1024 * 1024
"""Bytes of spans that are held in memory; some two thousand spans."""

_NAMES: Final = [one.name for one in fields(SpanRecord)]
_told: Final = attrgetter(*_NAMES)


class Spans:
    """Told of each span when it ends, in any thread. `room` is how many bytes of them stay in memory."""

    def __init__(self, room: int = ROOM) -> None:
        self._room, self._spill, self._lock = room, Spill(), threading.Lock()
        self._last, self._behind = bytearray(), 0
        """What is in memory, and how much came before it, which is in the file."""
        self._ends, self._starts, self._scopes = array("Q"), array("Q"), list[str]()
        """Of every span: where it ends in all that came, when it began, and its scope. Twenty-four bytes: the rest is
        in what came."""
        self._problem: FileProblem | None = None

    def append(self, span: SpanRecord) -> None:
        """Keep a span. No run ends for want of room for its trace: whoever asks for that is told."""
        content = json.dumps(_told(span)).encode()
        with self._lock:
            if self._problem is not None:
                return
            self._last += content
            self._ends.append(self._behind + len(self._last))
            self._starts.append(span.start_ns)
            self._scopes.append(sys.intern(span.scope))
            if len(self._last) > self._room:
                try:
                    self._spill.put(bytes(self._last))
                except FileProblem as problem:
                    self._problem = problem
                self._behind += len(self._last)
                self._last.clear()

    def by_start(self) -> Iterator[SpanRecord]:
        """All of them so far, in the order of their starts. Raises FileProblem where not all could be kept."""
        return self._read(self._in_order())

    def by_scope(self) -> Iterator[SpanRecord]:
        """Those of one scope after the other, in the order of their starts. Raises FileProblem as `by_start` does."""
        return self._read(sorted(self._in_order(), key=self._scopes.__getitem__))

    def _in_order(self) -> list[int]:
        return sorted(range(len(self._starts)), key=self._starts.__getitem__)

    def _read(self, numbers: Iterable[int]) -> Iterator[SpanRecord]:
        if self._problem is not None:
            raise self._problem
        for number in numbers:
            yield SpanRecord(*json.loads(self._content(number)))

    def _content(self, number: int) -> bytes:
        start, end = self._ends[number - 1] if number else 0, self._ends[number]
        with self._lock:
            if start >= self._behind:
                return bytes(self._last[start - self._behind : end - self._behind])
        return self._spill.read((start, end - start))
