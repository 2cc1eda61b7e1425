"""A re-recording is reviewed: step by step, with what it takes, and with gates that fail the run."""

from __future__ import annotations

import json
import os
import shutil
from typing import Any

import pytest

from tests.servers import Answer, OpenAIServer, Request
from tests.workspace import Outcome, Workspace, chain, workflow

BEFORE = {
    "greet": Answer("Good morning to you all."),
    "look": Answer("It is 4 as the calculator says."),
    "list": Answer("one line", usage=(100, 20)),
}
AFTER = {
    "greet": Answer("A very good morning to all of you."),
    "look": Answer("It is 4 as everybody knows."),
    "list": Answer("one line", usage=(200, 40)),
}


def spec(host: str, prompt: str) -> dict[str, Any]:
    pattern = chain(*({"id": name, "input": name} for name in BEFORE))
    agents = {"writer": {"prompt": prompt, "tools": ["calculator"]}}
    return workflow(host, pattern, agents=agents, tools={"python": ["calculator"]})


def answer(request: Request) -> Answer:
    """By the prompt and the question; the first prompt's model calculates before it says what it found."""
    asked, old = request.user_texts[-1], request.messages[0]["content"] == "old"
    if old and asked == "look" and request.messages[-1]["role"] != "tool":
        return Answer("", tool_calls=[("calculator", {"expression": "2 + 2"})])
    return (BEFORE if old else AFTER)[asked]


def edited(workspace: Workspace, **inputs: str) -> Outcome:
    """A workflow that was recorded, recorded again with another prompt."""
    with OpenAIServer(reply=answer) as server:
        assert workspace.run(spec(server.url, "old"), mode="record").exit_code == 0
        shutil.copytree(workspace.root / "fixtures/test", workspace.root / "main")
        return workspace.run(spec(server.url, "new"), mode="record", **inputs)


@pytest.fixture(autouse=True)
def _key(workspace: Workspace) -> None:
    workspace.environ["OPENAI_API_KEY"] = "sk-of-a-test-0123456789"


def test_the_review_says_what_became_of_each_step(workspace: Workspace) -> None:
    outcome = edited(workspace)
    assert outcome.exit_code == 0
    review = json.loads((workspace.root / outcome.outputs["review-path"]).with_suffix(".json").read_text())
    found = {step["path"]: (step["verdict"], step["reasons"]) for step in review["steps"]}
    assert found["steps[0]"] == ("reworded", ["response reworded"])
    assert found["steps[1]"][0] == "changed"
    assert found["steps[1]"][1][0] == "no longer uses the tool `calculator`"
    assert found["steps[2]"] == ("unchanged", [])
    sides = next(step for step in review["steps"] if step["path"] == "steps[2]")
    assert (sides["before"]["input_tokens"], sides["after"]["input_tokens"]) == (100, 200)


def test_the_review_stands_in_the_job_summary(workspace: Workspace) -> None:
    summary = edited(workspace).summary
    assert "### Recordings: 1 changed, 1 reworded, 1 unchanged" in summary
    assert "no longer uses the tool" in summary


def test_a_gate_fails_on_the_step_that_takes_more(workspace: Workspace) -> None:
    outcome = edited(workspace, max_token_increase="50")
    assert (outcome.exit_code, outcome.outputs["status"]) == (10, "failed")
    assert "steps[2]: 120 → 240 tokens, 100 % more; 50 % more are allowed" in outcome.log
    assert "steps[0]" not in "".join(outcome.annotations)
    assert outcome.outputs["review-path"]


def test_a_gate_is_not_forgiven(workspace: Workspace) -> None:
    assert edited(workspace, max_token_increase="50", fail_on="never").exit_code == 10


def test_a_gate_lets_through_what_is_within_it(workspace: Workspace) -> None:
    assert edited(workspace, max_token_increase="100").exit_code == 0


def test_a_cost_that_nobody_knows_goes_through_no_gate(workspace: Workspace) -> None:
    outcome = edited(workspace, max_cost_increase="1000")
    assert outcome.exit_code == 10
    assert "no price is known for openai/m" in outcome.log


def test_a_replay_is_held_against_a_baseline(workspace: Workspace) -> None:
    edited(workspace)
    outcome = workspace.action(
        spec="workflow.yaml", mode="replay", baseline="main", max_token_increase="50", summary="brief"
    )
    assert outcome.exit_code == 10
    assert "steps[2]: 120 → 240 tokens" in outcome.log
    assert "### Recordings: 1 changed, 1 reworded, 1 unchanged" in outcome.summary


def test_a_baseline_without_recordings_is_refused(workspace: Workspace) -> None:
    edited(workspace)
    outcome = workspace.action(spec="workflow.yaml", mode="replay", baseline="nowhere")
    assert outcome.exit_code == 14
    assert "there are no recordings in nowhere" in outcome.log


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_a_refused_run_has_written_belongs_to_the_owner_of_the_workspace(workspace: Workspace) -> None:
    os.chown(workspace.root, 12345, 12345)
    workspace.write("workflow.yaml", spec("http://localhost:1", "old"))
    assert workspace.action(spec="workflow.yaml", mode="replay", baseline="nowhere").exit_code == 14
    left = workspace.root / "strands-artifacts"
    assert {path.stat().st_uid for path in (left, *left.rglob("*"))} == {12345}


def test_a_recording_of_a_step_that_is_no_more_is_deleted_and_told(workspace: Workspace) -> None:
    with OpenAIServer(reply=answer) as server:
        workspace.run(spec(server.url, "old"), mode="record")
        shorter = spec(server.url, "old")
        shorter["pattern"]["config"]["steps"].pop()
        outcome = workspace.run(shorter, mode="record")
    assert "1 removed" in outcome.summary
    assert not (workspace.root / "fixtures/test/steps[2].json").exists()
