"""Human gates in whole runs: a run without the answer is paused and says so everywhere, one with it goes on."""

from __future__ import annotations

import asyncio
import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from runner.calls.gates import GateRecord, Gates
from runner.plan.telemetry import Telemetry
from runner.report.results import RunReport
from runner.run import Surroundings, execute
from runner.telemetry import Tracing
from tests.build import chain, dag, graph, hitl, optimizer, parallel, plan_of, routing, way, workers
from tests.container.runner_parser import steering
from tests.contract.test_patterns import Script, play, statuses
from tests.servers import OpenAIServer
from tests.servers.http import ModelServer
from tests.workspace import Outcome, Workspace, workflow

ASK = hitl("Print {{ steps[0].response }}?", context_display="{{ last_response }}", default="no", timeout_seconds=3600)
PRINTING = chain("Write.", ASK, "Print: {{ hitl_response }}")


def questions(server: ModelServer) -> list[str]:
    return [request.user_texts[-1] for request in server.requests]


def printing(workspace: Workspace, written: str = "a haiku", **inputs: str) -> tuple[Outcome, list[str]]:
    """A run of a chain with a gate, and what its model was asked."""
    with OpenAIServer(reply=Script({"Write.": written})) as server:
        outcome = workspace.run(workflow(server.url, PRINTING), **inputs)
        return outcome, questions(server)


# -- paused -----------------------------------------------------------------------------------------------------------


def test_a_run_without_the_answer_is_paused_and_keeps_what_it_has(workspace: Workspace):
    outcome, asked = printing(workspace)

    assert (outcome.exit_code, outcome.outputs["status"], asked) == (19, "paused", ["Write."])
    assert outcome.results["exit_code"] == 19
    assert outcome.results["failure"] is None
    assert statuses(outcome) == {"steps[0]": "success", "steps[1]": "paused", "steps[2]": "skipped"}
    assert outcome.results["steps"][0]["response"] == "a haiku"
    assert (outcome.outputs["total-tokens"], outcome.outputs["steps-failed"]) == ("15", "0")


def test_the_question_stands_in_results_summary_log_and_annotations(workspace: Workspace):
    outcome, _ = printing(workspace)
    [question] = outcome.results["questions"]

    assert question.pop("until").startswith("20")
    assert question == {"path": "steps[1]", "prompt": "Print a haiku?", "context": "a haiku", "default": "no"}
    assert outcome.summary.startswith("\n### ⏸️ test: paused".lstrip())
    assert "**Waiting for an answer** to <code>steps[1]</code>, which is answered 'no' after 20" in outcome.summary
    assert "```text\nPrint a haiku?\n```\n\n```text\na haiku\n```" in outcome.summary
    assert "_To go on, run with 'mode: resume' and the answer as 'hitl-response'._" in outcome.summary
    assert "| <code>steps[1]</code> | a human | ⏸️ paused |" in outcome.summary
    assert "To go on, run with 'mode: resume' and the answer as 'hitl-response'." in outcome.log
    [annotation] = outcome.annotations
    assert annotation.startswith("::warning title=Waiting for an answer,file=workflow.yaml,line=")
    assert annotation.endswith("::steps[1]: Print a haiku?")


@pytest.mark.parametrize("fail_on", ["never", "error", "warning"])
def test_a_pause_is_never_green(workspace: Workspace, fail_on: str):
    outcome, _ = printing(workspace, fail_on=fail_on)

    assert (outcome.exit_code, outcome.outputs["status"]) == (19, "paused")


def test_what_a_model_said_cannot_act_in_a_question(workspace: Workspace):
    hostile = "```\n::error::x\n##[error]y\n<script>z</script>\n| a |"
    outcome, _ = printing(workspace, hostile)

    assert outcome.annotations[0].startswith("::warning title=Waiting")
    assert [said.name for said in steering(outcome.log)] == ["group", "endgroup", "warning"]
    assert "##[error]" not in outcome.log
    assert "````text\nPrint ```\n" in outcome.summary


def test_a_secret_stands_in_no_question(workspace: Workspace):
    workspace.environ["KEY"] = "value of KEY"
    with OpenAIServer(reply=Script({"Write.": "the value of KEY"})) as server:
        spec = workflow(server.url, PRINTING, env={"secrets": [{"key": "KEY", "source": "env"}]})
        outcome = workspace.run(spec)

    assert outcome.results["questions"][0]["prompt"] == "Print the ***?"
    assert "value of KEY" not in outcome.summary + outcome.log


BRANCHES = parallel(
    {"id": "a", "steps": ["A.", hitl("First?"), "{{ hitl_response }}"]},
    {"id": "b", "steps": ["B.", "C."]},
    {"id": "c", "steps": [hitl("Second?")]},
    reduce="Join.",
)


def test_other_branches_finish_and_all_questions_are_told(workspace: Workspace):
    with OpenAIServer() as server:
        outcome = workspace.run(workflow(server.url, BRANCHES))

    assert sorted(questions(server)) == ["A.", "B.", "C."]
    assert [one["path"] for one in outcome.results["questions"]] == ["branches.a.steps[1]", "branches.c.steps[0]"]
    assert [line.rpartition("::")[2] for line in outcome.annotations] == [
        "branches.a.steps[1]: First?", "branches.c.steps[0]: Second?",
    ]  # fmt: skip
    assert "a map of path to answer (branches.a.steps[1], branches.c.steps[0])" in outcome.log


def test_a_question_is_told_also_where_the_run_has_failed(workspace: Workspace):
    pattern = parallel({"id": "a", "steps": [hitl()]}, {"id": "b", "steps": ["{{ [][0].x }}"]})
    with OpenAIServer() as server:
        outcome = workspace.run(workflow(server.url, pattern))

    assert (outcome.exit_code, outcome.outputs["status"]) == (10, "failed")
    assert [one["path"] for one in outcome.results["questions"]] == ["branches.a.steps[0]"]


def test_a_question_that_cannot_be_rendered_fails_the_run(workspace: Workspace):
    outcome = play(workspace, chain("A.", hitl("{{ steps[0].data.title }}")), {})

    assert (outcome.exit_code, outcome.outputs["status"]) == (10, "failed")
    assert outcome.results["failure"]["path"] == "steps[1]"


def test_a_paused_optimizer_has_its_best_draft(workspace: Workspace):
    outcome = play(workspace, optimizer(review_gate=hitl()), {"You write.": "a draft", "Score": {"score": 1}})

    assert (outcome.exit_code, outcome.outputs["response"]) == (19, "a draft")


# -- answered ---------------------------------------------------------------------------------------------------------


def test_a_run_with_the_answer_goes_on(workspace: Workspace):
    outcome, asked = printing(workspace, hitl_response="Yes, please.")

    assert (outcome.exit_code, outcome.outputs["status"]) == (0, "success")
    assert asked == ["Write.", "Print: Yes, please."]
    gate = outcome.results["steps"][1]
    told = {"agent": "", "status": "success", "response": "Yes, please.", "answered_by": "response", "source": "live"}
    assert told.items() <= gate.items()
    assert (gate["usage"]["total_tokens"], gate["attempts"], gate["model"]) == (0, 0, "")
    assert gate["question"]["prompt"] == "Print a haiku?"
    assert outcome.results["questions"] == []
    assert "<details><summary>steps[1] · a human</summary>\n\n<p>Yes, please.</p>" in outcome.summary


def test_a_gate_has_a_span_and_is_no_step_of_a_budget(workspace: Workspace):
    with OpenAIServer() as server:
        spec = workflow(server.url, PRINTING, runtime={"budgets": {"max_steps": 2}})
        outcome = workspace.run(spec, hitl_response="yes")

    assert outcome.outputs["status"] == "success"
    [span] = [one for one in outcome.trace if one["name"] == "gate"]
    assert (span["attributes"]["path"], span["attributes"]["status"]) == ("steps[1]", "success")


def test_a_map_answers_several_gates(workspace: Workspace):
    answers = {"branches.a.steps[1]": "one", "branches.c.steps[0]": "two"}
    with OpenAIServer() as server:
        outcome = workspace.run(workflow(server.url, BRANCHES), hitl_response=json.dumps(answers))

    assert outcome.exit_code == 0
    assert sorted(questions(server)) == ["A.", "B.", "C.", "Join.", "one"]


@pytest.mark.parametrize(("answer", "asked"), [("approved", "A."), ("route:b", "B.")])
def test_a_human_has_the_last_word_on_a_route(workspace: Workspace, answer: str, asked: str):
    pattern = routing({"review_router": hitl()}, a=["A."], b=["B."])
    with OpenAIServer(reply=Script({"Which?": {"route": "a"}})) as server:
        outcome = workspace.run(workflow(server.url, pattern), hitl_response=answer)

    assert (outcome.exit_code, questions(server)) == (0, ["Which?", asked])


@pytest.mark.parametrize("fail_on", ["error", "never"])
def test_an_answer_that_decides_nothing_is_refused(workspace: Workspace, fail_on: str):
    pattern = routing({"review_router": hitl()}, a=["A."], b=["B."])
    with OpenAIServer(reply=Script({"Which?": {"route": "a"}})) as server:
        outcome = workspace.run(workflow(server.url, pattern), hitl_response="route:c", fail_on=fail_on)

    assert (outcome.exit_code, outcome.outputs["status"], questions(server)) == (2, "invalid", ["Which?"])
    assert "the answer 'route:c' to router.review neither approves the route nor names one" in outcome.log


def test_who_rejects_the_tasks_fails_the_run(workspace: Workspace):
    with OpenAIServer(reply=Script({"Plan.": {"tasks": [{"task": "Read."}]}})) as server:
        spec = workflow(server.url, workers(decomposition_review=hitl()))
        outcome = workspace.run(spec, hitl_response="reject")

    assert (outcome.exit_code, outcome.outputs["status"], questions(server)) == (10, "failed", ["Plan."])
    assert outcome.results["failure"]["title"] == "Rejected"


def test_an_answer_that_no_gate_takes_is_a_warning(workspace: Workspace):
    with OpenAIServer() as server:
        outcome = workspace.run(workflow(server.url, chain("A.")), hitl_response="yes")

    assert outcome.exit_code == 0
    assert any("::no gate took the answer in 'hitl-response'" in line for line in outcome.annotations)


def test_a_file_with_gates_is_valid_and_its_plan_has_them(workspace: Workspace):
    name = workspace.write("workflow.yaml", workflow("http://127.0.0.1:1", PRINTING))

    assert workspace.command("validate", name).exit_code == 0
    assert "steps[1]  a human" in workspace.command("plan", name).stdout
    assert 's1["steps 1<br/>a human"]' in workspace.command("plan", name, "--mermaid").stdout


# -- from run to run --------------------------------------------------------------------------------------------------


class Diary:
    """What a run asked and was answered, for the runs behind it."""

    def __init__(self) -> None:
        self.records: dict[str, GateRecord] = {}
        self.now = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)

    def run(
        self, spec: dict[str, Any], root: Path, response: str | None = None, *, after: timedelta = timedelta(0)
    ) -> RunReport:
        self.now += after
        earlier, now = dict(self.records), self.now
        around = Surroundings(
            environ={},
            workspace=root,
            artifacts=root / "artifacts",
            emit=lambda event: None,
            now=lambda: now,
            span=Tracing({}, Telemetry(), enabled=False).span,
            random=random.Random(1),
            gates=Gates(response, earlier, lambda: now, lambda record: self.records.update({record.path: record})),
        )
        return asyncio.run(execute(plan_of(spec), around))


TWICE = chain(
    hitl("First?"), hitl("Then?", default="no", timeout_seconds=3600), "{{ steps[0].response }} {{ steps[1].response }}"
)


def test_a_run_goes_on_from_gate_to_gate(tmp_path: Path):
    diary = Diary()
    with OpenAIServer() as server:
        spec = workflow(server.url, TWICE)
        reports = [diary.run(spec, tmp_path), diary.run(spec, tmp_path, "one"), diary.run(spec, tmp_path, "two")]

    assert [report.status for report in reports] == ["paused", "paused", "success"]
    assert [[one.path for one in report.questions] for report in reports] == [["steps[0]"], ["steps[1]"], []]
    assert [step.source for step in reports[-1].steps] == ["resumed", "live", "live"]
    assert questions(server) == ["one two"]


def test_a_question_is_paused_again_until_its_time_is_up(tmp_path: Path):
    diary = Diary()
    with OpenAIServer() as server:
        spec = workflow(server.url, TWICE)
        first = diary.run(spec, tmp_path, "steps[0]: one")
        again = diary.run(spec, tmp_path, after=timedelta(minutes=59))
        late = diary.run(spec, tmp_path, "two", after=timedelta(minutes=1))

    assert (first.status, again.status, late.status) == ("paused", "paused", "success")
    assert first.questions == again.questions
    assert late.steps[1].answered_by == "default"
    assert [one.message for one in late.warnings] == [
        "the answer to steps[1] came too late (timeout_seconds); its default stands"
    ]
    assert questions(server) == ["one no"]


def test_a_text_for_several_questions_is_refused_before_anything_runs(tmp_path: Path):
    diary = Diary()
    with OpenAIServer() as server:
        spec = workflow(server.url, BRANCHES)
        diary.run(spec, tmp_path)
        before = len(server.requests)
        report = diary.run(spec, tmp_path, "yes")

        assert (report.status, report.exit_code, len(server.requests)) == ("invalid", 2, before)
    assert report.failure is not None
    assert "(branches.a.steps[1]: First?; branches.c.steps[0]: Second?)" in report.failure.message


# -- on tape ----------------------------------------------------------------------------------------------------------


def test_a_paused_run_is_resumed_with_the_answer_and_asks_no_model_again(workspace: Workspace):
    with OpenAIServer(reply=Script({"Write.": "a haiku"})) as server:
        spec = workflow(server.url, PRINTING)
        paused = workspace.run(spec)
        again = workspace.run(spec, mode="resume")
        done = workspace.run(spec, mode="resume", hitl_response="Yes, please.")
        once_more = workspace.run(spec, mode="resume")

    assert [run.outputs["status"] for run in (paused, again, done, once_more)] == ["paused"] * 2 + ["success"] * 2
    assert paused.results["questions"] == again.results["questions"]
    assert questions(server) == ["Write.", "Print: Yes, please."]
    assert [step["source"] for step in done.results["steps"]] == ["resumed", "live", "live"]
    assert [step["source"] for step in once_more.results["steps"]] == ["resumed"] * 3
    assert once_more.outputs["steps-resumed"] == "3"


def test_a_pause_deletes_no_recording_of_what_lies_behind_the_gate(workspace: Workspace):
    with OpenAIServer() as server:
        spec = workflow(server.url, PRINTING)
        whole = workspace.run(spec, mode="record", hitl_response="yes")
        before = sorted(one.name for one in (workspace.root / "fixtures/test").iterdir())
        paused = workspace.run(spec, mode="record", record="all")
        after = sorted(one.name for one in (workspace.root / "fixtures/test").iterdir())

    assert (whole.exit_code, paused.exit_code) == (0, 19)
    assert before == after == ["steps[0].json", "steps[1].json", "steps[2].json"]


def test_a_recorded_answer_is_played(workspace: Workspace):
    with OpenAIServer() as server:
        spec = workflow(server.url, PRINTING)
        workspace.run(spec, mode="record", hitl_response="yes")
        asked = len(server.requests)
        played = workspace.run(spec, mode="replay")

        assert (played.exit_code, len(server.requests)) == (0, asked)
    assert [step["response"] for step in played.results["steps"]] == ["ok", "yes", "ok"]
    assert played.annotations == []


def test_a_secret_in_a_question_does_not_make_it_another_one(workspace: Workspace):
    workspace.environ["KEY"] = "value of KEY"
    with OpenAIServer(reply=Script({"Write.": "the value of KEY"})) as server:
        spec = workflow(server.url, PRINTING, env={"secrets": [{"key": "KEY", "source": "env"}]})
        workspace.run(spec)
        outcome = workspace.run(spec, mode="resume", hitl_response="yes")

    assert outcome.exit_code == 0
    for file in workspace.root.rglob("tape/*.json"):
        assert "value of KEY" not in file.read_text()


def test_a_shard_asks_no_human_and_the_last_job_does(workspace: Workspace):
    with OpenAIServer() as server:
        spec = workflow(server.url, BRANCHES)
        shards = [workspace.run(spec, shard=one) for one in ("1/2", "2/2")]
        before = sorted(questions(server))
        paused = workspace.run(spec, mode="resume")
        answers = {"branches.a.steps[1]": "one", "branches.c.steps[0]": "two"}
        last = workspace.run(spec, mode="resume", hitl_response=json.dumps(answers))

    assert [shard.outputs["status"] for shard in shards] == ["success"] * 2
    assert before == ["A.", "B.", "C."]
    assert [one["path"] for one in paused.results["questions"]] == ["branches.a.steps[1]", "branches.c.steps[0]"]
    assert (paused.exit_code, last.exit_code) == (19, 0)
    assert sorted(questions(server)) == ["A.", "B.", "C.", "Join.", "one"]


TASKS = dag(
    {"id": "research"},
    hitl(id="review", deps=["research"], context_display="{{ tasks.research.response }}"),
    {"id": "report", "deps": ["review"], "input": "Report: {{ tasks.review.response }}"},
    {"id": "other"},
)
NODES = graph(
    {"draft": "Write.", "review": hitl(), "revise": "Revise: {{ nodes.review.response }}", "print": "Print."},
    way("draft", "review"),
    way("review", print="nodes.review.response == 'approve'", revise="else"),
    way("revise", "review"),
)
REDUCED = parallel(a="A.", b="B.", reduce=hitl(context_display="{{ branches.a.response }}"))
FOUND = workers(
    reduce=hitl(), writeup="{% for one in workers %}{{ one.task }} {% endfor %}{{ hitl_response }}"
)  # a task is known from the orchestrator's answer, also where that is played

EVERYWHERE = {
    "a task": (TASKS, [("tasks.review", "yes")], {"Do research.", "Do other."}, ["Report: yes"]),
    "a node": (NODES, [("nodes.review", "Shorter."), ("nodes.review#2", "approve")], {"Write."},
               ["Revise: Shorter.", "Print."]),
    "a reduce": (REDUCED, [("reduce", "yes")], {"A.", "B."}, []),
    "a reduce of workers": (FOUND, [("reduce", "yes")], {"Plan.", "Read.", "Count."}, ["Read. Count. yes"]),
}  # fmt: skip


@pytest.mark.parametrize(("pattern", "answers", "before", "behind"), EVERYWHERE.values(), ids=EVERYWHERE)
def test_wherever_a_gate_stands_its_run_goes_on_from_answer_to_answer_and_is_replayed(
    workspace: Workspace, pattern: dict[str, Any], answers: list[tuple[str, str]], before: set[str], behind: list[str]
):
    with OpenAIServer(reply=Script({"Plan.": {"tasks": [{"task": "Read."}, {"task": "Count."}]}})) as server:
        spec = workflow(server.url, pattern)
        run = workspace.run(spec)
        assert set(questions(server)) == before
        for path, answer in answers:
            assert (run.outputs["status"], [one["path"] for one in run.results["questions"]]) == ("paused", [path])
            run = workspace.run(spec, mode="resume", hitl_response=answer)
        assert run.outputs["status"] == "success"
        assert questions(server)[len(before) :] == behind

        whole = workspace.run(spec, mode="record", hitl_response=json.dumps(dict(answers)))
        asked = len(server.requests)
        played = workspace.run(spec, mode="replay")
        assert len(server.requests) == asked
    assert (whole.exit_code, played.exit_code, played.annotations) == (0, 0, [])
    assert played.outputs["response"] == whole.outputs["response"] == run.outputs["response"]


def test_a_gate_that_waits_for_a_task_that_was_skipped_is_skipped(workspace: Workspace):
    pattern = dag(
        {"id": "a", "when": "false"},
        hitl("{{ tasks.a.response }}", id="b", deps=["a"]),
        {"id": "c", "deps": ["b"], "when": "true", "input": "said '{{ hitl_response }}'"},
    )
    outcome = play(workspace, pattern, {})

    assert outcome.exit_code == 0
    assert statuses(outcome) == {"tasks.a": "skipped", "tasks.b": "skipped", "tasks.c": "success"}
    assert "status=skipped" in next(line for line in outcome.log.splitlines() if "path=tasks.b" in line)


def test_a_replay_says_of_an_answer_that_it_was_recorded_and_resumes_nothing(workspace: Workspace):
    with OpenAIServer(reply=Script({"Write.": "a haiku"})) as server:
        spec = workflow(server.url, PRINTING)
        recorded = workspace.run(spec, mode="record", hitl_response="Yes, please.")
    replayed = workspace.run(spec, mode="replay")

    assert recorded.exit_code == replayed.exit_code == 0
    assert [step["source"] for step in replayed.results["steps"]] == ["tape"] * 3
    assert (replayed.outputs["steps-replayed"], replayed.outputs["steps-resumed"]) == ("3", "0")
