"""What is particular to one provider: keys, addresses, schemas, prompt caches, and how each one's answers fail."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from runner import credentials
from tests.contract.test_reuse import KEYS
from tests.servers import SERVERS, Answer, AnthropicServer, AzureServer, BedrockServer, GeminiServer, OpenAIServer
from tests.servers.faults import FAULTS, MARK, MISCOUNTS
from tests.workspace import Outcome, Workspace, chain, workflow

ONCE = {"failure_policy": {"retries": 0}}
TWICE = {"failure_policy": {"retries": 1, "wait_min": 0.01}}


@pytest.fixture(params=["anthropic", "gemini", "azure_openai"])
def provider(request: pytest.FixtureRequest, workspace: Workspace) -> str:
    workspace.environ |= KEYS
    return str(request.param)


def ask(workspace: Workspace, server: Any, provider: str, **changes: Any) -> Outcome:
    """One question to a scripted server, not asked again unless the test says so."""
    return workspace.run(workflow(server.url, chain("go"), provider=provider, **{"runtime": ONCE, **changes}))


# -- keys and addresses -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("provider", "environ", "header", "value"),
    [
        ("anthropic", {"ANTHROPIC_API_KEY": "our-own-key"}, "x-api-key", "our-own-key"),
        ("gemini", {"GEMINI_API_KEY": "our-own-key"}, "x-goog-api-key", "our-own-key"),
        ("gemini", {"GOOGLE_API_KEY": "our-own-key"}, "x-goog-api-key", "our-own-key"),
        ("azure_openai", {"AZURE_OPENAI_API_KEY": "our-own-key"}, "authorization", "Bearer our-own-key"),
        ("azure_openai", {"AZURE_OPENAI_AD_TOKEN": "a-token"}, "authorization", "Bearer a-token"),
    ],
)
def test_the_key_is_shown_as_the_provider_wants_it(
    workspace: Workspace, provider: str, environ: dict[str, str], header: str, value: str
):
    workspace.environ |= environ
    with SERVERS[provider]() as server:
        outcome = ask(workspace, server, provider)

    assert outcome.outputs["response"] == "ok"
    assert server.requests[0].headers[header] == value


def test_azure_is_asked_by_its_v1_api_and_a_deployment_is_a_model(workspace: Workspace):
    workspace.environ |= KEYS
    with AzureServer() as server:
        workspace.run(workflow(f"{server.url}/", chain("go"), provider="azure_openai"))

    (request,) = server.requests
    assert (request.path, request.query, request.model) == ("/openai/v1/chat/completions", "", "m")


@pytest.mark.parametrize("name", ["AZURE_OPENAI_API_VERSION", "OPENAI_API_VERSION"])
def test_a_dated_version_of_azure_has_an_address_for_each_deployment(workspace: Workspace, name: str):
    workspace.environ |= {**KEYS, name: "2024-10-21"}
    with AzureServer() as server:
        outcome = workspace.run(workflow(server.url, chain("go", "on"), provider="azure_openai"))

    assert outcome.outputs["status"] == "success"
    assert server.connections == 1
    (request, _) = server.requests
    assert (request.path, request.query) == ("/openai/deployments/m/chat/completions", "api-version=2024-10-21")
    assert request.headers["api-key"] == KEYS["AZURE_OPENAI_API_KEY"]
    assert "authorization" not in request.headers


@pytest.mark.parametrize(
    ("provider", "key", "place"),
    [
        ("anthropic", "ANTHROPIC_API_KEY", "api.anthropic.com:443"),
        ("gemini", "GEMINI_API_KEY", "generativelanguage.googleapis.com:443"),
    ],
)
def test_without_a_host_the_provider_itself_is_asked_whatever_the_process_inherited(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, provider: str, key: str, place: str
):
    for name in ("ANTHROPIC_BASE_URL", "GOOGLE_GEMINI_BASE_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
    monkeypatch.setenv("GOOGLE_GENAI_CLIENT_MODE", "replay")
    with OpenAIServer() as proxy:
        workspace.environ |= {key: "our-own-key", "HTTPS_PROXY": proxy.url.removesuffix("/v1")}
        spec = workflow("http://x", chain("go"), provider=provider, runtime=ONCE)
        del spec["runtime"]["host"]
        workspace.run(spec)

    assert [(request.method, request.path) for request in proxy.requests] == [("CONNECT", place)]


@pytest.mark.parametrize(
    ("provider", "said"),
    [
        ("anthropic", f"variable ANTHROPIC_API_KEY ({credentials.NOT_GIVEN}; mode: replay needs none), or set host"),
        ("gemini", "variable GEMINI_API_KEY or GOOGLE_API_KEY (secrets are not"),
        ("azure_openai", "variable AZURE_OPENAI_API_KEY or AZURE_OPENAI_AD_TOKEN (secrets are not"),
    ],
)
def test_a_missing_key_is_told_before_anything_runs(workspace: Workspace, provider: str, said: str):
    spec = workflow("http://x", chain("go"), provider=provider)
    if provider != "azure_openai":
        del spec["runtime"]["host"]
    outcome = workspace.run(spec)

    assert (outcome.exit_code, outcome.outputs["status"]) == (2, "invalid")
    assert f"provider '{provider}' needs a key: set the environment {said}" in outcome.log


@pytest.mark.parametrize("provider", ["anthropic", "gemini"])
def test_a_missing_package_is_told_before_anything_runs(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, provider: str
):
    def find(name: str) -> None:
        if "." in name:
            raise ModuleNotFoundError  # as it is when the package around it is missing too

    monkeypatch.setattr(credentials.importlib.util, "find_spec", find)
    outcome = workspace.run(workflow("http://x", chain("go"), provider=provider))

    assert (outcome.exit_code, outcome.outputs["status"]) == (2, "invalid")
    sentence = (
        f"provider '{provider}' needs the extra '{provider}', which is not here: in a job use strands-action/all, "
        f"with docker the image's tag v1-all; elsewhere install the extra '{provider}' from a clone"
    )
    assert sentence in outcome.log
    for mode in ("validate", "plan"):
        advised = workspace.action(spec="workflow.yaml", mode=mode)
        assert advised.exit_code == 0
        [advice] = advised.annotations
        assert advice.startswith("::warning title=Advice,file=workflow.yaml,line=")
        assert advice.endswith(f"::{sentence}")


def test_keys_of_every_provider_are_kept_out_of_what_is_written():
    environ = {name: f"secret-of-{name}" for name in ("ANTHROPIC_API_KEY", "GEMINI_API_KEY", "AZURE_OPENAI_AD_TOKEN")}
    told = credentials.scrubber(environ)(" ".join(environ.values()))
    assert "secret" not in told


def test_a_redirect_is_not_followed(workspace: Workspace, provider: str):
    with OpenAIServer() as elsewhere:
        away = Answer(status=307, headers={"location": f"{elsewhere.url}/chat/completions"})
        with SERVERS[provider](reply=lambda _: away) as server:
            outcome = ask(workspace, server, provider)

    assert outcome.exit_code == 10
    assert (len(server.requests), len(elsewhere.requests)) == (1, 0)


# -- what is sent -----------------------------------------------------------------------------------------------------


def test_anthropic_has_a_limit_when_the_file_names_none(workspace: Workspace):
    with AnthropicServer() as server:
        ask(workspace, server, "anthropic")

    assert server.requests[0].body["max_tokens"] == 4096


@pytest.mark.parametrize("provider", ["anthropic", "azure_openai"])
def test_params_are_passed_as_they_are_known_to_the_client_or_not(workspace: Workspace, provider: str):
    workspace.environ |= KEYS
    params = {"metadata": {"user_id": "x"}, "tomorrows": {"a": 1}}
    with SERVERS[provider]() as server:
        ask(workspace, server, provider, runtime={"params": params})

    assert {name: server.requests[0].body[name] for name in params} == params


def test_params_of_gemini_are_those_of_its_configuration(workspace: Workspace):
    params = {"seed": 7, "thinking_config": {"thinking_budget": 0}}
    with GeminiServer() as server:
        ask(workspace, server, "gemini", runtime={"params": params})
        refused = ask(workspace, server, "gemini", runtime={**ONCE, "params": {"sed": 7}})

    assert server.requests[0].body["generationConfig"] == {"seed": 7, "thinkingConfig": {"thinking_budget": 0}}
    assert refused.exit_code == 10
    assert "params do not fit: sed: Extra inputs are not permitted" in refused.log
    assert len(server.requests) == 1


CLOSED = {"type": "object", "properties": {"score": {"type": "integer", "minimum": 1}}, "required": ["score"]}
FREE = {"type": "object", "additionalProperties": {"type": "string"}}


def judge(schema: Any, **agent: Any) -> dict[str, Any]:
    return {"writer": {"prompt": "You judge.", "output_schema": schema, **agent}}


def test_anthropic_holds_the_model_to_a_schema_of_named_properties(workspace: Workspace):
    with AnthropicServer(reply=lambda _: '{"score": 7}') as server:
        outcome = ask(workspace, server, "anthropic", agents=judge(CLOSED))

    body = server.requests[0].body
    asked = body["output_config"]["format"]
    assert (asked["type"], asked["schema"]["additionalProperties"]) == ("json_schema", False)
    assert [block["text"] for block in body["system"]] == ["You judge."]
    assert outcome.outputs["structured"] == '{"score": 7}'


@pytest.mark.parametrize(
    "schema",
    [
        FREE,
        {"type": "object"},
        {"type": "object", "properties": {"by_name": FREE}},
        {"type": "array", "items": FREE},
        {"anyOf": [{"type": "object"}, {"type": "object", "properties": {"a": {}}}]},
        {"type": "object", "properties": {"a": {"type": ["integer", "null"]}}},
        {"$defs": {"a": {"type": "object"}}, "$ref": "#/$defs/a"},
    ],
)
def test_anthropic_is_told_other_schemas_in_words(workspace: Workspace, schema: dict[str, Any]):
    with AnthropicServer(reply=lambda _: "{}") as server:
        ask(workspace, server, "anthropic", agents=judge(schema))

    body = server.requests[0].body
    assert "output_config" not in body
    assert json.dumps(schema) in body["system"][0]["text"]


@pytest.mark.parametrize(
    ("provider", "own"),
    [("anthropic", {"output_config": {"effort": "low"}}), ("gemini", {"responseMimeType": "text/plain"})],
)
def test_what_params_say_of_the_answers_form_goes_before(workspace: Workspace, provider: str, own: dict[str, Any]):
    with SERVERS[provider](reply=lambda _: '{"score": 7}') as server:
        outcome = ask(workspace, server, provider, agents=judge(CLOSED), runtime={"params": own})

    body = server.requests[0].body
    assert own.items() <= {**body, **body.get("generationConfig", {})}.items()
    assert "satisfies this JSON Schema" in json.dumps(body)
    assert outcome.outputs["structured"] == '{"score": 7}'


def test_gemini_holds_the_model_to_any_schema(workspace: Workspace):
    with GeminiServer(reply=lambda _: '{"a": "b"}') as server:
        outcome = ask(workspace, server, "gemini", agents=judge(FREE))

    config = server.requests[0].body["generationConfig"]
    assert (config["responseMimeType"], config["responseJsonSchema"]) == ("application/json", FREE)
    assert outcome.outputs["structured"] == '{"a": "b"}'


def test_gemini_is_told_in_words_where_the_agent_has_tools(workspace: Workspace):
    with GeminiServer(reply=lambda _: '{"a": "b"}') as server:
        outcome = ask(workspace, server, "gemini", agents=judge(FREE, tools=["calculator"]))

    body = server.requests[0].body
    assert "responseMimeType" not in body.get("generationConfig", {})
    assert json.dumps(FREE) in body["systemInstruction"]["parts"][0]["text"]
    assert outcome.outputs["structured"] == '{"a": "b"}'


# -- prompt caches ----------------------------------------------------------------------------------------------------

CLAUDE = {"writer": {"prompt": "You write.", "model_id": "claude-x", "tools": ["calculator"]}}


@pytest.mark.parametrize("asked", [None, "off"])
@pytest.mark.parametrize("provider", sorted(SERVERS))
def test_without_prompt_cache_nothing_is_said_of_one(workspace: Workspace, provider: str, asked: str | None):
    workspace.environ |= KEYS
    with SERVERS[provider]() as server:
        ask(workspace, server, provider, agents=CLAUDE, runtime={"prompt_cache": asked} if asked else {})

    assert "cache" not in json.dumps(server.requests[0].body).lower()


@pytest.mark.parametrize("provider", ["azure_openai", "gemini", "ollama", "openai"])
def test_providers_that_cache_by_themselves_or_not_at_all_are_sent_nothing(workspace: Workspace, provider: str):
    workspace.environ |= KEYS
    with SERVERS[provider]() as server:
        outcome = ask(workspace, server, provider, agents=CLAUDE, runtime={"prompt_cache": "auto"})

    assert outcome.outputs["status"] == "success"
    assert "cache" not in json.dumps(server.requests[0].body).lower()


def test_anthropic_is_asked_to_keep_tools_system_prompt_and_question(workspace: Workspace):
    with AnthropicServer() as server:
        ask(workspace, server, "anthropic", agents=CLAUDE, runtime={"prompt_cache": "auto"})

    body = server.requests[0].body
    places = (body["tools"], body["system"], body["messages"][-1]["content"])
    assert [place[-1]["cache_control"] for place in places] == [{"type": "ephemeral"}] * 3


def test_bedrock_is_asked_to_keep_tools_system_prompt_and_question(workspace: Workspace):
    workspace.environ |= KEYS
    with BedrockServer() as server:
        ask(workspace, server, "bedrock", agents=CLAUDE, runtime={"prompt_cache": "auto"})

    body = server.requests[0].body
    places = (body["toolConfig"]["tools"], body["system"], body["messages"][-1]["content"])
    assert [place[-1] for place in places] == [{"cachePoint": {"type": "default"}}] * 3


def test_bedrock_is_asked_for_claude_only(workspace: Workspace):
    workspace.environ |= KEYS
    nova = {"writer": {**CLAUDE["writer"], "model_id": "amazon.nova-x"}}
    with BedrockServer() as server:
        ask(workspace, server, "bedrock", agents=nova, runtime={"prompt_cache": "auto"})

    assert "cachePoint" not in json.dumps(server.requests[0].body)


# -- counting ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("provider", "written"),
    [("anthropic", 2), ("bedrock", 2), ("openai", 0), ("azure_openai", 0), ("gemini", 0)],
)
def test_input_tokens_are_all_that_was_sent_however_the_provider_counts(
    workspace: Workspace, provider: str, written: int
):
    workspace.environ |= KEYS
    with SERVERS[provider](reply=lambda _: Answer(usage=(100, 5), cached=(60, 2))) as server:
        outcome = ask(workspace, server, provider, runtime={"budgets": {"max_tokens": 5000}})

    usage = outcome.results["usage"]
    assert (usage["input_tokens"], usage["output_tokens"]) == (100, 5)
    assert (usage["cache_read_tokens"], usage["cache_write_tokens"]) == (60, written)
    assert outcome.outputs["total-tokens"] == "105"
    assert outcome.results["budget"]["tokens"] == 105
    assert "100 in (60 read from a prompt cache" in outcome.summary


@pytest.mark.parametrize("name", MISCOUNTS)
@pytest.mark.parametrize("provider", ["bedrock", "openai"])
def test_a_count_that_is_none_costs_what_an_unknown_one_does(workspace: Workspace, provider: str, name: str):
    workspace.environ |= KEYS
    budget = {"max_tokens": 20, "budgets": {"max_tokens": 5000}}
    with SERVERS[provider](reply=lambda _: Answer(recount=MISCOUNTS[name])) as server:
        outcome = ask(workspace, server, provider, runtime=budget)

    assert (outcome.outputs["response"], outcome.outputs["total-tokens"]) == ("ok", "0")
    assert len(outcome.logged("usage_unknown")) == 1


def test_a_turn_reserves_what_gemini_may_answer(workspace: Workspace):
    with GeminiServer() as server:
        runtime = {"max_tokens": 900, "budgets": {"max_tokens": 200}}
        outcome = ask(workspace, server, "gemini", runtime=runtime)

    assert outcome.exit_code == 20
    assert server.requests == []


# -- answers that are none --------------------------------------------------------------------------------------------


def anthropic_half() -> bytes:
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {
            "id": "a", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None,
            "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "half"}},
    ]  # fmt: skip
    return b"".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events)


def gemini_part(**changes: Any) -> bytes:
    part = {"candidates": [{"content": {"role": "model", "parts": [{"text": "half"}]}, "index": 0}], **changes}
    return b"data: " + json.dumps(part).encode() + b"\r\n\r\n"


OPENAI_HALF = b'data: {"choices": [{"index": 0, "delta": {"content": "half"}, "finish_reason": null}]}\n\n'
HALVES = {"anthropic": anthropic_half(), "gemini": gemini_part(), "azure_openai": OPENAI_HALF + b"data: [DONE]\n\n"}


def test_a_stream_that_ends_in_the_middle_is_asked_again(workspace: Workspace, provider: str):
    with SERVERS[provider](reply=[Answer(raw=HALVES[provider]), Answer("whole")]) as server:
        outcome = ask(workspace, server, provider, runtime=TWICE)

    assert outcome.outputs["response"] == "whole"
    assert "the stream ended in the middle of the answer" in outcome.logged("step_retry")[0]


@pytest.mark.parametrize("reset", ["before", "during"])
def test_a_lost_connection_is_asked_again(workspace: Workspace, provider: str, reset: Any):
    with SERVERS[provider](reply=[Answer("half gone", reset=reset), Answer("whole")]) as server:
        outcome = ask(workspace, server, provider, runtime=TWICE)

    assert outcome.outputs["response"] == "whole"
    assert len(server.requests) == 2


@pytest.mark.parametrize("provider", sorted(SERVERS))
def test_an_answer_that_was_cut_off_is_none(workspace: Workspace, provider: str):
    workspace.environ |= KEYS
    with SERVERS[provider](reply=lambda _: Answer("half an ans", finish="length")) as server:
        outcome = ask(workspace, server, provider)

    assert outcome.exit_code == 10
    assert "the answer was cut off at max_tokens" in outcome.log
    assert len(server.requests) == 1
    assert outcome.outputs["total-tokens"] == "15"


def test_an_answer_that_was_cut_off_behind_a_call_of_a_tool_is_none(workspace: Workspace, provider: str):
    agents = {"writer": {"prompt": "p", "tools": ["calculator"]}}
    cut_off = Answer("", finish="length", tool_calls=[("calculator", {"expression": "1"})])
    with SERVERS[provider](reply=lambda _: cut_off) as server:
        outcome = ask(workspace, server, provider, agents=agents)

    assert "the answer was cut off at max_tokens" in outcome.log
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("provider", "finish", "said"),
    [
        ("anthropic", "content_filter", "the model refused to answer"),
        ("anthropic", "model_context_window_exceeded", "does not fit into the model's context window"),
        ("gemini", "content_filter", "the provider withheld the answer (finishReason: SAFETY)"),
        ("gemini", "PROHIBITED_CONTENT", "the provider withheld the answer (finishReason: PROHIBITED_CONTENT)"),
        ("gemini", "MALFORMED_FUNCTION_CALL", "the answer broke off (finishReason: MALFORMED_FUNCTION_CALL)"),
        ("gemini", "CONTINUATION", "the answer broke off (finishReason: CONTINUATION)"),
        ("azure_openai", "content_filter", "the provider's content filter withheld the answer"),
    ],
)
def test_an_answer_that_ended_badly_is_none_and_the_reason_is_told(
    workspace: Workspace, provider: str, finish: str, said: str
):
    workspace.environ |= KEYS
    with SERVERS[provider](reply=lambda _: Answer("half an ans", finish=finish)) as server:
        outcome = ask(workspace, server, provider, runtime=TWICE)

    assert outcome.exit_code == 10
    assert said in outcome.log
    assert len(server.requests) == 1


def test_a_prompt_that_gemini_blocks_is_told_as_such(workspace: Workspace):
    raw = b'data: {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}\r\n\r\n'
    with GeminiServer(reply=lambda _: Answer(raw=raw)) as server:
        outcome = ask(workspace, server, "gemini")

    assert outcome.exit_code == 10
    assert "the provider blocked the prompt (blockReason: PROHIBITED_CONTENT)" in outcome.log


def test_an_end_of_gemini_before_its_count_is_an_end(workspace: Workspace):
    said = {"content": {"role": "model", "parts": [{"text": "cut"}]}, "index": 0, "finishReason": "MAX_TOKENS"}
    count = b'data: {"usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1}}\r\n\r\n'
    raw = gemini_part(candidates=[said]) + count
    with GeminiServer(reply=lambda _: Answer(raw=raw)) as server:
        outcome = ask(workspace, server, "gemini")

    assert outcome.exit_code == 10
    assert "cut off at max_tokens" in outcome.log


# -- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [503, 529])
def test_a_server_that_asks_to_wait_is_given_the_time(workspace: Workspace, provider: str, status: int):
    busy = Answer(status=status, headers={"retry-after": "0.2"})
    with SERVERS[provider](reply=[busy, Answer("ok")]) as server:
        outcome = ask(workspace, server, provider, runtime=TWICE)

    assert outcome.outputs["response"] == "ok"
    assert server.requests[1].at - server.requests[0].at >= 0.2
    assert f"HTTP {status}" in outcome.logged("step_retry")[0]


@pytest.mark.parametrize("delay", ["0.25s", "0.250000001s"])
def test_gemini_says_in_its_words_how_long_to_wait(workspace: Workspace, delay: str):
    busy = quota_error(429, {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay})
    with GeminiServer(reply=[Answer(status=429, error=busy), Answer("ok")]) as server:
        outcome = ask(workspace, server, "gemini", runtime=TWICE)

    assert outcome.outputs["response"] == "ok"
    assert server.requests[1].at - server.requests[0].at >= 0.25


@pytest.mark.parametrize(
    ("quota", "asked"), [("GenerateRequestsPerDayPerProject", 1), ("GenerateRequestsPerMinutePerProject", 2)]
)
def test_a_days_quota_of_gemini_does_not_come_back_though_it_asks_to_wait(workspace: Workspace, quota: str, asked: int):
    found = {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": quota}]}
    wait = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.01s"}
    with GeminiServer(reply=lambda _: Answer(status=429, error=quota_error(429, found, wait))) as server:
        ask(workspace, server, "gemini", runtime=TWICE)

    assert len(server.requests) == asked


def quota_error(status: int, *details: Any) -> dict[str, Any]:
    with GeminiServer() as shape:
        error = shape.error(status, "no more for now")
    return {"error": {**error["error"], "details": [*details]}}


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_an_error_that_will_not_go_away_is_told_in_the_servers_words(workspace: Workspace, provider: str, status: int):
    with SERVERS[provider]() as shape:
        error = shape.error(status, "no such thing here")
    with SERVERS[provider](reply=lambda _: Answer(status=status, error=error)) as server:
        outcome = ask(workspace, server, provider, runtime=TWICE)

    assert outcome.exit_code == 10
    assert f"(HTTP {status}): no such thing here" in outcome.log
    assert len(server.requests) == 1


def anthropic_error(kind: str) -> bytes:
    error = {"type": "error", "error": {"type": kind, "message": "told so"}}
    return f"event: error\ndata: {json.dumps(error)}\n\n".encode()


def gemini_error(code: int) -> bytes:
    return b"data: " + json.dumps({"error": {"code": code, "message": "told so"}}).encode() + b"\r\n\r\n"


@pytest.mark.parametrize(
    ("provider", "error", "asked"),
    [
        ("anthropic", anthropic_error("overloaded_error"), 2),
        ("anthropic", anthropic_error("invalid_request_error"), 1),
        ("gemini", gemini_error(503), 2),
        ("gemini", gemini_error(400), 1),
    ],
)
def test_an_error_inside_a_stream_is_retried_when_it_may_pass(
    workspace: Workspace, provider: str, error: bytes, asked: int
):
    with SERVERS[provider](reply=lambda _: Answer(raw=HALVES[provider] + error)) as server:
        outcome = ask(workspace, server, provider, runtime=TWICE)

    assert outcome.exit_code == 10
    assert "told so" in outcome.log
    assert len(server.requests) == asked


def test_a_part_of_gemini_that_broke_off_is_asked_again_and_not_repeated_in_the_log(workspace: Workspace):
    with GeminiServer(reply=[Answer(raw=gemini_part()[:-6]), Answer("whole")]) as server:
        outcome = ask(workspace, server, "gemini", runtime=TWICE)

    assert outcome.outputs["response"] == "whole"
    assert "a part of it is not JSON" in outcome.logged("step_retry")[0]
    assert "half" not in outcome.log


BROKEN = {
    "broken json": "cannot be read|is not JSON|broken one",
    "invalid utf8": "not UTF-8",
    "no finish": "the stream ended in the middle of the answer",
    "cut inside a chunk": "was lost in the middle of the answer",
    "not http": "is no answer of an HTTP server|connection to Bedrock failed",
    "page of a proxy": "sent a page of HTML in place of an answer|sent is no event stream of AWS",
    "error in place of a stream": "the provider failed.*: busy, told in a body|sent is no event stream of AWS",
}
"""How a stream breaks, and what is said of it."""


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("provider", sorted(SERVERS))
def test_what_came_broken_is_asked_for_again_and_not_repeated_in_the_log(
    workspace: Workspace, provider: str, name: str
):
    workspace.environ |= KEYS
    with SERVERS[provider](reply=[Answer("half of it", breaks=FAULTS[name]), Answer("whole")]) as server:
        outcome = ask(workspace, server, provider, runtime=TWICE)

    assert outcome.outputs["response"] == "whole"
    [retry] = outcome.logged("step_retry")
    assert re.search(BROKEN[name], retry), retry
    assert MARK not in outcome.log


@pytest.mark.parametrize("name", ["no object", "strange object"])
@pytest.mark.parametrize("provider", ["azure_openai", "gemini", "openai"])
def test_a_part_of_a_stream_that_nobody_knows_is_read_over(workspace: Workspace, provider: str, name: str):
    workspace.environ |= KEYS
    with SERVERS[provider](reply=lambda _: Answer("the whole of it", breaks=FAULTS[name])) as server:
        outcome = ask(workspace, server, provider)

    assert outcome.outputs["response"] == "the whole of it"
    assert len(server.requests) == 1


def test_a_frame_of_bedrock_with_a_wrong_checksum_is_asked_for_again(workspace: Workspace):
    workspace.environ |= KEYS
    with BedrockServer(reply=[Answer("half of it", breaks=FAULTS["bad checksum"]), Answer("whole")]) as server:
        outcome = ask(workspace, server, "bedrock", runtime=TWICE)

    assert outcome.outputs["response"] == "whole"
    assert "sent is no event stream of AWS, or a broken one" in outcome.logged("step_retry")[0]


@pytest.mark.parametrize("provider", ["anthropic", "openai"])
def test_a_document_in_place_of_a_stream_is_told_as_such(workspace: Workspace, provider: str):
    with SERVERS[provider](reply=lambda _: Answer(raw=b'{"text": "ok"}', content_type="application/json")) as server:
        outcome = ask(workspace, server, provider)

    assert outcome.exit_code == 10
    assert f"http://127.0.0.1:{server.port} sent a JSON document in place of an event stream" in outcome.log


@pytest.mark.parametrize("provider", ["anthropic", "openai"])
def test_an_error_that_will_not_go_away_is_one_also_under_a_status_that_says_all_is_well(
    workspace: Workspace, provider: str
):
    with SERVERS[provider]() as shape:
        error = json.dumps(shape.error(400, "no such thing here")).encode()
    with SERVERS[provider](reply=lambda _: Answer(raw=error, content_type="application/json")) as server:
        outcome = ask(workspace, server, provider, runtime=TWICE)

    assert outcome.exit_code == 10
    assert "the provider failed: no such thing here" in outcome.log
    assert len(server.requests) == 1


@pytest.mark.parametrize("provider", sorted(SERVERS))
def test_a_page_in_place_of_an_error_is_not_shown(workspace: Workspace, provider: str):
    workspace.environ |= KEYS
    page = Answer(status=403, raw=f"<html><title>{MARK}</title></html>".encode(), content_type="text/html")
    with SERVERS[provider](reply=lambda _: page) as server:
        outcome = ask(workspace, server, provider)

    assert "(HTTP 403): it sent a page of HTML, as a proxy or a gateway does" in outcome.log
    assert MARK not in outcome.log


def test_an_error_of_ollama_that_its_client_stumbles_over_keeps_its_status(workspace: Workspace):
    busy = Answer(status=429, raw=b'["busy"]', headers={"retry-after": "0.01"})
    with SERVERS["ollama"](reply=[busy, Answer("ok")]) as server:
        outcome = ask(workspace, server, "ollama", runtime=TWICE)

    assert outcome.outputs["response"] == "ok"
    assert "the provider is throttling (HTTP 429)" in outcome.logged("step_retry")[0]


def test_a_prompt_that_does_not_fit_is_told_as_such(workspace: Workspace):
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": "prompt is too long: 9 > 8"}}
    with AnthropicServer(reply=lambda _: Answer(status=400, error=error)) as server:
        outcome = ask(workspace, server, "anthropic")

    assert outcome.exit_code == 10
    assert "the prompt does not fit into the model's context window" in outcome.log


@pytest.mark.parametrize("slow", [{"delay": 30}, {"chunk_delay": 30}], ids=["before the answer", "in the middle of it"])
def test_a_call_that_ran_out_of_time_is_over(workspace: Workspace, provider: str, slow: dict[str, float]):
    with SERVERS[provider](reply=lambda _: Answer("half an answer", **slow)) as server:
        outcome = ask(workspace, server, provider, runtime={"timeout_s": 0.3})
        server.until(lambda: server.in_flight == server.open == 0)

    assert outcome.exit_code == 10
    assert len(server.requests) == 1


def test_a_server_that_is_not_there_is_told_as_such(workspace: Workspace, provider: str):
    with SERVERS[provider]() as gone:
        pass
    outcome = ask(workspace, gone, provider)

    assert outcome.exit_code == 10
    assert f"cannot reach http://127.0.0.1:{gone.port}" in outcome.log
