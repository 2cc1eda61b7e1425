"""OpenAI, and every server that speaks its chat completions (`host` is then the base URL, such as …/v1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from yarl import URL

from runner.agents.pool import Client
from runner.agents.providers import Provider, inference
from runner.agents.providers.chat.faults import read_fault
from runner.agents.providers.chat.model import ChatModel
from runner.agents.providers.chat.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runner.agents.providers import Home
    from runner.plan.plan import AgentRecipe

KEY: Final = "OPENAI_API_KEY"
BILLED: Final = {"OPENAI_ORG_ID": "OpenAI-Organization", "OPENAI_PROJECT_ID": "OpenAI-Project"}
"""Who pays, where a key is of several: https://platform.openai.com/docs/api-reference/authentication"""
OPENAI: Final = "https://api.openai.com/v1"
PATH: Final = "chat/completions"


async def open_client(address: str, home: Home) -> Client:
    billed = {header: home.environ[name] for name, header in BILLED.items() if home.environ.get(name)}
    return compatible_client(address or OPENAI, {**bearer(home.environ.get(KEY)), **billed}, home)


def bearer(key: str | None) -> dict[str, str]:
    """How a key is shown; a server that wants none is shown one as well."""
    return {"Authorization": f"Bearer {key or 'none'}"}


def compatible_client(
    base: str, headers: Mapping[str, str], home: Home, path: Callable[[str], str] = lambda model_id: PATH
) -> Client:
    """A service on the run's connections, which are not its own to close."""

    async def close() -> None:
        """Nothing of it stays open."""

    return Client(Service(home.http, URL(base), headers, path), close)


def make_model(recipe: AgentRecipe, client: Client) -> ChatModel:
    # OpenAI's own models take max_completion_tokens; servers that only speak its protocol know the older name.
    limit = "max_tokens" if recipe.model.host else "max_completion_tokens"
    return compatible_model(recipe, client, limit)


def compatible_model(recipe: AgentRecipe, client: Client, limit: str) -> ChatModel:
    params: dict[str, Any] = inference(recipe.model, max_tokens=limit)
    if recipe.output_schema is not None:
        schema = {"name": "answer", "schema": dict(recipe.output_schema)}
        params.setdefault("response_format", {"type": "json_schema", "json_schema": schema})
    return ChatModel(client.raw, recipe.model.model_id, params)


PROVIDER: Final = Provider(
    address=lambda recipe: recipe.host or "",
    open=open_client,
    model=make_model,
    fault=read_fault,
)
