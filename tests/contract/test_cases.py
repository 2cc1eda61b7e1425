"""`mode: test`: cases are recorded once, judged on their recordings for ever, and live ones on the real model."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from tests.servers import Answer, OpenAIServer, Request
from tests.workspace import Outcome, Workspace, chain, workflow

KEY = "sk-of-a-test-0123456789"


def triage(host: str, **changes: Any) -> dict[str, Any]:
    """A workflow that says of a title what it is; its agent can calculate."""
    return workflow(
        host,
        chain({"id": "kind", "input": "What is this? {{ title }}"}),
        inputs={"optional": {"title": {"type": "string", "default": "a crash"}}},
        agents={"writer": {"prompt": "You sort.", "tools": ["calculator"]}},
        tools={"python": ["calculator"]},
        **changes,
    )


def says(request: Request) -> Answer:
    asked = request.user_texts[-1]
    if "sum" in asked and request.messages[-1]["role"] != "tool":
        return Answer("", tool_calls=[("calculator", {"expression": "2 + 2"})])
    return Answer("question" if "how" in asked or "sum" in asked else "bug")


BUG = {"name": "a crash is a bug", "expect": {"contains": "bug", "max_turns": 1}}
QUESTION = {"name": "how is a question", "variables": {"title": "how?"}, "expect": {"contains": "question"}}


def cases(workspace: Workspace, *given: dict[str, Any]) -> str:
    return workspace.write("workflow.test.yaml", {"cases": [*given]})


def recorded(workspace: Workspace, *given: dict[str, Any], **inputs: str) -> Outcome:
    """The cases, recorded on a server that is gone afterwards."""
    workspace.environ["OPENAI_API_KEY"] = KEY
    with OpenAIServer(reply=says) as server:
        workspace.write("workflow.yaml", triage(server.url))
        outcome = workspace.action(spec=cases(workspace, *given), mode="record", **inputs)
    del workspace.environ["OPENAI_API_KEY"]
    return outcome


def judged(workspace: Workspace, spec: str = "workflow.test.yaml", **inputs: str) -> Outcome:
    return workspace.action(spec=spec, mode="test", **inputs)


# -- on recordings ----------------------------------------------------------------------------------------------------


def test_cases_are_recorded_and_then_pass_without_a_model(workspace: Workspace) -> None:
    assert recorded(workspace, BUG, QUESTION).exit_code == 0
    assert (workspace.root / "fixtures/test/steps[0].json").is_file()
    assert (workspace.root / "fixtures/test/how-is-a-question/steps[0].json").is_file()

    outcome = judged(workspace)
    assert outcome.exit_code == 0, outcome.log
    assert (outcome.outputs["tests-passed"], outcome.outputs["tests-failed"]) == ("2", "0")
    assert outcome.outputs["total-tokens"] == "0"  # nobody was asked
    assert "### ✅ Tests: 2 passed" in outcome.summary
    assert outcome.annotations == []


def test_what_was_recorded_anew_is_reviewed(workspace: Workspace) -> None:
    recorded(workspace, BUG, QUESTION)
    again = recorded(workspace, BUG, {**QUESTION, "variables": {"title": "a sum"}})
    assert "### Recordings: 1 changed, 1 unchanged" in again.summary
    assert (workspace.root / again.outputs["review-path"]).read_text() in again.summary
    told = json.loads((workspace.root / again.outputs["review-path"]).with_suffix(".json").read_text())
    assert [(step["path"], step["verdict"]) for step in told["steps"]] == [
        ("fixtures/test/how-is-a-question/steps[0]", "changed"),
        ("fixtures/test/steps[0]", "unchanged"),
    ]
    tested = judged(workspace)
    assert tested.outputs["review-path"] == ""
    assert (again.results["mode"], tested.results["mode"]) == ("record", "test")


@pytest.mark.parametrize(("allowed", "code"), [("50", 10), ("100", 0)])
@pytest.mark.parametrize("status", ["success", "failed"])
def test_what_takes_too_much_is_no_cases_success(workspace: Workspace, status: str, allowed: str, code: int) -> None:
    workspace.environ["OPENAI_API_KEY"] = KEY
    gates = {"record": "all", "max_token_increase": allowed, "fail_on": "never"}
    for usage, inputs in (((100, 20), {}), ((200, 40), gates)):
        with OpenAIServer(Answer("bug" if status == "success" else "", usage=usage)) as server:
            workspace.write("workflow.yaml", triage(server.url))
            case = {"name": "a", "expect": {"status": status}}
            outcome = workspace.action(spec=cases(workspace, case), mode="record", **inputs)
    assert outcome.exit_code == code
    assert outcome.outputs["tests-passed"] == "1"
    told = "all steps together: 120 → 240 tokens, 100 % more; 50 % more are allowed"
    for place in (outcome.log, outcome.summary, outcome.results["took_more"], outcome.annotations[-1:]):
        assert (told in str(place).replace("%25", "%")) == (code == 10)


def test_a_second_recording_asks_only_for_what_changed(workspace: Workspace) -> None:
    recorded(workspace, BUG, QUESTION)
    workspace.environ["OPENAI_API_KEY"] = KEY
    with OpenAIServer(reply=says) as server:
        workspace.write("workflow.yaml", triage(server.url))
        workspace.action(spec=cases(workspace, BUG, {**QUESTION, "variables": {"title": "how now?"}}), mode="record")
    assert [request.user_texts[-1] for request in server.requests] == ["What is this? how now?"]


def test_cases_that_share_recordings_are_judged_by_the_same_when_all_is_recorded_anew(workspace: Workspace) -> None:
    workspace.environ["OPENAI_API_KEY"] = KEY
    with OpenAIServer(["bug", "idea"]) as server:
        workspace.write("workflow.yaml", triage(server.url))
        spec = cases(workspace, BUG, {**BUG, "name": "and told in one turn"})
        outcome = workspace.action(spec=spec, mode="record", record="all")
    assert outcome.exit_code == 0
    assert len(server.requests) == 1
    assert "### Recordings: 1 added" in outcome.summary  # by the first, and the second found it
    assert judged(workspace).exit_code == 0


@pytest.mark.parametrize("spec", [".", "*.test.yaml", "workflow.yaml", "workflow.test.yaml"])
def test_cases_are_found_by_directory_glob_workflow_and_name(workspace: Workspace, spec: str) -> None:
    recorded(workspace, BUG)
    assert judged(workspace, spec).outputs["tests-passed"] == "1"


def test_the_command_line_tests_too(workspace: Workspace) -> None:
    recorded(workspace, BUG)
    outcome = workspace.command("test", ".")
    assert outcome.exit_code == 0
    assert outcome.logged("passed workflow.test.yaml:2 a crash is a bug")


def test_a_case_that_fails_is_an_annotation_at_the_line_of_the_case(workspace: Workspace) -> None:
    recorded(workspace, BUG, QUESTION)
    cases(workspace, {**BUG, "expect": {"contains": "idea"}}, QUESTION)
    outcome = judged(workspace)
    assert (outcome.exit_code, outcome.outputs["status"]) == (10, "failed")
    assert (outcome.outputs["tests-passed"], outcome.outputs["tests-failed"]) == ("1", "1")
    [annotation] = outcome.annotations
    assert annotation.startswith("::error title=Test case,file=workflow.test.yaml,line=2")
    assert "should contain 'idea'" in annotation
    [_, suite_case] = ET.parse(workspace.root / outcome.outputs["junit-path"]).getroot().iter("testcase")
    assert suite_case.attrib["name"] == "how is a question"
    assert [one["status"] for one in outcome.results["cases"]] == ["failed", "passed"]


def test_a_file_that_cannot_be_written_keeps_nothing_else_from_being(workspace: Workspace) -> None:
    recorded(workspace, BUG)
    (workspace.root / "out/junit.xml").mkdir(parents=True)
    outcome = judged(workspace, artifacts_dir="out")
    assert (outcome.exit_code, outcome.outputs["status"]) == (12, "invalid")
    assert "out/junit.xml cannot be written" in outcome.log
    assert outcome.outputs["tests-passed"] == "1"
    assert "### ✅ Tests: 1 passed" in outcome.summary


def test_a_failed_case_is_forgiven_where_failures_are(workspace: Workspace) -> None:
    recorded(workspace, BUG)
    cases(workspace, {**BUG, "expect": {"contains": "idea"}})
    outcome = judged(workspace, fail_on="never")
    assert (outcome.exit_code, outcome.outputs["status"]) == (0, "failed")


def test_a_stale_recording_is_the_error_of_its_case_and_no_other(workspace: Workspace) -> None:
    recorded(workspace, BUG, QUESTION)
    cases(workspace, BUG, {**QUESTION, "variables": {"title": "how come?"}})
    outcome = judged(workspace, fail_on="never")
    assert outcome.exit_code == 14
    assert (outcome.outputs["tests-passed"], outcome.outputs["tests-failed"]) == ("1", "1")
    [annotation] = outcome.annotations
    assert "how?" in annotation
    assert "how come?" in annotation
    assert "strands-action run workflow.test.yaml --mode record" in annotation


def test_the_command_that_records_has_what_the_test_was_given(workspace: Workspace) -> None:
    recorded(workspace, BUG)
    outcome = judged(workspace, model_id="gpt-4.1", host="http://localhost:1/v1")
    assert outcome.logged("--mode record --model-id gpt-4.1 --host http://localhost:1/v1")


def test_a_recording_that_a_case_does_not_use_is_its_error(workspace: Workspace) -> None:
    recorded(workspace, BUG)
    one = workspace.root / "fixtures/test/steps[0].json"
    stray = json.loads(one.read_text()) | {"path": "steps[1]", "origin": "hand"}
    (one.parent / "steps[1].json").write_text(json.dumps(stray))
    outcome = judged(workspace)
    assert outcome.exit_code == 14
    assert "recordings that nothing asked for: steps[1]" in outcome.log


def test_the_tools_of_a_case_are_served_or_used(workspace: Workspace) -> None:
    add = {"name": "a sum", "variables": {"title": "sum"}, "expect": {"tools": {"called": "calculator"}}}
    recorded(workspace, add)
    assert judged(workspace).exit_code == 0
    cases(workspace, {**add, "tools": "live"})
    assert judged(workspace).exit_code == 0
    [file] = (workspace.root / "fixtures/test/a-sum").iterdir()
    whole = json.loads(file.read_text()) | {"origin": "hand"}
    whole["turns"][0]["tools"][0]["content"] = [{"text": "5"}]
    file.write_text(json.dumps(whole))
    outcome = judged(workspace)
    assert outcome.exit_code == 14
    assert "the tool 'calculator' gave '4', and when it was recorded '5'" in outcome.log
    assert "--mode record --record all" in outcome.log  # what is merely changed would leave it as it is


def test_a_tool_that_no_agent_has_cannot_be_forbidden(workspace: Workspace) -> None:
    recorded(workspace, {**BUG, "expect": {"tools": {"not_called": "calculator"}}})
    cases(workspace, {**BUG, "expect": {"tools": {"not_called": "calculater"}}})
    outcome = judged(workspace)
    assert outcome.exit_code == 3
    assert "no agent has a tool 'calculater'" in outcome.log


def test_what_could_not_fail_is_told_before_a_model_is_asked(workspace: Workspace) -> None:
    workspace.environ["OPENAI_API_KEY"] = KEY
    with OpenAIServer(reply=says) as server:
        workspace.write("workflow.yaml", triage(server.url))
        cases(workspace, {**BUG, "expect": {"tools": {"not_called": "calculater"}}})
        assert workspace.action(spec="workflow.test.yaml", mode="record").exit_code == 3
    assert server.requests == []


@pytest.mark.parametrize(("limit", "code"), [(10, 0), (0.001, 10)])
def test_what_the_answers_cost_when_they_were_recorded_is_held_against_a_case(
    workspace: Workspace, limit: float, code: int
) -> None:
    workspace.environ["OPENAI_API_KEY"] = KEY
    with OpenAIServer(Answer("bug", usage=(100_000, 10))) as server:
        workspace.write("workflow.yaml", triage(server.url, runtime={"model_id": "gpt-4o"}))
        workspace.action(spec=cases(workspace, BUG), mode="record")
    cases(workspace, {**BUG, "expect": {"max_cost_usd": limit}})
    outcome = judged(workspace)
    assert outcome.exit_code == code
    assert outcome.outputs["cost-usd"] == "0"  # and nothing is billed for a replay


# -- human gates ------------------------------------------------------------------------------------------------------

UNANSWERED = {
    "name": "somebody is asked first",
    "expect": {"status": "paused", "steps": {"draft": {"contains": "bug"}}},
}
ANSWERED = {
    "name": "what they say is told",
    "hitl_response": "how so?",
    "expect": {"contains": "question", "equals": {"steps[1].response": "how so?", "steps[1].answered_by": "response"}},
}


def reviewed(workspace: Workspace, *given: dict[str, Any]) -> Outcome:
    """Cases of a workflow with a human between two steps, recorded on a server that is gone afterwards."""
    gate = {"type": "hitl", "prompt": "Print it?"}
    workspace.environ["OPENAI_API_KEY"] = KEY
    with OpenAIServer(reply=says) as server:
        rows = chain({"id": "draft", "input": "Draft."}, gate, {"input": "Told: {{ hitl_response }}"})
        workspace.write("workflow.yaml", workflow(server.url, rows))
        outcome = workspace.action(spec=cases(workspace, *given), mode="record")
    del workspace.environ["OPENAI_API_KEY"]
    return outcome


def test_a_case_waits_for_a_human_and_another_gives_the_answer(workspace: Workspace) -> None:
    assert reviewed(workspace, UNANSWERED, ANSWERED).exit_code == 0
    outcome = judged(workspace)
    assert outcome.exit_code == 0, outcome.log
    assert outcome.outputs["tests-passed"] == "2"


def test_a_case_that_gives_another_answer_than_was_recorded_is_stale(workspace: Workspace) -> None:
    reviewed(workspace, ANSWERED)
    cases(workspace, {**ANSWERED, "hitl_response": "why?"})
    assert judged(workspace).exit_code == 14


@pytest.mark.parametrize(
    ("case", "told"),
    [
        ({**UNANSWERED, "expect": {"contains": "bug"}}, "status should be success, but is paused"),
        ({**ANSWERED, "expect": {"status": "paused"}}, "status should be paused, but is success"),
    ],
)
def test_a_case_that_ends_otherwise_than_is_expected_fails(
    workspace: Workspace, case: dict[str, Any], told: str
) -> None:
    reviewed(workspace, UNANSWERED, ANSWERED)
    cases(workspace, case)
    outcome = judged(workspace)
    assert outcome.exit_code == 10
    assert told in outcome.log


# -- live -------------------------------------------------------------------------------------------------------------


def live(workspace: Workspace, answers: list[str], case: dict[str, Any], **inputs: str) -> Outcome:
    workspace.environ["OPENAI_API_KEY"] = KEY
    with OpenAIServer([Answer(one) for one in answers]) as server:
        workspace.write("workflow.yaml", triage(server.url))
        cases(workspace, {**BUG, "live": True, **case})
        return judged(workspace, **inputs)


def test_a_live_case_repeats_and_is_reported_as_flaky(workspace: Workspace) -> None:
    outcome = live(workspace, ["bug", "idea", "bug", "bug"], {"repeat": 4, "min_passes": 3})
    assert outcome.exit_code == 0
    assert "3 of 4 (75 %)" in outcome.summary
    assert "flaky" in outcome.summary
    assert outcome.outputs["total-tokens"] == "60"
    assert not (workspace.root / "fixtures").exists()


def test_a_flaky_case_fails_where_warnings_do(workspace: Workspace) -> None:
    assert live(workspace, ["bug", "idea"], {"repeat": 2, "min_passes": 1}, fail_on="warning").exit_code == 10


def test_a_live_case_that_passes_too_rarely_fails(workspace: Workspace) -> None:
    assert live(workspace, ["bug", "idea", "idea"], {"repeat": 3, "min_passes": 2}).exit_code == 10


def test_a_live_case_without_a_key_is_an_error_unless_it_is_skipped(workspace: Workspace) -> None:
    recorded(workspace, BUG)
    workspace.write("workflow.yaml", triage("") | {"runtime": {"provider": "openai", "model_id": "m"}})
    cases(workspace, {**BUG, "name": "live", "live": True}, BUG)
    assert judged(workspace).exit_code == 2
    skipped = judged(workspace, live_cases="skip")
    assert (skipped.exit_code, skipped.outputs["tests-passed"]) == (0, "1")
    assert skipped.logged("1 live cases were left out")


def test_nothing_left_to_test_is_an_error(workspace: Workspace) -> None:
    workspace.write("workflow.yaml", triage("http://localhost:1"))
    cases(workspace, {**BUG, "live": True})
    outcome = judged(workspace, live_cases="skip")
    assert outcome.exit_code == 2
    assert "all 1 cases are live" in outcome.log


# -- files that are none ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["live", "replay", "resume", "plan"])
def test_a_test_file_is_told_from_a_workflow(workspace: Workspace, mode: str) -> None:
    recorded(workspace, BUG)
    outcome = workspace.action(spec="workflow.test.yaml", mode=mode)
    assert outcome.exit_code == 2
    assert "workflow.test.yaml is a file of test cases: mode: test runs them" in outcome.log


def test_a_wrong_test_file_is_told_with_its_place_before_anything_runs(workspace: Workspace) -> None:
    recorded(workspace, BUG)
    workspace.write("workflow.test.yaml", {"cases": [{"name": "a", "expct": {}}]})
    outcome = judged(workspace)
    assert outcome.exit_code == 3
    assert "workflow.test.yaml:3:3: unknown key 'expct'" in outcome.log


def test_a_test_file_is_validated_as_one(workspace: Workspace) -> None:
    recorded(workspace, BUG)
    outcome = workspace.command("validate", "workflow.test.yaml")
    assert outcome.exit_code == 0
    assert outcome.logged("workflow.test.yaml: valid; 1 test cases")
    workspace.write("workflow.test.yaml", {"cases": []})
    assert workspace.command("validate", "workflow.test.yaml").exit_code == 3
