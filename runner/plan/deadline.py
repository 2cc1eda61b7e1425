"""An end to work that gives no control back: it keeps the event loop busy, so no timeout of the loop's would stop it.

A signal does, between two steps of Python and inside a search of `re`. It reaches the main thread only, which is where
runs are; in another thread the work goes on to its own end.
"""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")

AGAIN_S: Final = 0.05
"""The bell rings until it is heard: Python drops what is raised while it collects garbage."""

_armed = False


class _Bell(BaseException):
    """Not an Exception, so that nothing on the way takes it for a failure of its own."""


def bounded(
    seconds: float, late: Callable[[], Exception], work: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> T:
    """What the work returns. Raises what `late` makes when it takes longer than so many seconds of the wall clock.

    Within such work another one has the time that is left of the outer one's.
    """
    global _armed  # noqa: PLW0603 - a process has one alarm
    if _armed or threading.current_thread() is not threading.main_thread():
        return work(*args, **kwargs)
    handler = signal.signal(signal.SIGALRM, _ring)
    timer = signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN_S)
    try:
        try:
            _armed = True
            return work(*args, **kwargs)
        finally:
            _armed = False
    except _Bell:
        raise late() from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, handler)


def _ring(*_: Any) -> None:
    if _armed:
        raise _Bell
