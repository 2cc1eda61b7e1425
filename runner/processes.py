"""The processes below one: found in the system's table, and ended for certain.

For whoever is the parent of last resort: the guard of a run, and what watches a stranger's program. Quick to import.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator


def end_all(seconds: float) -> None:
    """Kill every process below this one, also what was born meanwhile or belongs to another session; for so long at
    most, since what is killed is gone at once, unless the kernel itself hangs."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        for process in descendants(os.getpid()):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.002)


def descendants(of: int) -> Iterator[int]:
    """Children, their children and so on, from the system's table of processes."""
    children: dict[int, list[int]] = {}
    for name in filter(str.isdigit, os.listdir("/proc") if os.path.isdir("/proc") else ()):
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
            parent = int(file.read().rpartition(b")")[2].split()[1])
            children.setdefault(parent, []).append(int(name))
    pending = [of]
    while pending:
        found = children.get(pending.pop(), [])
        pending += found
        yield from found
