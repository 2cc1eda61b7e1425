"""Secrets of a file in a whole run: they reach who needs them, and nothing that is printed or written."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any
from urllib.parse import quote

import pytest

from tests.servers import Answer, OpenAIServer, Request
from tests.servers.aws import AwsServer
from tests.workspace import Outcome, Workspace, chain, workflow

VALUE = "sk_te*st/0123=\"v\\a'lue"
KEY = {"name": "OPENAI_API_KEY", "source": "file", "path": "token"}


def asking(host: str, *secrets: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return workflow(host, chain("go"), env={"secrets": list(secrets)}, **changes)


def everything_of(outcome: Outcome) -> dict[str, str]:
    """Everything that a run said or wrote, but for the commands that tell the host what to mask."""
    files = (outcome.root / "strands-artifacts").rglob("*")
    said = {str(path): path.read_text() for path in files if path.is_file()}
    log = "".join(line for line in outcome.log.splitlines(keepends=True) if not line.startswith("::add-mask::"))
    return said | {"outputs": str(outcome.outputs), "summary": outcome.summary, "log": log, "stdout": outcome.stdout}


def mentions(outcome: Outcome, *marks: str) -> list[tuple[str, str]]:
    return [(name, mark) for name, text in everything_of(outcome).items() for mark in marks if mark in text]


# -- who gets them ----------------------------------------------------------------------------------------------------


def test_a_secret_that_is_called_as_a_providers_key_is_that_key(workspace: Workspace):
    workspace.write("token", "key-from-a-file\n")
    with OpenAIServer() as server:
        workspace.environ["OPENAI_API_KEY"] = "key-of-the-job"
        outcome = workspace.run(asking(server.url, KEY))

    assert outcome.exit_code == 0
    assert server.requests[0].headers["authorization"] == "Bearer key-from-a-file"


def test_a_secret_that_aws_keeps_reaches_the_provider(workspace: Workspace):
    secret = {"key": "ci/openai", "name": "OPENAI_API_KEY", "source": "secrets_manager", "path": "key"}
    with OpenAIServer() as server, AwsServer({"ci/openai": '{"key": "key-from-aws"}'}) as aws:
        workspace.environ |= aws.environ
        outcome = workspace.run(asking(server.url, secret))

    assert outcome.exit_code == 0
    assert server.requests[0].headers["authorization"] == "Bearer key-from-aws"


def test_a_key_that_the_file_declares_is_the_one_that_the_provider_needs(workspace: Workspace):
    workspace.write("token", "key-from-a-file")
    spec = asking("http://127.0.0.1:9/v1", KEY, runtime={"failure_policy": {"retries": 0}})
    del spec["runtime"]["host"]
    workspace.environ["HTTPS_PROXY"] = "http://127.0.0.1:9"  # nobody is there: the run fails, but it begins
    assert workspace.run(spec).outputs["status"] == "failed"


@pytest.mark.parametrize(
    "changes",
    [
        {"pattern": chain("{{ secrets.OPENAI_API_KEY }}")},
        {"agents": {"writer": {"prompt": "{{ secrets.OPENAI_API_KEY }}"}}},
        {"outputs": {"step_outputs": {"key": "{{ secrets['OPENAI_API_KEY'] }}"}}},
    ],
    ids=["an input", "a prompt", "an output"],
)
def test_no_question_prompt_or_output_can_name_a_secret(workspace: Workspace, changes: dict[str, Any]):
    workspace.write("token", "key-from-a-file")
    outcome = workspace.run({**asking("http://x/v1", KEY), **changes})

    assert outcome.exit_code == 3
    assert "undefined name 'secrets'; secrets are for the headers of tools.http_executors" in outcome.log


# -- what is never said -----------------------------------------------------------------------------------------------


def test_a_secret_that_comes_back_is_nowhere_in_what_a_run_leaves(workspace: Workspace):
    workspace.write("token", VALUE + "\n")
    forms = [VALUE, quote(VALUE, safe=""), json.dumps(VALUE)[1:-1], b64encode(VALUE.encode()).decode()]

    def tell(request: Request) -> Answer:
        if request.number == 1:
            return Answer("MARK " + " ".join(forms))
        return Answer(status=401, error={"error": {"message": f"bad key {VALUE}"}})

    with OpenAIServer(tell) as server:
        spec = asking(server.url, KEY, outputs={"artifacts": [{"path": "a.md", "from": "{{ last_response }}"}],
                                                "step_outputs": {"all": "{{ last_response }}"}})  # fmt: skip
        good = workspace.run(spec)
        found = mentions(good, *forms)
        artifact = (workspace.root / "strands-artifacts/a.md").read_text()
        bad = workspace.run(spec)

    assert found == []
    assert good.outputs["all"] == good.outputs["response"] == artifact == "MARK *** *** *** ***"
    assert good.results["steps"][0]["response"] == "MARK *** *** *** ***"
    assert bad.exit_code == 10
    assert "bad key ***" in bad.log
    assert mentions(bad, *forms, VALUE.replace("_", "\\_").replace("*", "\\*")) == []


def test_a_secret_in_data_is_taken_out_however_deep_it_is(workspace: Workspace):
    workspace.write("token", VALUE)
    answer = "[" * 300 + json.dumps(VALUE) + "]" * 300
    with OpenAIServer(reply=lambda _: answer) as server:
        outcome = workspace.run(asking(server.url, KEY, agents={"writer": {"prompt": "a", "output_schema": {}}}))

    assert outcome.exit_code == 0, outcome.log
    assert outcome.outputs["structured"] == "[" * 300 + '"***"' + "]" * 300
    assert mentions(outcome, VALUE, json.dumps(VALUE)[1:-1]) == []


@pytest.mark.parametrize("value", ["success", "live", "chain"])
def test_a_secret_that_is_one_of_our_words_does_not_end_a_run(workspace: Workspace, value: str):
    workspace.write("token", value)
    with OpenAIServer() as server:
        outcome = workspace.run(asking(server.url, KEY))

    assert outcome.exit_code == 0
    assert "### ✅" in outcome.summary


def test_what_the_host_does_not_know_it_is_told_to_mask_line_by_line(workspace: Workspace):
    workspace.write("token", "first-line 100%\nab\nthird-line")
    workspace.environ["OTHER"] = "known-to-the-host"
    with OpenAIServer() as server:
        outcome = workspace.run(asking(server.url, {**KEY, "name": "CERT"}, {"key": "OTHER", "source": "env"}))

    lines = outcome.log.splitlines()
    masks = [line for line in lines if line.startswith("::add-mask::")]
    assert masks == ["::add-mask::first-line 100%25", "::add-mask::third-line"]
    assert lines[:2] == masks


def test_elsewhere_than_on_a_host_nothing_is_masked(workspace: Workspace):
    workspace.write("token", VALUE)
    with OpenAIServer(reply=lambda _: f"MARK {VALUE}") as server:
        workspace.write("workflow.yaml", asking(server.url, KEY))
        outcome = workspace.command("run", "workflow.yaml")

    assert outcome.stdout == "MARK ***\n"
    assert "add-mask" not in outcome.log
    assert mentions(outcome, VALUE) == []


# -- what is missing --------------------------------------------------------------------------------------------------

MISSING = asking("http://x/v1", {"name": "TOKEN", "source": "env"}, {**KEY, "path": "nowhere"})


def test_a_run_without_its_secrets_is_refused_at_their_lines(workspace: Workspace):
    outcome = workspace.run(MISSING)

    assert (outcome.exit_code, outcome.outputs["status"]) == (2, "invalid")
    assert [line.partition("::error ")[2].partition("::")[0] for line in outcome.annotations] == [
        "title=Invalid input,file=workflow.yaml,line=18,col=5",
        "title=Invalid input,file=workflow.yaml,line=20,col=5",
    ]
    assert not (workspace.root / "strands-artifacts").exists()


def test_validating_only_warns_of_secrets_that_are_not_at_hand(workspace: Workspace):
    outcome = workspace.run(MISSING, mode="validate")

    assert outcome.exit_code == 0
    assert [line.split()[0] for line in outcome.annotations] == ["::warning", "::warning"]
    assert "secret 'TOKEN' (source env): the environment variable TOKEN is not set" in outcome.log
    assert workspace.run(MISSING, mode="validate", fail_on="warning").exit_code == 3


def test_a_plan_names_secrets_and_their_sources(workspace: Workspace):
    workspace.write("workflow.yaml", MISSING)
    outcome = workspace.command("plan", "workflow.yaml", "--json")
    assert json.loads(outcome.stdout)["secrets"] == {"TOKEN": "env", "OPENAI_API_KEY": "file"}
