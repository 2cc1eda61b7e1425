"""What a run costs beyond its model, each case beside its floor in the same minute: `make bench`.

Times are medians of several runs; ratios say more than times, and counts more than both. With `--json` the rows are
printed for a program.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.engine import spec, tasks

ROOT = Path(__file__).parents[1]
CALL_S = 0.05
RUNS = 5


@dataclass(frozen=True)
class Row:
    case: str
    seconds: float
    floor: str
    floor_seconds: float
    counted: str = ""

    @property
    def ratio(self) -> float:
        return self.seconds / self.floor_seconds


def main() -> None:
    rows = [*start(), *calls(), *throttled(), *recordings()]
    if "--json" in sys.argv:
        print(json.dumps([asdict(row) | {"ratio": round(row.ratio, 3)} for row in rows], indent=2))
        return
    print("| case | s | floor | s | ratio | counted |")
    print("|---|--:|---|--:|--:|---|")
    for row in rows:
        times = f"{row.seconds:.3f} | {row.floor} | {row.floor_seconds:.3f} | {row.ratio:.2f}"
        print(f"| {row.case} | {times} | {row.counted} |")


# -- how soon a process is there --------------------------------------------------------------------------------------


def start() -> Iterator[Row]:
    """Whole processes, from start to exit."""
    parsers = python("import yaml, pydantic, asyncio")
    sdk = python("import strands; from strands.models.openai import OpenAIModel")
    yield Row("--help", ours("--help"), "import yaml, pydantic, asyncio", parsers)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "large.yaml")
        path.write_text(yaml.safe_dump(json.loads(spec("http://127.0.0.1:1/v1", tasks(1000, wide=True)))))
        yield Row("validate 1,000 tasks", ours("validate", str(path)), "import strands, OpenAIModel", sdk)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(20):
            broken = tasks(5, wide=True) | {"type": "workflows"}
            Path(folder, f"{number}.yaml").write_text(yaml.safe_dump(json.loads(spec("no-scheme", broken))))
        seconds = ours("validate", folder, code=3)
        yield Row("validate 20 broken files", seconds, "import strands, OpenAIModel", sdk)


def python(code: str) -> float:
    return median(lambda: subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT))


def ours(*arguments: str, code: int = 0) -> float:
    """The median of runs of our own, each of which must end with this exit code."""

    def run() -> None:
        ended = subprocess.run(
            [sys.executable, "entrypoint.py", *arguments], cwd=ROOT, capture_output=True, check=False
        )
        assert ended.returncode == code, ended.stderr

    return median(run)


def median(work: Callable[[], Any]) -> float:
    times = []
    for _ in range(RUNS):
        before = time.perf_counter()
        work()
        times.append(time.perf_counter() - before)
    return statistics.median(times)


# -- what calls cost --------------------------------------------------------------------------------------------------


def calls() -> Iterator[Row]:
    """The engine's own time for calls of 50 ms, against the time the calls alone must take."""
    for name, count, width, wide in (
        ("10 calls in a row", 10, 5, False),
        ("100 calls, ten wide", 100, 10, True),
        ("1,000 calls, ten wide", 1000, 10, True),
    ):
        measured = [run(count, width, wide=wide) for _ in range(3)]
        seconds, counted = sorted(measured, key=lambda one: one[0])[1]
        ideal = CALL_S * count / (width if wide else 1)
        yield Row(name, seconds, "the calls themselves", ideal, counted)


def throttled() -> Iterator[Row]:
    """A provider that serves four calls of 0.1 s at once and refuses all others, asked for twenty at once."""
    seconds, counted = run(200, 20, wide=True, delay_s=0.1, served=4)
    yield Row("200 calls, twenty wide, four served", seconds, "the calls, four wide", 0.1 * 200 / 4, counted)


def run(count: int, width: int, *, wide: bool, delay_s: float = CALL_S, served: int | None = None) -> tuple[float, str]:
    """One measured run in fresh processes: its seconds, and what was counted."""
    with server(delay_s, served) as (url, counts):
        command = [sys.executable, "-m", "benchmarks.engine", url, str(count), str(width), "wide" if wide else "long"]
        ended = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True)
    found = json.loads(ended.stdout)
    assert found["status"] == "success"
    assert counts["requests"] - counts["refusals"] == count + 1  # one to warm up
    told = f"{found['builds']} build, {found['clients']} client, {counts['connections'] - 1} connections, "
    told += f"{counts['most']} in flight, {found['cpu_ms_a_call']:.1f} ms CPU a call, {found['peak_mib']} MiB"
    return found["seconds"], f"{told}, {counts['refusals']} refused" if served else told


# -- what recordings cost ---------------------------------------------------------------------------------------------


def recordings() -> Iterator[Row]:
    """A chain's steps, answered by recordings in the place of a model; and calls that are recorded, in CPU time."""
    for count in (10, 1000):
        found = taped(count, "replay")
        told = f"0 requests, {1000 * found['run_s']:.0f} ms of it the run's own"
        yield Row(f"replay of {count:,} steps", found["seconds"], "bare agents on a stub", found["floor_s"], told)
    found = taped(200, "record")
    told = f"{found['ms_a_call']:.2f} ms CPU a call"
    yield Row("CPU of 200 recorded calls", found["seconds"], "the same, kept nowhere", found["floor_s"], told)


def taped(count: int, what: str) -> dict[str, float]:
    """What `benchmarks.tape` measured of steps that a server has answered once."""
    with server(delay_s=0) as (url, counts):
        command = [sys.executable, "-m", "benchmarks.tape", url, str(count), what]
        ended = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True)
    assert what == "record" or counts["requests"] == count
    found: dict[str, float] = json.loads(ended.stdout)
    return found


@contextmanager
def server(delay_s: float = CALL_S, served: int | None = None) -> Iterator[tuple[str, dict[str, int]]]:
    counts: dict[str, int] = {}
    command = [sys.executable, "-m", "benchmarks.server", str(delay_s), *([str(served)] if served else [])]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin
    assert process.stdout
    try:
        yield process.stdout.readline().strip(), counts
    finally:
        counts |= json.loads(process.communicate()[0])


if __name__ == "__main__":
    main()
