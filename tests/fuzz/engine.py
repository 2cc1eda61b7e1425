"""Targets under libFuzzer: a child process each, with every branch of ours seen by it, and what came of it.

Coverage needs the bytecode of `runner` rewritten while it is imported. That takes seconds and is done once, before the
children are made; so nothing here imports anything of `runner` by itself.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import tempfile
import time
from contextlib import redirect_stderr
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.fuzz.target import in_time, target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from tests.fuzz.target import Target

LONGEST_INPUT: Final = 20_000
"""Bytes."""

MEMORY_MB: Final = 1500
MEMORY: Final = Path("/dev/shm")
"""A file system in memory, where there is one: some targets write a file for every input."""

GRACE_S: Final = 60
"""Seconds that a child has beyond its time. Afterwards it hangs where no Python runs, and libFuzzer is asked why."""


@dataclass(frozen=True)
class Outcome:
    """What came of one target: libFuzzer's own numbers, and each input that it stumbled over."""

    name: str
    exit_code: int
    executions: int
    seconds: float
    branches: int
    corpus: int
    crashes: tuple[bytes, ...]
    log: str

    @property
    def failed(self) -> bool:
        return self.exit_code != 0 or bool(self.crashes) or not self.executions

    def __str__(self) -> str:
        each = f"{self.executions / max(self.seconds, 1):,.0f} a second"
        told = f"{self.executions:,} executions ({each}), {self.branches:,} branches, {self.corpus:,} inputs kept"
        return f"{self.name}: {'FAILED, ' if self.failed else ''}{told}"


def instrumented(names: Iterable[str]) -> dict[str, Target]:
    """Targets, with what they are about imported so that libFuzzer sees what it does."""
    import atheris

    with redirect_stderr(StringIO()), atheris.instrument_imports(include=["runner"]):
        return {name: target(name) for name in names}


def fuzz(targets: Mapping[str, Target], seconds: float, home: Path, seed: int = 0, runs: int = -1) -> Iterator[Outcome]:
    """Fuzz one target after the other, each for so long. Below `home` is kept what led somewhere, for the next time.
    `runs` inputs may be enough, seeds among them. The same `seed` makes the same ones of the same corpus; 0 is another
    one each time."""
    for name, one in targets.items():
        place = home / name
        _prepare(place, one)
        began = time.monotonic()
        with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as scratch:
            child = os.fork()
            if not child:
                tempfile.tempdir = scratch  # libFuzzer ends a process without asking what it leaves behind
                _child(one, place, seconds, seed, runs)
            try:
                code = _ended(child, seconds + GRACE_S)
            except BaseException:
                os.kill(child, signal.SIGKILL)
                raise
        yield _outcome(name, code, time.monotonic() - began, place)


def _prepare(place: Path, one: Target) -> None:
    for part in ("corpus", "seeds", "found"):
        (place / part).mkdir(parents=True, exist_ok=True)
    for old in (place / "found").iterdir():
        old.unlink()
    for number, seed in enumerate(one.seeds()):
        (place / f"seeds/{number:04d}").write_bytes(seed[:LONGEST_INPUT])
    words = (word.encode() for word in one.words)
    lines = ('"' + "".join(f"\\x{byte:02x}" for byte in word) + '"' for word in words if word)
    (place / "words").write_text("\n".join(lines) + "\n")


def _child(one: Target, place: Path, seconds: float, seed: int, runs: int) -> None:
    """Never comes back: the process ends, and what libFuzzer has to say it says then."""
    import atheris

    with (place / "log").open("wb") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    flags = {
        "max_total_time": max(1, round(seconds)),
        "runs": runs,
        "max_len": LONGEST_INPUT,
        "rss_limit_mb": MEMORY_MB,
        "seed": seed,
        "dict": place / "words",
        "artifact_prefix": f"{place}/found/",
        "timeout": 10**6,  # never: the one alarm of a process is that of templates, and `in_time` has another clock
        "print_final_stats": 1,
    }
    arguments = [f"-{name}={value}" for name, value in flags.items()]
    atheris.Setup([sys.argv[0], *arguments, str(place / "corpus"), str(place / "seeds")], _in_time(one))
    atheris.Fuzz()
    sys.exit()  # what it stumbles over it raises as another one, which must come to the interpreter's end


def _in_time(one: Target) -> Callable[[bytes], None]:
    def run(data: bytes) -> None:
        with in_time(one.longest_s):
            one.one(data)

    return run


def _ended(child: int, seconds: float) -> int:
    """The exit code of a child. One that does not end is made to tell where it is, which libFuzzer does on a fault."""
    deadline = time.monotonic() + seconds
    for sent in (signal.SIGSEGV, signal.SIGKILL):
        while time.monotonic() < deadline:
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.05)
        os.kill(child, sent)
        deadline = time.monotonic() + 5
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _outcome(name: str, code: int, seconds: float, place: Path) -> Outcome:
    log = (place / "log").read_text(encoding="utf-8", errors="replace")
    executions = re.search(r"stat::number_of_executed_units:\s*(\d+)", log)
    steps = re.findall(r"^#(\d+)\s.*?cov: (\d+) .*?corp: (\d+)", log, re.MULTILINE)
    last = steps[-1] if steps else ("0", "0", "0")
    crashes = tuple(file.read_bytes() for file in sorted((place / "found").iterdir()))
    return Outcome(
        name, code, int(executions[1] if executions else last[0]), seconds, int(last[1]), int(last[2]), crashes, log
    )
