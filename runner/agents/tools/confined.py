"""Programs of strangers, run in bounds: what they are given, and how they are ended.

What holds one in them is `confine`, a process between it and us, which is told of its task over a socket and not by
its arguments: those are there for every process to read, and a task has secrets in it. Linux only.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from runner.agents.tools import rights

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Mapping

SCRIPT: Final = Path(__file__).with_name("confine.py")
MAX_REASON: Final = 4096
User: TypeAlias = tuple[int, int]
"""A user and its group, by number."""


@dataclass(frozen=True)
class Task:
    """A program to run, and its bounds. The first of `programs` that `user` (None: who we are) can start is run in
    `directory`. It may write below `writable` alone, where the kernel has Landlock, and read there and below `readable`
    (None: what the user may read). `limits` are by the names of the system's: bytes, files, and how many processes
    more than the user has. Without `network` there is no socket at all, with it none but those of a network."""

    programs: tuple[str, ...]
    arguments: tuple[str, ...]
    environ: Mapping[str, str]
    directory: str
    user: User | None
    writable: tuple[str, ...]
    readable: tuple[str, ...] | None
    network: bool
    limits: Mapping[str, int] = field(default_factory=dict)


class Line:
    """The way to the process that watches, which ends its program when the line does."""

    def __init__(self) -> None:
        self._ours, self._theirs = socket.socketpair()
        self._ours.setblocking(False)

    async def start(self, task: Task, **pipes: Any) -> Process:
        """The process that watches, with the program's exit code and its pipes; it has a session of its own."""
        rights.hide()
        theirs = self._theirs.fileno()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", str(SCRIPT), str(theirs),
            pass_fds=[theirs], env={}, cwd="/", start_new_session=True, **pipes,
        )  # fmt: skip
        self._theirs.close()
        with contextlib.suppress(ConnectionError):  # it has ended, and tells by its exit code
            await asyncio.get_running_loop().sock_sendall(self._ours, json.dumps(asdict(task)).encode() + b"\n")
        return process

    def refusal(self) -> str:
        """Why the program was not run at all; nothing where it was. Asked when the process has ended."""
        with contextlib.suppress(OSError):
            return self._ours.recv(MAX_REASON).decode()
        return ""

    def hang_up(self) -> None:
        """Have everything ended that was started."""
        self._ours.close()
        self._theirs.close()


def workspaces_owner(workspace: Path) -> User | None:
    """Whom a program runs as that works in the workspace: who we are, or its owner where we are root.

    The owner may write more than the workspace, the files among it in which a CI host is told of variables and
    programs for the job's later steps; so it is nobody where the kernel bounds no writing. The group is nobody's in
    any case: on hosted runners the owner's may be that of the container engine.
    """
    if os.geteuid() != 0:
        return None
    owner = workspace.stat().st_uid
    bounded = owner != 0 and rights.landlock() >= rights.ALL_WRITES
    return (owner if bounded else rights.NOBODY), rights.NOBODY


def own_directory(prefix: str, user: User | None, files: Mapping[str, bytes] | None = None) -> Path:
    """Make a directory of that user's with these files in it, to be deleted by `walk.delete`."""
    home = Path(tempfile.mkdtemp(prefix=prefix))
    for name, content in (files or {}).items():
        (home / name).write_bytes(content)
    if user is not None:
        for path in (*home.iterdir(), home):  # in this order nobody can put a link in the place of a file
            os.chown(path, *user)
    return home


def kill(process: Process, number: signal.Signals = signal.SIGKILL) -> None:
    """Signal the process that watches and all of its session."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
