"""A Python that has run once and forks a child for every further run, so that a run can be killed as a process is and
yet costs no start. The child is told when it dies: after a time, or at one of its changes of the file system. Or it is
asked to stop, and ends itself.

It is asked and answers in lines of JSON. Its own run is over when it forks: no other thread is there, and no loop.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass, field
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Self

from runner.main import main

ROOT: Final = Path(__file__).parents[1]
KILLED: Final = -signal.SIGKILL
PATIENCE_S: Final = 60.0
"""A run that hangs is killed as well, and told with `hung`."""


@dataclass(frozen=True)
class Asked:
    """One run of the command line. `after_s` kills it so long after its start, `at_change` just before that change of
    the file system below `cwd` takes place; half a file is all that is there of one that was to be put in its place.

    With a `signal` it is sent that instead, after its time or when there is a file `stuck`. `code` is run before it."""

    arguments: list[str]
    cwd: str
    environ: dict[str, str] = field(default_factory=dict)
    after_s: float | None = None
    at_change: int | None = None
    signal: int | None = None
    code: str = ""


@dataclass(frozen=True)
class Ended:
    """`code` is negative for a signal. `changes` counts those of the file system of a run that was not killed. `asked`
    is the monotonic time at which it was sent its signal, 0 where it had ended before, and `took` how long it went on.
    """

    code: int
    seconds: float
    hung: bool
    log: str = ""
    changes: int = 0
    asked: float = 0.0
    took: float = 0.0


class Zygote:
    """`with` starts it; leaving ends it."""

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "tests.zygote"]
        self._authorities = TemporaryDirectory()  # none; to read all of them takes a third of a run
        environ = {**os.environ, "SSL_CERT_DIR": self._authorities.name}
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()
        self._authorities.cleanup()

    def run(self, asked: Asked) -> Ended:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(asked)) + "\n")
        self._process.stdin.flush()
        return Ended(**json.loads(self._process.stdout.readline()))


# -- the process itself -----------------------------------------------------------------------------------------------


def serve() -> None:
    run = warmed
    for line in sys.stdin:
        print(json.dumps(asdict(run(Asked(**json.loads(line))))), flush=True)
        run = forked


def warmed(asked: Asked) -> Ended:
    """The first run, in this process: all is imported behind it, and what is made once is made."""
    started, log = time.perf_counter(), StringIO()
    code = main(asked.arguments, asked.environ, cwd=Path(asked.cwd), stdout=log, stderr=log)
    assert threading.active_count() == 1, threading.enumerate()
    gc.collect()
    gc.freeze()  # what a child never looks at need not be copied into it
    return Ended(code, time.perf_counter() - started, hung=False, log=log.getvalue())


def forked(asked: Asked) -> Ended:
    told_in = os.memfd_create("told")  # holds what a pipe has no room for, and waits for nobody
    started = time.perf_counter()
    pid = os.fork()
    if pid == 0:
        child(asked, told_in)
    watch = os.pidfd_open(pid)
    sent = 0.0
    wait = PATIENCE_S if asked.after_s is None else max(0.0, asked.after_s - (time.perf_counter() - started))
    if asked.signal is not None:
        if not ended(watch, wait, Path(asked.cwd) / "stuck"):
            sent = time.monotonic()
            os.kill(pid, asked.signal)
        wait = PATIENCE_S
    in_time = ended(watch, wait)
    if not in_time:
        os.kill(pid, signal.SIGKILL)  # ours until it is waited for
    _, status = os.waitpid(pid, 0)
    took = time.monotonic() - sent
    os.close(watch)
    seconds = time.perf_counter() - started
    with os.fdopen(told_in, encoding="utf-8") as file:
        file.seek(0)
        told = json.loads(file.read() or "{}")
    hung = not in_time and (asked.after_s is None or asked.signal is not None)
    return Ended(os.waitstatus_to_exitcode(status), seconds, hung=hung, asked=sent, took=took, **told)


def ended(watch: int, seconds: float, file: Path | None = None) -> bool:
    """Whether a process ends within so many seconds, and before there is a file."""
    until = time.perf_counter() + seconds
    while not (file is not None and file.exists()):
        left = max(0.0, until - time.perf_counter())
        if select.select([watch], [], [], left if file is None else min(left, 0.005))[0]:
            return True
        if not left:
            break
    return False


def child(asked: Asked, told_in: int) -> None:
    """The run, and the end of this process."""
    code, log, count = 70, StringIO(), [0]
    try:
        sys.addaudithook(deadly(asked, count))
        os.chdir(asked.cwd)
        exec(asked.code, {})
        code = main(asked.arguments, asked.environ, cwd=Path(asked.cwd), stdout=log, stderr=log)
    finally:
        told = {"log": log.getvalue()[-10_000:], "changes": count[0]}
        os.write(told_in, json.dumps(told).encode())
        os._exit(code)


def deadly(asked: Asked, count: list[int]) -> Any:
    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if not changes(event, arguments):
            return
        name = str(arguments[0])  # of a file in a directory of ours, or its whole path
        if name.startswith("/") and not name.startswith(asked.cwd):
            return
        count[0] += 1
        if count[0] == asked.at_change:
            if event == "os.rename":
                half = os.path.join(f"/proc/self/fd/{arguments[2]}", name)
                os.truncate(half, os.path.getsize(half) // 2)
            os.kill(os.getpid(), signal.SIGKILL)

    return hook


def changes(event: str, arguments: tuple[Any, ...]) -> bool:
    if event == "open":
        return isinstance(arguments[0], str) and bool(arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
    return event in ("os.rename", "os.mkdir", "os.remove")


if __name__ == "__main__":
    serve()
