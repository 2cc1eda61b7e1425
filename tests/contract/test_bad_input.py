"""Every way of asking wrongly ends with its exit code, one plain sentence, a place in the file, and outputs."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from tests.servers import Answer, OpenAIServer
from tests.workspace import Outcome, Workspace, chain, tasks, workflow

VALID = workflow("http://127.0.0.1:1/v1", chain("go"))


def refused(outcome: Outcome, exit_code: int, *words: str) -> None:
    assert outcome.exit_code == exit_code
    assert outcome.outputs["status"] == "invalid"
    assert outcome.summary.startswith("### ⛔")
    [told] = [line for line in outcome.log.splitlines() if " ERROR " in line]
    for word in words:
        assert word in told
    assert any(words[0] in line for line in outcome.annotations)


def test_a_missing_file(workspace: Workspace):
    refused(workspace.action(spec="nowhere.yaml"), 12, "there is no file nowhere.yaml", "relative to the workspace")


def test_a_directory(workspace: Workspace):
    refused(workspace.action(spec="."), 12, "is a directory")


def test_text_that_is_not_yaml(workspace: Workspace):
    refused(workspace.run("version: 1\nname: [a\n"), 3, "not valid YAML", "workflow.yaml:3:1")


def test_an_unknown_key(workspace: Workspace):
    refused(workspace.run("versoin: 1\n" + text(VALID)), 3, "unknown key 'versoin'; did you mean 'version'?", ":1:1")


def test_an_unknown_agent(workspace: Workspace):
    spec = workflow("http://x/v1", chain({"agent": "wirter", "input": "go"}))
    refused(workspace.run(spec), 3, "unknown agent 'wirter'; did you mean 'writer'?", "workflow.yaml:14:14")


def test_a_circle_of_tasks(workspace: Workspace):
    refused(workspace.run(workflow("http://x/v1", tasks(a=["b"], b=["a"]))), 3, "a → b → a", "workflow.yaml:")


def test_a_duplicate_task(workspace: Workspace):
    twice = {"type": "workflow", "config": {"tasks": [{"id": "a", "agent": "writer", "input": "x"}] * 2}}
    spec = text(workflow("http://x/v1", twice))
    refused(workspace.run(spec), 3, "task id 'a' stands here again", "workflow.yaml:")


def test_an_undefined_name_in_a_template(workspace: Workspace):
    spec = workflow("http://x/v1", chain("about {{ topc }}"), inputs={"values": {"topic": "tests"}})
    refused(workspace.run(spec), 3, "undefined name 'topc'; did you mean 'topic'?", "workflow.yaml:")


def test_a_missing_key_for_the_provider(workspace: Workspace):
    spec = {**VALID, "runtime": {"provider": "openai", "model_id": "m"}}
    refused(workspace.run(spec), 2, "OPENAI_API_KEY")


def test_an_input_of_the_wrong_type(workspace: Workspace):
    refused(workspace.run(VALID, max_parallel="many"), 2, "input 'max-parallel'", "'many'")


def test_an_unknown_input_is_not_passed_over(workspace: Workspace):
    refused(workspace.run(VALID, max_token_budget="5"), 2, "unknown input", "did you mean 'max-tokens-budget'?")


def test_a_variable_of_the_wrong_type(workspace: Workspace):
    spec = {**VALID, "inputs": {"required": {"count": "integer"}}}
    refused(workspace.run(spec, variables="count: many"), 2, "input 'variables': 'count' should be of type integer")


def test_a_missing_variable(workspace: Workspace):
    spec = {**VALID, "inputs": {"required": {"topic": "string"}}}
    refused(workspace.run(spec), 2, "required variable missing: 'topic' (string)")


def test_nothing_to_run(workspace: Workspace):
    refused(workspace.action(), 2, "nothing to run")


def test_bedrock_without_credentials(workspace: Workspace, monkeypatch: pytest.MonkeyPatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(workspace.root / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(workspace.root / "none"))
    outcome = workspace.run({**VALID, "runtime": {"provider": "bedrock", "model_id": "m"}})

    assert outcome.exit_code == 2
    assert outcome.outputs["status"] == "invalid"
    assert "needs AWS credentials" in outcome.log


# -- what can only be known by asking ---------------------------------------------------------------------------------


def test_an_unreachable_host(workspace: Workspace):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        host = f"http://127.0.0.1:{closed.getsockname()[1]}/v1"
    policy = {"failure_policy": {"retries": 1, "wait_min": 0.01}}
    outcome = workspace.run(workflow(host, chain("go"), runtime=policy))

    assert (outcome.exit_code, outcome.outputs["status"]) == (10, "failed")
    assert f"cannot reach {host.removesuffix('/v1')}" in outcome.log
    assert "gave up after 2 attempts" in outcome.log


def test_an_empty_answer(workspace: Workspace):
    failed_with(workspace, Answer("  \n"), "the model gave an empty answer")


def test_an_answer_that_was_cut_off(workspace: Workspace):
    failed_with(workspace, Answer("half a sen", finish="length"), "cut off at max_tokens")


def test_an_answer_that_was_filtered(workspace: Workspace):
    failed_with(workspace, Answer("", finish="content_filter"), "content filter")


def test_an_answer_that_is_no_answer(workspace: Workspace):
    page = Answer(raw=b"<html>a proxy's page</html>", content_type="text/html")
    failed_with(workspace, page, "a page of HTML in place of an answer")


def failed_with(workspace: Workspace, answer: Answer, words: str) -> None:
    with OpenAIServer(reply=lambda _: answer) as server:
        outcome = workspace.run(workflow(server.url, chain("go"), runtime={"failure_policy": {"retries": 0}}))
    assert (outcome.exit_code, outcome.outputs["status"]) == (10, "failed")
    assert words in outcome.log
    assert outcome.results["steps"][0]["status"] == "failed"
    assert outcome.annotations


def text(spec: dict[str, Any]) -> str:
    """YAML without aliases, as a person writes it."""
    import yaml

    class Plain(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    return yaml.dump(spec, Dumper=Plain, sort_keys=False)


def test_a_step_output_cannot_take_the_name_of_one_of_the_actions_own(workspace: Workspace):
    spec = {**VALID, "outputs": {"step_outputs": {"status": "all well"}}}
    refused(workspace.run(spec), 3, "step output 'status' has the name of an output of the action itself")
