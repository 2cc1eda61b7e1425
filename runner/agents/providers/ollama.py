"""Ollama. Its client is made anew for every request by the SDK; what is pooled is the transport below it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import ollama
from strands.models.ollama import OllamaModel

from runner.agents.pool import Client
from runner.agents.providers import Provider, inference
from runner.agents.providers.faults import Fault
from runner.agents.providers.http import TIMEOUT, http_fault

if TYPE_CHECKING:
    from runner.agents.providers import Home
    from runner.plan.plan import AgentRecipe

DEFAULT_HOST: Final = "http://localhost:11434"


async def open_client(address: str, home: Home) -> Client:
    async def close() -> None:
        """The transport is the run's; nothing of a client's own stays open."""

    return Client({"transport": home.http.shared, "timeout": TIMEOUT, "follow_redirects": False}, close)


def make_model(recipe: AgentRecipe, client: Client) -> OllamaModel:
    config: dict[str, Any] = {"model_id": recipe.model.model_id}
    given = inference(recipe.model)
    for name in ("temperature", "top_p", "max_tokens"):
        if name in given:
            config[name] = given.pop(name)
    extra: dict[str, Any] = {"format": dict(recipe.output_schema)} if recipe.output_schema is not None else {}
    if options := given.pop("options", None):
        config["options"] = options
    if extra | given:
        config["additional_args"] = extra | given
    return OllamaModel(recipe.model.host or DEFAULT_HOST, ollama_client_args=client.raw, **config)


def read_fault(error: BaseException) -> Fault | None:
    match error:
        case ollama.ResponseError():
            return Fault(error.error, error.status_code if error.status_code > 0 else 500)
        case ConnectionError():  # what the ollama package makes of httpx.ConnectError
            return Fault(f"cannot reach the Ollama server: {error}".split(". Please")[0], lost=True)
    return http_fault(error)


PROVIDER: Final = Provider(
    address=lambda recipe: recipe.host or DEFAULT_HOST,
    open=open_client,
    model=make_model,
    fault=read_fault,
)
