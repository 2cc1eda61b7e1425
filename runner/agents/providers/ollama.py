"""Ollama. Its client is made anew for every request by the SDK; what is pooled is the transport below it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import httpx
import ollama
from strands.models.ollama import OllamaModel

from runner.agents.pool import Client
from runner.agents.providers import Provider, clients, inference
from runner.agents.providers.clients import http_fault
from runner.agents.providers.faults import Fault, broke_off
from runner.errors import ModelProblem

if TYPE_CHECKING:
    from strands.types.streaming import StreamEvent

    from runner.agents.providers import Home
    from runner.plan.plan import AgentRecipe

DEFAULT_HOST: Final = "http://localhost:11434"


async def open_client(address: str, home: Home) -> Client:
    async def close() -> None:
        """The transport is the run's; nothing of a client's own stays open."""

    timeout = clients.timeout(home.http)
    return Client({"transport": clients.shared(home.http), "timeout": timeout, "follow_redirects": False}, close)


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
    return StrictOllamaModel(recipe.model.host or DEFAULT_HOST, ollama_client_args=client.raw, **config)


class StrictOllamaModel(OllamaModel):
    """The SDK's model takes an answer that broke off for a whole one, and cannot do without counts."""

    def format_chunk(self, event: dict[str, Any]) -> StreamEvent:
        data: Any = event.get("data")
        match event["chunk_type"]:
            case "message_stop" if data is None:
                raise broke_off()
            case "message_stop" if data not in ("stop", "length", "tool_use"):
                raise ModelProblem(f"the answer broke off (done_reason: {data})")
            case "metadata":
                names = ("prompt_eval_count", "eval_count", "total_duration")
                zeros = {name: getattr(data, name, None) or 0 for name in names}
                event = {**event, "data": data.model_copy(update=zeros)}
        return super().format_chunk(event)


def read_fault(error: BaseException) -> Fault | None:
    match error:
        case ollama.ResponseError(status_code=status) if status > 0:
            answer = getattr(error.__context__, "response", None)
            return Fault(error.error, status, headers=getattr(answer, "headers", {}))
        case httpx.HTTPStatusError(response=answer):  # of a body that the client stumbles over
            return Fault(answer.reason_phrase, answer.status_code, headers=answer.headers)
        case ollama.ResponseError():  # sent inside a stream that had begun well
            return Fault(f"the provider failed: {error.error}", transient=True)
        case ConnectionError():  # what the ollama package makes of httpx.ConnectError
            return Fault(f"cannot reach the Ollama server: {error}".split(". Please")[0], transient=True)
    return http_fault(error)


PROVIDER: Final = Provider(
    address=lambda recipe: recipe.host or DEFAULT_HOST,
    open=open_client,
    model=make_model,
    fault=read_fault,
)
