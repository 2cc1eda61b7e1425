"""What recordings cost, in a process of its own that has recorded the calls before: to play them again, beside as many
bare agents of the SDK on a model that only answers; and to record them, beside the same calls whose recordings nobody
keeps."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.bare import measured
from benchmarks.engine import run
from benchmarks.specs import chain, spec
from runner.folder import Folder
from runner.plan.plan import Plan
from runner.tape.deck import Deck
from runner.tape.store import file_name, read

Samples = dict[str, list[float]]


class Tape:
    """A directory of recordings."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self._files, self._directory = Folder(folder, folder / "tape"), folder / "tape"

    def kept(self, plan: Plan) -> Deck:
        return Deck(plan, keep=lambda one, text: self._files.write(file_name(one.path), text))

    def played(self, plan: Plan) -> Deck:
        return Deck(plan, "replay", read(self._directory, "tape"))


def replay(text: str, count: int, folder: Path, rounds: int) -> Samples:
    """`seconds` with all that comes before and behind a run's own, `run_s`."""
    tape = Tape(folder)
    assert run(text, tape.kept).status == "success"
    found: Samples = {"seconds": [], "run_s": [], "floor_s": []}
    for number in range(1 + rounds):
        before = time.perf_counter()
        report = run(text, tape.played)
        seconds = time.perf_counter() - before
        assert [step.source for step in report.steps] == ["tape"] * count
        [floor] = asyncio.run(measured("stub", "", count, 1, 1, 0))["seconds"]
        if number:  # the first is to warm up
            found["seconds"].append(seconds)
            found["run_s"].append(report.duration_ms / 1000)
            found["floor_s"].append(floor)
    return found


def record(text: str, count: int, folder: Path, rounds: int) -> Samples:
    """CPU seconds; in turns, so that what else the machine does falls on both."""
    run(text)
    found: Samples = {"seconds": [], "floor_s": []}
    for number in range(rounds):  # each into a directory of its own, as a run does: to replace a file costs more
        tape = Tape(folder / str(number))
        found["seconds"].append(_cpu(text, tape.kept))
        found["floor_s"].append(_cpu(text, Deck))
    return found


def _cpu(text: str, deck: Callable[[Plan], Deck]) -> float:
    before = time.process_time()
    report = run(text, deck)
    assert report.status == "success", report.failure
    return time.process_time() - before


def main(url: str, count: str, what: str, rounds: str) -> None:
    text = spec(url, chain(f"step {number}" for number in range(int(count))))
    with TemporaryDirectory() as folder:
        found = {"replay": replay, "record": record}[what](text, int(count), Path(folder), int(rounds))
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
