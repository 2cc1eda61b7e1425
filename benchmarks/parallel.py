"""What `max_parallel` is worth, in time and in memory: ten independent tasks, one to ten at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from benchmarks.children import CALL_S, Done, Job, bare, engine
from benchmarks.measure import in_turns
from benchmarks.row import Figure, Limit, Row
from benchmarks.specs import wide

TASKS: Final = 10
WIDTHS: Final = (1, 3, 5, 10)
COUNTED: Final = ("connections", "in flight", "ms CPU a call")
FLOORS: Final = ("raw", "stub", "shared")
"""What ten at once are worth where there is less to do, in the manners of `benchmarks.bare`."""


def parallel(rounds: int = 3, runs: int = 5, wait_s: float = CALL_S) -> Iterator[Row]:
    found = in_turns(rounds, {f"{TASKS} tasks, max_parallel {width}": _at(width, runs, wait_s) for width in WIDTHS})
    seconds = [Figure(name, tuple(s for one in done for s in one.seconds)) for name, done in found.items()]
    peaks = [Figure(name, tuple(one.peak_mib for one in done), "MiB") for name, done in found.items()]
    for width, figure, peak, done in zip(WIDTHS, seconds, peaks, found.values(), strict=True):
        limits = {1: (None, None), 10: (Limit("≥", 9.3), Limit("≤", 1.05))}.get(width, (None, None))
        speed_up, memory = limits
        counted = done[-1].counted(*COUNTED)
        yield Row(f"speed-up-{width}", "parallel", seconds[0], figure, limit=speed_up, counted=counted)
        yield Row(f"memory-{width}", "parallel", peak, peaks[0], limit=memory)
    yield from _floors(rounds, wait_s)


def _floors(rounds: int, wait_s: float) -> Iterator[Row]:
    """The same of a loop of plain HTTP, of the SDK without HTTP, and of both: a run of the engine is both."""

    def at(manner: str, width: int) -> Callable[[], Done]:
        return lambda: bare(manner, TASKS, width, delay_s=wait_s)

    names = {(manner, width): f"{manner}, {width} at once" for manner in FLOORS for width in (1, TASKS)}
    found = in_turns(rounds, {name: at(*key) for key, name in names.items()})
    figures = {key: Figure(name, tuple(one.seconds[0] for one in found[name])) for key, name in names.items()}
    for manner in FLOORS:
        yield Row(f"speed-up-{manner}", "parallel", figures[manner, 1], figures[manner, TASKS])


def _at(width: int, runs: int, wait_s: float) -> Callable[[], Done]:
    return lambda: engine(Job(wide(TASKS), TASKS, width, wait_s, runs=runs))
