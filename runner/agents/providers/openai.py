"""OpenAI, and every server that speaks its chat completions (`host` is then the base URL, such as …/v1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import httpx
import openai
from strands.models.openai import OpenAIModel

from runner.agents.pool import Client
from runner.agents.providers import Provider, inference
from runner.agents.providers.faults import Fault
from runner.agents.providers.http import TIMEOUT, http_fault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.agents.providers import Home
    from runner.plan.plan import AgentRecipe

KEY: Final = "OPENAI_API_KEY"


async def open_client(address: str, home: Home) -> Client:
    return compatible_client(address or None, home.environ.get(KEY) or "none", home)


def compatible_client(base_url: str | None, key: str, home: Home, headers: Mapping[str, str] | None = None) -> Client:
    """A client on the run's transport that makes no retries of its own."""
    client = openai.AsyncOpenAI(
        api_key=key,
        base_url=base_url,
        max_retries=0,
        timeout=TIMEOUT,
        default_headers=headers,
        http_client=httpx.AsyncClient(transport=home.http.shared, timeout=TIMEOUT, follow_redirects=False),
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
    return OpenAIModel(client=client.raw, model_id=recipe.model.model_id, params=params)


def read_fault(error: BaseException) -> Fault | None:
    match error:
        case openai.APIStatusError():
            return Fault(error.message, error.status_code, headers=error.response.headers)
        case openai.APIConnectionError():  # its cause tells more, when there is one
            return http_fault(error.__cause__) if error.__cause__ else Fault(error.message, lost=True)
        case openai.APIError():
            return Fault(error.message, status=500 if _is_server_error(error) else 400)
    return http_fault(error)


def _is_server_error(error: openai.APIError) -> bool:
    """An error sent inside a stream that had begun well carries no HTTP status."""
    return "server" in f"{error.type} {error.code}"


PROVIDER: Final = Provider(
    address=lambda recipe: recipe.host or "",
    open=open_client,
    model=make_model,
    fault=read_fault,
)
