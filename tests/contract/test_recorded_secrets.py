"""Whatever secret a run comes across, none is in what it records; and what is recorded can be replayed without them."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from runner.credentials.scrub import Scrubber
from tests.agents.test_http_tools import api, get
from tests.agents.test_mcp import server as mcp
from tests.build import chain
from tests.contract.replaying import FAST, fixtures, told
from tests.servers import Answer, OpenAIServer, Request, WebServer
from tests.servers.aws import AwsServer
from tests.workspace import Outcome, Workspace, workflow

VALUE = "sk_te*st/0123=\"v\\a'lue+ü😀"
LINES = "-----BEGIN-----\nfirst-line-of-it\nsecond-line-of-it\n-----END-----"
KEY, PIN, TOKEN = "key-of-the-provider-0123", "48392011", "t0ken-from-aws"
FORMS = {
    "plain": str,
    "base64": lambda one: b64encode(one.encode()).decode(),
    "base64 behind a name": lambda one: b64encode(b"user:" + one.encode()).decode(),
    "base64 for URLs": lambda one: urlsafe_b64encode(one.encode()).decode(),
    "in a URL": lambda one: quote(one, safe=""),
    "in a query": quote_plus,
    "in JSON": lambda one: json.dumps(one)[1:-1],
    "in JSON with its signs": lambda one: json.dumps(one, ensure_ascii=False)[1:-1],
    "in JSON in JSON": lambda one: json.dumps({"a": one}),
}
DECLARED = {
    "secrets": [
        {"key": "VALUE", "source": "env"},
        {"key": "PIN", "source": "env"},
        {"key": "LINES", "source": "file", "path": "lines.pem"},
        {"key": "ci/token", "name": "TOKEN", "source": "secrets_manager"},
    ]
}
ALL = {"VALUE": VALUE, "PIN": PIN, "LINES": LINES, "TOKEN": TOKEN, "OPENAI_API_KEY": KEY}


def run(workspace: Workspace, reply: Any, pattern: Any = None, mode: str = "record", **changes: Any) -> Outcome:
    """A run that has all of these secrets, and its file left behind as `workflow.yaml`."""
    inputs = changes.pop("inputs_of_action", {})
    workspace.write("lines.pem", LINES)
    with OpenAIServer(reply) as server, AwsServer({"ci/token": TOKEN}) as aws:
        workspace.environ |= {"VALUE": VALUE, "PIN": PIN, "OPENAI_API_KEY": KEY, **aws.environ}
        spec = workflow(server.url, pattern or chain("go"), env=DECLARED, **changes)
        return workspace.run(spec, mode=mode, **inputs)


def replayed(workspace: Workspace, recorded: Outcome, **inputs: str) -> Outcome:
    """The same file where no secret is."""
    workspace.environ = {}
    (workspace.root / "lines.pem").unlink()
    outcome = workspace.action(spec="workflow.yaml", mode="replay", **inputs)
    assert outcome.exit_code == recorded.exit_code, outcome.log
    return outcome


def found(workspace: Workspace, *but: str) -> list[str]:
    """The files that hold a secret in any form that is known, or a part of one that is not."""
    scrub, own = Scrubber(), {"workflow.yaml", "lines.pem", *but}
    scrub.learn(ALL.values())
    files = [file for file in workspace.root.rglob("*") if file.is_file() and file.name not in own]
    assert any(file.parent.name == "tape" for file in files)
    return [str(file) for file in files if scrub(text := file.read_text()) != text or "te*st" in text]


def recording(workspace: Workspace, name: str = "steps[0].json") -> dict[str, Any]:
    body: dict[str, Any] = json.loads(fixtures(workspace)[name].read_text())
    return body


# -- what a model says ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_in_an_answer(workspace: Workspace, form: str):
    said = " and ".join(FORMS[form](one) for one in ALL.values())
    script = [Answer(f"I know {said}.", chunks=7), Answer(f"Yes, {said}")]
    recorded = run(workspace, script, chain("go", "Is it {{ last_response }}?"))

    assert recorded.exit_code == 0
    assert found(workspace) == []
    assert recording(workspace)["turns"][0]["content"] != []
    assert told(replayed(workspace, recorded)) == told(recorded)


@pytest.mark.parametrize("form", FORMS)
def test_in_data(workspace: Workspace, form: str):
    data = {"all": [FORMS[form](one) for one in ALL.values()], FORMS[form](VALUE): {"deep": [VALUE]}}
    agents = {"writer": {"prompt": "p", "output_schema": {"type": "object"}}}
    recorded = run(workspace, lambda _: json.dumps(data), chain("go", "{{ steps[0].data }}"), agents=agents)

    assert recorded.exit_code == 0
    assert found(workspace) == []
    assert told(replayed(workspace, recorded))["results"]["response"] == recorded.results["response"]


@pytest.mark.parametrize("kind", ["integer", "number"])
@pytest.mark.parametrize("around", ["{}", "```json\n{}\n```", "It is {}."])
def test_a_number_in_data(workspace: Workspace, kind: str, around: str):
    """Taken out of a text it leaves no JSON behind, and what stands for it is no number."""
    schema = {"type": "object", "properties": {"pin": {"type": kind}}, "required": ["pin"]}
    agents = {"writer": {"prompt": "p", "output_schema": schema}}
    said = around.replace("{}", f'{{"pin": {PIN}, "longer": {PIN}77, "other": 5}}')
    pattern = chain({"input": "go", "session": "s"}, {"input": "Is it {{ steps[0].data.pin }}?", "session": "s"})
    recorded = run(workspace, lambda _: said, pattern, agents=agents)

    assert recorded.exit_code == 0
    assert found(workspace) == []
    assert recording(workspace)["answer"]["data"] == {"pin": "***", "longer": "***77", "other": 5}
    outcome = replayed(workspace, recorded)
    assert outcome.results["steps"][0]["data"] == {"pin": "***", "longer": "***77", "other": 5}
    assert outcome.outputs["response"] == recorded.outputs["response"]


def test_in_an_answer_that_is_asked_for_again_and_one_that_fails(workspace: Workspace):
    agents = {"writer": {"prompt": "p", "output_schema": {"type": "object"}}}
    recorded = run(workspace, f"no data but {VALUE} and {KEY}", agents=agents)

    assert recorded.exit_code == 10
    assert found(workspace) == []
    assert told(replayed(workspace, recorded)) == told(recorded)


# -- what a tool is told and tells ------------------------------------------------------------------------------------


def test_in_arguments_and_results_of_tools(workspace: Workspace):
    """A server that gives back whatever it is sent, headers included; and one that shows its environment."""

    def echo(request: Request) -> Answer:
        said = json.dumps([request.headers, request.query, request.content.decode()])
        return Answer(said, headers={"x-echo": request.headers["x-token"]})

    calls = [
        get("/echo", query={"value": VALUE, "pin": PIN}),
        get("/" + quote(TOKEN, safe="")),
        ("calculator", {"expression": KEY, VALUE: [LINES]}),
        ("env", {}),
        (f"tool-{TOKEN}", {}),
    ]
    with WebServer(echo) as web:
        tools = api(
            web.url, headers={"X-Token": "{{ secrets.TOKEN }}", "X-Value": "{{ secrets.TOKEN }}{{ secrets.PIN }}"}
        )
        tools |= {"python": ["calculator"], "mcp": [mcp(env={"TOKEN": "{{ secrets.TOKEN }}", "P": "${PIN}"})]}
        agents = {"writer": {"prompt": "p", "tools": ["api", "calculator", "small"]}}
        recorded = run(workspace, [Answer("", tool_calls=calls), Answer("done")], tools=tools, agents=agents)

    assert recorded.exit_code == 0, recorded.log
    assert web.requests[0].headers["x-token"] == TOKEN
    assert found(workspace) == []
    uses = recording(workspace)["turns"][0]["tools"]
    assert uses[-1]["status"] == "error"
    assert "***" in json.dumps(uses[0]["content"])
    assert told(replayed(workspace, recorded)) == told(recorded)


# -- what is asked ----------------------------------------------------------------------------------------------------


def test_in_values_prompts_and_what_a_session_says(workspace: Workspace):
    """Somebody wrote them where they do not belong. A replay fills in the same values, or others: it cannot know."""
    steps = [
        {"input": "First {{ topic }}.", "session": "s", "vars": {"pin": int(PIN), "more": LINES}},
        {"input": "Then {{ topic }} {{ pin }}, {{ last_response }}", "session": "s", "vars": {"pin": int(PIN)}},
    ]
    agents = {"writer": {"prompt": f"You write with a {TOKEN}."}}
    given = {"variables": json.dumps({"topic": f"tea {VALUE}"})}
    recorded = run(
        workspace, lambda _: f"to {VALUE}", chain(*steps), agents=agents, inputs={"required": {"topic": "string"}},
        inputs_of_action=given,
    )  # fmt: skip

    assert recorded.exit_code == 0
    assert found(workspace) == []
    assert recording(workspace)["prompt"]["user"] == "First tea ***."
    assert told(replayed(workspace, recorded, **given)) == told(recorded)
    other = {"variables": '{"topic": "tea of yours"}'}
    assert workspace.action(spec="workflow.yaml", mode="replay", **other).exit_code == 0
    another = {"variables": '{"topic": "milk"}'}
    assert workspace.action(spec="workflow.yaml", mode="replay", **another).exit_code == 14


def test_in_the_file_itself(workspace: Workspace):
    """As what the model, a tool or a schema is told: that is kept too, to be compared."""
    agents = {"writer": {"prompt": VALUE, "output_schema": {"type": "object", "description": KEY}}}
    tools = {"http_executors": [{"id": "api", "base_url": "https://x", "description": f"With {TOKEN}."}]}
    runtime = {"params": {"user": PIN, "seed": int(PIN), "stop": [LINES]}}
    recorded = run(workspace, '{"a": 1}', agents=agents, tools=tools, runtime=runtime)

    assert recorded.exit_code == 0
    assert found(workspace) == []
    assert recording(workspace)["asked"]["params"] == {"seed": "***", "stop": ["***"], "user": "***"}
    assert told(replayed(workspace, recorded)) == told(recorded)


# -- what goes wrong --------------------------------------------------------------------------------------------------


def test_in_what_a_provider_says_of_a_failure(workspace: Workspace):
    def refuse(status: int) -> Answer:
        return Answer(status=status, error={"error": {"message": f"bad key {KEY}, {quote(VALUE, safe='')}, {PIN}"}})

    recorded = run(workspace, [refuse(503), refuse(429), Answer("ok")], runtime={"failure_policy": FAST})

    assert recorded.results["steps"][0]["attempts"] == 3
    assert found(workspace) == []
    fault = recording(workspace)["turns"][0]["fault"]["message"]
    assert "bad key ***, ***, ***" in fault
    assert told(replayed(workspace, recorded)) == told(recorded)


def test_in_a_run_that_is_not_there_to_record(workspace: Workspace):
    outcome = run(workspace, lambda _: VALUE, mode="live")

    assert outcome.exit_code == 0
    assert not (workspace.root / "fixtures").exists()
    assert found(workspace) == []


def test_what_is_compared_holds_none_either(workspace: Workspace):
    """A replay does not know the secrets, and shows what was kept."""
    run(workspace, "ok", agents={"writer": {"prompt": f"With {VALUE}."}})
    file: Path = workspace.root / "workflow.yaml"
    file.write_text(file.read_text().replace("0123", "4567"))
    outcome = workspace.action(spec="workflow.yaml", mode="replay")

    assert outcome.exit_code == 14
    assert 'prompt: "With ***." → ' in outcome.log
    assert "0123" not in outcome.log
