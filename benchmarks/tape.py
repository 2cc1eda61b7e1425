"""What recordings cost, in a process of its own that has recorded the calls before: to play them again, beside as many
bare agents of the SDK on a model that only answers; and to record them, beside the same calls whose recordings nobody
keeps."""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from strands import Agent
from strands.models.model import Model

from benchmarks.engine import run, spec, tasks
from runner.folder import Folder
from runner.plan.plan import Plan
from runner.tape.deck import Deck
from runner.tape.store import file_name, read

ROUNDS = 5


class Tape:
    """A directory of recordings."""

    def __init__(self, folder: Path) -> None:
        self._files, self._directory = Folder(folder, folder / "tape"), folder / "tape"

    def kept(self, plan: Plan) -> Deck:
        return Deck(plan, keep=lambda one, text: self._files.write(file_name(one.path), text))

    def played(self, plan: Plan) -> Deck:
        return Deck(plan, "replay", read(self._directory, "tape"))


class Stub(Model):
    """Answers at once, and always the same."""

    def get_config(self) -> Any:
        return {}

    def update_config(self, **model_config: Any) -> None: ...

    def structured_output(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    async def stream(self, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        yield {"messageStart": {"role": "assistant"}}
        yield {"contentBlockStart": {"start": {}}}
        yield {"contentBlockDelta": {"delta": {"text": "ok"}}}
        yield {"contentBlockStop": {}}
        yield {"messageStop": {"stopReason": "end_turn"}}


def bare(count: int) -> None:
    """Agents of the SDK, one after the other."""

    async def ask() -> None:
        for number in range(count):
            agent = Agent(model=Stub(), system_prompt="You write.", callback_handler=None)
            await agent.invoke_async(f"task {number}")

    asyncio.run(ask())


def median(work: Callable[[], Any], clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds, when everything is warm."""
    times = []
    for _ in range(1 + ROUNDS):
        before = clock()
        work()
        times.append(clock() - before)
    return statistics.median(times[1:])


def replay(text: str, count: int, folder: Path) -> dict[str, Any]:
    """`seconds` with all that comes before and behind a run's own."""
    tape, own = Tape(folder), list[int]()
    assert run(text, tape.kept).status == "success"

    def played() -> None:
        report = run(text, tape.played)
        assert [step.source for step in report.steps] == ["tape"] * count
        own.append(report.duration_ms)

    return {
        "seconds": median(played),
        "run_s": statistics.median(own[1:]) / 1000,
        "floor_s": median(lambda: bare(count)),
    }


def record(text: str, count: int, folder: Path) -> dict[str, Any]:
    """CPU seconds; in turns, so that what else the machine does falls on both."""
    run(text)
    pairs = []
    for number in range(ROUNDS):  # each into a directory of its own, as a run does: to replace a file costs more
        tape = Tape(folder / str(number))
        pairs.append((cpu(lambda: run(text, tape.kept)), cpu(lambda: run(text))))  # noqa: B023 - called at once
    more = statistics.median(kept - forgotten for kept, forgotten in pairs)
    kept, forgotten = (statistics.median(times) for times in zip(*pairs, strict=True))
    return {"seconds": kept, "floor_s": forgotten, "ms_a_call": 1000 * more / count}


def cpu(work: Callable[[], Any]) -> float:
    before = time.process_time()
    work()
    return time.process_time() - before


if __name__ == "__main__":
    url, count, what = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    text = spec(url, tasks(count, wide=False))
    with TemporaryDirectory() as folder:
        print(json.dumps({"replay": replay, "record": record}[what](text, count, Path(folder))))
