"""The wrapper that takes personal data out of everything a model is sent: prompts, messages, arguments and results of
tools. What comes back is redacted where it becomes a step's answer, in `runner.calls.redacted`.

It sits at `stream` like the ledger's wrapper, so that summaries and later turns cannot go round it.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from functools import cache
from typing import TYPE_CHECKING, Any

from runner.agents.wrapped import WrappedModel
from runner.plan.pii import redact, redact_data

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from strands.models.model import Model


class RedactingModel(WrappedModel):
    """A model that is never told what `runner.plan.pii` finds. What it is handed is left as it is."""

    def __init__(self, inner: Model) -> None:
        super().__init__(inner)
        self._redact = cache(redact)  # every turn sends all that was said before

    async def stream(
        self, messages: Any, tool_specs: Any = None, system_prompt: Any = None, **kwargs: Any
    ) -> AsyncGenerator[Any, None]:
        """The inner model's events, of a conversation without personal data."""
        if blocks := kwargs.get("system_prompt_content"):
            kwargs["system_prompt_content"] = [self._block(block) for block in blocks]
        # In a thread: what a tool gave may have been made to take long.
        messages = await asyncio.to_thread(self._messages, messages)
        system_prompt = self._redact(system_prompt) if system_prompt else system_prompt
        events: Any = self._inner.stream(messages, _descriptions(tool_specs), system_prompt, **kwargs)
        async with aclosing(events):
            async for event in events:
                yield event

    def _messages(self, messages: Any) -> Any:
        return [{**one, "content": [self._block(block) for block in one["content"]]} for one in messages]

    def _block(self, block: Any) -> Any:
        """A block of content. Ids and names stay, for they tie blocks together; what a model thought is signed."""
        match block:
            case {"text": str(text)}:
                return {**block, "text": self._redact(text)}
            case {"json": data}:
                return {**block, "json": redact_data(data)}
            case {"toolUse": used}:
                return {**block, "toolUse": {**used, "input": redact_data(used["input"])}}
            case {"toolResult": result}:
                return {**block, "toolResult": {**result, "content": [self._block(part) for part in result["content"]]}}
        return block


def _descriptions(value: Any) -> Any:
    """What tools are said to be, by servers of theirs perhaps; the shapes of their arguments are not touched."""
    match value:
        case dict():
            return {
                name: redact(inner) if name == "description" and isinstance(inner, str) else _descriptions(inner)
                for name, inner in value.items()
            }
        case list():
            return [_descriptions(inner) for inner in value]
    return value
