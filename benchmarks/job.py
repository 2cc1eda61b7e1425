"""A whole job, from the process's start to its exit, with all that it leaves behind: what a user waits for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from benchmarks import children
from benchmarks.children import CALL_S, Job, asked, command, interpreter, whole, workspace
from benchmarks.measure import in_turns
from benchmarks.row import Figure, Limit, Row
from benchmarks.specs import chain, wide
from benchmarks.start import process, seconds

NEEDED: Final = "import strands, aiohttp"
SDK: Final = "import strands"
ONE: Final = "one step on a model that takes no time"
REPLAY: Final = "replay of that step"


def job(rounds: int = 4, calls: int = 100) -> Iterator[Row]:
    one, last = Job(chain(["Say something."]), 1, delay_s=0), Job(chain(["Say something."]), 1)
    many = Job(wide(calls), calls, 10)
    with children.server(one) as (url, counts), workspace() as folder:
        (folder / "bench.yaml").write_text(one.spec(url))
        command("run", "bench.yaml", "--mode", "record", cwd=folder)
        single, several = f"one call of {1000 * CALL_S:g} ms", f"{calls:,} calls of {1000 * CALL_S:g} ms, ten wide"
        works = {
            NEEDED: lambda: interpreter(NEEDED),
            SDK: lambda: interpreter(SDK),
            ONE: lambda: whole(one),
            REPLAY: lambda: command("run", "bench.yaml", "--mode", "replay", cwd=folder),
            single: lambda: whole(last),
            several: lambda: whole(many),
        }
        in_turns(1, works)
        found = in_turns(rounds, works)
    asked(counts, one)  # once, when it was recorded: a replay asks nobody
    fastest = Limit("≤", 1.15)
    for name, told, floor in (("one-step", ONE, NEEDED), ("replay", REPLAY, SDK)):
        yield Row(name, "job", seconds(found, told), seconds(found, floor), limit=fastest, counted=process(found, told))
    for name, told, ideal in (("job-one", single, CALL_S), ("job-many", several, CALL_S * calls / 10)):
        floor = Figure("the calls alone", (ideal,))
        yield Row(name, "job", seconds(found, told), floor, by="difference", counted=process(found, told))
