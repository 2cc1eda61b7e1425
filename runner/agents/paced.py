"""The wrapper that is not patient for ever: every wait for the next event of a turn has an end.

It counts parts of the answer and not bytes, so that a server which keeps a connection alive and says nothing does not
keep a step alive. It is inside the recording: a turn that was given up is a fault that plays back.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from runner.agents.wrapped import WrappedModel
from runner.errors import ModelProblem

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    from strands.models.model import Model

    from runner.plan.plan import Timeouts


@runtime_checkable
class Telling(Protocol):
    """A model that keeps parts of an answer to itself for a while, and tells of each that it was sent."""

    def tell(self, came: Callable[[], None]) -> None: ...


class PacedModel(WrappedModel):
    """A model whose turns end when it falls silent. `begin` is called where a turn begins, and gives what cuts off the
    request of one that nobody waits for any more."""

    def __init__(self, inner: Model, timeouts: Timeouts, begin: Callable[[], Callable[[], None]]) -> None:
        super().__init__(inner)
        self._timeouts, self._begin = timeouts, begin

    async def stream(self, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        """The inner model's events. Raises ModelProblem, a transient one, when the next is too long in coming."""
        cut_off, pace = self._begin(), Pace(self._timeouts)
        if isinstance(self._inner, Telling):
            self._inner.tell(pace.came)
        events: Any = self._inner.stream(*args, **kwargs)
        async with aclosing(events):
            try:
                while True:
                    yield await pace.next(events)
            except StopAsyncIteration:
                return
            except (Silence, asyncio.CancelledError, GeneratorExit):
                cut_off()
                raise


class Silence(ModelProblem):
    """Nothing came of a model for too long. What it may have cost, nobody knows."""

    def __init__(self, message: str) -> None:
        super().__init__(message, transient=True, lost=True)


class Pace:
    """The waits of one turn. What the reader of its events does between two of them is not counted."""

    def __init__(self, timeouts: Timeouts) -> None:
        self._timeouts = timeouts
        self._left, self._since = timeouts.first_token_s, 0.0
        self._begun = False
        self._wait: asyncio.Timeout | None = None

    def came(self) -> None:
        """A part of the answer is there, perhaps one that is not told yet: the wait begins anew."""
        self._begun, self._left = True, self._timeouts.between_tokens_s
        self._since = asyncio.get_running_loop().time()
        if self._wait is not None:
            self._wait.reschedule(self._since + self._left)

    async def next(self, events: AsyncIterator[Any]) -> Any:
        """The next event. Raises Silence when it is too late, StopAsyncIteration when there is none."""
        clock = asyncio.get_running_loop().time
        self._since = clock()
        try:
            # Around a single wait: the scope must not reach into whoever reads the events.
            async with asyncio.timeout_at(self._since + self._left) as self._wait:
                event = await anext(events)
        except TimeoutError:
            if self._wait is None or not self._wait.expired():
                raise
            raise self._silence() from None
        finally:
            self._wait = None
        if _of_the_answer(event):
            self.came()
        else:
            self._left -= clock() - self._since
        return event

    def _silence(self) -> Silence:
        if self._begun:
            limit = self._timeouts.between_tokens_s
            return Silence(f"nothing more of the answer within {limit:g} s (timeouts.between_tokens_s)")
        return Silence(f"no first token within {self._timeouts.first_token_s:g} s (timeouts.first_token_s)")


def _of_the_answer(event: Any) -> bool:
    """Whether an event carries something of the answer: text, reasoning, a call of a tool, or that it has ended."""
    if "contentBlockDelta" in event or "messageStop" in event:
        return True
    return "contentBlockStart" in event and "toolUse" in event["contentBlockStart"].get("start", {})
