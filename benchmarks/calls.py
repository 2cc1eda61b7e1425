"""What calls cost in a run that goes on: the engine's own time beside what the calls alone must take, beside the SDK on
one shared client without an engine, on a model that only waits, and beside plain HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final

from benchmarks.children import CALL_S, Done, Job, bare, engine
from benchmarks.measure import in_turns
from benchmarks.row import Figure, Limit, Row
from benchmarks.specs import chain, wide

WIDTH: Final = 10
SENTENCE: Final = 20
"""Words of an answer with which the bare SDK is compared. It spends a tenth of a millisecond on every piece; answers of
one word cost it so little that six tenths of its time are about what the calls alone take."""

COUNTED: Final = ("builds", "clients", "connections", "in flight", "ms CPU a call", "MiB at the most")
OF_ITSELF: Final = ("ms CPU a call", "MiB at the most")
SHARED: Final = "bare SDK, one client"
FLOORS: Final = {"shared": SHARED, "stub": "bare SDK, a model that only waits", "raw": "aiohttp alone"}

Found = Mapping[str, list[Done]]


def calls(rounds: int = 3, few: int = 10, many: tuple[int, int] = (100, 1000), wait_s: float = CALL_S) -> Iterator[Row]:
    """Answers of one word: what is beside a model shows best when it says little."""
    in_a_row = Job(chain(f"step {number}" for number in range(few)), few, 1, wait_s)
    yield from _rows("row", f"{few:,} calls in a row", _beside_floors(in_a_row, rounds), few * wait_s, Limit("≤", 1.06))
    peaks = []
    for count in many:
        found = _beside_floors(Job(wide(count), count, WIDTH, wait_s), rounds)
        told = f"{count:,} calls, ten wide"
        yield from _rows(f"wide-{count}", told, found, count / WIDTH * wait_s, Limit("≤", 1.2))
        peaks.append(Figure(told, tuple(one.peak_mib for one in found["engine"]), "MiB"))
    yield Row("growth", "calls", peaks[1], peaks[0], by="difference", limit=Limit("≤", 15, "MiB"))


def answers(
    rounds: int = 3, sizes: tuple[tuple[int, int], ...] = ((100, SENTENCE), (1000, SENTENCE), (100, 5 * SENTENCE)),
    wait_s: float = CALL_S,
) -> Iterator[Row]:  # fmt: skip
    """Answers of a sentence, and of a paragraph."""
    for count, words in sizes:
        job = Job(wide(count), count, WIDTH, wait_s, words=words)
        works = {"engine": partial(engine, job), "shared": _floor("shared", job)}
        found = in_turns(_as_often(rounds, job), works)
        told, ideal = (
            f"{count:,} calls, ten wide, {words} words each",
            Figure("the calls alone", (count / WIDTH * wait_s,)),
        )
        ours, theirs = _seconds(told, found["engine"]), _seconds(SHARED, found["shared"])
        counted, limit = found["engine"][-1].counted(*COUNTED), Limit("≤", 0.6)
        yield Row(f"words-{words}-{count}", "answers", ours, theirs, limit=limit, counted=counted)
        yield Row(f"words-{words}-{count}-ideal", "answers", ours, ideal)


def _beside_floors(job: Job, rounds: int) -> Found:
    works: dict[str, Callable[[], Done]] = {"engine": partial(engine, job)}
    works |= {manner: _floor(manner, job) for manner in FLOORS}
    return in_turns(_as_often(rounds, job), works)


def _as_often(rounds: int, job: Job) -> int:
    """A thousand calls even out by themselves what a hundred need rounds for."""
    return rounds if job.calls <= 100 else (rounds + 1) // 2


def _floor(manner: str, job: Job) -> Callable[[], Done]:
    return partial(bare, manner, job.calls, job.width, delay_s=job.delay_s, words=job.words)


def _rows(name: str, told: str, found: Found, ideal_s: float, limit: Limit) -> Iterator[Row]:
    """The engine's row and one for each of its floors, all against the time that the calls alone must take; and the
    engine's against the bare SDK."""
    ideal = Figure("the calls alone", (ideal_s,))
    ours = _seconds(told, found["engine"])
    yield Row(name, "calls", ours, ideal, limit=limit, counted=found["engine"][-1].counted(*COUNTED))
    for manner, floor in FLOORS.items():
        names = {"shared": COUNTED[1:], "stub": OF_ITSELF, "raw": (*COUNTED[1:], "ms the server was late")}[manner]
        figure = _seconds(f"{told}: {floor}", found[manner])
        yield Row(f"{name}-{manner}", "calls", figure, ideal, counted=found[manner][-1].counted(*names))
    yield Row(f"{name}-bare", "calls", ours, _seconds(SHARED, found["shared"]))


def _seconds(what: str, found: list[Done]) -> Figure:
    return Figure(what, tuple(second for one in found for second in one.seconds))


def throttled(
    rounds: int = 2, count: int = 200, width: int = 20, served: int = 4, wait_s: float = 0.1
) -> Iterator[Row]:
    """A provider that serves a few at once and refuses all others, asked for many at once."""
    job = Job(wide(count), count, width, wait_s, served=served)
    told = f"{count:,} calls, {width} wide, {served} served at once"
    [found] = in_turns(rounds, {told: partial(engine, job)}).values()
    floor = Figure("the calls, as wide as they are served", (wait_s * count / served,))
    yield Row("throttled", "throttled", _seconds(told, found), floor, counted=found[-1].counted(*COUNTED, "refused"))
