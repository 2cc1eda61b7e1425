"""Runs one program of a stranger's in bounds and leaves nothing of it behind, as a process of its own.

Three processes. This script watches: it keeps its rights, so that the program cannot end it, and every orphan below
it becomes its child. Where the system gives namespaces, the next one is the first process of a new one, which
has no network and ends with it. The last gives up its rights and its way to a network, takes its limits and becomes
the program.

Run as a script with one argument, JSON (`runner.agents.tools.python_exec` says it); it imports nothing of ours. It
ends with the program's exit code, 128 and more for a signal, and ends the program when its own stdin ends. Why the
program was not run at all is written to the descriptor `report`, which the program never has.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import struct
import sys
import time
from collections.abc import Iterator
from typing import Any, NoReturn

SET_SECCOMP, SET_CHILD_SUBREAPER, SET_NO_NEW_PRIVS = 22, 36, 38  # linux/prctl.h
NEW_USER, NEW_PID, NEW_NET, NEW_IPC = 0x10000000, 0x20000000, 0x40000000, 0x08000000  # linux/sched.h
SECCOMP_FILTER, REFUSED, ALLOWED = 2, 0x00050001, 0x7FFF0000  # linux/seccomp.h; 1 is EPERM
LOAD, IF_EQUAL, IF_AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06  # linux/bpf_common.h
ARCHITECTURES = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}  # linux/audit.h; the number of `socket`
X32, IO_URING_SETUP = 0x40000000, 425
ENDING_S = 5.0  # what is killed is gone at once, unless the kernel itself hangs


def supervise(task: Any) -> int:
    """Run the task's program to its end, or until nobody wants it any more. Returns its exit code."""
    os.set_inheritable(task["report"], False)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    apart = isolated(libc)
    child = os.fork()
    if not child:
        if apart:
            first_process()
        become(task, libc, apart=apart)
    watched = os.pidfd_open(child)
    ready = select.select([0, watched], [], [])[0]
    if watched not in ready:
        os.kill(child, signal.SIGKILL)
    code = exit_code(os.waitpid(child, 0)[1])
    end_all()
    return code


def isolated(libc: ctypes.CDLL) -> bool:
    """Whether what is forked from now on has processes and a network of its own: none but itself."""
    own = NEW_PID | NEW_NET | NEW_IPC
    return bool(libc.unshare(own if os.geteuid() == 0 else own | NEW_USER) == 0)


def first_process() -> None:
    """Be the first process of a namespace, whose end is the end of all others; returns in its child."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # which a first process does not hear
    child = os.fork()
    if not child:
        return
    while True:
        ended, status = os.wait()
        if ended == child:
            os._exit(exit_code(status))


def become(task: Any, libc: ctypes.CDLL, *, apart: bool) -> NoReturn:
    """Give up every right, take the limits, be the program."""
    try:
        if task["user"] is not None:
            user, group = task["user"]
            os.setgroups([])
            os.setresgid(group, group, group)
            os.setresuid(user, user, user)
        if 0 in (*os.getresuid(), *os.getresgid()) or libc.prctl(SET_NO_NEW_PRIVS, 1, 0, 0, 0):
            refuse(task, "its privileges cannot be dropped")
        if not without_sockets(libc) and not apart and task["deny_network"]:
            refuse(task, "guardrails.deny_network forbids the network, and it cannot be taken away here")
        for name, most in task["limits"].items():
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (most, most))
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.chdir(task["home"])
        os.umask(0o077)
    except OSError as error:
        refuse(task, f"its privileges cannot be dropped: {error.strerror}")
    for interpreter in task["interpreters"]:
        with contextlib.suppress(OSError):
            os.execve(interpreter, [interpreter, *task["arguments"]], task["environ"])  # noqa: S606 - that is its job
    refuse(task, f"user {os.getuid()} can start none of: {', '.join(task['interpreters'])}")


def without_sockets(libc: ctypes.CDLL) -> bool:
    """Whether the kernel refuses this process every socket from now on. Pairs of them, which lead nowhere, it has."""
    architecture, socket = ARCHITECTURES.get(os.uname().machine, (0, 0))
    refused, allowed = 6, 7  # the last two instructions
    program = (
        (LOAD, 0, 0, 4),  # the architecture of the call
        (IF_EQUAL, 0, refused - 2, architecture),
        (LOAD, 0, 0, 0),  # its number
        (IF_AT_LEAST, refused - 4, 0, X32),
        (IF_EQUAL, refused - 5, 0, IO_URING_SETUP),
        (IF_EQUAL, refused - 6, allowed - 6, socket),
        (RETURN, 0, 0, REFUSED),
        (RETURN, 0, 0, ALLOWED),
    )
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *one) for one in program))
    whole = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(code)))
    return bool(architecture) and libc.prctl(SET_SECCOMP, SECCOMP_FILTER, ctypes.byref(whole), 0, 0) == 0


def refuse(task: Any, reason: str) -> NoReturn:
    os.write(task["report"], reason.encode())
    os._exit(1)


def exit_code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def end_all() -> None:
    """Kill everything below this process, also what was born meanwhile or belongs to another session."""
    until = time.monotonic() + ENDING_S
    while time.monotonic() < until:
        for process in descendants(os.getpid()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.002)


def descendants(of: int) -> Iterator[int]:
    """Children, their children and so on, from the system's table of processes."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            with open(f"/proc/{int(name)}/stat", "rb") as file:
                parent = int(file.read().rpartition(b")")[2].split()[1])
            children.setdefault(parent, []).append(int(name))
    pending = [of]
    while pending:
        found = children.get(pending.pop(), [])
        pending += found
        yield from found


if __name__ == "__main__":
    os._exit(supervise(json.loads(sys.argv[1])))
