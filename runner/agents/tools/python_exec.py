"""The tool `python_exec`: code of the model's, run by an interpreter in a process of its own and never in ours.

It is given no key, no variable of ours and no directory but an empty one, which is deleted after it. It runs as nobody
where we are root, and not as the workspace's owner: it needs nothing of the workspace.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from runner import walk
from runner.agents.tools import rights
from runner.agents.tools.confined import Line, Task, kill, own_directory
from runner.agents.tools.tool import ToolProblem

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from runner.agents.tools.bench import Bench
    from runner.agents.tools.confined import User
    from runner.agents.tools.tool import Run

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


async def execute(code: str, seconds: float) -> str:
    """What a program printed, and its exit code. Raises ToolProblem when it was not run."""
    if sys.platform != "linux":
        raise ToolProblem("python_exec runs on Linux only")
    if len(code) > MAX_CODE:
        raise ToolProblem(f"the code is longer than {MAX_CODE:,} characters")
    user = rights.unprivileged()
    home = own_directory("python-exec-", user, {"code.py": code.encode("utf-8", "replace")})
    try:
        return await _run(_task(home, user, seconds), seconds)
    finally:
        await asyncio.to_thread(walk.delete, home)


def _task(home: Path, user: User | None, seconds: float) -> Task:
    return Task(
        programs=(sys.executable, *OTHER_INTERPRETERS),
        arguments=("-I", "-B", "-u", str(home / "code.py")),
        environ={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(home), "LANG": "C.UTF-8"},
        directory=str(home),
        user=user,
        writable=(str(home),),
        readable=(sys.prefix, sys.base_prefix, *rights.SYSTEM),
        network=False,
        limits={**LIMITS, "CPU": int(seconds) + 1},
    )


async def _run(task: Task, seconds: float) -> str:
    line = Line()
    try:
        process = await line.start(task, stdin=DEVNULL, stdout=PIPE, stderr=PIPE)
        out, err = Kept(), Kept()
        assert process.stdout is not None
        assert process.stderr is not None
        reading = asyncio.gather(out.read(process.stdout), err.read(process.stderr))
        in_time, refused = True, ""
        try:
            async with asyncio.timeout(seconds):
                await process.wait()
            refused = line.refusal()
        except TimeoutError:
            in_time = False
        finally:
            line.hang_up()
            await _end(process, reading)
    finally:
        line.hang_up()
    if refused:
        raise ToolProblem(f"python_exec was not run: {refused}")
    ended = f"exit code: {_shown(process.returncode)}" if in_time else f"killed: it took longer than {seconds:g} s"
    parts = [ended, *(f"{name}:\n{text}" for name, text in (("stdout", out), ("stderr", err)) if text.size)]
    return "\n\n".join(parts)


async def _end(process: Process, reading: asyncio.Future[Any]) -> None:
    """Wait until everything has ended that was started: the process that watches does it when its line ends."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(ENDING_S):
            await process.wait()
    kill(process)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(ENDING_S):
            await reading


def _shown(code: int | None) -> str:
    if code is not None and code > 128:
        with contextlib.suppress(ValueError):
            return f"{code} ({signal.Signals(code - 128).name})"
    return str(code)


def _python_exec(_: Bench) -> Run:
    async def run(given: Mapping[str, Any]) -> str:
        return await execute(given["code"], given["timeout"])

    return run


TOOLS: Final[Mapping[str, Callable[[Bench], Run]]] = {"python_exec": _python_exec}
