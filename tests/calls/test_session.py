"""Steps of one session share a conversation; everybody else begins with none."""

from __future__ import annotations

from typing import Any

import pytest

from tests.build import chain, dag, routing
from tests.contract.test_reuse import AWS
from tests.servers import Answer, BedrockServer, OllamaServer, OpenAIServer, Request
from tests.servers.http import text_of
from tests.workspace import Workspace, parallel, workflow

TWICE = {"failure_policy": {"retries": 1, "wait_min": 0.01}}
NUMBER = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def said(request: Request) -> list[str]:
    """What was said in a conversation so far, the system's part left out, each side by its first letter."""
    return [
        f"{message['role'][0]}: {text_of(message['content'])}"
        for message in request.messages
        if message["role"] != "system"
    ]


def talk(text: str, **more: Any) -> dict[str, Any]:
    return {"input": text, "session": "talk", **more}


@pytest.mark.parametrize(
    ("provider", "kind"), [("openai", OpenAIServer), ("bedrock", BedrockServer), ("ollama", OllamaServer)]
)
def test_a_step_of_a_session_hears_what_was_said_before(workspace: Workspace, provider: str, kind: Any):
    workspace.environ |= AWS
    pattern = chain(talk("one"), "aside", talk("two"), {"input": "other", "session": "else"}, talk("three"))
    with kind(reply=lambda request: request.user_texts[-1].upper()) as server:
        outcome = workspace.run(workflow(server.url, pattern, provider=provider))

    assert outcome.outputs["response"] == "THREE"
    assert [said(request) for request in server.requests] == [
        ["u: one"],
        ["u: aside"],
        ["u: one", "a: ONE", "u: two"],
        ["u: other"],
        ["u: one", "a: ONE", "u: two", "a: TWO", "u: three"],
    ]


def test_each_agent_of_a_session_keeps_its_own_prompt(workspace: Workspace):
    agents = {"writer": {"prompt": "You write."}, "judge": {"prompt": "You judge."}}
    with OpenAIServer() as server:
        workspace.run(workflow(server.url, chain(talk("one"), talk("two", agent="judge")), agents=agents))

    assert [text_of(request.messages[0]["content"]) for request in server.requests] == ["You write.", "You judge."]
    assert said(server.requests[1]) == ["u: one", "a: ok", "u: two"]


def test_an_attempt_that_failed_is_not_part_of_it(workspace: Workspace):
    with OpenAIServer(reply=[Answer("half", reset="during"), Answer("ONE"), Answer("TWO")]) as server:
        workspace.run(workflow(server.url, chain(talk("one"), talk("two")), runtime=TWICE))

    assert said(server.requests[1]) == ["u: one"]
    assert said(server.requests[2]) == ["u: one", "a: ONE", "u: two"]


def test_nor_is_an_answer_that_had_to_be_asked_for_again(workspace: Workspace):
    with OpenAIServer(reply=[Answer("eight"), Answer('{"n": 8}'), Answer("TWO")]) as server:
        workspace.run(workflow(server.url, chain(talk("one", output_schema=NUMBER), talk("two"))))

    (again,) = said(server.requests[1])
    assert again.startswith("u: one\n\nYour last answer was:\neight")
    assert said(server.requests[2]) == ["u: one", 'a: {"n": 8}', "u: two"]


def test_nor_is_a_step_that_gave_no_answer(workspace: Workspace):
    def answer(request: Request) -> Answer:
        return Answer(status=400) if request.user_texts[-1] == "bad" else Answer(delay=0.1)

    runtime = {"failure_policy": {"retries": 0, "on_failure": "continue"}}
    pattern = dag(talk("bad", id="a"), {"id": "wait", "input": "x"}, talk("good", id="b", deps=["wait"]))
    with OpenAIServer(reply=answer) as server:
        outcome = workspace.run(workflow(server.url, pattern, runtime=runtime))

    assert outcome.exit_code == 10
    assert said(server.requests[-1]) == ["u: good"]


def test_at_once_its_steps_take_turns_and_hold_up_nobody_else(workspace: Workspace):
    branches: dict[str, Any] = {f"talk{number}": [talk(f"{number}")] for number in range(3)}
    pattern = parallel(**branches, other=["other"])
    with OpenAIServer(reply=lambda _: Answer(delay=0.2)) as server:
        outcome = workspace.run(workflow(server.url, pattern, runtime={"max_parallel": 2}))

    assert outcome.outputs["status"] == "success"
    assert server.max_in_flight == 2
    talks = [said(request) for request in server.requests if said(request)[-1] != "u: other"]
    assert [len(talk_) for talk_ in talks] == [1, 3, 5]
    asked = {request.user_texts[-1]: request.at for request in server.requests}
    assert asked["other"] < max(asked.values())


def test_what_the_tools_of_one_agent_said_is_not_told_to_another(workspace: Workspace):
    answers = [Answer("", tool_calls=[("calculator", {"expression": "6*7"})]), Answer("it is 42"), Answer("fine")]
    agents = {"writer": {"prompt": "w", "tools": ["calculator"]}, "bare": {"prompt": "b", "tools": []}}
    with OpenAIServer(reply=answers) as server:
        workspace.run(workflow(server.url, chain(talk("how much?"), talk("sure?", agent="bare")), agents=agents))

    assert said(server.requests[2]) == ["u: how much?", "a: it is 42", "u: sure?"]


def test_a_step_that_falls_back_takes_its_conversation_along(workspace: Workspace):
    def main(request: Request) -> Answer:
        return Answer("ONE") if request.user_texts == ["one"] else Answer(status=503)

    with OpenAIServer(reply=main) as server, OllamaServer(reply="TWO") as spare:
        fallback = {"provider": "ollama", "model_id": "spare", "host": spare.url}
        runtime = {"fallbacks": [fallback], "failure_policy": {"retries": 0}}
        outcome = workspace.run(workflow(server.url, chain(talk("one"), talk("two")), runtime=runtime))

    assert outcome.outputs["response"] == "TWO"
    assert said(spare.requests[0]) == ["u: one", "a: ONE", "u: two"]


def test_a_session_lasts_into_a_route(workspace: Workspace):
    with OpenAIServer(reply=lambda request: "a" if request.user_texts == ["Which?"] else "ok") as server:
        workspace.run(workflow(server.url, routing(a=[talk("one"), "aside", talk("two")])))

    assert said(server.requests[-1]) == ["u: one", "a: ok", "u: two"]


def test_a_run_begins_with_no_conversation(workspace: Workspace):
    with OpenAIServer() as server:
        for _ in range(2):
            workspace.run(workflow(server.url, chain(talk("one"))))

    assert [said(request) for request in server.requests] == [["u: one"]] * 2
