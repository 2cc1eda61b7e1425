"""Answers that are not held: the same result to whoever asks, and no more in memory than there is room for."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner import spill as spills
from runner.answers import SpilledResult, let_go
from runner.deliver import clean
from runner.report.outputs import results_json
from runner.report.results import StepResult
from runner.spill import Spill
from tests import same
from tests.build import dag, report, result
from tests.contract.replaying import record
from tests.report.test_streamed import VALUES
from tests.servers import OpenAIServer
from tests.workspace import Workspace, workflow

HOME = Path(__file__).parent.parent
LONG = "a long answer, " * 50


@given(st.text(st.characters(codec=None)), VALUES)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_who_asks_is_told_what_was_answered(text, data):
    whole = result(response=text + LONG, data=data)
    spilled = let_go(whole, Spill(room=0))

    assert isinstance(spilled, SpilledResult)
    for one in fields(StepResult):
        assert repr(getattr(spilled, one.name)) == repr(getattr(whole, one.name))  # NaN is not equal to itself


def test_what_fits_into_memory_and_what_is_short_is_the_result_as_it_was() -> None:
    large, short = result(response=LONG), result(response="short")
    assert let_go(large, Spill()) is large
    assert let_go(short, Spill(room=0)) is short


def test_a_copy_that_is_changed_holds_its_answer() -> None:
    whole = result(response=LONG, data={"a": 1})
    spilled = let_go(whole, Spill(room=0))
    assert replace(spilled, path="steps[1]") == replace(whole, path="steps[1]")


def test_a_report_is_cleaned_when_it_is_read_and_stays_out_of_memory() -> None:
    step = result(response=LONG + "s3cret", data={"s3cret": ["s3cret"]}, error="s3cret")
    spilled = report(let_go(step, Spill(room=0)))
    once = clean(spilled, lambda text: text.replace("s3cret", "***"))
    twice = clean(once, lambda text: text.replace("***", "+++"))

    assert isinstance(twice.steps[0], SpilledResult)
    found = (twice.steps[0].response, twice.steps[0].data, twice.steps[0].error)
    assert found == (f"{LONG}+++", {"+++": ["+++"]}, "+++")
    assert "s3cret" not in "".join(results_json(once))


def test_of_a_report_without_secrets_nothing_is_copied() -> None:
    whole = report(result(response=LONG), result("steps[1]"))
    assert clean(whole, str).steps is whole.steps


def test_a_run_leaves_the_same_wherever_its_answers_were(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks that are told of others, outputs, artifacts and data among them; and no answer was in memory."""
    tasks = dag(
        {"id": "a", "input": "A"},
        {"id": "b", "deps": ["a"], "input": "{{ tasks.a.response }}"},
        {"id": "c", "deps": ["a", "b"], "input": "{{ last_response | length }} {{ tasks.b.response | length }}"},
    )
    outputs = {
        "step_outputs": {"first": "{{ tasks.a.response }}"},
        "artifacts": [{"path": "x", "from": "{{ tasks.b.response }}"}],
    }
    first, _, spec = record(workspace, tasks, lambda request: LONG + request.user_texts[-1][:10], outputs=outputs)
    held = workspace.run(spec, mode="replay")
    monkeypatch.setattr(spills, "ROOM", 0)
    read = list[object]()
    original = Spill.read
    monkeypatch.setattr(Spill, "read", lambda self, kept: read.append(kept) or original(self, kept))
    spilled = workspace.run(spec, mode="replay")

    assert first.exit_code == held.exit_code == spilled.exit_code == 0, spilled.log
    assert any(isinstance(one, tuple) for one in read)
    assert same.results(spilled.results) == same.results(held.results)
    assert same.summary(spilled.summary) == same.summary(held.summary)
    assert json.loads((workspace.root / spilled.outputs["results-path"]).read_text())["steps"][0]["response"]


def test_answers_that_do_not_fit_end_the_run_with_a_sentence(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spills, "ROOM", 0)
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    with OpenAIServer(reply=LONG) as server:
        ended = workspace.run(workflow(server.url, dag({"id": "a"})))
    assert (ended.exit_code, ended.outputs["status"]) == (12, "invalid")
    assert "what does not fit into memory cannot be kept below /nowhere (TMPDIR): No such file" in ended.log


RUN = """
import asyncio, sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from runner.answers import let_go
from runner.calls.call import Reply
from runner.calls.gates import Gates
from runner.course import Course
from runner.deliver import clean
from runner.folder import Folder
from runner.patterns.workflow import workflow
from runner.plan.scope import Scope
from runner.report.outputs import Paths, outputs, results_json
from runner.report.results import RunReport
from runner.report.summary import summary
from runner.run import Surroundings
from runner.spill import Spill
from runner.step import step_runner, untraced
from tests.build import dag, plan_of, workflow as spec

count, room = int(sys.argv[1]), int(sys.argv[2])
asked = {"input": "{{ last_response | length }}"}
rows = [{"id": f"t{n}", **({"deps": [f"t{n - 1}"], **asked} if n else {})} for n in range(count)]
plan = plan_of(spec(pattern=dag(*rows)))
now = partial(datetime.now, UTC)

async def invoke(call):
    return Reply(str(len(call.user)) * 256 * 1024)

ran = []

async def run():
    course = Course(plan, lambda event: None)
    gates = Gates(None, {}, now, lambda record: None)
    keep = partial(let_go, spill=Spill(room))
    step = step_runner(invoke, gates, emit=course.emit, now=now, span=untraced, keep=keep)
    scope = await workflow(plan.flow, Scope(), course.followed(step))
    ran.append(RunReport("big", "success", 0, "live", now(), 1, response=scope.response, steps=course.steps))

def peak():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])

before = peak()
asyncio.run(run())
report = clean(ran.pop(), lambda text: text.replace("s3cret", "***"))
file = Folder(Path.cwd(), Path.cwd()).write("results.json", results_json(report))
summary(report, "full")
outputs(report, Paths())
print(file.stat().st_size, peak() - before)
"""


def test_memory_stays_where_it_is_however_much_is_answered(tmp_path: Path) -> None:
    """A hundred answers of 256 KiB and more, with room for 4 MiB of them."""

    def ran(room: int) -> tuple[int, int]:
        environ = {"PYTHONPATH": str(HOME), "PATH": ""}
        command = [sys.executable, "-c", RUN, "100", str(room)]
        ended = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=True)
        size, grown = ended.stdout.split()
        return int(size), int(grown) // 1024

    (size, spilled), (as_large, held) = ran(4 * 2**20), ran(2**30)
    assert size // 2**20 == as_large // 2**20 == 25
    assert spilled < 20 < held
