"""A provider that refuses, fails or is gone: no more is asked of it than it can bear, and no wait is too long."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import Any

import pytest

from tests.servers import Answer, NarrowServer, OpenAIServer, Request
from tests.workspace import Outcome, Workspace, chain, parallel, tasks, workflow

BUSY = Answer(status=429)
GONE = Answer(status=503)


def wide(count: int) -> dict[str, Any]:
    """Tasks that wait for nobody."""
    return tasks(**{f"t{number}": [] for number in range(count)})


def statuses(outcome: Outcome) -> list[str]:
    return [step["status"] for step in outcome.results["steps"]]


def policy(**changes: Any) -> dict[str, Any]:
    return {"failure_policy": {"wait_min": 0.01, "on_failure": "continue", **changes}}


# -- throttling -------------------------------------------------------------------------------------------------------

SERVED_S, WIDTH, TASKS = 0.1, 4, 60


def took(server: NarrowServer) -> float:
    """Seconds from the first request to the end of the last."""
    return max(request.at for request in server.requests) + SERVED_S - server.requests[0].at


def test_a_width_that_a_provider_does_not_serve_is_found_and_kept_to(workspace: Workspace):
    with NarrowServer(WIDTH, Answer(delay=SERVED_S)) as known:
        workspace.run(workflow(known.url, wide(TASKS), runtime={"max_parallel": WIDTH}))
    with NarrowServer(WIDTH, Answer(delay=SERVED_S)) as server:
        outcome = workspace.run(workflow(server.url, wide(TASKS), runtime={"max_parallel": 20}))

    assert statuses(outcome) == ["success"] * TASKS
    assert known.refusals == 0
    assert server.refusals <= 14  # six of the first ten, and one each time a fifth is tried
    assert took(server) <= 1.3 * took(known)
    (told,) = outcome.logged("throttled")
    assert told.endswith("INFO throttled model=openai/m limit=4")


def test_a_provider_that_serves_more_later_is_asked_more_later(workspace: Workspace):
    def later(request: Request) -> Answer:
        server.width = 2 if request.number < 30 else 8
        return server.told(request)

    with NarrowServer(2, Answer(delay=0.02), reply=later) as server:
        outcome = workspace.run(workflow(server.url, wide(120), runtime={"max_parallel": 8, **policy()}))

    assert outcome.exit_code == 0, outcome.log
    assert max(server.widths[:25]) == 2
    assert max(server.widths) == 8


def test_calls_that_are_told_the_same_wait_come_back_one_by_one(workspace: Workspace):
    def later(request: Request) -> Answer:
        server.width = 0 if request.number <= 8 else 1
        return server.told(request)

    wait = Answer(status=429, headers={"retry-after": "0.3"})
    with NarrowServer(0, Answer(delay=0.05), wait, reply=later) as server:
        outcome = workspace.run(workflow(server.url, wide(8), runtime={"max_parallel": 8, **policy()}))

    assert outcome.exit_code == 0, outcome.log
    assert len(server.requests) <= 8 + 8 + 3
    assert server.requests[8].at - server.requests[7].at >= 0.29


def test_while_a_provider_asks_to_wait_nobody_else_asks_it(workspace: Workspace):
    answers = [Answer(status=429, headers={"retry-after": "0.4"})] * 2
    with OpenAIServer(reply=[*answers, Answer()]) as server:
        outcome = workspace.run(workflow(server.url, wide(6), runtime={"max_parallel": 2, **policy()}))

    assert outcome.exit_code == 0, outcome.log
    assert server.requests[2].at - server.requests[1].at >= 0.4
    assert "throttled model=openai/m limit=1 wait_s=0.4" in outcome.log


def test_a_wait_that_nobody_may_wait_is_asked_for_by_those_in_flight_only(workspace: Workspace):
    with OpenAIServer(reply=lambda _: Answer(status=429, headers={"retry-after": "3600"})) as server:
        outcome = workspace.run(workflow(server.url, wide(9), runtime={"max_parallel": 3, **policy()}))

    assert len(server.requests) == 3
    assert statuses(outcome) == ["failed"] * 9
    assert "not asked: the provider is throttling" in outcome.results["steps"][8]["error"]


def test_without_retries_a_refusal_is_the_end_and_of_those_in_flight_only(workspace: Workspace):
    with NarrowServer(4, Answer(delay=0.05)) as server:
        outcome = workspace.run(workflow(server.url, wide(40), runtime={"max_parallel": 10, **policy(retries=0)}))

    assert outcome.exit_code == 10
    assert statuses(outcome).count("failed") == server.refusals <= 10


def test_a_fallback_at_the_same_provider_is_not_narrowed_with_the_first(workspace: Workspace):
    def reply(request: Request) -> Answer:
        return BUSY if request.model == "m" else Answer("saved", delay=0.1)

    with OpenAIServer(reply=reply) as server:
        spare = {"provider": "openai", "model_id": "spare", "host": server.url}
        runtime = {"max_parallel": 6, "fallbacks": [spare], **policy(retries=0)}
        outcome = workspace.run(workflow(server.url, wide(6), runtime=runtime))

    assert statuses(outcome) == ["success"] * 6
    assert server.max_in_flight == 6


def test_a_pause_ends_with_the_run(workspace: Workspace):
    before = time.monotonic()
    with OpenAIServer(reply=lambda _: Answer(status=429, headers={"retry-after": "30"})) as server:
        outcome = workspace.run(workflow(server.url, wide(4), runtime={"max_parallel": 2}), timeout="0.5")

    assert (outcome.exit_code, outcome.outputs["status"]) == (21, "timeout")
    assert time.monotonic() - before < 5


def test_a_pause_that_the_step_has_no_time_for_is_not_begun(workspace: Workspace):
    with OpenAIServer(reply=lambda _: Answer(status=429, headers={"retry-after": "30"})) as server:
        outcome = workspace.run(workflow(server.url, chain("go"), runtime={"timeout_s": 5}))

    assert "the step's timeout leaves no time for another attempt" in outcome.log
    assert int(outcome.outputs["duration-ms"]) < 4000


# -- credentials ------------------------------------------------------------------------------------------------------


def test_wrong_credentials_are_shown_once_and_the_steps_that_follow_say_so(workspace: Workspace):
    spare = OpenAIServer()
    with OpenAIServer(reply=lambda _: Answer(status=401)) as server, spare:
        fallback = {"provider": "openai", "model_id": "spare", "host": spare.url}
        runtime = {"max_parallel": 1, "fallbacks": [fallback], **policy(retries=5)}
        outcome = workspace.run(workflow(server.url, wide(5), runtime=runtime))

    assert (len(server.requests), spare.requests) == (1, [])
    assert statuses(outcome) == ["failed"] * 5
    first, *others = (step["error"] for step in outcome.results["steps"])
    assert first.startswith("the provider refused the credentials (HTTP 401)")
    assert others == [f"{first}; it was not asked again"] * 4


# -- the circuit ------------------------------------------------------------------------------------------------------


def test_a_provider_that_keeps_failing_is_left_alone_and_its_fallback_asked_at_once(workspace: Workspace):
    spare = OpenAIServer(reply="saved")
    with OpenAIServer(reply=lambda _: GONE) as server, spare:
        fallback = {"provider": "openai", "model_id": "spare", "host": spare.url}
        runtime = {"max_parallel": 1, "fallbacks": [fallback], **policy(retries=0)}
        spec = workflow(server.url, wide(12), runtime=runtime)
        outcome = workspace.run(spec, mode="record")

    assert (len(server.requests), len(spare.requests)) == (5, 12)
    assert statuses(outcome) == ["success"] * 12
    assert int(outcome.outputs["duration-ms"]) < 10_000
    (told,) = outcome.logged("circuit_open")
    assert "circuit_open model=openai/m failures=5 wait_s=30.0 reason=" in told
    assert sum("openai/m failed 5 times in a row" in line for line in outcome.annotations) == 1
    assert len(outcome.logged("fell_back")) == 12
    assert "not asked: its last 5 calls failed, the last with: the provider failed (HTTP 503)" in outcome.log

    replayed = workspace.run(spec, mode="replay")
    assert [(step["model"], step["attempts"]) for step in replayed.results["steps"]] == [
        (step["model"], step["attempts"]) for step in outcome.results["steps"]
    ]


def test_a_provider_that_comes_back_is_asked_again_after_a_while(workspace: Workspace):
    with OpenAIServer(reply=[GONE] * 5 + [Answer()]) as server:
        runtime = {"max_parallel": 1, **policy(retries=5, wait_max=0.4)}
        outcome = workspace.run(workflow(server.url, wide(4), runtime=runtime))

    assert statuses(outcome) == ["success"] * 4
    assert len(server.requests) == 5 + 4
    assert server.requests[5].at - server.requests[4].at >= 0.39
    assert max(later.at - earlier.at for earlier, later in pairwise(server.requests[5:])) < 0.39


# -- what a failure costs beside it -----------------------------------------------------------------------------------

STEPS, STEP_S, USAGE = 5, 0.2, 15


@pytest.mark.parametrize(
    ("on_failure", "share", "seconds"),
    [("fail_fast", 0.2, 0.3), ("continue", 1.0, 1.0)],
)
def test_one_of_five_branches_fails_early(workspace: Workspace, on_failure: str, share: float, seconds: float):
    """Fail-fast saves four fifths of the tokens and most of the time."""

    def reply(request: Request) -> Answer:
        if request.user_texts == ["bad"]:
            return Answer(status=400, delay=1.5 * STEP_S)
        return Answer("done", delay=STEP_S, usage=(10, 5))

    branches = {"bad": ["bad"], **{f"b{number}": ["good"] * STEPS for number in range(4)}}
    runtime = {"failure_policy": {"on_failure": on_failure}}
    with OpenAIServer(reply=reply) as server:
        outcome = workspace.run(workflow(server.url, parallel(**branches), runtime=runtime))
        over = time.monotonic()

    answered = sum(request.answered for request in server.requests if request.user_texts == ["good"])
    assert outcome.exit_code == 10
    assert answered == share * 4 * STEPS
    assert outcome.outputs["total-tokens"] == str(answered * USAGE)
    assert seconds <= over - server.requests[0].at < seconds + 0.6
