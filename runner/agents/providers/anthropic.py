"""Anthropic's Messages API, at Anthropic or at any server that speaks it (`host`).

The SDK makes a client for every model. On an HTTP client that is there already it costs next to nothing and has
nothing to close, so that one is what is pooled.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import aclosing
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import anthropic
from strands.models.anthropic import AnthropicModel
from strands.models.model import CacheConfig

from runner.agents.pool import Client
from runner.agents.providers import Provider, clients, inference
from runner.agents.providers.clients import connection_fault, http_fault
from runner.agents.providers.faults import Fault, broke_off

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from strands.types.streaming import StreamEvent

    from runner.agents.providers import Home
    from runner.plan.plan import AgentRecipe

KEY: Final = "ANTHROPIC_API_KEY"
ANTHROPIC: Final = "https://api.anthropic.com"
MAX_TOKENS: Final = 4096
"""The API takes no request without a limit; every model of theirs can write this much."""


async def open_client(address: str, home: Home) -> Client:
    http = clients.client(home.http, events=True)
    client_args = {
        "api_key": home.environ.get(KEY) or "none",
        "base_url": address or ANTHROPIC,  # named, or the client would take it from the environment
        "max_retries": 0,
        "timeout": clients.timeout(home.http),
        "http_client": http,
    }
    return Client(client_args, http.aclose)


def make_model(recipe: AgentRecipe, client: Client) -> AnthropicModel:
    params = inference(recipe.model)
    limit = params.pop("max_tokens", MAX_TOKENS)
    if recipe.output_schema is not None and holds(recipe):
        schema = anthropic.transform_schema(dict(recipe.output_schema))
        params["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
    # What the client has no name for goes into the body as it is.
    extra = {name: params.pop(name) for name in [*params] if name not in _known_parameters()}
    if extra:
        params["extra_body"] = {**extra, **params.get("extra_body", {})}
    config: dict[str, Any] = {"model_id": recipe.model.model_id, "max_tokens": limit, "params": params}
    if recipe.model.prompt_cache:
        config["cache_config"] = CacheConfig(tools_ttl=True)
    return StrictAnthropicModel(client_args=client.raw, **config)


@cache
def _known_parameters() -> frozenset[str]:
    from anthropic.resources.messages import AsyncMessages

    return frozenset(inspect.signature(AsyncMessages.stream).parameters)


# -- output schemas ---------------------------------------------------------------------------------------------------

_HARD: Final = frozenset({"$ref", "$defs", "allOf", "patternProperties"})
_PLAIN: Final = frozenset({"object", "array", "string", "integer", "number", "boolean", "null"})


def holds(recipe: AgentRecipe) -> bool:
    """Whether the API can hold an answer to the agent's schema without making it narrower than it was written.

    It knows objects of named properties only: one of free keys would always be answered `{}`. What `params` say of
    the output goes before.
    """
    return "output_config" not in recipe.model.params and _is_plain(recipe.output_schema)


def _is_plain(schema: Any) -> bool:
    if not isinstance(schema, Mapping) or _HARD & schema.keys():
        return False
    kind, choices = schema.get("type"), schema.get("anyOf", schema.get("oneOf"))
    if choices is None and not (isinstance(kind, str) and kind in _PLAIN):
        return False
    if kind == "object" and (not schema.get("properties") or schema.get("additionalProperties")):
        return False
    return all(_is_plain(part) for part in _parts(schema, choices))


def _parts(schema: Mapping[str, Any], choices: Any) -> Iterator[Any]:
    yield from choices or ()
    yield from schema.get("properties", {}).values()
    if "items" in schema:
        yield schema["items"]


# -- the model --------------------------------------------------------------------------------------------------------


class StrictAnthropicModel(AnthropicModel):
    """The SDK's model ends without a word when the stream does."""

    async def stream(self, *args: Any, **kwargs: Any) -> AsyncGenerator[StreamEvent, None]:
        ended = False
        async with aclosing(super().stream(*args, **kwargs)) as events:
            async for event in events:
                ended = ended or "messageStop" in event
                yield event
        if not ended:
            raise broke_off()


# -- faults -----------------------------------------------------------------------------------------------------------

_THROTTLING: Final = frozenset({"overloaded_error", "rate_limit_error"})
_PASSING: Final = frozenset({"api_error", "timeout_error", *_THROTTLING})


def read_fault(error: BaseException) -> Fault | None:
    match error:
        case anthropic.APIStatusError(status_code=200):  # sent inside a stream that had begun well
            kind, told = _told(error)
            return Fault(f"the provider failed: {told}", transient=kind in _PASSING, throttled=kind in _THROTTLING)
        case anthropic.APIStatusError():
            return Fault(_told(error)[1], error.status_code, headers=error.response.headers)
        case anthropic.APIConnectionError():  # its cause tells more, when there is one
            return connection_fault(error.__cause__, error.message)
        case anthropic.APIError():
            return Fault(error.message)
    return http_fault(error)


def _told(error: anthropic.APIStatusError) -> tuple[str, str]:
    """The kind of an error and the server's own sentence, out of the JSON around them."""
    body: Any = error.body
    inner = body.get("error", body) if isinstance(body, dict) else {}
    inner = inner if isinstance(inner, dict) else {}
    told = inner.get("message")
    return str(inner.get("type")), told if isinstance(told, str) and told else error.message


PROVIDER: Final = Provider(
    address=lambda recipe: recipe.host or "",
    open=open_client,
    model=make_model,
    fault=read_fault,
    native_schema=holds,
    cached_apart=True,
)
