"""One run without a host: recorded once, replayed without a model, a key, or a file that is written."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from runner.credentials import scrubber
from runner.errors import RecordingProblem, SpecError, UsageError
from runner.inputs import ActionInputs
from runner.run import Run
from runner.testing.harness import Harness, Ran
from tests.build import NOON, chain, workflow
from tests.servers import Answer, OpenAIServer, Request
from tests.workspace import Workspace

KEY = "sk-not-for-anybody"
REPLAY = ActionInputs(("workflow.yaml",), mode="replay")
RECORD = replace(REPLAY, mode="record")
ASKED = workflow(pattern=chain({"id": "a", "input": "What is {{ thing }}?"}), inputs={"values": {"thing": "this"}})


def harness(workspace: Workspace, environ: dict[str, str] | None = None) -> Harness:
    environ = environ or {}
    return Harness(workspace.root, environ, lambda: NOON, scrubber(environ))


def recorded(workspace: Workspace, reply: Any = "an answer", inputs: ActionInputs = RECORD, **given: Any) -> Ran:
    """What came of the workspace's workflow.yaml against a server that is gone by now."""
    with OpenAIServer(reply) as server:
        there = harness(workspace, {"OPENAI_API_KEY": KEY})
        return there.run(replace(inputs, host=server.url), **given)


def files(workspace: Workspace) -> dict[str, bytes]:
    root = workspace.root
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_what_was_recorded_is_replayed_without_a_key_and_nothing_is_written(workspace: Workspace):
    workspace.write("workflow.yaml", ASKED)
    first = recorded(workspace)
    before = files(workspace)
    again = harness(workspace).run(REPLAY)

    assert [*before] == ["workflow.yaml", "fixtures/test/steps[0].json"]
    assert files(workspace) == before
    assert (first.report.steps[0].source, again.report.steps[0].source) == ("live", "tape")
    assert (again.report.response, again.report.usage) == (first.report.response, first.report.usage)
    assert ([*first.deck.made], [*again.deck.made]) == (["steps[0]"], [])
    assert again.report.tape == "fixtures/test"


def test_recordings_of_the_action_are_those_of_the_harness(workspace: Workspace):
    with OpenAIServer() as server:
        workspace.run(ASKED, mode="record", host=server.url)
    assert harness(workspace).run(REPLAY).report.response == "ok"


def test_recordings_can_have_a_directory_of_their_own(workspace: Workspace):
    workspace.write("workflow.yaml", ASKED)
    recorded(workspace, recordings="another")

    assert "fixtures/test/another/steps[0].json" in files(workspace)
    assert harness(workspace).run(REPLAY, recordings="another").report.status == "success"
    with pytest.raises(RecordingProblem, match="no recordings in fixtures/test; to record them: try again"):
        harness(workspace).run(REPLAY, again="try again")


@pytest.mark.parametrize("name", ["..", "../other", "a/../../b", "/tmp"])
def test_a_directory_of_recordings_is_one_below_the_others(workspace: Workspace, name: str):
    workspace.write("workflow.yaml", ASKED)
    with pytest.raises(UsageError, match="should be a directory below"):
        harness(workspace).run(REPLAY, recordings=name)


def test_what_cannot_begin_is_raised_as_it_is(workspace: Workspace):
    workspace.write("workflow.yaml", workflow(agents={"writer": {"promt": "x"}}))
    with pytest.raises(SpecError):
        harness(workspace).run(REPLAY)
    workspace.write("workflow.yaml", ASKED)
    with pytest.raises(UsageError, match="needs a key"):
        harness(workspace).run(RECORD)
    with pytest.raises(UsageError, match="'resume' is none of a test's: live, record, replay"):
        harness(workspace).run(replace(REPLAY, mode="resume"))


def test_a_changed_file_is_told_by_its_field_before_anything_runs(workspace: Workspace):
    workspace.write("workflow.yaml", ASKED)
    recorded(workspace)
    workspace.write("workflow.yaml", {**ASKED, "agents": {"writer": {"prompt": "You draw."}}})

    with pytest.raises(RecordingProblem) as raised:
        harness(workspace).run(REPLAY, again="record again")
    told = 'steps[0] (writer) is not asked as it was recorded: prompt: "You write." → "You draw."'
    assert raised.value.message == f"{told}; to record it anew: record again"
    assert raised.value.findings[0].at.file == "workflow.yaml"


def test_a_question_that_values_change_is_raised_too(workspace: Workspace):
    workspace.write("workflow.yaml", ASKED)
    recorded(workspace)
    with pytest.raises(RecordingProblem, match=r'question: "What is this\?" → "What is that\?"'):
        harness(workspace).run(replace(REPLAY, variables={"thing": "that"}))


def test_a_run_that_fails_is_a_report(workspace: Workspace):
    workspace.write("workflow.yaml", ASKED)
    report = recorded(workspace, Answer(status=401)).report
    assert (report.status, report.exit_code) == ("failed", 10)
    assert report.failure is not None


def test_nothing_that_is_left_holds_a_secret(workspace: Workspace):
    workspace.write("workflow.yaml", ASKED)
    report = recorded(workspace, f"the key is {KEY}").report
    again = harness(workspace).run(REPLAY).report

    assert report.response == again.response == "the key is ***"
    assert not [name for name, content in files(workspace).items() if KEY.encode() in content]


def test_secrets_of_the_file_are_needed_to_ask_and_by_real_tools_only(workspace: Workspace):
    env = {"secrets": [{"source": "env", "key": "WIKI_TOKEN"}]}
    workspace.write("workflow.yaml", {**ASKED, "env": env})
    with pytest.raises(UsageError, match="WIKI_TOKEN"):
        recorded(workspace)
    with pytest.raises(UsageError, match="WIKI_TOKEN"):
        harness(workspace).run(REPLAY, tools_live=True)
    with pytest.raises(RecordingProblem):
        harness(workspace).run(REPLAY)


def test_a_live_run_leaves_nothing(workspace: Workspace):
    workspace.write("workflow.yaml", ASKED)
    ran = recorded(workspace, inputs=replace(REPLAY, mode="live"))
    assert (ran.report.status, ran.report.tape) == ("success", "")
    assert [*files(workspace)] == ["workflow.yaml"]


# -- humans -----------------------------------------------------------------------------------------------------------

GATED = chain({"id": "draft", "input": "Draft."}, {"type": "hitl", "prompt": "Well?"}, "Say {{ hitl_response }}.")


def test_an_answer_at_a_gate_is_the_one_that_is_given_and_else_the_one_that_is_recorded(workspace: Workspace):
    workspace.write("workflow.yaml", {**ASKED, "pattern": GATED, "inputs": {}})
    good = replace(RECORD, hitl_response="good")
    recorded(workspace, inputs=good)
    before = files(workspace)
    there = harness(workspace)

    assert there.run(REPLAY).report.status == "success"
    given = there.run(replace(REPLAY, hitl_response="good")).report
    assert (given.status, given.unused, given.warnings) == ("success", (), ())
    with pytest.raises(RecordingProblem, match=r'question: "Say good\." → "Say bad\."'):
        there.run(replace(REPLAY, hitl_response="bad"))
    assert [*recorded(workspace, inputs=good).deck.made] == []
    assert files(workspace) == before
    assert [*recorded(workspace, inputs=replace(good, hitl_response="bad")).deck.made] == ["steps[1]", "steps[2]"]
    assert there.run(REPLAY).report.steps[1].response == "bad"


def test_without_an_answer_a_run_pauses_also_when_it_is_replayed(workspace: Workspace):
    workspace.write("workflow.yaml", {**ASKED, "pattern": GATED, "inputs": {}})
    assert recorded(workspace).report.status == "paused"
    assert [one.prompt for one in harness(workspace).run(REPLAY).report.questions] == ["Well?"]


# -- tools ------------------------------------------------------------------------------------------------------------


def reading(request: Request) -> Answer | str:
    told = any(message["role"] == "tool" for message in request.messages)
    return "read" if told else Answer("", tool_calls=[("file_read", {"path": "notes.txt"})])


def test_tools_are_recorded_or_real_and_real_ones_give_what_they_gave(workspace: Workspace):
    agents = {"writer": {"prompt": "You read.", "tools": ["file_read"]}}
    workspace.write("workflow.yaml", workflow(agents=agents))
    notes = workspace.root / "notes.txt"
    notes.write_text("one")
    recorded(workspace, reading)
    assert harness(workspace).run(REPLAY, tools_live=True).report.steps[0].tools == ("file_read",)

    notes.write_text("two")
    assert harness(workspace).run(REPLAY).report.status == "success"
    with pytest.raises(RecordingProblem, match="the tool 'file_read' gave"):
        harness(workspace).run(REPLAY, tools_live=True)


# -- where it runs ----------------------------------------------------------------------------------------------------


def test_where_a_loop_goes_on_already_the_run_has_a_thread(workspace: Workspace):
    workspace.write("workflow.yaml", ASKED)
    recorded(workspace)
    threads: list[threading.Thread] = []
    there = replace(harness(workspace), emit=lambda event: threads.append(threading.current_thread()))

    async def test() -> Ran:
        return there.run(REPLAY)

    assert asyncio.run(test()).report.status == "success"
    assert threading.main_thread() not in threads
    threads.clear()
    there.run(REPLAY)
    assert {*threads} == {threading.main_thread()}


def test_what_watches_a_run_may_cancel_it(workspace: Workspace):
    @contextmanager
    def impatient(run: Run) -> Iterator[None]:
        run.task.get_loop().call_later(0.2, run.task.cancel)
        yield

    workspace.write("workflow.yaml", ASKED)
    with OpenAIServer(Answer(delay=5)) as server:
        there = replace(harness(workspace, {"OPENAI_API_KEY": KEY}), watched=impatient)
        assert there.run(replace(RECORD, host=server.url)).report.status == "cancelled"
    assert [*files(workspace)] == ["workflow.yaml"]
