"""What ten times as much costs. Whole processes, which read the file, plan it, run it and leave everything behind, on a
model that takes no time: waiting for one would hide a cost that grows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from benchmarks import children, specs
from benchmarks.children import Job, asked, command, whole, workspace
from benchmarks.measure import Ended, in_turns
from benchmarks.row import Figure, Limit, Row
from benchmarks.specs import chain, dag, wide
from benchmarks.start import peak, process

WIDTH: Final = 10
LINEAR: Final = Limit("≤", 1.1)
FLAT: Final = Limit("≤", 1.5)
SHAPES: Final[Mapping[str, tuple[str, Callable[[int], dict[str, Any]]]]] = {
    "wide": ("tasks side by side", wide),
    "dag": ("tasks in ten rows", lambda count: dag(count, WIDTH)),
}


def scale(rounds: int = 2, few: int = 100, some: int = 1000, many: int = 10_000) -> Iterator[Row]:
    for name, (rows, shape) in SHAPES.items():
        sizes = {f"{count:,} {rows}": count for count in (1, few, some, many)}
        found = in_turns(rounds, {told: _work(shape(count), count) for told, count in sizes.items()})
        one, less, middle, most = sizes
        figures = [_each(found, one, told, sizes[told]) for told in (middle, most)]
        counted = process(found, most)
        yield Row(f"linear-{name}", "scale", figures[1], figures[0], limit=LINEAR, counted=counted)
        yield Row(f"flat-{name}", "scale", peak(found, most), peak(found, less), limit=FLAT)


def branches(rounds: int = 2, few: int = 100, many: int = 1000) -> Iterator[Row]:
    """Branches of `parallel`."""
    sizes = {f"{count:,} branches": count for count in (1, few, many)}
    found = in_turns(rounds, {told: _work(specs.branches(count), count) for told, count in sizes.items()})
    one, less, most = sizes
    figures = [_each(found, one, told, sizes[told]) for told in (less, most)]
    yield Row("linear-branches", "branches", figures[1], figures[0], counted=process(found, most))
    yield Row("flat-branches", "branches", peak(found, most), peak(found, less))


def large(rounds: int = 1, some: int = 10_000, many: int = 100_000) -> Iterator[Row]:
    """Recordings of a chain, played: minutes, so that nobody measures it who has not asked for it."""
    sizes = {f"replay of {count:,} steps": count for count in (1, some, many)}
    found = {told: _replayed(count, rounds) for told, count in sizes.items()}
    one, less, most = sizes
    figures = [_each(found, one, told, sizes[told]) for told in (less, most)]
    yield Row("linear-replay", "large", figures[1], figures[0], limit=LINEAR, counted=process(found, most))
    yield Row("flat-replay", "large", peak(found, most), peak(found, less))


def _work(pattern: dict[str, Any], count: int) -> Callable[[], Ended]:
    return lambda: whole(Job(pattern, count, WIDTH, delay_s=0))


def _each(found: Mapping[str, list[Ended]], one: str, name: str, count: int) -> Figure:
    """Milliseconds a task: what so many take longer than one."""
    pairs = zip(found[name], found[one], strict=True)
    return Figure(
        f"{name}, each", tuple(1000 * (every.seconds - first.seconds) / (count - 1) for every, first in pairs), "ms"
    )


def _replayed(count: int, rounds: int) -> list[Ended]:
    """Replays of a chain that is recorded first, of calls that a server answers."""
    job = Job(chain(f"step {number}" for number in range(count)), count, delay_s=0)
    with children.server(job) as (url, counts), workspace() as folder:
        (folder / "bench.yaml").write_text(job.spec(url))
        command("run", "bench.yaml", "--mode", "record", cwd=folder)
        replay = lambda: command("run", "bench.yaml", "--mode", "replay", cwd=folder)  # noqa: E731
        [found] = in_turns(rounds, {f"replay of {count:,} steps": replay}).values()
    asked(counts, job)
    return found
