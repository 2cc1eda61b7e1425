"""Steps run when they can, at most so many at once, and stop when one of them failed."""

from __future__ import annotations

import time

import pytest

from tests.contract.test_reuse import AWS
from tests.servers import Answer, BedrockServer, OpenAIServer, Request
from tests.workspace import Workspace, chain, parallel, tasks, workflow

NO_RETRIES = {"failure_policy": {"retries": 0}}


def test_a_task_starts_when_its_own_needs_are_met(workspace: Workspace):
    def answer(request: Request) -> Answer:
        return Answer(delay=1.0 if request.user_texts == ["slow"] else 0.05)

    pattern = tasks(slow=[], a=[], b=["a"], c=["b"], d=["c"])
    with OpenAIServer(reply=answer) as server:
        outcome = workspace.run(workflow(server.url, pattern))

    assert outcome.outputs["status"] == "success"
    asked = {request.user_texts[0]: request.at for request in server.requests}
    assert asked["d"] - asked["slow"] < 0.8  # the critical path went by while the slow task was still waiting


def test_nested_patterns_never_exceed_max_parallel(workspace: Workspace):
    branches = {f"b{i}": ["one", "two"] for i in range(8)}
    with OpenAIServer(reply=lambda _: Answer(delay=0.05)) as server:
        outcome = workspace.run(workflow(server.url, parallel(**branches), runtime={"max_parallel": 3}))

    assert outcome.outputs["status"] == "success"
    assert len(server.requests) == 16
    assert server.max_in_flight == 3


def bad_branch(request: Request) -> Answer:
    """`bad` is refused after 0.2 s, everybody else would wait five."""
    if request.user_texts == ["bad"]:
        return Answer(delay=0.2, status=400)
    return Answer(delay=5.0)


@pytest.mark.parametrize("provider", ["openai", "bedrock"])
def test_a_failing_branch_ends_the_run_at_once(workspace: Workspace, provider: str):
    workspace.environ |= AWS
    server_class = OpenAIServer if provider == "openai" else BedrockServer
    branches = {"bad": ["bad", "never"], **{f"slow{i}": ["slow", "never"] for i in range(4)}}
    with server_class(reply=bad_branch) as server:
        outcome = workspace.run(workflow(server.url, parallel(**branches), provider=provider, runtime=NO_RETRIES))
        over = time.monotonic()

    failed_at = min(request.at for request in server.requests) + 0.2
    assert over - failed_at < 1.5
    assert len(server.requests) == 5
    assert outcome.exit_code == 10
    assert outcome.outputs["status"] == "failed"
    assert outcome.outputs["steps-failed"] == "1"
    assert "branches.bad.steps" in outcome.summary
    assert "refused the request" in outcome.summary
    statuses = {step["path"]: step["status"] for step in outcome.results["steps"]}
    assert statuses["branches.slow0.steps[0]"] == "cancelled"
    assert statuses["branches.slow0.steps[1]"] == "skipped"
    assert outcome.trace


def test_on_failure_continue_lets_the_others_finish(workspace: Workspace):
    def answer(request: Request) -> Answer:
        return Answer(status=400) if request.user_texts == ["bad"] else Answer(delay=0.1)

    runtime = {"failure_policy": {"retries": 0, "on_failure": "continue"}}
    pattern = tasks(bad=[], after_bad=["bad"], good=[], after_good=["good"])
    with OpenAIServer(reply=answer) as server:
        outcome = workspace.run(workflow(server.url, pattern, runtime=runtime))

    statuses = {step["path"]: step["status"] for step in outcome.results["steps"]}
    assert outcome.exit_code == 10
    assert statuses == {
        "tasks.bad": "failed",
        "tasks.after_bad": "skipped",
        "tasks.good": "success",
        "tasks.after_good": "success",
    }


def test_a_step_that_takes_too_long_fails_and_is_not_asked_again(workspace: Workspace):
    with OpenAIServer(reply=lambda _: Answer(delay=5)) as server:
        outcome = workspace.run(workflow(server.url, chain("go"), runtime={"timeout_s": 0.2}))

    assert outcome.exit_code == 10
    assert "no answer within 0.2 s" in outcome.log
    assert len(server.requests) == 1


def test_waiting_for_a_slot_does_not_count_against_a_steps_timeout(workspace: Workspace):
    runtime = {"max_parallel": 1, "timeout_s": 0.5}
    with OpenAIServer(reply=lambda _: Answer(delay=0.2)) as server:
        outcome = workspace.run(workflow(server.url, tasks(a=[], b=[], c=[], d=[]), runtime=runtime))

    assert outcome.outputs["status"] == "success"


def test_transient_errors_are_retried_and_counted(workspace: Workspace):
    answers = [Answer(status=429, headers={"retry-after": "0.05"}), Answer(status=503), Answer("at last")]
    runtime = {"failure_policy": {"retries": 2, "wait_min": 0.01}}
    with OpenAIServer(reply=answers) as server:
        outcome = workspace.run(workflow(server.url, chain("go"), runtime=runtime))

    assert outcome.outputs["response"] == "at last"
    assert outcome.results["steps"][0]["attempts"] == 3
    assert len(server.requests) == 3
    assert len(outcome.logged("step_retry")) == 2
    assert "attempt=1" in outcome.logged("step_retry")[0]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_errors_that_will_not_go_away_are_not_retried(workspace: Workspace, status: int):
    with OpenAIServer(reply=lambda _: Answer(status=status)) as server:
        outcome = workspace.run(workflow(server.url, chain("go")))

    assert outcome.exit_code == 10
    assert f"HTTP {status}" in outcome.log
    assert len(server.requests) == 1


@pytest.mark.parametrize("reset", ["before", "during"])
def test_a_lost_connection_is_retried(workspace: Workspace, reset: str):
    answers = [Answer("half of it", reset=reset), Answer("whole")]
    runtime = {"failure_policy": {"retries": 1, "wait_min": 0.01}}
    with OpenAIServer(reply=answers) as server:
        outcome = workspace.run(workflow(server.url, chain("go"), runtime=runtime))

    assert outcome.outputs["response"] == "whole"


def test_a_stream_that_ends_in_the_middle_is_no_answer(workspace: Workspace):
    half = b'data: {"choices": [{"index": 0, "delta": {"content": "half of"}, "finish_reason": null}]}\n\n'
    answers = [Answer(raw=half), Answer("the whole")]
    runtime = {"failure_policy": {"retries": 1, "wait_min": 0.01}}
    with OpenAIServer(reply=answers) as server:
        outcome = workspace.run(workflow(server.url, chain("go"), runtime=runtime))

    assert outcome.outputs["response"] == "the whole"
    assert "ended in the middle" in outcome.logged("step_retry")[0]


def test_a_step_that_waits_for_a_slot_has_not_started(workspace: Workspace):
    with OpenAIServer(reply=lambda _: Answer(delay=0.3)) as server:
        outcome = workspace.run(workflow(server.url, tasks(a=[], b=[]), runtime={"max_parallel": 1}))

    first, second = outcome.results["steps"]
    assert second["started"] > first["started"]
    assert second["duration_ms"] < 550
