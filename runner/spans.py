"""The spans of a run that have ended: out of memory where they are many, and read when the trace is written."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import fields
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Final

from runner.errors import FileProblem
from runner.report.trace import SpanRecord
from runner.spill import Spill

if TYPE_CHECKING:
    from runner.spill import Kept

_NAMES: Final = [one.name for one in fields(SpanRecord)]
_told: Final = attrgetter(*_NAMES)


class Spans:
    """Told of each span when it ends, in any thread."""

    def __init__(self, spill: Spill | None = None) -> None:
        self._spill = spill or Spill()
        self._places: list[tuple[str, int, Kept]] = []
        self._problem: FileProblem | None = None

    def append(self, span: SpanRecord) -> None:
        """Keep a span. No run ends for want of room for its trace: whoever asks for that is told."""
        if self._problem is None:
            try:
                kept = self._spill.keep(json.dumps(_told(span)).encode())
            except FileProblem as problem:
                self._problem = problem
            else:
                self._places.append((sys.intern(span.scope), span.start_ns, kept))

    def by_start(self) -> Iterator[SpanRecord]:
        """All of them so far, in the order of their starts. Raises FileProblem where not all could be kept."""
        return self._read(sorted(self._places, key=itemgetter(1)))

    def by_scope(self) -> Iterator[SpanRecord]:
        """Those of one scope after the other, in the order of their starts. Raises FileProblem as `by_start` does."""
        return self._read(sorted(self._places, key=itemgetter(0, 1)))

    def _read(self, places: list[tuple[str, int, Kept]]) -> Iterator[SpanRecord]:
        if self._problem is not None:
            raise self._problem
        for _, _, kept in places:
            yield SpanRecord(*json.loads(self._spill.read(kept)))
