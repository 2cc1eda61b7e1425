"""A workflow that has been edited, copied or cut short since it was recorded: what is still good, and what is said."""

from __future__ import annotations

import json
import os
import shutil
import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests.build import chain
from tests.contract.replaying import both, fixtures, record
from tests.contract.test_patterns import Script
from tests.servers import Answer, OpenAIServer, Request
from tests.workspace import Outcome, Workspace, parallel, tasks, workflow

if TYPE_CHECKING:
    from tests.contract.replaying import Both


def errors(outcome: Outcome) -> list[str]:
    return [line.split("::")[-1] for line in outcome.annotations if line.startswith("::error")]


def again(workspace: Workspace, ran: Both, pattern: Any, **changes: Any) -> tuple[Outcome, list[str]]:
    """What a replay of another pattern says, and what recording it then asks."""
    replay = workspace.run({**ran.spec, "pattern": pattern, **changes}, mode="replay")
    with OpenAIServer("ok") as server:
        outcome = workspace.run(workflow(server.url, pattern, **changes), mode="record")
    assert outcome.exit_code == 0, outcome.log
    return replay, [request.user_texts[-1] for request in server.requests]


def test_a_task_of_another_id_is_another_step(workspace: Workspace):
    ran = both(workspace, tasks(a=[], b=["a"], c=[]), "ok")
    replay, asked = again(workspace, ran, tasks(a=[], bb=["a"], c=[]))

    assert replay.exit_code == 14
    assert [text.split(";")[0] for text in errors(replay)] == ["tasks.bb (writer): it was never recorded"]
    assert asked == ["bb"]
    assert [*fixtures(workspace)] == ["tasks.a.json", "tasks.bb.json", "tasks.c.json"]


def test_an_agent_of_another_id_is_another_one(workspace: Workspace):
    ran = both(workspace, chain("go"), "ok")
    spec = json.loads(json.dumps(ran.spec).replace('"writer"', '"author"'))
    (error,) = errors(workspace.run(spec, mode="replay"))
    assert 'steps[0] (author) is not asked as it was recorded: agent: "writer" → "author"; to record it' in error


def test_a_condition_that_holds_now_has_no_recording_and_one_that_does_not_leaves_one(workspace: Workspace):
    ran = both(workspace, chain({"input": "x", "when": "{{ false }}"}, "y"), "ok")
    held = workspace.run({**ran.spec, "pattern": chain("x", "y")}, mode="replay")
    left = workspace.run({**ran.spec, "pattern": chain("x", {"input": "y", "when": "{{ false }}"})}, mode="replay")
    neither = chain({"input": "x", "when": "{{ false }}"}, {"input": "y", "when": "{{ false }}"})
    skipped = workspace.run({**ran.spec, "pattern": neither}, mode="replay")

    assert errors(held)[0].startswith("steps[0] (writer): it was never recorded")
    assert errors(left)[0].startswith("steps[0] (writer): it was never recorded")
    assert (skipped.exit_code, skipped.outputs["status"]) == (0, "skipped")
    assert "recordings that nothing asked for: steps[1]" in skipped.log


@pytest.mark.parametrize("name", ["model_id", "provider"])
def test_another_model_by_an_input(workspace: Workspace, name: str):
    """Nothing that was recorded answers for it: not in a replay, and not where a run goes on."""
    ran = both(workspace, chain("go"), "ok")
    inputs = {"model_id": "other", **({"provider": "ollama"} if name == "provider" else {})}
    replay = workspace.run(ran.spec, mode="replay", **inputs)
    with OpenAIServer("ok") as server:
        resumed = workspace.run(workflow(server.url, chain("go")), mode="resume", model_id="other")

    assert f"{name}: " in errors(replay)[0]
    assert "--model-id other" in errors(replay)[0]
    assert (resumed.outputs["steps-resumed"], [one.model for one in server.requests]) == ("0", ["other"])


def test_a_gate_in_whose_place_a_step_is_asked(workspace: Workspace):
    gated = chain("one", {"type": "hitl", "prompt": "Sure?"}, "three")
    _, _, spec = record(workspace, gated, "ok", inputs_of_action={"hitl_response": "yes"})
    replay = workspace.run({**spec, "pattern": chain("one", "two", "three")}, mode="replay")

    (error,) = errors(replay)
    assert 'steps[1] (writer) is not asked as it was recorded: type: "hitl" → nothing; to record it' in error


def test_recordings_that_were_copied_to_another_workflow(workspace: Workspace):
    """They are good for what it asks alike, and in nobody's way."""
    ran = both(workspace, chain("one", "two"), "ok")
    shutil.copytree(workspace.root / "fixtures/test", workspace.root / "fixtures/other")
    same = workspace.run({**ran.spec, "name": "other"}, mode="replay")
    otherwise = workspace.run({**ran.spec, "name": "other", "pattern": chain("one", "three")}, mode="replay")
    elsewhere, asked = again(workspace, ran, parallel(a=["one"], b=["two"]), name="other")

    assert same.exit_code == 0
    assert 'steps[1] (writer) is not asked as it was recorded: input: "two" → "three"' in errors(otherwise)[0]
    assert errors(elsewhere)[0].startswith("branches.a.steps[0] (writer): it was never recorded")
    assert sorted(asked) == ["one", "two"]
    assert [*fixtures(workspace)] == ["steps[0].json", "steps[1].json"]


def test_a_recording_run_that_a_signal_ends_is_gone_on_with_by_the_next(workspace: Workspace):
    def reply(request: Request) -> Answer:
        if request.user_texts == ["two"]:
            os.kill(os.getpid(), signal.SIGINT)
        return Answer("ok", delay=0 if request.user_texts == ["one"] else 30)

    outcome, _, spec = record(workspace, chain("one", "two", "three"), reply)
    kept = [*fixtures(workspace)]
    with OpenAIServer(Script({})) as server:
        spec["runtime"]["host"] = server.url
        after = workspace.run(spec, mode="record")

    assert (outcome.exit_code, kept) == (130, ["steps[0].json"])
    assert [request.user_texts[-1] for request in server.requests] == ["two", "three"]
    assert [step["source"] for step in after.results["steps"]] == ["tape", "live", "live"]


def test_a_recording_run_whose_budget_runs_out_keeps_what_had_finished(workspace: Workspace):
    """Nothing of the step that it ran out in, and nothing that was there before is deleted."""
    ran = both(workspace, chain("one", "two", "three"), "ok")
    edited = chain("one", "two again", "three")
    with OpenAIServer("ok") as server:
        runtime = {"budgets": {"max_tokens": 20}}
        short = workspace.run(workflow(server.url, edited, runtime=runtime), mode="record")
    kept = [*fixtures(workspace)]
    _, asked = again(workspace, ran, edited)

    assert (short.exit_code, kept) == (20, ["steps[0].json", "steps[1].json", "steps[2].json"])
    assert (len(server.requests), asked) == (0, ["two again"])


def test_two_workflows_of_one_name_are_not_recorded_into_one_directory(workspace: Workspace):
    with OpenAIServer("ok") as server:
        workspace.write("other.yaml", workflow(server.url, chain("b")))
        outcome = workspace.run(workflow(server.url, chain("a")), mode="record")
        assert outcome.exit_code == 2
        assert "other.yaml beside workflow.yaml has the name 'test' too" in outcome.log
        assert workspace.action(spec="workflow.yaml", mode="record", fixtures="recorded").exit_code == 0
    assert len(server.requests) == 1


def test_a_recording_run_that_skips_every_step_deletes_no_recording(workspace: Workspace):
    said = {"inputs": {"optional": {"go": {"type": "boolean", "default": True}}}}
    ran = both(workspace, chain({"input": "a", "when": "go"}), "ok", **said)
    skipped = workspace.run(ran.spec, mode="record", variables="go: false")
    assert skipped.outputs["status"] == "skipped"
    assert [*fixtures(workspace)] == ["steps[0].json"]
