"""OpenAI's models at Azure: a resource is a host, and a deployment in it is a model.

By default its v1 API, which is OpenAI's own below another address. A dated version of the older API has an address
for each deployment, and another way to show the key; the `openai` package has a client for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import openai

from runner.agents.pool import Client
from runner.agents.providers import Provider
from runner.agents.providers.openai import compatible_client, compatible_model, read_fault

if TYPE_CHECKING:
    from strands.models.openai import OpenAIModel

    from runner.agents.providers import Home
    from runner.plan.plan import AgentRecipe

VERSIONS: Final = ("AZURE_OPENAI_API_VERSION", "OPENAI_API_VERSION")
DEFAULT_VERSION: Final = "v1"


async def open_client(address: str, home: Home) -> Client:
    environ, endpoint = home.environ, address.rstrip("/")
    key, token = environ.get("AZURE_OPENAI_API_KEY") or None, environ.get("AZURE_OPENAI_AD_TOKEN") or None
    version = next((environ[name] for name in VERSIONS if environ.get(name)), DEFAULT_VERSION)
    if version == DEFAULT_VERSION:
        return compatible_client(f"{endpoint}/openai/v1", token or key or "none", home)
    client = openai.AsyncAzureOpenAI(
        api_key=key,
        azure_ad_token=token,
        azure_endpoint=endpoint,
        api_version=version,
        max_retries=0,
        timeout=home.http.timeout,
        http_client=home.http.client(events=True),
    )
    return Client(client, client.close)


def make_model(recipe: AgentRecipe, client: Client) -> OpenAIModel:
    return compatible_model(recipe, client, "max_completion_tokens")


PROVIDER: Final = Provider(
    address=lambda recipe: recipe.host or "",
    open=open_client,
    model=make_model,
    fault=read_fault,
)
