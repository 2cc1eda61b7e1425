"""The wrapper that records: every turn of a model as it went, whole, told to the recorder of its call.

It is the innermost one, so that what is recorded is what the model was told and what it said.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from runner.agents.counted import counted
from runner.agents.folding import fold
from runner.agents.metered import usage
from runner.agents.wrapped import WrappedModel
from runner.errors import ModelProblem
from runner.report.results import Usage
from runner.tape.recording import Fault, ToolUse, Turn

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from strands.models.model import Model

    from runner.errors import RunnerError
    from runner.tape.reel import Recorder


class RecordedModel(WrappedModel):
    """A model whose turns are told to `recorder`; `turn` says what is known of them before they are asked. `explain`
    makes of a provider's exception, and of whether an answer had `begun`, the one that the engine will act on."""

    def __init__(
        self,
        inner: Model,
        recorder: Recorder,
        turn: Turn,
        explain: Callable[..., RunnerError],
        *,
        cached_apart: bool,
    ) -> None:
        super().__init__(inner)
        self._recorder, self._turn, self._explain, self._cached_apart = recorder, turn, explain, cached_apart

    async def stream(
        self, messages: Any, tool_specs: Any = None, system_prompt: Any = None, **kwargs: Any
    ) -> AsyncGenerator[Any, None]:
        """The inner model's events. Raises what the engine is to make of a provider's exception. A turn that was cut
        off by us is not recorded."""
        if self._turn.purpose == "answer":
            self._recorder.asked(messages, tool_specs)
        clock = asyncio.get_running_loop().time
        began, seen = clock(), list[Any]()
        try:
            events: Any = self._inner.stream(messages, tool_specs, system_prompt, **kwargs)
            try:
                async for event in events:
                    seen.append(event := counted(event))
                    yield event
            finally:
                await events.aclose()
        except Exception as error:
            problem = self._explain(error, begun=bool(seen))
            self._recorder.ended(self._whole(seen, began, fault=_fault(problem)))
            raise problem from error
        self._recorder.ended(self._whole(seen, began))

    def _whole(self, events: Sequence[Any], began: float, fault: Fault | None = None) -> Turn:
        content = fold(events)
        stops = [event["messageStop"]["stopReason"] for event in events if "messageStop" in event]
        counts = [event["metadata"]["usage"] for event in events if event.get("metadata", {}).get("usage")]
        uses = [block["toolUse"] for block in content if "toolUse" in block]
        return Turn(
            model=self._turn.model,
            purpose=self._turn.purpose,
            content=content,
            stop=stops[-1] if stops else None,
            tools=tuple(_use(one) for one in uses if "name" in one and "toolUseId" in one),
            fault=fault,
            usage=usage(counts[-1], cached_apart=self._cached_apart) if counts else Usage(),
            latency_ms=round(1000 * (asyncio.get_running_loop().time() - began)),
        )


def _use(used: dict[str, Any]) -> ToolUse:
    # What is no JSON is no arguments either to the SDK.
    given = used["input"] if isinstance(used["input"], dict) else {}
    return ToolUse(used["toolUseId"], used["name"], given)


def _fault(problem: RunnerError) -> Fault:
    if isinstance(problem, ModelProblem):
        used_up = problem.unavailable and not problem.transient
        return Fault(problem.message, problem.transient, used_up, problem.retry_after, problem.lost)
    return Fault(problem.message)
