"""The tool `python_exec`: code of the model's, run by an interpreter in a process of its own and never in ours.

What holds it in bounds is `confine`, a process between it and us. It is given no key, no variable of ours and no
directory but an empty one, which is deleted after it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import shutil
import signal
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from runner.agents.tools.tool import ToolProblem

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Callable, Mapping

    from runner.agents.tools.bench import Bench
    from runner.agents.tools.tool import Run

SCRIPT: Final = Path(__file__).with_name("confine.py")
SET_DUMPABLE: Final = 4  # linux/prctl.h
NOBODY: Final = 65534
"""Whom the code runs as, and its group, where we are root. Not the workspace's owner: that one may write the files in
which the CI host is told of variables and programs for the job's later steps, and on hosted runners is in the group of
the Docker daemon's socket."""

MAX_CODE: Final = 100_000
MAX_OUTPUT: Final = 25_000
"""Bytes of each of stdout and stderr that are kept; what comes after them is counted and thrown away."""

ENDING_S: Final = 6.0
"""Seconds until what is asked to end is killed, and until a pipe is given up that an escaped process holds open."""

OTHER_INTERPRETERS: Final = ("/usr/local/bin/python3", "/usr/bin/python3")
"""For when the user that the code runs as cannot reach ours, such as one in root's home."""

LIMITS: Final = {"AS": 1024**3, "FSIZE": 64 * 1024**2, "NPROC": 64, "NOFILE": 64, "CORE": 0}
"""By the names of the system's resource limits; bytes, processes of that user, files."""

SECONDS: Final = 60.0 + 3 * ENDING_S
"""The tool keeps its own time, and cleans up after it."""


@dataclass
class Kept:
    """The first of what a pipe gave, and how much that was in all."""

    data: bytes = b""
    size: int = 0

    async def read(self, pipe: asyncio.StreamReader) -> None:
        while chunk := await pipe.read(65_536):
            self.size += len(chunk)
            self.data += chunk[: MAX_OUTPUT - len(self.data)]

    def __str__(self) -> str:
        cut = f"\n[cut here: {self.size - len(self.data):,} more bytes]" if self.size > len(self.data) else ""
        return self.data.decode("utf-8", "replace").rstrip("\n") + cut


async def execute(bench: Bench, code: str, seconds: float) -> str:
    """What a program printed, and its exit code. Raises ToolProblem when it was not run."""
    if sys.platform != "linux":
        raise ToolProblem("python_exec runs on Linux only")
    if len(code) > MAX_CODE:
        raise ToolProblem(f"the code is longer than {MAX_CODE:,} characters")
    user = (NOBODY, NOBODY) if os.geteuid() == 0 else None
    home = Path(tempfile.mkdtemp(prefix="python-exec-"))
    try:
        (home / "code.py").write_bytes(code.encode("utf-8", "replace"))
        if user is not None:
            os.chown(home / "code.py", *user)
            os.chown(home, *user)
        return await _run(bench, home, user, seconds)
    finally:
        await asyncio.to_thread(shutil.rmtree, home, ignore_errors=True)


async def _run(bench: Bench, home: Path, user: tuple[int, int] | None, seconds: float) -> str:
    told, report = os.pipe()
    os.set_blocking(told, False)
    try:
        process = await _start(bench, home, user, seconds, report)
    except BaseException:
        os.close(told)
        raise
    finally:
        os.close(report)
    out, err = Kept(), Kept()
    assert process.stdout is not None
    assert process.stderr is not None
    reading = asyncio.gather(out.read(process.stdout), err.read(process.stderr))
    in_time, refused = True, ""
    try:
        async with asyncio.timeout(seconds):
            await process.wait()
    except TimeoutError:
        in_time = False
    finally:
        try:
            await _end(process, reading)
            with contextlib.suppress(BlockingIOError):
                refused = os.read(told, 4096).decode()
        finally:
            os.close(told)
    if refused:
        raise ToolProblem(f"python_exec was not run: {refused}")
    ended = f"exit code: {_shown(process.returncode)}" if in_time else f"killed: it took longer than {seconds:g} s"
    parts = [ended, *(f"{name}:\n{text}" for name, text in (("stdout", out), ("stderr", err)) if text.size)]
    return "\n\n".join(parts)


async def _start(bench: Bench, home: Path, user: tuple[int, int] | None, seconds: float, report: int) -> Process:
    task = {
        "interpreters": [sys.executable, *OTHER_INTERPRETERS],
        "arguments": ["-I", "-B", "-u", str(home / "code.py")],
        "environ": {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(home), "LANG": "C.UTF-8"},
        "home": str(home),
        "user": user,
        "limits": {**LIMITS, "CPU": int(seconds) + 1},
        "deny_network": bench.deny_network,
        "report": report,
    }
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        "-S",
        str(SCRIPT),
        json.dumps(task),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        pass_fds=[report],
        env={},
        cwd=home,
        start_new_session=True,
    )


async def _end(process: Process, reading: asyncio.Future[Any]) -> None:
    """Have everything ended that was started: the watching process does it when its stdin ends."""
    assert process.stdin is not None
    process.stdin.close()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(ENDING_S):
            await process.wait()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(ENDING_S):
            await reading


def _shown(code: int | None) -> str:
    if code is not None and code > 128:
        with contextlib.suppress(ValueError):
            return f"{code} ({signal.Signals(code - 128).name})"
    return str(code)


def _hide() -> None:
    """Close our memory and our environment, which hold keys, to other processes of the same user."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SET_DUMPABLE, 0, 0, 0, 0)


def _python_exec(bench: Bench) -> Run:
    _hide()

    async def run(given: Mapping[str, Any]) -> str:
        return await execute(bench, given["code"], given["timeout"])

    return run


TOOLS: Final[Mapping[str, Callable[[Bench], Run]]] = {"python_exec": _python_exec}
