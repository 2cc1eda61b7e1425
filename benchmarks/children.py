"""Measured runs in processes of their own, each with a server of its own: the engine's, its floors', and whole ones
from the command line. What comes back is checked: every question was asked, and nothing odd.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from benchmarks import measure
from benchmarks.measure import ROOT, Ended
from benchmarks.specs import spec

CALL_S: Final = 0.05
"""How long a model takes to answer; short, so that what is beside it shows."""

ENTRYPOINT: Final = str(ROOT / "entrypoint.py")


@dataclass(frozen=True)
class Job:
    """What is asked: this pattern, in so many calls, at most so many at once, of a model that takes so long and
    answers in so many words, each of which is a piece of the stream."""

    pattern: dict[str, Any]
    calls: int
    width: int = 5
    delay_s: float = CALL_S
    agents: dict[str, Any] | None = None
    runs: int = 1
    words: int = 1
    served: int | None = None
    said: dict[str, str] | None = None

    def spec(self, url: str) -> str:
        return spec(url, self.pattern, self.agents, max_parallel=self.width)


@dataclass(frozen=True)
class Done:
    """What one process measured of itself, and what the server counted meanwhile."""

    seconds: tuple[float, ...]
    cpu_s: tuple[float, ...]
    peak_mib: float
    counts: dict[str, float]
    calls: int

    def counted(self, *names: str) -> dict[str, float]:
        """Some of the counts, under names for people; for one run of as many as there were."""
        runs = len(self.seconds)
        known = {
            "builds": self.counts.get("builds"),
            "hits": self.counts.get("hits"),
            "clients": self.counts.get("clients"),
            "connections": self.counts["connections"] / runs,
            "requests": self.counts["requests"] / runs,
            "in flight": self.counts["most"],
            "refused": self.counts["refused"] / runs,
            "ms CPU a call": 1000 * sum(self.cpu_s) / runs / self.calls,
            "MiB at the most": self.peak_mib,
            "bytes sent a call": self.counts["bytes_in"] / runs / self.calls,
            "ms the server was late": self.counts["late_ms"],
        }
        return {name: round(value, 3) for name in names if (value := known[name]) is not None}


@contextmanager
def server(job: Job) -> Iterator[tuple[str, dict[str, float]]]:
    """A server's address, and what it has counted once the block is left."""
    counts: dict[str, float] = {}
    command = [sys.executable, "-m", "benchmarks.server", str(job.delay_s)]
    command += ["--words", str(job.words)]
    command += ["--served", str(job.served)] if job.served else []
    command += ["--said", json.dumps(job.said)] if job.said else []
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().strip(), counts
        finally:
            counts |= json.loads(process.communicate()[0])


def engine(job: Job) -> Done:
    """The engine, warm."""
    with server(job) as (url, counts):
        ended = measure.python("-m", "benchmarks.engine", url, str(job.runs), stdin=job.spec(url))
    return _checked(json.loads(ended.stdout), counts, job)


def bare(manner: str, calls: int, width: int, *, delay_s: float = CALL_S, models: int = 1, words: int = 1) -> Done:
    """A floor, in one of the manners of `benchmarks.bare`, warm."""
    job = Job({}, calls, width, delay_s, words=words)
    with server(job) as (url, counts):
        numbers = [str(one) for one in (calls, width, models, delay_s)]
        ended = measure.python("-m", "benchmarks.bare", manner, url, *numbers)
    done = _checked(json.loads(ended.stdout), counts, replace(job, calls=0 if manner == "stub" else calls))
    return replace(done, calls=calls)


def _checked(found: dict[str, Any], counts: dict[str, float], job: Job) -> Done:
    asked(counts, job)
    seconds, cpu_s, peak = (found.pop(name) for name in ("seconds", "cpu_s", "peak_mib"))
    return Done(tuple(seconds), tuple(cpu_s), peak, counts | found, job.calls)


def asked(counts: dict[str, float], job: Job) -> None:
    """Every call of a job came to its server, with a question of its own."""
    seen = {name: counts[name] for name in ("requests", "questions", "odd")}
    assert seen == {"requests": job.calls * job.runs, "questions": job.calls, "odd": 0}, seen


# -- from the command line --------------------------------------------------------------------------------------------


@contextmanager
def workspace() -> Iterator[Path]:
    with TemporaryDirectory(prefix="bench-") as folder:
        yield Path(folder)


def command(*arguments: str, cwd: Path = ROOT, code: int = 0) -> Ended:
    """The command line from start to exit."""
    return measure.python(ENTRYPOINT, *arguments, cwd=cwd, code=code, environ=_environ())


def interpreter(program: str) -> Ended:
    """A floor of that: an interpreter that runs this, in the same environment."""
    return measure.python("-c", program, environ=_environ())


def _environ() -> dict[str, str]:
    """Nothing of the environment but where things are."""
    return {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}


def whole(job: Job) -> Ended:
    """A run of the command line in a workspace of its own, with all that it leaves behind."""
    with server(job) as (url, counts), workspace() as folder:
        (folder / "bench.yaml").write_text(job.spec(url))
        ended = command("run", "bench.yaml", cwd=folder)
        results = json.loads((folder / "strands-artifacts/results.json").read_text())
    assert results["status"] == "success", results
    asked(counts, job)
    return ended
