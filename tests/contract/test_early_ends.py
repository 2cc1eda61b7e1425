"""However a run ends, what had finished by then is in results, outputs, summary, trace and tape."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest

from runner.tape.recording import load
from tests.build import hitl
from tests.servers import Answer, OpenAIServer, Request
from tests.workspace import Outcome, Workspace, chain, parallel, workflow

FINISHED = "the first answer"


def second(ends: Answer) -> Callable[[Request], Answer]:
    """A server that answers the first question, and does to the second what the test says."""
    return lambda request: Answer(FINISHED) if request.user_texts == ["first"] else ends


def failed(workspace: Workspace) -> Outcome:
    return run(workspace, second(Answer(status=400)))


def out_of_budget(workspace: Workspace) -> Outcome:
    return run(workspace, second(Answer()), max_tokens=50, budgets={"max_tokens": 80})


def out_of_time(workspace: Workspace) -> Outcome:
    return run(workspace, second(Answer(delay=30)), timeout="1.5")


def cancelled(workspace: Workspace) -> Outcome:
    def stop(request: Request) -> Answer:
        if request.user_texts == ["second"]:
            threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()
        return second(Answer(delay=30))(request)

    return run(workspace, stop)


def paused(workspace: Workspace) -> Outcome:
    return run(workspace, Answer(FINISHED), pattern=chain("first", hitl("Go on?")))


def run(workspace: Workspace, reply: Any, pattern: dict[str, Any] | None = None, **given: Any) -> Outcome:
    inputs = {"timeout": given.pop("timeout")} if "timeout" in given else {}
    outputs = {"step_outputs": {"draft": "{{ steps[0].response }}", "end": "{{ last_response }}{{ steps[1].status }}"}}
    with OpenAIServer(reply=reply) as server:
        written = workflow(server.url, pattern or chain("first", "second"), runtime=given, outputs=outputs)
        return workspace.run(written, **inputs)


ENDS: dict[str, tuple[Callable[[Workspace], Outcome], int]] = {
    "failed": (failed, 10),
    "paused": (paused, 19),
    "budget": (out_of_budget, 20),
    "timeout": (out_of_time, 21),
    "cancelled": (cancelled, 130),
}


@pytest.mark.parametrize("status", ENDS)
def test_what_had_finished_is_kept(workspace: Workspace, status: str) -> None:
    end, exit_code = ENDS[status]
    outcome = end(workspace)

    assert (outcome.outputs["status"], outcome.exit_code) == (status, exit_code)
    first, last = outcome.results["steps"]
    assert (first["status"], first["response"], first["usage"]["total_tokens"]) == ("success", FINISHED, 15)
    assert last["status"] != "success"
    assert int(outcome.outputs["total-tokens"]) >= 15
    assert FINISHED in outcome.summary
    assert {"workflow.execute", "step"} <= {span["name"] for span in outcome.trace}
    tape = workspace.root / outcome.outputs["tape-path"]
    assert FINISHED in [load(file.read_text(), file.name).response for file in tape.rglob("*.json")]


@pytest.mark.parametrize("status", ENDS)
def test_outputs_that_name_only_what_had_finished_are_set(workspace: Workspace, status: str) -> None:
    outcome = ENDS[status][0](workspace)
    assert (outcome.outputs["draft"], outcome.outputs["end"]) == (FINISHED, "")


def test_results_tell_why_it_ended(workspace: Workspace) -> None:
    told = {status: json.dumps(end(workspace).results["failure"]) for status, (end, _) in ENDS.items()}
    assert told.pop("paused") == "null"
    for status, words in {"failed": "HTTP 400", "budget": "80 tokens", "timeout": "1.5 s", "cancelled": "stop"}.items():
        assert words in told[status]


def test_a_branch_that_was_not_gone_on_with_has_no_output(workspace: Workspace) -> None:
    """Its next step waits for a slot when the run fails, which is not to say that its condition did not hold."""
    outputs = {"step_outputs": {"a": "{{ branches.a.response }}"}}
    with OpenAIServer(reply=second(Answer(status=400))) as server:
        pattern = parallel(a=["first", "second"], b=["bad"], c=["third"])
        outcome = workspace.run(workflow(server.url, pattern, outputs=outputs, runtime={"max_parallel": 1}))

    assert [step["status"] for step in outcome.results["steps"]] == ["success", "skipped", "failed", "cancelled"]
    assert outcome.outputs["a"] == ""
