"""OpenAI, and every server that speaks its chat completions (`host` is then the base URL, such as …/v1)."""

from __future__ import annotations

import inspect
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, cast

import openai
from strands.models.openai import OpenAIModel

from runner.agents.pool import Client
from runner.agents.providers import Provider, inference
from runner.agents.providers.faults import Fault, broke_off
from runner.agents.providers.http import connection_fault, http_fault
from runner.errors import ModelProblem

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from strands.types.streaming import StreamEvent

    from runner.agents.providers import Home
    from runner.plan.plan import AgentRecipe

KEY: Final = "OPENAI_API_KEY"
OPENAI: Final = "https://api.openai.com/v1"


async def open_client(address: str, home: Home) -> Client:
    return compatible_client(address or None, home.environ.get(KEY) or "none", home)


def compatible_client(base_url: str | None, key: str, home: Home, headers: Mapping[str, str] | None = None) -> Client:
    """A client on the run's transport that makes no retries of its own."""
    client = openai.AsyncOpenAI(
        api_key=key,
        base_url=base_url or OPENAI,  # named, or the client would take it from the environment
        max_retries=0,
        timeout=home.http.timeout,
        default_headers=headers,
        http_client=home.http.client(events=True),
    )
    return Client(client, client.close)


def make_model(recipe: AgentRecipe, client: Client) -> OpenAIModel:
    # OpenAI's own models take max_completion_tokens; servers that only speak its protocol know the older name.
    limit = "max_tokens" if recipe.model.host else "max_completion_tokens"
    return compatible_model(recipe, client, limit)


def compatible_model(recipe: AgentRecipe, client: Client, limit: str) -> OpenAIModel:
    params: dict[str, Any] = inference(recipe.model, max_tokens=limit)
    if recipe.output_schema is not None:
        schema = {"name": "answer", "schema": dict(recipe.output_schema)}
        params.setdefault("response_format", {"type": "json_schema", "json_schema": schema})
    # What the client has no name for, such as a server's own sampling parameters, goes into the body as it is.
    extra = {name: params.pop(name) for name in [*params] if name not in _known_parameters()}
    if extra:
        params["extra_body"] = {**extra, **params.get("extra_body", {})}
    return StrictOpenAIModel(client=client.raw, model_id=recipe.model.model_id, params=params)


@cache
def _known_parameters() -> frozenset[str]:
    from openai.resources.chat.completions import AsyncCompletions

    return frozenset(inspect.signature(AsyncCompletions.create).parameters)


_ENDS: Final = frozenset({"stop", "length", "tool_calls", "content_filter", "eos_token", "stop_sequence"})
_NO_REASON: Final = "end_turn"  # what the SDK puts in the place of a reason that never came


class _Watched:
    """A client of which the SDK's model sees what it needs; tells of every piece of a tool's call that comes, for the
    model keeps all of them until the last."""

    def __init__(self, client: openai.AsyncOpenAI) -> None:
        self._completions = client.chat.completions
        self.came: Callable[[], None] = lambda: None
        self.chat = SimpleNamespace(completions=self)

    async def create(self, **request: Any) -> AsyncIterator[Any]:
        return self._noting(await self._completions.create(**request))

    async def _noting(self, chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for chunk in chunks:
            choices = getattr(chunk, "choices", None)  # some servers send parts of their own in between
            if choices and getattr(choices[0].delta, "tool_calls", None):
                self.came()
            yield chunk


class StrictOpenAIModel(OpenAIModel):
    """The SDK's model takes an answer that broke off, or ended for a reason it does not know, for a whole one."""

    def __init__(self, client: openai.AsyncOpenAI, **config: Any) -> None:
        self._watched = _Watched(client)
        super().__init__(client=cast("Any", self._watched), **config)

    def tell(self, came: Callable[[], None]) -> None:
        """Call this for every piece of a tool's call, from now on."""
        self._watched.came = came

    def format_chunk(self, event: dict[str, Any], **kwargs: Any) -> StreamEvent:
        if event["chunk_type"] == "message_stop" and event["data"] not in _ENDS:
            if event["data"] == _NO_REASON:
                raise broke_off()
            raise ModelProblem(f"the answer broke off (finish_reason: {event['data']})")
        return super().format_chunk(event, **kwargs)


def read_fault(error: BaseException) -> Fault | None:
    match error:
        case openai.APIStatusError():
            # A quota that is used up is a 429, like throttling.
            used_up = error.code == "insufficient_quota"
            return Fault(_told(error), error.status_code, headers=error.response.headers, used_up=used_up)
        case openai.APIConnectionError():  # its cause tells more, when there is one
            return connection_fault(error.__cause__, error.message)
        case openai.APIError():  # sent inside a stream that had begun well, so without a status
            words = f"{error.type} {error.code} {_told(error)}".lower()
            passing, throttled = (any(word in words for word in some) for some in (_PASSING, _THROTTLING))
            return Fault(f"the provider failed: {_told(error)}", transient=passing, throttled=throttled)
    return http_fault(error)


_THROTTLING: Final = ("rate_limit", "overloaded", "429", "529")
_PASSING: Final = ("server", "unavailable", "timeout", "500", "502", "503", *_THROTTLING)


def _told(error: openai.APIError) -> str:
    """The server's own sentence, out of the JSON around it."""
    body = error.body
    inner = body.get("error", body) if isinstance(body, dict) else None
    told = inner.get("message") if isinstance(inner, dict) else inner
    return told if isinstance(told, str) and told else error.message


PROVIDER: Final = Provider(
    address=lambda recipe: recipe.host or "",
    open=open_client,
    model=make_model,
    fault=read_fault,
)
