"""The wrapper that is not patient for ever: every wait for the next event of a turn has an end.

It counts parts of the answer and not bytes, so that a server which keeps a connection alive and says nothing does not
keep a step alive. It is inside the recording: a turn that was given up is a fault that plays back.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from runner.agents.wrapped import WrappedModel
from runner.errors import ModelProblem

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    from strands.models.model import Model

    from runner.plan.plan import Timeouts


class PacedModel(WrappedModel):
    """A model whose turns end when it falls silent. `begin` is called where a turn begins, and gives what cuts off the
    request of one that nobody waits for any more. A model that keeps parts of an answer to itself for a while has a
    `tell`, and calls what that is given for each part that it was sent."""

    def __init__(self, inner: Model, timeouts: Timeouts, begin: Callable[[], Callable[[], None]]) -> None:
        super().__init__(inner)
        self._timeouts, self._begin = timeouts, begin

    async def stream(self, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        """The inner model's events. Raises ModelProblem, a transient one, when the next is too long in coming."""
        cut_off, pace = self._begin(), Pace(self._timeouts)
        if (tell := getattr(self._inner, "tell", None)) is not None:
            tell(pace.came)
        events: Any = self._inner.stream(*args, **kwargs)
        try:
            while True:
                yield await pace.next(events)
        except StopAsyncIteration:
            return
        except (Silence, asyncio.CancelledError, GeneratorExit):
            cut_off()
            raise
        finally:
            pace.end()
            await events.aclose()


class Silence(ModelProblem):
    """Nothing came of a model for too long. What it may have cost, nobody knows."""

    def __init__(self, message: str) -> None:
        super().__init__(message, transient=True, lost=True)


class Pace:
    """The waits of one turn. What the reader of its events does between two of them is not counted.

    There is one bell for all of them, which rings too early rather than too late, looks, and is set anew: an
    `asyncio.timeout` for every wait costs as much as half of what the SDK does in a turn.
    """

    def __init__(self, timeouts: Timeouts) -> None:
        self._timeouts, self._loop = timeouts, asyncio.get_running_loop()
        self._left, self._since = timeouts.first_token_s, 0.0
        self._begun = self._rang = False
        self._waiting: asyncio.Task[Any] | None = None
        self._bell: asyncio.TimerHandle | None = None

    def came(self) -> None:
        """A part of the answer is there, perhaps one that is not told yet: the wait begins anew."""
        self._begun, self._left = True, self._timeouts.between_tokens_s
        self._since = self._loop.time()

    async def next(self, events: AsyncIterator[Any]) -> Any:
        """The next event. Raises Silence when it is too late, StopAsyncIteration when there is none."""
        self._since = self._loop.time()
        self._waiting = task = asyncio.current_task()
        assert task is not None, "an event is awaited by a task"
        cancelled_before, self._rang = task.cancelling(), False
        if self._bell is None:
            self._set()
        try:
            event = await anext(events)
        except asyncio.CancelledError:
            if self._rang and task.cancelling() - 1 <= cancelled_before:  # or somebody else cancels it as well
                raise self._silence() from None
            raise
        finally:
            self._waiting = None
            if self._rang:  # whatever the model made of it, or a scope around would take itself for cancelled
                task.uncancel()
        if _of_the_answer(event):
            self.came()
        else:
            self._left -= self._loop.time() - self._since
        return event

    def end(self) -> None:
        """Nothing is waited for any more."""
        if self._bell is not None:
            self._bell.cancel()

    def _set(self) -> None:
        soonest = min(self._since + self._left, self._loop.time() + self._timeouts.between_tokens_s)
        self._bell = self._loop.call_at(soonest, self._ring)

    def _ring(self) -> None:
        self._bell = None
        if self._waiting is None:
            return  # the reader is at work; the next wait sets it
        if self._loop.time() < self._since + self._left:
            self._set()
            return
        self._rang = True
        self._waiting.cancel()

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
