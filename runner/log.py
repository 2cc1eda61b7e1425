"""The log on stderr, and the one function that everything printed there passes.

Elsewhere than on a terminal each line has time and level, as users grep for them; on a terminal a run is shown step by
step instead.
"""

from __future__ import annotations

import io
import logging
import warnings
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import partial
from threading import get_ident
from typing import TYPE_CHECKING, Final, TextIO

from runner.ci.commands import MAX_LINE, printable
from runner.errors import what_to_do

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from runner.report.events import Event
    from runner.report.progress import Level

_COLOUR: Final = {"DEBUG": "\033[2m", "INFO": "", "WARNING": "\033[33m", "ERROR": "\033[31m"}


class Log:
    """Writes guarded lines. `scrub` takes secrets out of a text."""

    def __init__(self, stream: TextIO, now: Callable[[], datetime], scrub: Callable[[str], str]) -> None:
        self.debug = False
        self._stream, self._now, self._scrub = stream, now, scrub
        self._terminal = stream.isatty()

    def line(self, level: Level, text: str) -> None:
        if level == "DEBUG" and not self.debug:
            return
        safe = printable(self._scrub(text))
        if self._terminal:
            self._stream.write(f"{_COLOUR[level]}{safe}\033[0m\n")
        else:
            self._stream.write(f"{self._now():%Y-%m-%dT%H:%M:%SZ} {level} {safe}\n")
        self._stream.flush()

    def help(self, title: str) -> None:
        """Say where it is told what to do about errors with this title."""
        self.line("INFO", f"What to do: {what_to_do(title)}")

    def event(self, event: Event) -> None:
        """Log what a run tells."""
        from runner.report.progress import display, lines  # nothing else waits for what is only said of a run

        told = (display(event) if self._terminal else None) or lines(event)
        for line in told:
            self.line(line.level, line.text)

    @contextmanager
    def taking_over(self) -> Iterator[None]:
        """In here what libraries print, log or warn of goes through here as well, and so does what Python itself says
        of an exception that nobody caught; nothing is printed past the guard."""
        root = logging.getLogger()
        before, level, warn = root.handlers[:], root.level, warnings.showwarning
        root.handlers[:] = [_Handler(self)]
        root.setLevel(logging.WARNING)
        logging.captureWarnings(capture=True)
        printed, complained = _Printed(partial(self.line, "INFO")), _Printed(partial(self.line, "WARNING"))
        try:
            with redirect_stdout(printed), redirect_stderr(complained):
                yield
        finally:
            printed.close()
            complained.close()
            logging.captureWarnings(capture=False)
            root.handlers[:], warnings.showwarning = before, warn
            root.setLevel(level)


class _Printed(io.TextIOBase):
    """A stream of which each line is a line of the log. Threads do not end each other's lines."""

    def __init__(self, line: Callable[[str], object]) -> None:
        self._line = line
        self._begun: dict[int, str] = {}

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *whole, rest = (self._begun.pop(get_ident(), "") + text).split("\n")
        if len(rest) > MAX_LINE:
            whole, rest = [*whole, rest], ""
        elif rest:
            self._begun[get_ident()] = rest
        for line in filter(str.strip, whole):
            self._line(line)
        return len(text)

    def close(self) -> None:
        for rest in list(self._begun.values()):
            self._line(rest)
        self._begun.clear()
        super().close()


class _Handler(logging.Handler):
    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        level: Level = "ERROR" if record.levelno >= logging.ERROR else "WARNING"
        try:
            told = record.getMessage()
        except Exception as error:  # a library that does not log right has done its work all the same
            told = f"{record.msg} ({type(error).__name__}: {error})"
        self._log.line(level, f"{record.name}: {told}")
