"""What files of other tools of this language write, read here as they mean it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.build import findings_of, secrets
from tests.servers import Answer, OpenAIServer, WebServer
from tests.workspace import chain, workflow

if TYPE_CHECKING:
    from tests.workspace import Workspace

ASKS = [Answer("", tool_calls=[("api", {"path": "/"})]), Answer("done")]


def api(host: str, **changes: Any) -> dict[str, Any]:
    """The executor `api`, with a header that holds a secret as shells write it."""
    headers = {"Authorization": "Bearer ${TOKEN}"}
    return {"http_executors": [{"id": "api", "base_url": host, "headers": headers, "allow_private": True, **changes}]}


def test_a_secret_is_named_by_name_and_found_by_key(workspace: Workspace) -> None:
    workspace.environ["CI_TOKEN"] = "a-long-secret"
    declared = {"secrets": [{"name": "TOKEN", "key": "CI_TOKEN", "source": "env"}]}
    with OpenAIServer(reply=ASKS) as model, WebServer() as web:
        workspace.run(workflow(model.url, chain("go"), tools=api(web.url), env=declared))

    assert [request.headers["authorization"] for request in web.requests] == ["Bearer a-long-secret"]


def test_a_secret_in_a_shells_braces_must_be_declared_too() -> None:
    file = workflow("http://x", chain("go"), tools=api("https://x"), env=secrets("TOKNE"))
    assert [finding.partition(": ")[2] for finding in findings_of(file)] == [
        "secret 'TOKEN' is not declared under env.secrets; did you mean 'TOKNE'?"
    ]


def test_all_executors_are_named_at_once(workspace: Workspace) -> None:
    agents = {"writer": {"prompt": "p", "tools": ["http_executors", "calculator"]}}
    with OpenAIServer() as model:
        workspace.run(workflow(model.url, chain("go"), agents=agents, tools=api("https://x", headers={})))

    offered = [tool["function"]["name"] for tool in model.requests[0].body["tools"]]
    assert sorted(offered) == ["api", "calculator"]


def test_outputs_know_the_runs_name_and_time_and_artifacts_its_trace(workspace: Workspace) -> None:
    outputs = {
        "artifacts": [
            {"path": "{{ name }}.md", "from": "{{ timestamp[:2] }}"},
            {"path": "trace.json", "from": "{{ TRACE }}"},
        ]
    }
    with OpenAIServer() as model:
        outcome = workspace.run(workflow(model.url, chain("go"), outputs=outputs))

    left = workspace.root / "strands-artifacts"
    assert (left / "test.md").read_text() == "20"
    spans = json.loads((left / "trace.json").read_text())["spans"]
    assert {"agent.invoke", "step"} <= {span["name"] for span in spans}
    assert outcome.exit_code == 0


def test_an_input_goes_before_what_outputs_know_by_themselves(workspace: Workspace) -> None:
    outputs = {"step_outputs": {"said": "{{ name }}"}}
    with OpenAIServer() as model:
        spec = workflow(model.url, chain("go"), outputs=outputs, inputs={"values": {"name": "mine"}})
        assert workspace.run(spec).outputs["said"] == "mine"
