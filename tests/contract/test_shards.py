"""Shards in whole runs: the jobs of a matrix ask every question once between them, and each says what it left."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from runner.plan.shards import shard_of
from runner.plan.telemetry import Telemetry
from runner.run import Surroundings, execute
from runner.tape.deck import Deck
from runner.tape.shelf import Shelf
from runner.telemetry import Tracing
from tests.build import chain, dag, plan_of
from tests.servers import Answer, OpenAIServer, Request
from tests.workspace import Outcome, Workspace, parallel, tasks, workflow

if TYPE_CHECKING:
    from runner.plan.plan import Plan
    from runner.report.results import RunReport

REVIEW = parallel(
    reduce={"input": "Sum up: {{ branches.a.response }}, {{ branches.d.response }}"},
    a=["a0", "a1 after {{ last_response }}"],
    b=["b0"],
    c=["c0"],
    d=["d0", "d1", "d2"],
)
JOINED = tasks(a=[], a1=["a"], b=[], b1=["b"], c=[], both=["a1", "b1"], end=["both"])


def echo(request: Request) -> str:
    return f"<{request.user_texts[-1]}>"


def matrix(workspace: Workspace, spec: dict[str, Any], **inputs: str) -> list[str]:
    """The shards of a plan, read as the host would read them."""
    planned = workspace.run(spec, mode="plan", **inputs)
    assert planned.exit_code == 0, planned.log
    return json.loads(planned.outputs["matrix"])["shard"]  # type: ignore[no-any-return]


def asked(server: OpenAIServer) -> Counter[str]:
    return Counter(request.user_texts[-1] for request in server.requests)


@pytest.mark.parametrize("most", ["1", "2", "3", "100"])
@pytest.mark.parametrize(
    ("pattern", "left"),
    [(REVIEW, {"Sum up: <a1 after <a0>>, <d2>"}), (JOINED, {"both", "end"})],
    ids=["parallel", "workflow"],
)
def test_the_jobs_of_a_matrix_ask_each_question_once(
    workspace: Workspace, pattern: dict[str, Any], left: set[str], most: str
):
    with OpenAIServer(reply=echo) as server:
        whole = workspace.run(workflow(server.url, pattern))
        questions = asked(server)
        server.requests.clear()
        spec = workflow(server.url, pattern)
        runs = [workspace.run(spec, shard=one) for one in matrix(workspace, spec, shards=most)]

    assert {run.outputs["status"] for run in runs} == {"success"}
    assert asked(server) == Counter({question: 1 for question in questions if question not in left})
    hashes = {step["path"]: step["config_hash"] for step in whole.results["steps"]}
    steps = [step for run in runs for step in run.results["steps"]]
    assert {step["path"]: step["config_hash"] for step in steps}.items() <= hashes.items()
    assert len(steps) == len(hashes) - len(left)
    assert {run.outputs["config-hash"] for run in runs} == {whole.outputs["config-hash"]}


def test_a_shard_says_what_it_is_in_log_summary_and_results(workspace: Workspace):
    with OpenAIServer(reply=echo) as server:
        outputs = {"step_outputs": {"sum": "{{ reduce_response }}"}, "artifacts": [{"path": "a.md", "from": "x"}]}
        outcome = workspace.run(workflow(server.url, REVIEW, outputs=outputs), shard="2/3")

    told = "shard 2/3: 2 of 8 steps; the rest is left to the job that resumes"
    assert f" INFO {told}" in outcome.log
    assert told in outcome.summary.splitlines()
    assert outcome.results["shard"] == "2/3"
    assert [step["path"] for step in outcome.results["steps"]] == ["branches.a.steps[0]", "branches.a.steps[1]"]
    assert outcome.outputs["response"] == "<a1 after <a0>>"
    assert "sum" not in outcome.outputs
    assert not (workspace.root / "strands-artifacts/a.md").exists()


def test_the_response_of_a_shard_is_the_answers_of_its_parts_joined(workspace: Workspace):
    with OpenAIServer(reply=echo) as server:
        outcome = workspace.run(workflow(server.url, REVIEW), shard="3/3")

    assert outcome.outputs["response"] == "<b0>\n\n<c0>"


@pytest.mark.parametrize("pattern", [REVIEW, JOINED], ids=["parallel", "workflow"])
@pytest.mark.parametrize("fail_on", ["error", "warning"])
def test_a_shard_for_which_nothing_is_left_ends_as_skipped(workspace: Workspace, pattern: dict[str, Any], fail_on: str):
    with OpenAIServer(reply=echo) as server:
        outcome = workspace.run(workflow(server.url, pattern), shard="9/9", fail_on=fail_on)

    assert (outcome.exit_code, outcome.outputs["status"], outcome.outputs["response"]) == (0, "skipped", "")
    assert "shard 9/9: nothing is left for it; the plan has no more than" in outcome.summary
    assert outcome.results["steps"] == []
    assert outcome.annotations == []
    assert server.requests == []


def test_a_failing_shard_fails_and_keeps_what_it_was_told(workspace: Workspace):
    def answer(request: Request) -> Answer:
        return Answer(status=400) if request.user_texts[-1] == "d2" else Answer(echo(request))

    with OpenAIServer(reply=answer) as server:
        failed, other = (workspace.run(workflow(server.url, REVIEW), shard=one) for one in ("1/3", "2/3"))

    assert (failed.exit_code, other.exit_code) == (10, 0)
    assert [step["status"] for step in failed.results["steps"]] == ["success", "success", "failed"]


# -- the circle -------------------------------------------------------------------------------------------------------

TALKING = dag(
    {"id": "a", "session": "s"}, {"id": "a1", "session": "s", "deps": ["a"]}, {"id": "b"},
    {"id": "end", "session": "s", "deps": ["a1", "b"], "input": "end: {{ tasks.a1.response }}{{ tasks.b.response }}"},
)  # fmt: skip


def engine(root: Path, plan: Plan, deck: Deck) -> RunReport:
    """A run on recordings, without a door."""
    span = Tracing({}, Telemetry(), enabled=False).span
    around = Surroundings(
        environ={},
        workspace=root,
        artifacts=root / "out",
        emit=lambda event: None,
        now=lambda: datetime.now(UTC),
        span=span,
        random=Random(0),
        deck=deck,
    )
    return asyncio.run(execute(plan, around))


@pytest.mark.parametrize("of", [1, 2, 3, 7])
@pytest.mark.parametrize("pattern", [REVIEW, JOINED, TALKING], ids=["parallel", "workflow", "session"])
def test_what_resumes_on_all_shards_asks_only_what_they_left(tmp_path: Path, pattern: dict[str, Any], of: int):
    with OpenAIServer(reply=echo) as server:
        plan = plan_of(workflow(server.url, pattern))
        whole = engine(tmp_path, plan, Deck(plan))
        questions = asked(server)
        server.requests.clear()
        kept = Shelf()
        for number in range(1, of + 1):
            shard = shard_of(plan, number, of)
            engine(tmp_path, shard, Deck(shard, keep=lambda one, text: kept.put(one, text.encode())))
        assert {*kept} == {step.path for step in shard_of(plan, 1, 1).steps()}
        rest = engine(tmp_path, plan, Deck(plan, "resume", kept))

    assert asked(server) == questions
    assert {step.path for step in rest.steps if step.source == "resumed"} == {*kept}
    assert (rest.status, rest.response) == ("success", whole.response)


# -- the plan ---------------------------------------------------------------------------------------------------------


def printed(workspace: Workspace, *arguments: str) -> Outcome:
    return workspace.command("plan", "workflow.yaml", *arguments)


def test_the_command_line_prints_a_matrix_as_one_line(workspace: Workspace):
    workspace.write("workflow.yaml", workflow("http://x/v1", REVIEW))
    assert printed(workspace, "--matrix").stdout == '{"shard": ["1/4", "2/4", "3/4", "4/4"]}\n'
    assert printed(workspace, "--matrix", "--shards", "2").stdout == '{"shard": ["1/2", "2/2"]}\n'


def test_the_plan_of_a_shard_is_shown_and_has_no_matrix(workspace: Workspace):
    outcome = workspace.run(workflow("http://x/v1", REVIEW), mode="plan", shard="1/3")

    assert outcome.outputs["matrix"] == ""
    assert "shard 1/3: 3 of 8 steps" in outcome.stdout
    assert "branches.d.steps[2]" in outcome.stdout
    assert "branches.a" not in outcome.stdout


def test_a_plan_without_parts_has_an_empty_matrix_unless_it_was_asked_for(workspace: Workspace):
    shown = workspace.run(workflow("http://x/v1", chain("a", "b")), mode="plan", shards="3")
    wanted = printed(workspace, "--matrix")

    assert (shown.exit_code, shown.outputs["matrix"]) == (0, "")
    assert (wanted.exit_code, wanted.stdout) == (2, "")
    assert "a plan of the pattern 'chain' cannot be sharded: each step waits for the one before it" in wanted.log


def test_a_shard_of_what_has_no_parts_is_refused_before_anything_is_asked(workspace: Workspace):
    with OpenAIServer(reply=echo) as server:
        outcomes = [
            workspace.run(workflow(server.url, chain("a")), shard="1/2"),
            workspace.action(prompt="a", provider="openai", model_id="m", host=server.url, shard="1/2"),
        ]

    assert [(one.exit_code, one.outputs["status"]) for one in outcomes] == [(2, "invalid")] * 2
    assert all("cannot be sharded" in one.annotations[0] for one in outcomes)
    assert server.requests == []
