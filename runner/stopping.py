"""What the signals of a host do: the first asks the run to stop, another one leaves at once.

They are heard twice. The first thread cancels the run as soon as it comes to it; a pipe, which the interpreter's own
handler writes to, tells the watchdog at once, also when the first thread hangs in a call that never comes back.
"""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from runner.errors import RunCancelled
from runner.guard import STOPPING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator

    from runner.log import Log

AT_ONCE_S: Final = 1.0
"""The same signal again within so many seconds is the same wish: a terminal, or whoever ends a group of processes, may
send it to the run and to the guard, which passes on what it hears."""


def _interrupt(name: str) -> None:
    raise KeyboardInterrupt


class Stop:
    """Signals while it is `catching`. Until a run listens the first one is a KeyboardInterrupt. `leave` ends the
    process."""

    def __init__(self, leave: Callable[[int], object]) -> None:
        self._leave = leave
        self._first: tuple[int, float] | None = None
        self._act: Callable[[str], object] = _interrupt

    @contextmanager
    def catching(self) -> Iterator[None]:
        """Hear the signals, those too that have been waiting. Only the first thread of a process hears any."""
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        try:
            if threading.current_thread() is threading.main_thread():
                with self._handling():
                    yield
            else:
                yield
        finally:
            os.close(self._reader)
            os.close(self._writer)

    @contextmanager
    def _handling(self) -> Iterator[None]:
        before = {number: signal.signal(number, self.receive) for number in STOPPING}
        waking = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        try:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
            yield
        finally:
            self.hold()
            signal.set_wakeup_fd(waking)
            for number, handler in before.items():
                signal.signal(number, handler)

    def hold(self) -> None:
        """From here on a signal interrupts nothing: what is left is written in any case."""
        self._act = lambda name: None

    @contextmanager
    def listening(self, log: Log, task: asyncio.Task[Any]) -> Iterator[None]:
        """Here the first signal cancels `task`; also one that came before. Behind it the run has ended."""

        def cancel(name: str) -> None:
            log.line("WARNING", f"{name} received: stopping; once more leaves at once")
            task.cancel()

        self._act = lambda name: task.get_loop().call_soon_threadsafe(cancel, name)
        if self._first is not None:
            self._act("a signal")
        try:
            yield
        finally:
            self.hold()

    @contextmanager
    def interrupting(self) -> Iterator[None]:
        """In here the first signal is a KeyboardInterrupt; also one that came before. Behind it there is none."""
        try:
            self._act = _interrupt
            if self._first is not None:
                _interrupt("a signal")
            yield
        finally:
            self.hold()

    def receive(self, number: int, _: object = None) -> None:
        """The handler of every one of them."""
        now = time.monotonic()
        if self._first is None:
            self._first = number, now
            self._act(signal.Signals(number).name)
        elif number != self._first[0] or now - self._first[1] > AT_ONCE_S:
            self._leave(RunCancelled.exit_code)

    # -- for the watchdog's thread ------------------------------------------------------------------------------------

    def heard(self, seconds: float) -> bool:
        """Whether a signal comes within so many seconds. `wake` ends the waiting."""
        until = time.monotonic() + seconds
        poll = select.poll()
        poll.register(self._reader, select.POLLIN)
        while poll.poll(max(0.0, 1000 * (until - time.monotonic()))):
            told = os.read(self._reader, 4096)
            if any(number in told for number in STOPPING):
                return True
            if WAKE in told:
                return False
        return False

    def wake(self) -> None:
        os.write(self._writer, bytes([WAKE]))


WAKE: Final = 0
"""What is told through the pipe beside the numbers of signals."""
