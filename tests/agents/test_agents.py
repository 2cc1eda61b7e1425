"""Real agents of the SDK on scripted servers: what the model is sent, and what comes of its answer."""

from __future__ import annotations

import asyncio
import gc
import os
import re
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from runner import run
from runner.agents.metered import MeteredModel
from runner.agents.providers.faults import Fault, explain, retry_after
from runner.agents.tools.arithmetic import calculate
from runner.calls.budget import Ledger
from runner.calls.call import Tally
from runner.plan.plan import Limits
from runner.threads import Loop
from tests.agents.test_compaction import Scripted
from tests.build import model
from tests.contract.test_reuse import KEYS
from tests.servers import SERVERS, Answer, OpenAIServer
from tests.workspace import Workspace, chain, tasks, workflow

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(params=sorted(SERVERS))
def provider(request: pytest.FixtureRequest, workspace: Workspace) -> str:
    workspace.environ |= KEYS
    return str(request.param)


# -- what the model is sent -------------------------------------------------------------------------------------------


def test_the_agents_prompt_is_the_system_prompt_and_rendered_for_every_call(workspace: Workspace):
    agents = {"writer": {"prompt": "You know: {{ last_response | default('nothing') }}"}}
    with OpenAIServer(reply=["first", "second"]) as server:
        workspace.run(workflow(server.url, chain("one", "two"), agents=agents))

    systems = [request.messages[0]["content"] for request in server.requests]
    assert [text if isinstance(text, str) else text[0]["text"] for text in systems] == [
        "You know: nothing",
        "You know: first",
    ]


def test_a_step_without_input_is_asked_the_latest_answer(workspace: Workspace):
    with OpenAIServer(reply=["first", "second"]) as server:
        workspace.run(workflow(server.url, chain("one", {"agent": "writer"})))

    assert [request.user_texts for request in server.requests] == [["one"], ["first"]]


def test_a_first_step_without_input_is_asked_its_agents_prompt(workspace: Workspace):
    with OpenAIServer() as server:
        workspace.run(workflow(server.url, chain({"agent": "writer"})))

    assert server.requests[0].user_texts == ["You write."]
    assert len(server.requests[0].messages) == 1


def test_an_answer_is_data_to_the_next_step_not_a_template(workspace: Workspace):
    with OpenAIServer(reply=["{{ 7 * 7 }}", "ok"]) as server:
        workspace.run(workflow(server.url, chain("one", "{{ last_response }}")))

    assert server.requests[1].user_texts == ["{{ 7 * 7 }}"]


def test_a_task_sees_what_it_waits_for(workspace: Workspace):
    pattern = tasks(a=[], b=["a"], c=["b"])
    pattern["config"]["tasks"][2]["input"] = "{{ tasks.a.response }}/{{ tasks.b.response }}"
    with OpenAIServer(reply=lambda request: request.user_texts[0].upper()) as server:
        outcome = workspace.run(workflow(server.url, pattern))

    assert outcome.outputs["response"] == "A/B"


def test_inference_parameters_reach_the_provider(workspace: Workspace, provider: str):
    runtime = {"temperature": 0.5, "top_p": 0.9, "max_tokens": 77}
    with SERVERS[provider]() as server:
        workspace.run(workflow(server.url, chain("go"), provider=provider, runtime=runtime))

    body = server.requests[0].body
    place = {"bedrock": "inferenceConfig", "ollama": "options", "gemini": "generationConfig"}.get(provider)
    sent = body[place] if place else body
    assert {0.5, 0.9, 77} <= {value for value in sent.values() if isinstance(value, int | float)}


def test_an_agents_own_inference_and_model_go_before_the_runtimes(workspace: Workspace):
    agents = {"writer": {"prompt": "p", "model_id": "own", "inference": {"temperature": 0}}}
    with OpenAIServer() as server:
        workspace.run(workflow(server.url, chain("go"), agents=agents, runtime={"temperature": 1.5}))

    assert (server.requests[0].model, server.requests[0].body["temperature"]) == ("own", 0)


def test_params_are_passed_as_they_are(workspace: Workspace):
    with OpenAIServer() as server:
        workspace.run(workflow(server.url, chain("go"), runtime={"params": {"seed": 7, "stop": ["END"]}}))

    assert (server.requests[0].body["seed"], server.requests[0].body["stop"]) == (7, ["END"])


# -- tools ------------------------------------------------------------------------------------------------------------


def test_an_agent_uses_its_tools_and_every_turn_is_counted(workspace: Workspace, provider: str):
    agents = {"writer": {"prompt": "p", "tools": ["calculator"]}}
    answers = [Answer("", tool_calls=[("calculator", {"expression": "6 * 7"})]), Answer("It is 42.")]
    with SERVERS[provider](reply=answers) as server:
        outcome = workspace.run(workflow(server.url, chain("go"), agents=agents, provider=provider))

    assert outcome.outputs["response"] == "It is 42."
    assert outcome.results["steps"][0]["turns"] == 2
    assert outcome.outputs["total-tokens"] == "30"
    assert "42" in str(server.requests[1].messages[-1])


@pytest.mark.parametrize(
    ("declared", "own", "override", "sent"),
    [
        (["calculator"], None, None, {"calculator"}),
        (["calculator"], [], None, set()),
        (["calculator", "current_time"], ["current_time"], None, {"current_time"}),
        (["calculator"], None, ["current_time"], {"current_time"}),
    ],
    ids=["unset means all declared", "an empty list means none", "named ones only", "a step overrides"],
)
def test_which_tools_an_agent_is_given(
    workspace: Workspace, declared: list[str], own: Any, override: Any, sent: set[str]
):
    agent = {"prompt": "p"} | ({} if own is None else {"tools": own})
    step = {"agent": "writer", "input": "go"} | ({} if override is None else {"tool_overrides": override})
    with OpenAIServer() as server:
        workspace.run(workflow(server.url, chain(step), agents={"writer": agent}, tools={"python": declared}))

    assert {tool["function"]["name"] for tool in server.requests[0].body.get("tools") or []} == sent


@pytest.mark.parametrize(
    ("expression", "value"),
    [("2 + 3 * 4", "14"), ("(2 + 3) * -4", "-20"), ("7 // 2 + 7 % 2", "4"), ("2 ** 10", "1024"), ("1 / 4", "0.25")],
)
def test_the_calculator_calculates(expression: str, value: str):
    assert calculate(expression) == value


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "1 +",
        "__import__('os')",
        "a",
        "'x' * 9",
        "9 ** 9 ** 9",
        "1 / 0",
        "(" * 400,
        "True + 1",
        "1" * 501,
        "(-8) ** 0.5",
    ],
)
def test_the_calculator_refuses_everything_else(expression: str):
    with pytest.raises(ValueError, match=r"\w"):
        calculate(expression)


# -- structured answers -----------------------------------------------------------------------------------------------

SCHEMA = {"type": "object", "properties": {"score": {"type": "integer"}}, "required": ["score"]}
SCORED = {"writer": {"prompt": "p", "output_schema": SCHEMA}}


@pytest.mark.parametrize(
    "text",
    ['{"score": 7}', 'Sure:\n```json\n{"score": 7}\n```', 'I say {"score": 7}, truly.', 'As [1] says: {"score": 7}'],
)
def test_an_answer_by_schema_becomes_data(workspace: Workspace, provider: str, text: str):
    with SERVERS[provider](reply=lambda _: text) as server:
        spec = workflow(server.url, chain("go"), agents=SCORED, provider=provider)
        outcome = workspace.run(spec | {"outputs": {"step_outputs": {"score": "{{ steps[0].data.score }}"}}})

    assert outcome.outputs["structured"] == '{"score": 7}'
    assert outcome.outputs["score"] == "7"
    assert "score" in str(server.requests[0].body)  # the schema was sent, in the provider's way or in words


@pytest.mark.parametrize("text", ["no data", '{"score": "seven"}', "[]"])
def test_an_answer_that_does_not_satisfy_the_schema_fails_the_step(workspace: Workspace, text: str):
    with OpenAIServer(reply=lambda _: text) as server:
        outcome = workspace.run(workflow(server.url, chain("go"), agents=SCORED))

    assert outcome.exit_code == 10
    assert "output_schema" in outcome.log


# -- what goes wrong --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 500, 503])
def test_transient_errors_of_every_provider_are_retried(workspace: Workspace, provider: str, status: int):
    runtime = {"failure_policy": {"retries": 1, "wait_min": 0.01}}
    with SERVERS[provider](reply=[Answer(status=status), Answer("ok")]) as server:
        outcome = workspace.run(workflow(server.url, chain("go"), provider=provider, runtime=runtime))

    assert outcome.outputs["response"] == "ok"
    assert len(server.requests) == 2


def test_the_clients_make_no_retries_of_their_own(workspace: Workspace, provider: str):
    runtime = {"failure_policy": {"retries": 0}}
    with SERVERS[provider](reply=lambda _: Answer(status=503)) as server:
        outcome = workspace.run(workflow(server.url, chain("go"), provider=provider, runtime=runtime))

    assert outcome.exit_code == 10
    assert len(server.requests) == 1


def test_a_retry_after_longer_than_wait_max_ends_the_step_instead_of_asking_too_early(workspace: Workspace):
    with OpenAIServer(reply=lambda _: Answer(status=429, headers={"retry-after": "3600"})) as server:
        outcome = workspace.run(workflow(server.url, chain("go")))

    assert "asks to wait 3600 s" in outcome.log
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "headers", [{"retry-after": "0.2"}, {"retry-after": "30", "retry-after-ms": "200"}], ids=["seconds", "milliseconds"]
)
def test_every_provider_is_given_the_time_it_asks_for(workspace: Workspace, provider: str, headers: dict[str, str]):
    runtime = {"failure_policy": {"retries": 1, "wait_min": 0.01}}
    with SERVERS[provider](reply=[Answer(status=429, headers=headers), Answer("ok")]) as server:
        outcome = workspace.run(workflow(server.url, chain("go"), provider=provider, runtime=runtime))

    assert outcome.outputs["response"] == "ok"
    assert 0.2 <= server.requests[1].at - server.requests[0].at < 20


def test_every_provider_may_ask_to_wait_until_a_time_of_the_day(workspace: Workspace, provider: str):
    later = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    with SERVERS[provider](reply=lambda _: Answer(status=429, headers={"retry-after": later})) as server:
        outcome = workspace.run(workflow(server.url, chain("go"), provider=provider))

    assert re.search(r"the provider asks to wait 3[56]\d\d(\.\d+)? s, longer than wait_max", outcome.log)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("2", 2.0),
        ("0.5", 0.5),
        ((NOW + timedelta(seconds=30)).strftime("%a, %d %b %Y %H:%M:%S GMT"), 30.0),
        ((NOW - timedelta(seconds=30)).strftime("%a, %d %b %Y %H:%M:%S GMT"), 0.0),
        ("soon", None),
        ("inf", None),
        ("nan", None),
        ("-1", 0.0),
        ("", None),
    ],
)
def test_retry_after_is_read_in_both_forms(header: str, seconds: float | None):
    assert retry_after({"Retry-After": header}, NOW) == seconds


def test_an_error_is_read_from_below_the_sdks_wrapping():
    try:
        try:
            raise ConnectionError("the cause")
        except ConnectionError as cause:
            raise RuntimeError("wrapped") from cause
    except RuntimeError as error:
        problem = explain(
            error, lambda one: Fault("lost", transient=True) if isinstance(one, ConnectionError) else None, NOW
        )
    assert problem is not None
    assert problem.transient


def test_a_run_leaves_no_thread_and_no_file_open(workspace: Workspace, provider: str):
    with SERVERS[provider]() as server:
        spec = workflow(server.url, tasks(a=[], b=[]), provider=provider)
        workspace.run(spec)  # what is imported once may keep something of its own
        server.until(lambda: server.sockets == 0)
        gc.collect()
        before = (threading.active_count(), len(os.listdir("/dev/fd")))
        workspace.run(spec)
        server.until(lambda: server.sockets == 0)
        gc.collect()

        assert (threading.active_count(), len(os.listdir("/dev/fd"))) == before


def test_a_run_has_one_event_loop(workspace: Workspace, provider: str, monkeypatch: pytest.MonkeyPatch):
    made = []
    make = asyncio.events.new_event_loop
    monkeypatch.setattr(asyncio.events, "new_event_loop", lambda: made.append("another") or make())
    monkeypatch.setattr(run, "Loop", lambda threads: made.append("the run's") or Loop(threads))
    agents = {"writer": {"prompt": "p", "tools": ["calculator"]}}
    answers = [Answer("", tool_calls=[("calculator", {"expression": "1"})]), Answer("ok")]
    with SERVERS[provider](reply=answers) as server:
        outcome = workspace.run(workflow(server.url, chain("a", "b"), agents=agents, provider=provider))

    assert outcome.outputs["status"] == "success"
    assert made == ["the run's"]


def test_a_turn_that_is_given_up_gives_up_its_request_at_once():
    open_requests: list[Any] = []

    class Endless(Scripted):
        async def stream(self, *_: Any, **__: Any) -> Any:
            open_requests.append(self)
            try:
                while True:
                    yield {"contentBlockDelta": {"delta": {"text": "and "}}}
            finally:
                open_requests.remove(self)

    async def give_up() -> None:
        ledger = Ledger(Limits(), lambda _: None)
        metered = MeteredModel(Endless(), model(), ledger, Tally())
        events = metered.stream([])
        await anext(events)
        assert open_requests
        await events.aclose()
        assert open_requests == []

    asyncio.run(give_up())
