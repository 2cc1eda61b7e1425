"""Runs one program of a stranger's in bounds and leaves nothing of it behind, as a process of its own.

Three processes. This script watches: it keeps its rights, so that the program cannot end it, and every orphan below
it becomes its child. Where the system gives namespaces, the next one is the first process of a new one, which ends
with it and has no network where none is to be had. The last gives up its rights, takes its limits and becomes the
program, which has the script's stdin, stdout and stderr.

Run as a script with one argument, the descriptor of a socket: there it reads its task, a line of JSON (`Task` in
`runner.agents.tools.confined`), and there it writes why the program was not run at all. It ends with the program's
exit code, 128 and more for a signal, and ends the program when the other end of the socket is closed.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import stat
import sys
from typing import Any, NoReturn

if __name__ == "__main__":
    sys.path.insert(0, os.path.abspath(f"{__file__}/../../../.."))

from runner.agents.tools import rights
from runner.processes import end_all

SET_CHILD_SUBREAPER = 36  # linux/prctl.h
NEW_USER, NEW_PID, NEW_NET, NEW_IPC = 0x10000000, 0x20000000, 0x40000000, 0x08000000  # linux/sched.h
ENDING_S = 5.0


def supervise(line: int) -> int:
    """Run the program that the line tells of to its end, or until nobody wants it any more. Returns its exit code."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)  # which are for the program; one that is ignored, it would ignore too
    for fd in map(int, os.listdir("/proc/self/fd")):
        if fd > 2:
            with contextlib.suppress(OSError):  # that of the listing
                os.set_inheritable(fd, False)
    task = told(line)
    if task is None:
        return 1
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    apart = isolated(libc, network=task["network"])
    rights.hide()
    child = os.fork()
    if not child:
        if apart:
            first_process()
        become(task, line)
    without_pipes()
    watched = os.pidfd_open(child)
    ready = select.select([line, watched], [], [])[0]
    if watched not in ready:
        os.kill(child, signal.SIGKILL)
    code = exit_code(os.waitpid(child, 0)[1])
    end_all(ENDING_S)
    return code


def told(line: int) -> Any:
    """The task; None when whoever asks has gone before it was told."""
    text = b""
    while not text.endswith(b"\n"):
        if not (chunk := os.read(line, 65_536)):
            return None
        text += chunk
    return json.loads(text)


def isolated(libc: ctypes.CDLL, *, network: bool) -> bool:
    """Whether what is forked from now on has processes of its own, and no network if it is to have none."""
    user, group = os.geteuid(), os.getegid()
    own = NEW_PID | NEW_IPC | (0 if network else NEW_NET)
    if libc.unshare(own if user == 0 else own | NEW_USER):
        return False
    if user != 0:
        with contextlib.suppress(OSError):
            for name, text in (
                ("setgroups", "deny"),
                ("uid_map", f"{user} {user} 1"),
                ("gid_map", f"{group} {group} 1"),
            ):
                with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                    file.write(text)
    return True


def first_process() -> None:
    """Be the first process of a namespace, whose end is the end of all others; returns in its child."""
    child = os.fork()
    if not child:
        return
    without_pipes()
    while True:
        ended, status = os.wait()
        if ended == child:
            os._exit(exit_code(status))


def without_pipes() -> None:
    """Let go of the program's pipes: whoever reads or writes them must see when it does."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nothing, fd)
    os.close(nothing)


def become(task: Any, line: int) -> NoReturn:
    """Give up every right, take the limits, be the program; or say why not, and end."""
    doing = "its privileges cannot be dropped"
    try:
        for pipe in (0, 1, 2):
            if task["user"] is not None and stat.S_ISFIFO(os.fstat(pipe).st_mode):
                os.fchown(pipe, *task["user"])  # or it could not open /dev/stderr
        rights.drop_to(task["user"])
        doing = f"user {os.getuid()} cannot enter {task['directory']}"
        os.chdir(task["directory"])
        doing = "its resources cannot be limited"
        limit(task["limits"])
        os.umask(0o077)
        doing = "what it writes cannot be bounded"
        rights.within(task["writable"], task["readable"])
        doing = "what it asks of the system cannot be bounded"
        if not rights.without_calls(network=task["network"]):
            raise OSError(0, f"this kernel has no filter for it that is known on {os.uname().machine}")
        doing = f"user {os.getuid()} can start none of: {', '.join(task['programs'])}"
        start(task)
    except Exception as error:
        reason = error.strerror if isinstance(error, OSError) else error
        os.write(line, f"{doing}: {reason}".encode())
    finally:
        os._exit(1)


def limit(limits: dict[str, int]) -> None:
    """Take resource limits, by their names. That of processes comes on top of those its user has already."""
    for name, most in limits.items():
        allowed = most + (running(os.getuid()) if name == "NPROC" else 0)
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (allowed, allowed))


def start(task: Any) -> NoReturn:
    """Become the first of the programs that there is. Raises OSError or ValueError."""
    *others, last = task["programs"]
    for program in others:
        with contextlib.suppress(OSError):
            os.execve(program, [program, *task["arguments"]], task["environ"])  # noqa: S606 - that is its job
    os.execve(last, [last, *task["arguments"]], task["environ"])  # noqa: S606


def exit_code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def running(user: int) -> int:
    """How many processes and threads a user has."""
    found = 0
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{name}/status", encoding="utf-8", errors="replace") as file:
            told = dict(text.split(":", 1) for text in file if ":" in text)
            found += int(told["Threads"]) if int(told["Uid"].split()[0]) == user else 0
    return found


if __name__ == "__main__":
    os._exit(supervise(int(sys.argv[1])))
