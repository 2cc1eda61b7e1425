"""The wrapper around every model: asks the ledger before each turn, counts what it cost, looks at how it ended.

It sits at `stream`, the one way to a model that the SDK has, so that sub-agents, summaries and structured-output
retries cannot go round it.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from strands.models.model import Model

from runner.agents.wrapped import WrappedModel
from runner.errors import ModelProblem
from runner.report.results import Bill, Usage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from runner.calls.budget import Ledger
    from runner.calls.call import Tally
    from runner.plan.plan import ModelRecipe

MAX_TURNS = 50
"""Model turns of one call: far above what a task takes, and an end to a model that calls tools for ever."""

_LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
_ENDS = frozenset({"end_turn", "stop_sequence", "tool_use"})
_REASONS = {
    "max_tokens": "the answer was cut off at max_tokens; raise it or ask for less",
    "content_filtered": "the provider's content filter withheld the answer",
    "guardrail_intervened": "the provider's guardrail withheld the answer",
    "refusal": "the model refused to answer",
    "model_context_window_exceeded": "the prompt does not fit into the model's context window",
}


class MeteredModel(WrappedModel):
    """A model under this run's ledger, for one call. `billed` is whose turns are paid for, None where a recording
    plays; `cached_apart` is its provider's way of counting."""

    def __init__(
        self, inner: Model, ledger: Ledger, tally: Tally, billed: ModelRecipe | None, *, cached_apart: bool
    ) -> None:
        super().__init__(inner)
        self._ledger, self._tally, self._billed, self._cached_apart = ledger, tally, billed, cached_apart

    async def stream(self, messages: Any, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        """The inner model's events. Raises BudgetExceeded before the first, ModelProblem for an end that is none."""
        async with self._ledger.turn(await self._estimate(messages, *args)) as turn:
            if self._tally.turns >= MAX_TURNS:
                raise ModelProblem(f"no answer after {MAX_TURNS} turns of tool calls")
            self._tally.turns += 1
            reason = None
            try:
                events: Any = self._inner.stream(messages, *args, **kwargs)
                async with aclosing(events):
                    async for event in events:
                        turn.begun = True
                        reason = event.get("messageStop", {}).get("stopReason", reason)
                        if used := event.get("contentBlockStart", {}).get("start", {}).get("toolUse"):
                            self._tally.tools.append(used["name"])
                        if counted := event.get("metadata", {}).get("usage"):
                            turn.usage = usage(counted, cached_apart=self._cached_apart)
                        yield event
            finally:
                self._tally.usage += turn.usage
                if turn.begun and self._billed is not None:
                    self._tally.bills.append(Bill(self._billed.name, turn.usage, self._billed.host is not None))
            if reason not in _ENDS:
                raise ModelProblem(_REASONS.get(str(reason), f"the model stopped without an answer ({reason})"))

    async def _estimate(self, messages: Any, tool_specs: Any = None, system_prompt: Any = None, *_: Any) -> int:
        """What the turn may cost: the prompt by the SDK's heuristic, and all of `max_tokens` where it is set."""
        prompt = await Model.count_tokens(self, messages, tool_specs, system_prompt)
        config = self._inner.get_config()
        limits = [config, config.get("params") or {}]
        allowed = [part[key] for part in limits for key in _LIMITS if part.get(key)]
        return prompt + max(allowed, default=0)


def usage(counted: Any, *, cached_apart: bool) -> Usage:
    """A provider's count in our terms: all that was sent is input, whether its provider counts cached tokens `apart`
    from the others or among them."""
    read, written = counted.get("cacheReadInputTokens", 0), counted.get("cacheWriteInputTokens", 0)
    return Usage(
        input=counted.get("inputTokens", 0) + (read + written if cached_apart else 0),
        output=counted.get("outputTokens", 0),
        cache_read=read,
        cache_write=written,
    )
