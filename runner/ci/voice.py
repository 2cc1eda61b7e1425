"""The one way to the log's stream: whole texts, one after the other, and while it is quiet nothing in them is a command
but what is said here.

What is printed past every guard, such as the last words of a crash or of a library in C, meets a host that does not
listen (https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands).
"""

from __future__ import annotations

import io
import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from runner.ci.commands import command

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import TextIO

PATIENCE_S: Final = 1.0
"""How long a text waits for another to be written. Whoever does not read for so long may never read again, and what
waited is lost rather than the thread that waits: it may be the one that ends the run."""


class Voice(io.TextIOBase):
    """A stream that threads share. The token that has the host listen again is in it and in the log, nowhere else; a
    host forgets it at the end of the step, so a run that is killed while it is quiet leaves nothing to undo."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        # A finalizer may print while its own thread does.
        self._lock = threading.RLock()
        self._token: str | None = None

    def isatty(self) -> bool:
        return self._stream.isatty()

    def write(self, text: str) -> int:
        """Write a text as a whole, or not at all where nobody reads."""
        with self._turn() as mine:
            if mine:
                self._write(text)
        return len(text)

    def say(self, commands: Sequence[str]) -> None:
        """Tell the host workflow commands, each a line. While it is quiet it listens to them alone."""
        with self._turn() as mine:
            if mine and commands:
                before, behind = self._woken(), ([self._hushed()] if self._token else [])
                self._write("\n".join([*before, *commands, *behind]) + "\n")

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """In here the host takes no command but those that we `say`, or until we `speak`."""
        with self._turn() as mine:
            if mine:
                self._write(self._hushed() + "\n")
        try:
            yield
        finally:
            self.speak()

    def speak(self) -> None:
        """Have the host listen again."""
        with self._turn() as mine:
            if mine and self._token:
                self._write("\n".join(self._woken()) + "\n")
                self._token = None

    @contextmanager
    def _turn(self) -> Iterator[bool]:
        """Whether it is this thread's turn."""
        mine = self._lock.acquire(timeout=PATIENCE_S)
        try:
            yield mine
        finally:
            if mine:
                self._lock.release()

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()

    def _hushed(self) -> str:
        """The line that stops commands, by a token that no run has had before."""
        self._token = os.urandom(16).hex()
        return command("stop-commands", self._token)

    def _woken(self) -> list[str]:
        """The lines that end this; the first ends a line that somebody else may have begun."""
        return ["", command(self._token)] if self._token else []
