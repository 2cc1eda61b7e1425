"""The tape reader: any file is a recording, and is the same one when it is written and read again, or is refused. What
is read can be compared, reviewed and played."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from runner.errors import RecordingProblem
from runner.report.review import as_json, as_markdown
from runner.tape import drift
from runner.tape.recording import Prompt, dump, load
from runner.tape.reel import Player
from runner.tape.review import review
from runner.tape.store import file_name
from tests.fuzz.target import Target, fields, joined
from tests.report.reader import on_github

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.tape.recording import Recording

ROOT: Final = Path(__file__).parents[2]
FILE: Final = "tape/steps[0].json"


def one(data: bytes) -> None:
    with suppress(RecordingProblem):
        load(data, FILE)
    first, *others = [found for text in fields(data) if (found := _read(text)) is not None] or [None]
    if first is None:
        return
    _compared(first, others[0] if others else first)
    _played(first)


def _read(text: str) -> Recording | None:
    """A file as one that was written by hand is read, so that its seal does not hide all that comes after it."""
    with suppress(ValueError, RecursionError):
        body = json.loads(text)
        if isinstance(body, dict):
            text = json.dumps({"format": 1, **body, "origin": "hand"})
    try:
        found = load(text, FILE)
        written = dump(found)
    except RecordingProblem:
        return None
    assert dump(load(written, FILE)) == written, "a recording is not read as it was written"
    assert "/" not in file_name(found.path)
    return found


def _compared(one: Recording, other: Recording) -> None:
    for difference in drift.of_step(one, other.config_hash, other.asked):
        str(difference).encode()
    drift.of_prompt(one, other.prompt, replay=True)
    drift.of_prompt(one, Prompt("?", None, {"a": "b"}), replay=False)
    assert drift.fits(one.prompt.user, one.prompt.user)
    found = review({one.path: one}, {other.path: other})
    as_json(found).encode()
    on_github(as_markdown(found))
    [same] = review({one.path: one}, {one.path: one}).steps
    assert same.verdict == "unchanged", f"a recording is not the same as itself: {same.reasons}"


def _played(recording: Recording) -> None:
    """All turns of it, and every tool as it was used."""
    assert isinstance(recording.response, str)
    player = Player(recording, RecordingProblem)
    with suppress(RecordingProblem):
        while player.waiting is not None:
            for use in player.turn().tools:
                player.result(use.name, use.input)
        player.check(recording.response, recording.answer.data)


def seeds() -> Iterator[bytes]:
    from tests.tape.test_recording import FAILED, GATE, WHOLE

    files = [file.read_text() for file in sorted(ROOT.glob("examples/*/fixtures/**/*.json"))]
    ours = [dump(recording) for recording in (WHOLE, FAILED, GATE)]
    for text in (*files[:20], *ours):
        yield joined(text)
    yield joined(ours[0], ours[0].replace("see", "look"))
    yield joined('{"path": "a", "config_hash": "", "answer": {"data": [NaN, 1e999, {"a": null}]}, "turns": []}')


def words() -> tuple[str, ...]:
    from tests.tape.test_recording import WHOLE

    def keys(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            for key, inner in value.items():
                yield f'"{key}": '
                yield from keys(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from keys(inner)

    more = ("NaN", "Infinity", "1e999", "null", "true", "***", '"hand"', '"unfinished"', '"summary"', "\\ud800", "[[[[")
    return (*sorted({*keys(json.loads(dump(WHOLE)))}), *more)


TARGET: Final = Target(one, seeds, words())
