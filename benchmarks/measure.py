"""Processes that are measured from outside, in turns with their floors. Nothing but the standard library is imported
here: a process is told to have needed at least as much memory as the one that started it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final, NamedTuple, TypeVar

T = TypeVar("T")

ROOT: Final = Path(__file__).parents[1]


class Ended(NamedTuple):
    """What a process took, from its start to its end, with all that it started; and what it printed."""

    seconds: float
    cpu_s: float
    peak_mib: float
    stdout: str


class Ends(Exception):
    """A process ended otherwise than it should."""


def python(
    *arguments: str,
    stdin: str = "",
    cwd: Path = ROOT,
    code: int = 0,
    environ: Mapping[str, str] | None = None,
) -> Ended:
    """Run the interpreter in hand with these arguments. Raises `Ends` for an exit code other than `code`."""
    with TemporaryFile("w+") as given, TemporaryFile("w+") as printed, TemporaryFile("w+") as told:
        given.write(stdin)
        given.seek(0)
        environment = dict(os.environ) if environ is None else dict(environ)
        before = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *arguments], stdin=given, stdout=printed, stderr=told, cwd=cwd, env=environment
        )
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - before
        process.returncode = os.waitstatus_to_exitcode(status)
        printed.seek(0)
        told.seek(0)
        if process.returncode != code:
            raise Ends(f"{' '.join(arguments)} ended with {process.returncode}:\n{printed.read()}\n{told.read()}")
        return Ended(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, printed.read())


def peak_mib() -> float:
    """The most memory this process has had. Unlike that of `getrusage` it knows nothing of who started it."""
    found = re.search(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1]) / 1024


def in_turns(rounds: int, works: Mapping[str, Callable[[], T]]) -> dict[str, list[T]]:
    """What each gives in each round. One after the other in every round, so that what else the machine does falls on
    all of them alike."""
    found: dict[str, list[T]] = {name: [] for name in works}
    for number in range(rounds):
        for name, work in works.items():
            progress(f"{name} ({number + 1}/{rounds})")
            found[name].append(work())
    return found


def progress(words: str) -> None:
    """For who waits."""
    print(f"… {words}", file=sys.stderr, flush=True)
