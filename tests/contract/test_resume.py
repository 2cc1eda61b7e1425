"""A run that did not end well is gone on with: what had an answer keeps it, and nothing is asked or done twice."""

from __future__ import annotations

import copy
import json
import re
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tests.agents.test_compaction import CALCULATES
from tests.agents.test_http_tools import api, get
from tests.build import chain, dag
from tests.contract.replaying import FAST, at_this_server
from tests.contract.test_patterns import Script
from tests.contract.test_replay import JUDGE, PATTERNS
from tests.same import OF_A_RUN
from tests.servers import Answer, OpenAIServer, Request, WebServer
from tests.workspace import Outcome, Workspace, parallel, workflow

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.http import Reply

FIVE = chain(*(f"q{number}{' to {{ last_response }}' if number > 1 else ''}" for number in range(1, 6)))
ANSWERS: dict[str, Any] = {f"q{number}": f"a{number}" for number in range(1, 6)}
NO = Answer(status=400)


def run(
    workspace: Workspace, reply: Reply, pattern: Any = FIVE, mode: str = "live", **changes: Any
) -> tuple[Outcome, list[str]]:
    """A run, and the questions that it asked."""
    inputs = changes.pop("inputs_of_action", {})
    with OpenAIServer(reply) as server:
        spec = at_this_server(workflow(server.url, pattern, **changes), server)
        outcome = workspace.run(spec, mode=mode, **inputs)
    return outcome, [request.user_texts[-1] for request in server.requests]


def resume(workspace: Workspace, reply: Reply, pattern: Any = FIVE, **changes: Any) -> tuple[Outcome, list[str]]:
    return run(workspace, reply, pattern, mode="resume", **changes)


def each(outcome: Outcome, *names: str) -> list[Any]:
    """What the steps of a run have under these names."""
    steps = outcome.results["steps"]
    return [step[names[0]] if len(names) == 1 else tuple(step[name] for name in names) for step in steps]


def answered(outcome: Outcome) -> dict[str, Any]:
    """What a run came to, whoever answered."""
    left = {"steps", "cache", *OF_A_RUN}
    results = {name: one for name, one in outcome.results.items() if name not in left}
    own = ("source", "started", "duration_ms", "cost_usd")
    return results | {"steps": [{n: v for n, v in step.items() if n not in own} for step in outcome.results["steps"]]}


def tapes(workspace: Workspace) -> list[str]:
    base = workspace.root / "strands-artifacts"
    return sorted(str(path.relative_to(base)) for path in base.rglob("tape") if path.is_dir())


# -- what is asked ----------------------------------------------------------------------------------------------------


def test_only_what_was_not_finished_is_asked_and_the_end_is_the_same(workspace: Workspace):
    undisturbed, _ = run(workspace, Script(ANSWERS), inputs_of_action={"artifacts_dir": "elsewhere"})
    failed, _ = run(workspace, Script({**ANSWERS, "q3": NO}))
    resumed, asked = resume(workspace, Script(ANSWERS))

    assert (failed.exit_code, resumed.exit_code) == (10, 0)
    assert asked == ["q3 to a2", "q4 to a3", "q5 to a4"]
    assert each(resumed, "source") == ["resumed"] * 2 + ["live"] * 3
    assert (resumed.outputs["steps-resumed"], resumed.outputs["steps-replayed"]) == ("2", "0")
    assert answered(resumed) == answered(undisturbed)


def test_without_an_earlier_run_everything_is_asked(workspace: Workspace):
    resumed, asked = resume(workspace, Script(ANSWERS))

    assert (resumed.exit_code, len(asked)) == (0, 5)
    assert resumed.outputs["steps-resumed"] == "0"


def test_a_run_that_was_complete_asks_nothing(workspace: Workspace):
    complete, _ = run(workspace, Script(ANSWERS))
    resumed, asked = resume(workspace, Script({}))

    assert (resumed.exit_code, asked) == (0, [])
    assert answered(resumed) == answered(complete)
    assert resumed.outputs["clients-created"] == "0"


@pytest.mark.parametrize("name", PATTERNS)
def test_every_pattern_is_gone_on_with(workspace: Workspace, name: str):
    """Its last question is refused; what is asked then is that question, and what follows from it."""
    pattern, answers = PATTERNS[name]
    undisturbed, questions = run(workspace, Script(answers), pattern, inputs_of_action={"artifacts_dir": "elsewhere"})
    script, last = Script(answers), questions[-1]
    failed, _ = run(workspace, lambda request: NO if request.user_texts[-1] == last else script(request), pattern)
    again = Script({**answers, **{key: one[-1] for key, one in answers.items() if isinstance(one, tuple)}})
    resumed, asked = resume(workspace, again, pattern)

    assert failed.exit_code == 10
    assert resumed.exit_code == 0, resumed.log
    assert last in asked
    assert len(asked) < len(questions)
    assert answered(resumed) == answered(undisturbed)


@pytest.mark.parametrize("answer", [Answer("never"), Answer("", finish="length"), Answer(status=503)])
def test_what_failed_is_asked_again_however_it_failed(workspace: Workspace, answer: Answer):
    agents = {"writer": {"prompt": "p", "output_schema": JUDGE}}
    runtime = {"failure_policy": {**FAST, "retries": 1}}
    failed, _ = run(workspace, [Answer('{"score": 1}'), answer], chain("one", "two"), agents=agents, runtime=runtime)
    resumed, asked = resume(workspace, '{"score": 2}', chain("one", "two"), agents=agents, runtime=runtime)

    assert (failed.exit_code, resumed.exit_code, asked) == (10, 0, ["two"])
    assert resumed.results["data"] == {"score": 2}


def test_a_step_whose_time_ran_out_is_asked_again(workspace: Workspace):
    pattern = chain("one", {"input": "two", "timeout_s": 0.2})
    failed, _ = run(workspace, Script({"two": Answer(delay=2)}), pattern)
    resumed, asked = resume(workspace, "ok", pattern)

    assert (failed.exit_code, resumed.exit_code, asked) == (10, 0, ["two"])


# -- what was edited --------------------------------------------------------------------------------------------------


def edited(number: int, text: str) -> dict[str, Any]:
    pattern = copy.deepcopy(FIVE)
    pattern["config"]["steps"][number]["input"] = text
    return pattern


@pytest.mark.parametrize(
    ("answer", "asked"),
    [("a2", ["q2 anew to a1"]), ("b2", ["q2 anew to a1", "q3 to b2"])],
    ids=["the same answer", "another"],
)
def test_a_step_that_was_edited_runs_again_and_those_that_are_asked_otherwise_through_it(
    workspace: Workspace, answer: str, asked: list[str]
):
    run(workspace, Script(ANSWERS))
    resumed, questions = resume(
        workspace, Script({"q2 anew": answer, **ANSWERS}), edited(1, "q2 anew to {{ last_response }}")
    )

    assert questions == asked
    assert each(resumed, "source")[0] == "resumed"
    assert each(resumed, "source").count("live") == len(asked)
    assert each(resumed, "response") == ["a1", answer, "a3", "a4", "a5"]


def test_another_value_runs_only_what_it_fills(workspace: Workspace):
    pattern = chain("one", "two {{ topic }}", "three")
    declared = {"values": {"topic": "tea"}}
    run(workspace, "ok", pattern, inputs=declared)
    _, asked = resume(workspace, "ok", pattern, inputs=declared, inputs_of_action={"variables": "topic: milk"})

    assert asked == ["two milk"]


def test_a_session_is_gone_on_with(workspace: Workspace):
    pattern = chain(*({"input": f"q{number}", "session": "talk"} for number in range(1, 4)))
    undisturbed, _ = run(workspace, Script(ANSWERS), pattern, inputs_of_action={"artifacts_dir": "elsewhere"})
    run(workspace, Script({**ANSWERS, "q3": NO}), pattern)
    sent: list[list[str]] = []

    def reply(request: Request) -> Answer:
        sent.append([str(one["content"]) for one in request.messages])
        return Answer("a3")

    resumed, _ = resume(workspace, reply, pattern)
    assert len(sent) == 1
    assert [text for text in ("q1", "a1", "q2", "a2", "q3") if text in str(sent[0])] == ["q1", "a1", "q2", "a2", "q3"]
    assert answered(resumed) == answered(undisturbed)


def test_a_session_that_said_something_else_before_a_step_asks_it_again(workspace: Workspace):
    pattern = chain(*({"input": f"q{number}", "session": "talk"} for number in range(1, 4)))
    run(workspace, Script(ANSWERS), pattern)
    pattern["config"]["steps"][0]["input"] = "q1 anew"
    _, asked = resume(workspace, Script({"q1 anew": "b1", **ANSWERS}), pattern)

    assert asked == ["q1 anew", "q2", "q3"]


# -- what is not done twice -------------------------------------------------------------------------------------------


def test_no_tool_of_a_step_that_is_taken_over_runs_again(workspace: Workspace):
    pattern = chain("one", "two")
    write = ("file_write", {"path": "a.txt", "content": "written"})
    with WebServer("ok") as web:
        tools = {**api(web.url), "python": ["file_write"]}
        script = [Answer("", tool_calls=[get("/order"), write]), Answer("done"), NO]
        failed, _ = run(workspace, script, pattern, tools=tools)
        (workspace.root / "a.txt").unlink()
        resumed, asked = resume(workspace, "ok", pattern, tools=tools)

    assert (failed.exit_code, resumed.exit_code, asked) == (10, 0, ["two"])
    assert len(web.requests) == 1
    assert not (workspace.root / "a.txt").exists()
    assert resumed.results["steps"][0]["tools"] == ["api", "file_write"]
    assert resumed.results["steps"][0]["turns"] == 2


def test_what_was_spent_is_on_the_same_account(workspace: Workspace):
    runtime = {"failure_policy": FAST}
    script = [Answer(status=503), Answer("", tool_calls=[("calculator", {"expression": "1"})]), Answer("a1"), NO]
    run(workspace, script, chain("q1", "q2"), agents=CALCULATES, runtime=runtime)
    budget = runtime | {"budgets": {"max_tokens": 10_000, "max_steps": 2}}
    resumed, _ = resume(workspace, "a2", chain("q1", "q2"), agents=CALCULATES, runtime=budget)

    assert each(resumed, "attempts", "turns", "source") == [(2, 3, "resumed"), (1, 1, "live")]
    assert resumed.outputs["total-tokens"] == "45"
    assert (resumed.results["budget"]["tokens"], resumed.results["budget"]["steps"]) == (45, 2)


def test_a_budget_that_the_earlier_runs_used_up_is_used_up(workspace: Workspace):
    run(workspace, Script({**ANSWERS, "q5": NO}))
    resumed, asked = resume(workspace, Script(ANSWERS), runtime={"budgets": {"max_tokens": 60}})

    assert (resumed.exit_code, resumed.outputs["status"], asked) == (20, "budget", [])
    assert resumed.results["budget"]["tokens"] == 60


def test_templates_are_told_what_they_were_told(workspace: Workspace):
    pattern = chain("q1", "q2 {{ steps[0].duration_ms }} {{ steps[0].attempts }} {{ steps[0].tokens }}", "q3")
    script = Script({"q1": Answer("a1", delay=0.06), "q3": NO})
    _, first = run(workspace, script, pattern)
    resumed, asked = resume(workspace, "ok", pattern)

    assert re.fullmatch(r"q2 \d\d+ 1 15", first[1])
    assert asked == ["q3"]
    assert each(resumed, "source") == ["resumed", "resumed", "live"]


# -- where earlier runs are -------------------------------------------------------------------------------------------


def test_a_run_may_be_resumed_as_often_as_it_takes(workspace: Workspace):
    run(workspace, Script({**ANSWERS, "q2": NO}))
    second, asked_then = resume(workspace, Script({**ANSWERS, "q4": NO}))
    third, asked_at_last = resume(workspace, Script(ANSWERS))

    assert [second.exit_code, third.exit_code] == [10, 0]
    assert [text[:2] for text in asked_then] == ["q2", "q3", "q4"]
    assert [text[:2] for text in asked_at_last] == ["q4", "q5"]
    assert tapes(workspace) == ["run-2/tape", "run-3/tape", "tape"]
    assert each(third, "source") == ["resumed"] * 3 + ["live"] * 2


def test_the_tape_of_a_resumed_run_is_whole(workspace: Workspace):
    """Whoever keeps only the last one keeps everything."""
    run(workspace, Script({**ANSWERS, "q4": NO}))
    resumed, _ = resume(workspace, Script(ANSWERS))
    base: Path = workspace.root / "strands-artifacts"
    assert resumed.outputs["tape-path"] == "strands-artifacts/run-2/tape"
    shutil.rmtree(base / "tape")
    again, asked = resume(workspace, Script({}))

    assert (again.exit_code, asked) == (0, [])
    assert [file.name for file in sorted((base / "run-3/tape").iterdir())] == [f"steps[{n}].json" for n in range(5)]


def test_a_tape_that_was_brought_back_alone_is_found(workspace: Workspace):
    """As when a job keeps what `tape-path` names: the run takes the very directory that it lies in."""
    failed, _ = run(workspace, Script({**ANSWERS, "q4": NO}))
    kept = workspace.root / "kept"
    shutil.move(workspace.root / failed.outputs["tape-path"], kept)
    shutil.rmtree(workspace.root / "strands-artifacts")
    (workspace.root / "strands-artifacts").mkdir()
    shutil.move(kept, workspace.root / failed.outputs["tape-path"])
    resumed, asked = resume(workspace, Script(ANSWERS))

    assert (resumed.exit_code, [text[:2] for text in asked]) == (0, ["q4", "q5"])
    assert resumed.outputs["tape-path"] == failed.outputs["tape-path"]


def test_what_shards_have_done_is_put_together(workspace: Workspace):
    """Each does its part and brings its tape, below a directory of its name."""
    pattern = parallel(**{name: [name, f"{name} again"] for name in "abc"}, reduce={"input": "{{ last_response }}"})
    for name in "abc":
        others = {other: NO for other in "abc" if other != name}
        delays = {name: Answer(f"to {name}"), f"{name} again": "again"}

        def reply(request: Request, others: Any = others, delays: Any = delays) -> Answer:
            question = request.user_texts[-1]
            said = {**delays, **others}.get(question, "ok")
            return Answer(said) if isinstance(said, str) else said

        shard, _ = run(workspace, reply, pattern, runtime={"failure_policy": {"retries": 0, "on_failure": "continue"}},
                       inputs_of_action={"artifacts_dir": f"shard-{name}"})  # fmt: skip
        assert shard.exit_code == 10
        shutil.copytree(workspace.root / f"shard-{name}/tape", workspace.root / f"strands-artifacts/shard-{name}/tape")
    resumed, asked = resume(workspace, "joined", pattern)

    assert resumed.exit_code == 0, resumed.log
    assert asked == ["again\n\nagain\n\nagain"]
    assert resumed.outputs["steps-resumed"] == "6"


def test_two_workflows_that_share_a_directory_are_each_gone_on_with(workspace: Workspace):
    run(workspace, Script({**ANSWERS, "q5": NO}))
    other: dict[str, Any] = {"name": "other", "agents": {"writer": {"prompt": "Otherwise."}}}
    run(workspace, Script({**ANSWERS, "q2": NO}), **other)
    _, asked = resume(workspace, Script(ANSWERS))
    _, asked_of_the_other = resume(workspace, Script(ANSWERS), **other)

    assert [text[:2] for text in asked] == ["q5"]
    assert [text[:2] for text in asked_of_the_other] == ["q2", "q3", "q4", "q5"]


def test_another_directory_of_artifacts_is_another_history(workspace: Workspace):
    run(workspace, Script({**ANSWERS, "q5": NO}))
    _, asked = resume(workspace, Script(ANSWERS), inputs_of_action={"artifacts_dir": "elsewhere"})
    assert len(asked) == 5


def test_recordings_to_be_committed_are_not_made(workspace: Workspace):
    run(workspace, Script({**ANSWERS, "q5": NO}))
    resume(workspace, Script(ANSWERS))
    assert not (workspace.root / "fixtures").exists()


def test_tasks_that_do_not_wait_for_each_other_are_taken_over_each_by_itself(workspace: Workspace):
    pattern = dag({"id": "a"}, {"id": "b"}, {"id": "c", "deps": ["a", "b"]})
    runtime = {"failure_policy": {"retries": 0, "on_failure": "continue"}}
    run(workspace, Script({"Do a.": NO}), pattern, runtime=runtime)
    resumed, asked = resume(workspace, "ok", pattern, runtime=runtime)

    assert asked == ["Do a.", "Do c."]
    assert dict(zip(each(resumed, "path"), each(resumed, "source"), strict=True))["tasks.b"] == "resumed"


def test_the_summary_tells_what_was_taken_over(workspace: Workspace):
    run(workspace, Script({**ANSWERS, "q2": NO}))
    resumed, _ = resume(workspace, Script(ANSWERS))

    assert re.search(r"steps\[0\].* \| resumed \|", resumed.summary)
    assert re.search(r"steps\[1\].* \| live \|", resumed.summary)
    assert json.loads((workspace.root / "strands-artifacts/run-2/results.json").read_text())["mode"] == "resume"


# -- notes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", [True, False], ids=["the same workspace", "a fresh checkout"])
def test_steps_that_are_taken_over_leave_their_notes_once(workspace: Workspace, kept: bool):
    noted = {"context_policy": {"notes": {"file": "notes.md"}}}
    run(workspace, Script({**ANSWERS, "q3": NO}), **noted)
    if not kept:
        (workspace.root / "notes.md").unlink()
    with OpenAIServer(Script(ANSWERS)) as server:
        assert workspace.run(workflow(server.url, FIVE, **noted), mode="resume").exit_code == 0
    told = server.requests[0].messages[0]["content"]
    assert re.findall(r"^> (.+)$", told, re.MULTILINE) == ["a1", "a2"]
    assert re.findall(r"^> (.+)$", (workspace.root / "notes.md").read_text(), re.MULTILINE) == [*ANSWERS.values()]
