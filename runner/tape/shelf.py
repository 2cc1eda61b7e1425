"""Recordings by path, of which one is in memory at a time. What is asked of all of them at once stands on their cards,
and what is played is what was there when the run began, whatever becomes of the files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from runner.spill import Kept, Spill
from runner.tape.recording import dump, restored

if TYPE_CHECKING:
    from runner.tape.recording import Recording


class Card(NamedTuple):
    """What is known of a recording without reading it, and where it is. `finished` says that it has an answer to go on
    from, `in_session` that something was said before it."""

    spill: Spill
    kept: Kept
    config_hash: str
    finished: bool
    of_gate: bool
    in_session: bool

    @property
    def recording(self) -> Recording:
        return restored(self.spill.read(self.kept))


class Shelf(Mapping[str, "Recording"]):
    """Recordings in the order in which they were put there; every look at one reads it."""

    def __init__(self, cards: Mapping[str, Card] | None = None, spill: Spill | None = None) -> None:
        self.cards: dict[str, Card] = dict(cards or {})
        self._spill = spill or Spill()

    @classmethod
    def of(cls, recordings: Iterable[Recording]) -> Shelf:
        shelf = cls()
        for one in recordings:
            shelf.put(one, dump(one).encode())
        return shelf

    def put(self, recording: Recording, content: bytes) -> None:
        """Put a recording there, which is the `content` of its file. Raises FileProblem where there is no room."""
        gate, kept = recording.gate, self._spill.keep(content)
        done = recording.answer.status == "success" and (gate is None or gate.answer is not None)
        in_session = bool(recording.prompt.before)
        card = Card(self._spill, kept, recording.config_hash, done, gate is not None, in_session)
        self.cards[recording.path] = card

    def __getitem__(self, path: str) -> Recording:
        return self.cards[path].recording

    def __iter__(self) -> Iterator[str]:
        return iter(self.cards)

    def __len__(self) -> int:
        return len(self.cards)

    def __contains__(self, path: object) -> bool:
        return path in self.cards
