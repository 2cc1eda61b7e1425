"""The wrapper around every model: asks the ledger before each turn, counts what it cost, looks at how it ended.

It sits at `stream`, the one way to a model that the SDK has, so that sub-agents, summaries and structured-output
retries cannot go round it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runner.agents.wrapped import WrappedModel
from runner.calls.budget import Turn
from runner.errors import BudgetExceeded, ModelProblem
from runner.report.results import Bill, Usage
from runner.tokens import tokens, tokens_sent

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from strands.models.model import Model

    from runner.calls.budget import Ledger
    from runner.calls.call import Tally
    from runner.plan.plan import ModelRecipe
    from runner.tape.reel import Player

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
    """A model under this run's ledger, for one call. `recipe` is who is asked; `capped` makes the same model with fewer
    `max_tokens`. `cached_apart` is its provider's way of counting. There is no bill for what is `played`."""

    def __init__(
        self,
        inner: Model,
        recipe: ModelRecipe,
        ledger: Ledger,
        tally: Tally,
        *,
        capped: Callable[[int], Model] | None = None,
        cached_apart: bool = False,
        played: Player | None = None,
    ) -> None:
        super().__init__(inner)
        self._recipe, self._ledger, self._tally, self._played = recipe, ledger, tally, played
        self._capped = capped or (lambda max_tokens: inner)
        self._cached_apart = cached_apart

    async def stream(self, messages: Any, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        """The inner model's events. Raises BudgetExceeded before the first, or where the budget cut the answer off;
        ModelProblem for an end that is none."""
        if self._tally.turns >= MAX_TURNS:
            raise ModelProblem(f"no answer after {MAX_TURNS} turns of tool calls")
        if self._played is not None:
            self._played.expected()  # what was never let through is not counted
        async with self._ledger.turn(self._turn(messages, *args)) as turn:
            self._tally.turns += 1
            inner = self._inner if turn.granted is None else self._capped(turn.granted)
            reason = None
            try:
                events: Any = inner.stream(messages, *args, **kwargs)
                try:
                    async for event in events:
                        reason = self._heard(event, turn) or reason
                        yield event
                finally:
                    await events.aclose()
            except (asyncio.CancelledError, GeneratorExit):
                turn.begun = True  # it may have been sent
                raise
            except ModelProblem as problem:
                turn.begun = turn.begun or problem.lost
                raise
            finally:
                self._settle(turn)
            if reason == "max_tokens" and turn.granted is not None:
                raise BudgetExceeded(f"the answer was cut off at {turn.granted:,} tokens, all that the budget had left")
            if reason not in _ENDS:
                raise ModelProblem(_REASONS.get(str(reason), f"the model stopped without an answer ({reason})"))

    def _turn(self, messages: Any, tool_specs: Any = None, system_prompt: Any = None, *_: Any) -> Turn:
        """What the turn may cost: the prompt by its bytes, and all of `max_tokens` where it is set."""
        recorded = self._played.waiting if self._played else None
        turn = Turn(recorded.model if recorded else self._recipe.name, recorded=self._played is not None)
        if self._ledger.bounds_turns:
            counted = recorded.usage.input if recorded else 0
            turn.prompt = counted or tokens_sent(messages, tool_specs, system_prompt)
            turn.answer = _allowed(self._inner.get_config())
            turn.thinking = _thinking(self._recipe.params.get("thinking"))
            turn.cached = self._recipe.prompt_cache
        return turn

    def _heard(self, event: Any, turn: Turn) -> str | None:
        """Take down what an event tells of the turn. Returns why it ended, where it did."""
        turn.begun = True
        if "contentBlockDelta" in event:
            if turn.answer is None and self._ledger.bounds_turns:
                turn.heard += tokens(_said(event["contentBlockDelta"].get("delta", {})))
        elif used := event.get("contentBlockStart", {}).get("start", {}).get("toolUse"):
            self._tally.tools.append(used["name"])
        elif counted := event.get("metadata", {}).get("usage"):
            turn.usage = usage(counted, cached_apart=self._cached_apart)
        found: str | None = event.get("messageStop", {}).get("stopReason")
        return found

    def _settle(self, turn: Turn) -> None:
        self._tally.usage += turn.usage
        if self._played is None or not self._played.by_hand:  # what somebody wrote was never sent
            self._tally.uncounted += turn.uncounted
        if turn.begun and self._played is None:
            self._tally.bills.append(Bill(self._recipe.name, turn.usage, self._recipe.host is not None))


def capped(recipe: ModelRecipe, max_tokens: int) -> ModelRecipe:
    """A model that may answer so much and no more, under the name that its limit has: some models take one alone."""
    params = {name: max_tokens if name in _LIMITS else value for name, value in recipe.params.items()}
    named = recipe.max_tokens is None and any(name in params for name in _LIMITS)
    return replace(recipe, max_tokens=None if named else max_tokens, params=params)


def _allowed(config: Any) -> int | None:
    """The limit that a model's answers have by its configuration."""
    found = [part.get(key) for part in (config, config.get("params") or {}) for key in _LIMITS]
    return max((one for one in found if isinstance(one, int) and one > 0), default=None)


def _thinking(asked: Any) -> int:
    """The tokens that Claude may think before it answers: a request whose limit leaves no more is refused."""
    found = asked.get("budget_tokens") if isinstance(asked, Mapping) else None
    return found if isinstance(found, int) else 0


def _said(delta: Any) -> str:
    """The words of a part of an answer."""
    if isinstance(delta, dict):
        return "".join(map(_said, delta.values()))
    return delta if isinstance(delta, str) else ""


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
