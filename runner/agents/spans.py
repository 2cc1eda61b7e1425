"""In a run the SDK's spans are opened below one of ours, and not at all where nobody traces.

The SDK puts every message into JSON for its spans before it asks whether anybody has them: of its own work on a call
that is a quarter.
"""

from __future__ import annotations

from contextvars import ContextVar
from functools import cache, wraps
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.trace import INVALID_SPAN, get_current_span
from strands.telemetry.tracer import get_tracer

if TYPE_CHECKING:
    from collections.abc import Callable

STARTS: Final = ("start_agent_span", "start_event_loop_cycle_span", "start_model_invoke_span", "start_tool_call_span")
ENDS: Final = ("end_agent_span", "end_tool_call_span")
"""Those that ask nothing either."""


_IN_A_RUN: Final = ContextVar("in_a_run", default=False)


def only_below_ours() -> None:
    """From here on, in this context and all that begins in it. Other agents of the process have their spans as ever."""
    _asked_first()
    _IN_A_RUN.set(True)


@cache
def _asked_first() -> None:
    """The process's one tracer of the SDK, made to ask."""
    tracer = get_tracer()
    for name in STARTS:
        setattr(tracer, name, _below_ours(getattr(tracer, name)))
    for name in ENDS:
        setattr(tracer, name, _of_one_that_is(getattr(tracer, name)))


def _below_ours(start: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(start)
    def started(*args: Any, **kwargs: Any) -> Any:
        wanted = get_current_span().is_recording() or not _IN_A_RUN.get()
        return start(*args, **kwargs) if wanted else INVALID_SPAN

    return started


def _of_one_that_is(end: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(end)
    def ended(span: Any, *args: Any, **kwargs: Any) -> None:
        if span.is_recording():
            end(span, *args, **kwargs)

    return ended
