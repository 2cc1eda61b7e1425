"""What recordings do to a gate: its question is kept like a step, and its answer, for the run that goes on with it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from runner.calls.gates import GateRecord, Gates
from runner.tape.recording import Answer, GateAsked, Recording

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.report.results import Source
    from runner.tape.deck import Deck


def gates_on_tape(deck: Deck, response: str | None, now: Callable[[], datetime], *, recall: bool = True) -> Gates:
    """The gates of a run, with what the deck knows of them. A live run knows nothing, and neither does one that records
    everything anew. Without `recall` the response is asked for, also where another was recorded."""

    def keep(record: GateRecord) -> None:
        before = earlier.get(record.path)
        if before is not None and before.same_as(record) and record.answer in (None, before.answer):
            deck.used.add(record.path)
            deck.stands_on(_recording(before))
        else:
            deck.add(_recording(record))

    cards = {} if deck.mode == "live" or deck.everything else deck.earlier.cards
    recalled = [card.recording for card in cards.values() if card.of_gate]
    earlier = {one.path: _record(one, one.gate) for one in recalled if one.gate is not None}
    source: Source = "resumed" if deck.mode == "resume" else "tape"
    return Gates(response, earlier if recall else {}, now, keep, deck.clean, source)


def _recording(record: GateRecord) -> Recording:
    asked = record.asked.isoformat()
    gate = GateAsked(record.question, asked, record.context, record.answer, record.answered_by)
    return Recording(record.path, record.config_hash, gate=gate, answer=Answer(response=record.answer))


def _record(recording: Recording, gate: GateAsked) -> GateRecord:
    asked = datetime.fromisoformat(gate.asked)
    return GateRecord(recording.path, recording.config_hash, gate.question, gate.context, asked, gate.answer, gate.by)
