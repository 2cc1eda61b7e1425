"""OpenAI's models at Azure: a resource is a host, and a deployment in it is a model.

By default its v1 API, which is OpenAI's own below another address. A dated version of the older API has an address
for each deployment, and another way to show the key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from runner.agents.providers import Provider
from runner.agents.providers.chat.faults import read_fault
from runner.agents.providers.openai import PATH, bearer, compatible_client, compatible_model

if TYPE_CHECKING:
    from runner.agents.pool import Client
    from runner.agents.providers import Home
    from runner.agents.providers.chat.model import ChatModel
    from runner.plan.plan import AgentRecipe

VERSIONS: Final = ("AZURE_OPENAI_API_VERSION", "OPENAI_API_VERSION")
DEFAULT_VERSION: Final = "v1"


async def open_client(address: str, home: Home) -> Client:
    environ, endpoint = home.environ, f"{address.rstrip('/')}/openai"
    key, token = environ.get("AZURE_OPENAI_API_KEY"), environ.get("AZURE_OPENAI_AD_TOKEN")
    version = next((environ[name] for name in VERSIONS if environ.get(name)), DEFAULT_VERSION)
    if version == DEFAULT_VERSION:
        return compatible_client(f"{endpoint}/v1", bearer(token or key), home)
    shown = bearer(token) if token or not key else {"api-key": key}
    dated = f"{endpoint}?api-version={quote(version)}"
    return compatible_client(dated, shown, home, lambda deployment: f"deployments/{deployment}/{PATH}")


def make_model(recipe: AgentRecipe, client: Client) -> ChatModel:
    return compatible_model(recipe, client, "max_completion_tokens")


PROVIDER: Final = Provider(
    address=lambda recipe: recipe.host or "",
    open=open_client,
    model=make_model,
    fault=read_fault,
)
