"""What recordings cost: steps that are answered by them, and calls that are recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from benchmarks import children, measure
from benchmarks.children import Job
from benchmarks.measure import progress
from benchmarks.row import Figure, Row


def recordings(rounds: int = 5, played: tuple[int, ...] = (10, 1000), recorded: int = 200) -> Iterator[Row]:
    for count in played:
        found = _tape(count, "replay", rounds)
        figure, floor = (
            Figure(f"replay of {count:,} steps", found["seconds"]),
            Figure("bare agents on a stub", found["floor_s"]),
        )
        own = Figure("", found["run_s"]).value
        yield Row(
            f"replay-{count}", "recordings", figure, floor, counted={"ms of it the run's own": round(1000 * own, 1)}
        )
    found = _tape(recorded, "record", rounds)
    figure = Figure(f"CPU of {recorded:,} recorded calls", found["seconds"])
    floor = Figure("the same, kept nowhere", found["floor_s"])
    more = 1000 * (figure.value - floor.value) / recorded
    yield Row("record", "recordings", figure, floor, counted={"ms CPU more a call": round(more, 3)})


def _tape(count: int, what: str, rounds: int) -> dict[str, Any]:
    """What `benchmarks.tape` measured of steps that a server has answered once."""
    progress(f"{what} {count:,} steps")
    with children.server(Job({}, count, delay_s=0)) as (url, counts):
        ended = measure.python("-m", "benchmarks.tape", url, str(count), what, str(rounds))
    assert what == "record" or counts["requests"] == count
    return {name: tuple(samples) for name, samples in json.loads(ended.stdout).items()}
