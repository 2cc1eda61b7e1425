"""Where everything outside comes in as an argument and everything made inside goes out: environment, arguments, clock,
output, signals, and the way from an error to an exit code."""

from __future__ import annotations

import faulthandler
import gc
import io
import os
import resource
import signal
import sys
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final, NoReturn, TextIO, cast

from runner.errors import RunCancelled, RunnerError
from runner.garbage import WHILE_STARTING
from runner.guard import STOPPING, guard
from runner.inputs import ActionInputs, from_environ

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from runner.door import Door

LAST_S: Final = 30.0
"""How long after its deadline a run is ended where not even a thread of its own can do it."""


def cli() -> NoReturn:
    """The process's own environment, arguments and streams through `main`."""
    guard()
    gc.set_threshold(WHILE_STARTING)
    _no_plugins()
    for number in STOPPING:  # behind `main` there is nothing to stop
        signal.signal(number, lambda *_: None)  # not SIG_IGN, which forgets what has been waiting until now
    with suppress(RuntimeError, OSError):  # without a stderr
        faulthandler.enable()  # the guard asks where a run stands that does not end
    # That ends in an abort, and a core in the workspace would hold every secret.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if not sys.argv[1:] and os.environ.get("GITHUB_ACTIONS") == "true":
        # As the action both are the job's log. Two pipes have no order, in which what stops commands must be first.
        with suppress(OSError):
            os.dup2(2, 1)
    stdout, stderr = cast("TextIO", Patient(sys.stdout)), cast("TextIO", Patient(sys.stderr))
    code = main(sys.argv[1:], os.environ, cwd=Path.cwd(), stdout=stdout, stderr=stderr, last=_last)
    # Everything is written. A thread that still waits for a name to be looked up would hold the exit.
    os._exit(code)


def _no_plugins() -> None:
    """Pydantic would look for some among all packages. Where it may not, it still loads what it would look with: 12 ms,
    a twentieth of what a check of a thousand tasks takes. So here is in its place what finds none."""
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    loader = ModuleType("pydantic.plugin._loader")
    loader.__dict__["get_plugins"] = tuple
    sys.modules.setdefault(loader.__name__, loader)


@contextmanager
def _last(timeout_s: float | None) -> Iterator[None]:
    """The last line of defence: a timer that needs no interpreter ends the process of a run that is far too late."""
    if timeout_s is None or not faulthandler.is_enabled():
        yield
        return
    with suppress(OverflowError):  # more than a timer can count
        faulthandler.dump_traceback_later(timeout_s + LAST_S, exit=True, file=sys.__stderr__ or 2)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def main(
    arguments: Sequence[str],
    environ: Mapping[str, str],
    *,
    cwd: Path,
    stdout: TextIO,
    stderr: TextIO,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    last: Callable[[float | None], AbstractContextManager[object]] = nullcontext,
) -> int:
    """Run once and return the exit code. Never raises an Exception: a bug of ours is told and exits with 70.

    `last` is open while a run has so many seconds, and may end a process that is nobody else's.
    """
    asked = _asked(arguments, environ)
    if isinstance(asked, str):
        stdout.write(asked)
        return 0
    from runner.door import opened  # who asks for help waits for nothing else

    door = opened(environ, cwd, stdout, stderr, now, last, os._exit, os.environ.__setitem__)
    with door.log.taking_over():
        return _served(door, asked)


def _served(door: Door, asked: ActionInputs | Exception) -> int:
    """Do what is asked, or say why not."""
    inputs = asked if isinstance(asked, ActionInputs) else ActionInputs()
    door.log.debug = inputs.debug or (inputs is asked and door.host.debugging)
    try:
        with door.stop.catching():
            from runner.modes import serve

            if isinstance(asked, Exception):
                raise asked
            return serve(door, inputs)
    except RunnerError as error:
        return door.refuse(error, inputs)
    except KeyboardInterrupt:
        return door.refuse(RunCancelled("asked to stop before the run began"), inputs)
    except Exception as error:
        import traceback

        for line in door.scrub(traceback.format_exc()).splitlines():
            door.log.line("ERROR", line)
        told = f"a bug of ours: {type(error).__name__}: {error}; please report the lines above"
        return door.refuse(RunnerError(told), inputs)


def _asked(arguments: Sequence[str], environ: Mapping[str, str]) -> ActionInputs | str | Exception:
    """What is to be done, or what to print where nothing is, or why neither: it is told where there is a log."""
    try:
        if not arguments:
            return from_environ(environ)
        from runner.arguments import from_arguments

        return from_arguments(arguments)
    except Exception as problem:
        return problem


class Patient(io.TextIOBase):
    """A stream that nobody may read any more, or that cannot encode what a model says: no run is lost by it."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")

    def isatty(self) -> bool:
        return self._stream is not None and self._stream.isatty()

    def write(self, text: str) -> int:
        self._try(lambda stream: stream.write(text))
        self.flush()
        return len(text)

    def flush(self) -> None:
        self._try(lambda stream: stream.flush())

    def _try(self, work: Callable[[TextIO], object]) -> None:
        if self._stream is None:
            return
        try:
            work(self._stream)
        except (OSError, ValueError):
            # What is left in its buffer would be tried again at exit, and fail there.
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
            self._stream = None
