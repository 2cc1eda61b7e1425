"""What calls cost in a run that goes on: the engine's own time beside what the calls alone must take, beside the SDK on
one shared client without an engine, on a model that only waits, and beside plain HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from benchmarks.children import CALL_S, Done, Job, bare, engine
from benchmarks.measure import in_turns
from benchmarks.row import Figure, Limit, Row
from benchmarks.specs import chain, wide

COUNTED: Final = ("builds", "clients", "connections", "in flight", "ms CPU a call", "MiB at the most")
FLOORS: Final = {
    "shared": "bare SDK, one client",
    "stub": "bare SDK, a model that only waits",
    "raw": "aiohttp alone",
}


def calls(rounds: int = 3, few: int = 10, many: tuple[int, int] = (100, 1000), wait_s: float = CALL_S) -> Iterator[Row]:
    in_a_row = Job(chain(f"step {number}" for number in range(few)), few, 1, wait_s)
    works: dict[str, Callable[[], Done]] = {"engine": lambda: engine(in_a_row)}
    works |= {manner: _floor(manner, few, 1, wait_s) for manner in FLOORS}
    found = in_turns(rounds + 2, works)
    yield from _against_ideal("row", f"{few:,} calls in a row", found, few * wait_s, Limit("≤", 1.06))
    peaks = []
    for count in many:
        at_once = Job(wide(count), count, 10, wait_s)
        works = {"engine": lambda at_once=at_once: engine(at_once)}  # type: ignore[misc]
        works |= {manner: _floor(manner, count, 10, wait_s) for manner in FLOORS}
        found = in_turns(rounds + 2 * (count <= 100), works)
        name = f"{count:,} calls, ten wide"
        yield from _against_ideal(f"wide-{count}", name, found, count / 10 * wait_s, Limit("≤", 1.2))
        ours, theirs = _seconds(name, found["engine"]), _seconds(FLOORS["shared"], found["shared"])
        yield Row(f"wide-{count}-bare", "calls", ours, theirs, limit=Limit("≤", 0.6))
        peaks.append(Figure(name, tuple(one.peak_mib for one in found["engine"]), "MiB"))
    yield Row("growth", "calls", peaks[1], peaks[0], by="difference", limit=Limit("≤", 15, "MiB"))


def _floor(manner: str, count: int, width: int, wait_s: float) -> Callable[[], Done]:
    return lambda: bare(manner, count, width, delay_s=wait_s)


def _against_ideal(
    name: str, told: str, found: Mapping[str, list[Done]], ideal_s: float, limit: Limit
) -> Iterator[Row]:
    """The engine's row, and one for each of its floors, all against the time that the calls alone must take."""
    ideal = Figure("the calls themselves", (ideal_s,))
    ours = _seconds(told, found["engine"])
    yield Row(name, "calls", ours, ideal, limit=limit, counted=found["engine"][-1].counted(*COUNTED))
    for manner, floor in FLOORS.items():
        last = found[manner][-1]
        late = ("ms the server was late",) * (manner == "raw")
        figure = _seconds(f"{told}: {floor}", found[manner])
        yield Row(f"{name}-{manner}", "calls", figure, ideal, counted=last.counted(*COUNTED[1:], *late))


def _seconds(what: str, found: list[Done]) -> Figure:
    return Figure(what, tuple(second for one in found for second in one.seconds))


def throttled(
    rounds: int = 3, count: int = 200, width: int = 20, served: int = 4, wait_s: float = 0.1
) -> Iterator[Row]:
    """A provider that serves a few at once and refuses all others, asked for many at once."""
    job = Job(wide(count), count, width, wait_s, served=served)
    name = f"{count:,} calls, {width} wide, {served} served at once"
    [found] = in_turns(rounds, {name: lambda: engine(job)}).values()
    floor = Figure("the calls, as wide as they are served", (wait_s * count / served,))
    yield Row("throttled", "throttled", _seconds(name, found), floor, counted=found[-1].counted(*COUNTED, "refused"))
