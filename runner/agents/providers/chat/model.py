"""The SDK's model of one service: one request for each turn, its answer told as it comes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any, Final

from strands.models.model import Model

from runner.agents.aio import aiohttp
from runner.agents.providers.chat.request import asked, encoded
from runner.agents.providers.chat.service import fit
from runner.agents.providers.chat.stream import Answer, Events
from runner.agents.providers.http import NOT_UTF8, PATIENCE_S
from runner.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from strands.types.streaming import StreamEvent

    from runner.agents.providers.chat.service import Service

LONGEST_ANSWER: Final = 2**27
"""Bytes of a stream, unpacked. The longest answers of models are a tenth of it; a server that never ends, or a few
kilobytes that unpack to gigabytes, would take all memory in seconds."""

_ASIDE: Final = ("extra_body", "extra_headers", "extra_query")


class ChatModel(Model):
    """`params` go into the body as they are. Three of them are OpenAI's own client's words for what goes elsewhere:
    `extra_body` goes before everything else in the body, `extra_headers` and `extra_query` go into the request.

    Raises UsageError for what nothing can be made of.
    """

    def __init__(self, service: Service, model_id: str, params: Mapping[str, Any]) -> None:
        aside = {name: _mapping(name, params[name]) for name in _ASIDE if name in params}
        given = {name: value for name, value in params.items() if name not in _ASIDE}
        self._service, self._config = service, {"model_id": model_id, "params": given}
        self._fixed = {"model": model_id, "stream": True, "stream_options": {"include_usage": True}, **given}
        self._fixed |= aside.get("extra_body", {})
        self._url, self._headers = service.address(model_id), service.headers
        if query := aside.get("extra_query"):
            self._url = self._url.update_query({name: _plain(value) for name, value in query.items()})
        if headers := aside.get("extra_headers"):
            self._headers = self._headers.copy()
            self._headers.update(fit({name: str(_plain(value)) for name, value in headers.items()}))
        self._came: Callable[[], None] = lambda: None

    def tell(self, came: Callable[[], None]) -> None:
        """Call this for every piece of a tool's call, from now on: they are kept until the last is there."""
        self._came = came

    async def stream(
        self,
        messages: Any,
        tool_specs: Any = None,
        system_prompt: str | None = None,
        *,
        tool_choice: Any = None,
        **kwargs: Any,
    ) -> AsyncGenerator[StreamEvent, None]:
        """The events of one turn. Raises Failed for what is no answer, ContextWindowOverflowException for a prompt
        that does not fit, ModelProblem for an answer that breaks off; what cannot be read is Python's own error."""
        content = encoded({**asked(messages, system_prompt, tool_specs, tool_choice), **self._fixed})
        try:
            response = await self._service.ask(self._url, self._headers, content)
            try:
                async with aclosing(self._told(response.content)) as told:
                    async for event in told:
                        yield event
            finally:
                response.close()  # which cuts off an answer that has not ended, so that nobody goes on with it
        except UnicodeDecodeError:
            raise self._service.unreadable(NOT_UTF8) from None
        except (aiohttp.ClientError, OSError) as error:
            raise self._service.lost(error) from error

    async def _told(self, content: aiohttp.StreamReader) -> AsyncGenerator[StreamEvent, None]:
        yield {"messageStart": {"role": "assistant"}}
        events, answer, length = Events(), Answer(self._came), 0
        async for chunk in content.iter_any():
            length += len(chunk)
            if length > LONGEST_ANSWER:
                raise self._service.unreadable(f"more than {LONGEST_ANSWER:,} bytes as one answer")
            for event in answer.told(map(json.loads, events.read(chunk))):
                yield event
            if events.are_over:
                break
        for event in answer.usage():
            yield event
        await _drained(content)

    def get_config(self) -> dict[str, Any]:
        return self._config

    def update_config(self, **model_config: Any) -> None:
        raise AssertionError("a model is made anew for every call")

    def structured_output(self, *args: Any, **kwargs: Any) -> Any:
        raise AssertionError("deprecated in the SDK; answers are held to a schema by response_format")


async def _drained(content: aiohttp.StreamReader) -> None:
    """Read what comes behind the end, or the connection could not be used again."""
    if not content.at_eof():
        with suppress(TimeoutError, aiohttp.ClientError):
            async with asyncio.timeout(PATIENCE_S):
                async for _ in content.iter_any():
                    pass


def _mapping(name: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise UsageError(f"params.{name} is not a mapping of names to values")
    return value


def _plain(value: Any) -> Any:
    """A value as JSON writes it, where it is no text or number by itself; a list stays one."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return json.dumps(value) if isinstance(value, bool | dict | None) else value
