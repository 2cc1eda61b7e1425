"""The first process: the parent of the run, and of every process that loses its own parent.

It does so little that nothing can hold it, and so three things are true whatever becomes of the run, also where its
interpreter stands still: a signal ends it in bounded time, no process that it started outlives it, and what has ended
is no zombie. In the image this is process 1; elsewhere on Linux the kernel is asked to hand it the orphans. On other
systems there is none, and the run is the first process.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from typing import Final

from runner.processes import end_all

STOPPING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What a host sends to end a job: https://github.com/actions/runner/blob/main/src/Runner.Sdk/ProcessInvoker.cs."""

PATIENCE_S: Final = 8.0
"""How long a run may take to end when it was asked to. It ends itself well before; a runner gives up after ten."""

LAST_WORDS_S: Final = 0.5
"""How long it has, after that, to say where it stands."""

ENDING_S: Final = 1.0
"""How long what is killed has to be gone."""

CANCELLED: Final = 130
SET_PDEATHSIG, SET_DUMPABLE, SET_CHILD_SUBREAPER = 1, 4, 36  # linux/prctl.h


_guarded = False


def guard() -> None:
    """Returns in a new process, which is the run; there `STOPPING` wait until somebody listens. The old one stays until
    that one has ended, and ends as it did. In a process that is guarded already this does nothing."""
    global _guarded  # noqa: PLW0603 - so is a process
    if _guarded or sys.platform != "linux":
        return
    _guarded = True
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # whoever ignores it never hears of children
    signal.pthread_sigmask(signal.SIG_BLOCK, {*STOPPING, signal.SIGCHLD})
    guarding = os.getpid()
    if guarding != 1:  # the first process of a container has all that as it is
        _prctl(SET_CHILD_SUBREAPER, 1)
    run = os.fork()
    if run:
        _prctl(SET_DUMPABLE, 0)  # its environment holds the run's keys, and tools may run as its user
        code = _to_its_end(run)
        end_all(ENDING_S)
        os._exit(code)
    if guarding != 1:
        _prctl(SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != guarding:  # it is gone already
            os._exit(CANCELLED)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})


def _prctl(option: int, value: int) -> None:
    import ctypes

    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _to_its_end(run: int) -> int:
    """Pass on what is asked of the run, and see that it ends then. Returns its exit code."""
    last_ways = iter([(signal.SIGABRT, LAST_WORDS_S), (signal.SIGKILL, ENDING_S)])
    until, killed = None, False
    while True:
        left = 3600.0 if until is None else max(0.0, until - time.monotonic())
        told = signal.sigtimedwait({*STOPPING, signal.SIGCHLD}, left)
        if told is None and until is not None:
            way, seconds = next(last_ways, (signal.SIGKILL, ENDING_S))
            os.kill(run, way)
            until, killed = time.monotonic() + seconds, True
        elif told is not None and told.si_signo != signal.SIGCHLD:
            os.kill(run, told.si_signo)  # which may have been sent it as well: runner.stopping.AT_ONCE_S
            until = until or time.monotonic() + PATIENCE_S
        elif (status := _reaped().get(run)) is not None:
            code = os.waitstatus_to_exitcode(status)
            return CANCELLED if killed else code if code >= 0 else 128 - code


def _reaped() -> dict[int, int]:
    """How the processes ended that have, and leave no trace any more. The run waits for its own itself; these are it
    and those that nobody waits for."""
    found = {}
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            found[ended[0]] = ended[1]
    return found
