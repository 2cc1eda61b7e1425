"""Sees from a thread of its own that the run's loop turns, and that the run ends when it should.

It counts what it saw itself, never the wall clock: in a container that was frozen, or on a laptop that slept, nobody
missed anything.
"""

from __future__ import annotations

import sys
import threading
import traceback
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import PurePath
from typing import TYPE_CHECKING, Final, Self

from runner.errors import RunCancelled, RunnerError, RunTimeout
from runner.report.events import LoopBlocked

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Iterator

    from runner.run import Run
    from runner.stopping import Stop

TICK_S: Final = 1.0
BLOCKED_TICKS: Final = 5
"""Ticks without an answer of the loop until it is told."""

STILL_TICKS: Final = 60
"""And until the run is given up."""

LOOK_S: Final = 0.25
GRACE_LOOKS: Final = 15
"""How often it looks whether a run that should end has ended, before it ends it: closing has three seconds, and a host
waits no longer than some seven."""

FRAMES: Final = 3


class Watchdog:
    """Watches while it is open. `give_up` writes what the run leaves that has to end for this reason, and returns the
    exit code; None stands for a run that has ended but does not let go. `leave` ends the process."""

    def __init__(
        self, stop: Stop, give_up: Callable[[RunnerError | None], int], leave: Callable[[int], object]
    ) -> None:
        self._stop, self._give_up, self._leave = stop, give_up, leave
        self._watched: tuple[Run, AbstractEventLoop, int] | None = None
        self._ended = self._signalled = self._over = self._answered = False
        self._missed = self._looks = 0
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        self._stop.wake()
        self._thread.join()

    @contextmanager
    def watching(self, run: Run) -> Iterator[None]:
        """Here the loop of this thread runs. Behind it the run has ended, and the loop lets go of what it still has."""
        self._ended, self._missed, self._looks, self._answered = False, 0, 0, True
        self._watched = run, run.task.get_loop(), threading.get_ident()
        try:
            yield
        finally:
            self._ended = True

    # -- in its own thread --------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        while not self._over:
            hurried = self._ending
            if self._stop.heard(LOOK_S if hurried else TICK_S):
                self._looks = self._looks if self._signalled else 0
                self._signalled = True
                self._turn()
            elif hurried:
                self._look()
            elif not self._over:
                self._tick()

    @property
    def _ending(self) -> bool:
        """Whether it should end by now. Behind the loop only a signal bounds what is left to do."""
        if self._watched is None or self._signalled:
            return self._signalled
        run, loop, _ = self._watched
        return not loop.is_closed() if self._ended else run.is_late

    def _look(self) -> None:
        self._looks += 1
        if self._looks == GRACE_LOOKS and not self._over:
            self._end(self._why())

    def _why(self) -> RunnerError | None:
        told = f"; {GRACE_LOOKS * LOOK_S:g} s later it stood at {self._place()}"
        if self._ended:
            return None
        if self._signalled:
            return RunCancelled(f"the run was asked to stop{told}")
        return RunTimeout(f"the run took longer than it may{told}")

    def _tick(self) -> None:
        if self._watched is None or self._ended:
            return
        run = self._watched[0]
        self._missed = 0 if self._answered else self._missed + 1
        seconds = round(self._missed * TICK_S)
        if self._missed == BLOCKED_TICKS:
            run.emit(LoopBlocked(seconds, self._place()))
        elif self._missed == STILL_TICKS:
            self._end(RunnerError(f"the run stood still for {seconds} s at {self._place()}"))
        elif not self._missed:
            self._answered = False
            self._turn()

    def _turn(self) -> None:
        """Have the loop turn once. A signal that came to another thread than the first is only heard by it then."""
        if self._watched is not None:
            with suppress(RuntimeError):  # it ends just now
                self._watched[1].call_soon_threadsafe(self._answer)

    def _answer(self) -> None:
        self._answered = True

    def _place(self) -> str:
        """Where the run's thread is: the innermost calls, by their places alone."""
        frame = sys._current_frames().get(self._watched[2]) if self._watched is not None else None
        found = [
            f"{'/'.join(PurePath(one.f_code.co_filename).parts[-3:])}:{line} {one.f_code.co_name}"
            for one, line in islice(traceback.walk_stack(frame), FRAMES)
        ]
        return " < ".join(found) if self._watched is not None else "its beginning"

    def _end(self, why: RunnerError | None) -> None:
        self._leave(self._give_up(why))
