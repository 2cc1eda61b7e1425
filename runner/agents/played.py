"""A recording in a model's place: its turns, one after the other, under a real agent. No provider is imported, no tool
does anything."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from strands.models.model import Model
from strands.tools.tools import PythonAgentTool
from strands.types.session import decode_bytes_values

from runner.agents.folding import broken_off, unfold
from runner.agents.wrapped import WrappedModel
from runner.errors import ModelProblem

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from runner.plan.plan import ModelRecipe
    from runner.report.results import Usage
    from runner.tape.reel import Player


class PlayedModel(Model):
    """Answers with the next turn of a player; the SDK sees a model that streams."""

    def __init__(self, recipe: ModelRecipe, player: Player) -> None:
        self._recipe, self._player = recipe, player

    def get_config(self) -> Any:
        """What the ledger and the SDK's spans ask a model for."""
        recipe = self._recipe
        return {"model_id": recipe.model_id, "max_tokens": recipe.max_tokens, "params": dict(recipe.params)}

    def update_config(self, **model_config: Any) -> None:
        raise AssertionError("a recording does not change")

    def structured_output(self, *args: Any, **kwargs: Any) -> Any:
        raise AssertionError("deprecated in the SDK; a second way to a model, which nothing here takes")

    async def stream(self, messages: Any, *_: Any, **__: Any) -> AsyncGenerator[Any, None]:
        """The events of the next turn. Raises what was raised when it was recorded, and RecordingProblem where there is
        no such turn."""
        turn = self._player.turn(messages)
        counted = _counted(turn.usage)
        if (fault := turn.fault) is None:
            for event in unfold(turn.content, turn.stop or "", counted):
                yield event
            return
        if turn.content or turn.usage.total:  # an answer that broke off has cost something
            for event in broken_off(turn.content, counted if turn.usage.total else None):
                yield event
        raise ModelProblem(
            fault.message,
            transient=fault.transient,
            used_up=fault.used_up,
            retry_after=fault.retry_after,
            lost=fault.lost,
        )


class PlayedSummaries(WrappedModel):
    """The place of `compacting` in a replay: when a summary was written is not found out again but known."""

    def __init__(self, inner: Model, summariser: Model, player: Player) -> None:
        super().__init__(inner)
        self._summariser, self._player = summariser, player

    async def stream(self, messages: Any, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        """The inner model's events, behind the summaries that were written before them."""
        while (turn := self._player.waiting) is not None and turn.purpose == "summary":
            with suppress(ModelProblem):  # the conversation went on without it
                async for _ in self._summariser.stream(messages):
                    pass
        async for event in self._inner.stream(messages, *args, **kwargs):
            yield event


def played_tools(player: Player) -> Iterator[PythonAgentTool]:
    """The tools of a recording: each gives what it gave."""
    for name in player.tools:
        spec: Any = {"name": name, "description": name, "inputSchema": {"json": {"type": "object", "properties": {}}}}
        yield PythonAgentTool(name, spec, _serving(player, name))


def _serving(player: Player, name: str) -> Any:
    async def serve(tool_use: Any, **_: Any) -> Any:
        found = player.result(name, tool_use["input"])
        content = decode_bytes_values([*found.content])
        return {"toolUseId": tool_use["toolUseId"], "status": found.status, "content": content}

    return serve


def _counted(usage: Usage) -> dict[str, int]:
    """Usage in the SDK's terms, with everything that was sent among the input."""
    cached = {"cacheReadInputTokens": usage.cache_read, "cacheWriteInputTokens": usage.cache_write}
    counted = {"inputTokens": usage.input, "outputTokens": usage.output, "totalTokens": usage.total}
    return counted | {name: count for name, count in cached.items() if count}
