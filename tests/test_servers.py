"""The scripted servers, each proved against the real client it stands in for."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import anthropic
import boto3
import httpx
import ollama
import openai
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError
from google import genai
from google.genai import errors, types

from tests.servers import (
    Answer,
    AnthropicServer,
    AzureServer,
    BedrockServer,
    GeminiServer,
    OllamaServer,
    OpenAIServer,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.servers import Request

HELLO: Any = [{"role": "user", "content": "hello"}]
WEATHER = ("weather", {"city": "Oslo"})


# OpenAI


def with_openai(server: OpenAIServer, talk: Callable[[openai.AsyncOpenAI], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        async with openai.AsyncOpenAI(base_url=server.url, api_key="dummy", max_retries=0) as client:
            return await talk(client)

    return asyncio.run(main())


async def stream(client: openai.AsyncOpenAI, messages: list[Any] = HELLO) -> list[Any]:
    asked: Any = {"stream": True, "stream_options": {"include_usage": True}}
    return [part async for part in await client.chat.completions.create(model="m", messages=messages, **asked)]


def text(parts: list[Any]) -> str:
    return "".join(part.choices[0].delta.content or "" for part in parts if part.choices)


def test_openai_streams_text_tool_calls_and_usage() -> None:
    with OpenAIServer(reply=[Answer("hello back", usage=(7, 3), tool_calls=[WEATHER])]) as server:
        parts = with_openai(server, stream)
    called = [call for part in parts if part.choices for call in part.choices[0].delta.tool_calls or []]
    assert text(parts) == "hello back"
    assert [(call.function.name, call.function.arguments) for call in called] == [("weather", '{"city": "Oslo"}')]
    assert [part.choices[0].finish_reason for part in parts if part.choices][-1] == "tool_calls"
    assert (parts[-1].usage.prompt_tokens, parts[-1].usage.completion_tokens) == (7, 3)


def test_openai_in_one_piece() -> None:
    with OpenAIServer(reply=lambda request: {"model": request.model}) as server:
        whole = with_openai(server, lambda client: client.chat.completions.create(model="m", messages=HELLO))
    assert whole.choices[0].message.content == '{"model": "m"}'
    assert whole.usage.total_tokens == 15


def test_openai_says_when_to_come_back() -> None:
    busy = Answer(status=429, headers={"retry-after": "1"})
    with OpenAIServer(reply=busy) as server, pytest.raises(openai.RateLimitError) as caught:
        with_openai(server, stream)
    assert caught.value.response.headers["retry-after"] == "1"
    assert caught.value.type == "rate_limit_error"


def test_openai_resets_before_and_during_the_answer() -> None:
    seen = []

    async def collect(client: openai.AsyncOpenAI) -> None:
        async for part in await client.chat.completions.create(model="m", messages=HELLO, stream=True):
            seen.append(part)  # noqa: PERF401 - a comprehension would lose what came before the reset

    with OpenAIServer(reply=[Answer(reset="before"), Answer("half gone", reset="during")]) as server:
        with pytest.raises(openai.APIConnectionError):
            with_openai(server, collect)
        assert seen == []
        with pytest.raises(httpx.ReadError):
            with_openai(server, collect)
        assert text(seen) == "half "
        assert [request.answered for request in server.requests] == [False, False]


def test_requests_are_kept_as_they_arrived() -> None:
    talk = [
        {"role": "system", "content": "be brief"},
        *HELLO,
        {"role": "user", "content": [{"type": "text", "text": "b"}]},
    ]
    with OpenAIServer() as server:
        with_openai(server, lambda client: stream(client, talk))
    (request,) = server.requests
    assert (request.path, request.model, request.answered) == ("/v1/chat/completions", "m", True)
    assert request.headers["authorization"] == "Bearer dummy"
    assert request.messages == talk
    assert request.user_texts == ["hello", "b"]


def test_connections_and_requests_in_flight_are_counted() -> None:
    async def three_at_once_then_one(client: openai.AsyncOpenAI) -> None:
        create = client.chat.completions.create
        await asyncio.gather(*(create(model="m", messages=HELLO) for _ in range(3)))
        await create(model="m", messages=HELLO)

    with OpenAIServer(reply=Answer(delay=0.1)) as server:
        with_openai(server, three_at_once_then_one)
        assert (server.connections, server.max_open, server.max_in_flight, server.in_flight) == (3, 3, 3, 0)
        server.until(lambda: server.open == 0)


def test_a_late_end_comes_after_the_last_event() -> None:
    async def times(client: openai.AsyncOpenAI) -> tuple[float, float]:
        start = time.monotonic()
        create = client.chat.completions.with_streaming_response.create
        async with create(model="m", messages=HELLO, stream=True) as response:
            arrived = [(time.monotonic() - start, line) async for line in response.iter_lines() if line]
            return arrived[-1][0], time.monotonic() - start

    with OpenAIServer(reply=Answer(late_end=0.2)) as server:
        done, end = with_openai(server, times)
    assert end - done >= 0.15


def test_a_client_that_leaves_early_ends_its_request_quietly(capfd: pytest.CaptureFixture[str]) -> None:
    async def leave(client: openai.AsyncOpenAI) -> None:
        talking = asyncio.create_task(stream(client))
        while server.in_flight == 0:
            await asyncio.sleep(0.005)
        talking.cancel()
        await asyncio.wait([talking])

    with OpenAIServer(reply=[Answer(delay=30), Answer(chunk_delay=30)]) as server:
        for _ in range(2):
            with_openai(server, leave)
            server.until(lambda: server.in_flight == server.open == 0)
        assert [request.answered for request in server.requests] == [False, False]
    assert capfd.readouterr() == ("", "")


def test_leaving_drops_what_is_still_being_answered(capfd: pytest.CaptureFixture[str]) -> None:
    with ThreadPoolExecutor() as executor:
        with OpenAIServer(reply=Answer(delay=30)) as server:
            waiting = executor.submit(with_openai, server, stream)
            server.until(lambda: server.in_flight == 1)
            start = time.monotonic()
        assert time.monotonic() - start < 1
        assert isinstance(waiting.exception(2), openai.APIConnectionError)
    assert capfd.readouterr() == ("", "")


def test_a_reply_that_raises_fails_the_test() -> None:
    def reply(request: Request) -> str:
        raise LookupError(request.model)

    def ask() -> None:
        with OpenAIServer(reply=reply) as server, pytest.raises(openai.BadRequestError):
            with_openai(server, stream)

    with pytest.raises(LookupError, match="m"):
        ask()


# Ollama


def test_ollama_streams_text_tool_calls_and_counts() -> None:
    async def talk(url: str) -> list[ollama.ChatResponse]:
        client = ollama.AsyncClient(host=url)
        try:
            return [part async for part in await client.chat("m", HELLO, stream=True)]
        finally:
            await client._client.aclose()

    with OllamaServer(reply=Answer("hello back", usage=(7, 3), tool_calls=[WEATHER])) as server:
        parts = asyncio.run(talk(server.url))
    calls = [call.function for part in parts for call in part.message.tool_calls or []]
    assert "".join(part.message.content or "" for part in parts) == "hello back"
    assert [(call.name, call.arguments) for call in calls] == [WEATHER]
    assert (parts[-1].done_reason, parts[-1].prompt_eval_count, parts[-1].eval_count) == ("stop", 7, 3)
    assert (server.requests[0].model, server.requests[0].user_texts) == ("m", ["hello"])


def test_ollama_in_one_piece_and_in_error() -> None:
    async def talk(url: str) -> str | None:
        client = ollama.AsyncClient(host=url)
        try:
            whole = await client.chat("m", HELLO)
            with pytest.raises(ollama.ResponseError, match="no such model") as caught:
                await client.chat("m", HELLO)
            assert caught.value.status_code == 404
            return whole.message.content
        finally:
            await client._client.aclose()

    with OllamaServer(reply=[Answer(), Answer(status=404, error={"error": "no such model"})]) as server:
        assert asyncio.run(talk(server.url)) == "ok"


# Azure


def with_azure(server: AzureServer) -> Any:
    async def main() -> Any:
        given: Any = {"azure_endpoint": server.url, "api_key": "dummy", "api_version": "2024-10-21"}
        async with openai.AsyncAzureOpenAI(**given, max_retries=0) as client:
            return await stream(client)

    return asyncio.run(main())


def test_azure_has_an_address_for_each_deployment() -> None:
    with AzureServer(reply=Answer("hello back")) as server:
        parts = with_azure(server)
    (request,) = server.requests
    assert text(parts) == "hello back"
    assert (request.path, request.model) == ("/openai/deployments/m/chat/completions", "m")
    assert request.query == "api-version=2024-10-21"


# Anthropic


def with_anthropic(server: AnthropicServer, talk: Callable[[anthropic.AsyncAnthropic], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        async with anthropic.AsyncAnthropic(base_url=server.url, api_key="dummy", max_retries=0) as client:
            return await talk(client)

    return asyncio.run(main())


async def message_of(client: anthropic.AsyncAnthropic) -> Any:
    async with client.messages.stream(model="m", messages=HELLO, max_tokens=9) as streamed:
        return await streamed.get_final_message()


def test_anthropic_streams_text_tool_calls_and_usage() -> None:
    answer = Answer("hello back", usage=(7, 3), cached=(2, 1), tool_calls=[WEATHER])
    with AnthropicServer(reply=answer) as server:
        message = with_anthropic(server, message_of)
    said, called = message.content
    assert (said.text, called.name, called.input) == ("hello back", *WEATHER)
    assert message.stop_reason == "tool_use"
    assert (message.usage.input_tokens, message.usage.output_tokens) == (4, 3)
    assert (message.usage.cache_read_input_tokens, message.usage.cache_creation_input_tokens) == (2, 1)
    assert (server.requests[0].model, server.requests[0].user_texts) == ("m", ["hello"])


def test_anthropic_in_one_piece_and_in_error() -> None:
    async def talk(client: Any) -> None:
        asked: Any = {"model": "m", "messages": HELLO, "max_tokens": 9}
        whole = await client.messages.create(**asked)
        assert (whole.content[0].text, whole.stop_reason) == ("ok", "end_turn")
        with pytest.raises(anthropic.APIStatusError) as caught:
            await client.messages.create(**asked)
        body: Any = caught.value.body
        assert (caught.value.status_code, body["error"]["type"]) == (529, "overloaded_error")

    with AnthropicServer(reply=[Answer(), Answer(status=529)]) as server:
        with_anthropic(server, talk)


# Gemini


def with_gemini(server: GeminiServer, talk: Callable[[Any], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        async with httpx.AsyncClient() as http:
            options = types.HttpOptions(base_url=server.url, httpx_async_client=http)
            client = genai.Client(api_key="dummy", http_options=options)
            try:
                return await talk(client.aio.models)
            finally:
                client.close()

    return asyncio.run(main())


def test_gemini_streams_text_tool_calls_and_usage() -> None:
    async def talk(models: Any) -> list[Any]:
        return [part async for part in await models.generate_content_stream(model="m", contents="hello")]

    with GeminiServer(reply=Answer("hello back", usage=(7, 3), cached=(2, 0), tool_calls=[WEATHER])) as server:
        parts = with_gemini(server, talk)
    said = [piece for part in parts for piece in part.candidates[0].content.parts]
    calls = [piece.function_call for piece in said if piece.function_call]
    assert "".join(piece.text or "" for piece in said) == "hello back"
    assert [(call.name, call.args) for call in calls] == [WEATHER]
    assert parts[-1].candidates[0].finish_reason == types.FinishReason.STOP
    usage = parts[-1].usage_metadata
    assert (usage.prompt_token_count, usage.candidates_token_count, usage.cached_content_token_count) == (7, 3, 2)
    assert (server.requests[0].model, server.requests[0].user_texts) == ("m", ["hello"])


def test_gemini_in_one_piece_and_in_error() -> None:
    async def talk(models: Any) -> None:
        whole = await models.generate_content(model="m", contents="hello")
        assert whole.text == "ok"
        with pytest.raises(errors.ClientError) as caught:
            await models.generate_content(model="m", contents="hello")
        assert (caught.value.code, caught.value.status) == (429, "RESOURCE_EXHAUSTED")

    with GeminiServer(reply=[Answer(), Answer(status=429)]) as server:
        with_gemini(server, talk)


# Bedrock

MODEL = "eu.anthropic.claude-x-v1:0"
ASK: Any = {"modelId": MODEL, "messages": [{"role": "user", "content": [{"text": "hello"}]}]}


def bedrock(server: BedrockServer, connections: int = 10) -> Any:
    dummies = dict.fromkeys(["aws_access_key_id", "aws_secret_access_key"], "dummy")
    config = Config(retries={"total_max_attempts": 1}, max_pool_connections=connections)
    return boto3.client("bedrock-runtime", "eu-west-1", endpoint_url=server.url, config=config, **dummies)


def converse(client: Any) -> list[tuple[str, Any]]:
    return [item for event in client.converse_stream(**ASK)["stream"] for item in event.items()]


def test_bedrock_streams_text_tool_calls_and_usage() -> None:
    with BedrockServer(reply=Answer("hello back", usage=(7, 3), tool_calls=[WEATHER])) as server:
        client = bedrock(server)
        events = converse(client)
        client.close()
    deltas = [body["delta"] for name, body in events if name == "contentBlockDelta"]
    assert "".join(delta.get("text", "") for delta in deltas) == "hello back"
    assert deltas[-1] == {"toolUse": {"input": '{"city": "Oslo"}'}}
    assert dict(events)["messageStop"] == {"stopReason": "tool_use"}
    assert dict(events)["metadata"]["usage"] == {"inputTokens": 7, "outputTokens": 3, "totalTokens": 10}
    assert (server.requests[0].model, server.requests[0].user_texts) == (MODEL, ["hello"])


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (429, "ThrottlingException"),
        (500, "InternalServerException"),
        (503, "ServiceUnavailableException"),
        (400, "ValidationException"),
        (403, "AccessDeniedException"),
    ],
)
def test_bedrock_names_its_errors(status: int, code: str) -> None:
    with BedrockServer(reply=Answer(status=status)) as server:
        client = bedrock(server)
        with pytest.raises(ClientError) as caught:
            converse(client)
        client.close()
    assert caught.value.response["Error"]["Code"] == code


def test_bedrock_in_one_piece() -> None:
    with BedrockServer() as server:
        client = bedrock(server)
        whole = client.converse(**ASK)
        client.close()
    assert whole["output"]["message"]["content"] == [{"text": "ok"}]
    assert whole["stopReason"] == "end_turn"


def test_bedrock_keeps_its_connection() -> None:
    with BedrockServer() as server:
        client = bedrock(server)
        converse(client)
        converse(client)
        client.close()
    assert (server.connections, server.max_open, server.max_in_flight) == (1, 1, 1)


def test_bedrock_answers_as_many_at_once_as_are_asked() -> None:
    many = 40
    with ThreadPoolExecutor(many) as executor:
        with BedrockServer(reply=Answer(delay=30)) as server:
            client = bedrock(server, connections=many)
            asking = [executor.submit(converse, client) for _ in range(many)]
            server.until(lambda: server.in_flight == many, timeout=10)
        assert all(isinstance(asked.exception(10), ConnectionClosedError) for asked in asking)
        client.close()
    assert (server.max_in_flight, server.connections, server.max_open) == (many, many, many)
