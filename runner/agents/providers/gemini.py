"""Google's Gemini API, with a key.

The SDK's model looks at the last part of a stream only, and takes whatever came before its end for an answer. The
client it is given here keeps how the answer ended, so that the model can be strict about it.
"""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, cast

import httpx
import pydantic
from google import genai
from google.genai import errors, types
from strands.models.gemini import GeminiModel

from runner.agents.pool import Client
from runner.agents.providers import Provider, clients, inference
from runner.agents.providers.clients import http_fault
from runner.agents.providers.faults import Fault, broke_off, seconds
from runner.errors import ModelProblem
from runner.spec.providers import both_spellings

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from strands.types.streaming import StreamEvent

    from runner.agents.providers import Home
    from runner.plan.plan import AgentRecipe

KEYS: Final = ("GEMINI_API_KEY", "GOOGLE_API_KEY")
GEMINI: Final = "https://generativelanguage.googleapis.com"


async def open_client(address: str, home: Home) -> Client:
    key = next((home.environ[name] for name in KEYS if home.environ.get(name)), "none")
    http = clients.client(home.http)

    async def with_timeout(request: httpx.Request) -> None:
        """Their client asks for no time limit at all, or for one over everything, which a server is told of as well."""
        request.extensions["timeout"] = clients.timeout(home.http).as_dict()

    http.event_hooks = {"request": [with_timeout]}
    client = await asyncio.to_thread(_connected, address or GEMINI, key, http, home)

    async def close() -> None:
        await client.aio.aclose()
        client.close()
        await http.aclose()

    return Client(client, close)


def _connected(address: str, key: str, http: httpx.AsyncClient, home: Home) -> genai.Client:
    # All named, or the client would take it from the environment.
    return genai.Client(
        api_key=key,
        vertexai=False,
        debug_config=genai.client.DebugConfig(client_mode=None, replays_directory=None, replay_id=None),
        http_options=types.HttpOptions(
            base_url=address,
            httpx_async_client=http,
            client_args={"verify": home.http.tls},  # of the synchronous client, which nothing here uses
        ),
    )


def make_model(recipe: AgentRecipe, client: Client) -> GeminiModel:
    params = inference(recipe.model, max_tokens="max_output_tokens")
    if recipe.output_schema is not None and holds(recipe):
        params |= {"response_mime_type": "application/json", "response_json_schema": dict(recipe.output_schema)}
    # Their client would ask again by itself; a turn is one request, or the ledger would not see it.
    params |= {"automatic_function_calling": {"disable": True}, "automatic_continuation": False}
    return StrictGeminiModel(client.raw, recipe.model.model_id, params)


def holds(recipe: AgentRecipe) -> bool:
    """Most of their models take a schema or tools, not both. What `params` say of the answer's form goes before."""
    return not recipe.tools and not _FORM & recipe.model.params.keys()


_FORM: Final = both_spellings("response_mime_type response_schema response_json_schema")


# -- the model --------------------------------------------------------------------------------------------------------

_CUT_OFF: Final = types.FinishReason.MAX_TOKENS
_WITHHELD: Final = frozenset(
    "SAFETY RECITATION LANGUAGE BLOCKLIST PROHIBITED_CONTENT SPII IMAGE_SAFETY IMAGE_PROHIBITED_CONTENT".split()
)


class _Watched:
    """A client of which the SDK's model sees what it needs; remembers how the last answer ended."""

    vertexai = False

    def __init__(self, client: genai.Client) -> None:
        self._models = client.aio.models
        self.aio = SimpleNamespace(models=self)
        self.finish: types.FinishReason | None = None
        self.blocked: str | None = None

    async def generate_content_stream(self, **request: Any) -> AsyncIterator[types.GenerateContentResponse]:
        self.finish = self.blocked = None
        return self._noting(await self._models.generate_content_stream(**request))

    async def _noting(
        self, parts: AsyncIterator[types.GenerateContentResponse]
    ) -> AsyncIterator[types.GenerateContentResponse]:
        async for part in parts:
            for candidate in part.candidates or ():
                self.finish = candidate.finish_reason or self.finish
            if part.prompt_feedback is not None and part.prompt_feedback.block_reason is not None:
                self.blocked = part.prompt_feedback.block_reason.name
            yield part


class StrictGeminiModel(GeminiModel):
    """The SDK's model takes an answer that broke off, was cut off or was withheld for a whole one."""

    def __init__(self, client: genai.Client, model_id: str, params: dict[str, Any]) -> None:
        self._watched = _Watched(client)
        super().__init__(client=cast("genai.Client", self._watched), model_id=model_id, params=params)

    async def stream(self, *args: Any, **kwargs: Any) -> AsyncGenerator[StreamEvent, None]:
        async for event in super().stream(*args, **kwargs):
            if "messageStop" in event:
                self._check_end()
            if "messageStop" in event and self._watched.finish == _CUT_OFF:
                yield {"messageStop": {"stopReason": "max_tokens"}}
            else:
                yield event

    def _check_end(self) -> None:
        finish = self._watched.finish
        if self._watched.blocked is not None:
            raise ModelProblem(f"the provider blocked the prompt (blockReason: {self._watched.blocked})")
        if finish is None:
            raise broke_off()
        if finish.name in _WITHHELD:
            raise ModelProblem(f"the provider withheld the answer (finishReason: {finish.name})")
        if finish not in (types.FinishReason.STOP, _CUT_OFF):
            raise ModelProblem(f"the answer broke off (finishReason: {finish.name})")


# -- faults -----------------------------------------------------------------------------------------------------------


def read_fault(error: BaseException) -> Fault | None:
    match error:
        case errors.APIError():
            told, headers = error.message or str(error), getattr(error.response, "headers", {})
            # A key that is none is a bad request there: https://ai.google.dev/gemini-api/docs/troubleshooting
            wrong_key = error.code == 401 or "API key not valid" in told
            wait, day = _quota(error.details)
            return Fault(told, error.code, headers=headers, retry_after=wait, used_up=day, unauthorized=wrong_key)
        case errors.UnknownApiResponseError():  # its message repeats what the model said
            return Fault("the stream broke off, or is no answer: a part of it is not JSON", transient=True, lost=True)
        case pydantic.ValidationError(title="GenerateContentConfig"):
            wrong = error.errors()[0]
            return Fault(f"params do not fit: {'.'.join(map(str, wrong['loc']))}: {wrong['msg']}")
    return http_fault(error)


def _quota(body: Any) -> tuple[float | None, bool]:
    """When to come back, in seconds, and whether it is a day's quota that is used up: both stand in the body alone.
    A day's quota asks to come back soon as well. https://ai.google.dev/gemini-api/docs/rate-limits"""
    error = body.get("error", body) if isinstance(body, dict) else None
    found = error.get("details") if isinstance(error, dict) else None
    details = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    delays = [str(one["retryDelay"]) for one in details if "retryDelay" in one]
    violations = [str(one.get("violations")) for one in details if str(one.get("@type")).endswith("QuotaFailure")]
    return seconds(delays[0].removesuffix("s")) if delays else None, any("PerDay" in one for one in violations)


PROVIDER: Final = Provider(
    address=lambda recipe: recipe.host or "",
    open=open_client,
    model=make_model,
    fault=read_fault,
    native_schema=holds,
)
