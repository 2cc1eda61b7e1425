"""A model that falls silent is given up, wherever it does, asked again, and then somebody else is asked in its place.

What is given up is over at the server too, and holds neither the run nor its exit.
"""

from __future__ import annotations

import json
import signal
import time
from typing import Any

import pytest

from tests.agents.test_compaction import CALCULATES, calculating, policy
from tests.build import dag
from tests.contract.test_never_green import outputs, start
from tests.contract.test_reuse import AWS, KEYS
from tests.servers import SERVERS, Answer, BedrockServer, OpenAIServer, Request
from tests.servers.deaf import deaf
from tests.workspace import Outcome, Workspace, chain, workflow

FOR_EVER = 60.0
SHORT: dict[str, Any] = {"first_token_s": 0.6, "between_tokens_s": 0.3}
ONCE = {"retries": 0}

SILENT = {
    "before the headers": Answer(delay=FOR_EVER),
    "before the first token": Answer(first_delay=FOR_EVER, ping=0.05),
    "between two tokens": Answer("half an answer", chunk_delay=FOR_EVER, ping=0.05),
}
"""Where a model may fall silent. Who speaks server-sent events goes on saying that it is there."""

TOO_LATE = [
    "no first token within 0.6 s (timeouts.first_token_s)",
    "no first token within 0.6 s (timeouts.first_token_s)",
    "nothing more of the answer within 0.3 s (timeouts.between_tokens_s)",
]
"""What is said of each."""


def statuses(outcome: Outcome) -> dict[str, str]:
    return {step["path"]: step["status"] for step in outcome.results["steps"]}


@pytest.mark.parametrize("provider", sorted(SERVERS))
def test_whoever_falls_silent_is_asked_again_and_then_a_fallback_answers(workspace: Workspace, provider: str):
    workspace.environ |= KEYS
    silent, in_flight = iter(SILENT.values()), list[int]()

    def answer(request: Request) -> Answer:
        if request.model == "spare":
            return Answer("of the spare one", delay=0.1)
        in_flight.append(server.in_flight)
        return next(silent, Answer())

    with SERVERS[provider](reply=answer) as server:
        runtime = {
            "timeouts": SHORT,
            "failure_policy": {"retries": 2, "wait_min": 0.1, "backoff": "constant"},
            "fallbacks": [{"provider": provider, "model_id": "spare", "host": server.url}],
        }
        spec = workflow(server.url, chain("go", "{{ last_response }}"), provider=provider, runtime=runtime)
        outcome = workspace.run(spec)

    assert [step["response"] for step in outcome.results["steps"]] == ["of the spare one", "ok"]
    told = [line for word in ("step_retry", "fell_back") for line in outcome.logged(word)]
    assert len(told) == len(TOO_LATE)
    assert all(reason in line for reason, line in zip(TOO_LATE, told, strict=True))
    assert in_flight == [1, 1, 1, 1]  # nobody generates for nothing: each was over before the next began


def test_a_long_call_of_a_tool_is_no_silence(workspace: Workspace):
    """The SDK's model for OpenAI tells nothing of one before its last piece."""

    def frame(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"

    class Server(OpenAIServer):
        def stream(self, request: Request, answer: Answer) -> Any:
            whole = super().stream(request, answer)
            if len(request.messages) > 2:
                return whole
            said = {"id": "call_1", "type": "function", "function": {"name": "calculator", "arguments": ""}}
            pieces = [
                {"index": 0, "function": {"arguments": piece}} for piece in ('{"expre', 'ssion"', ': "6 *', ' 7"}')
            ]
            deltas = [frame({"tool_calls": [one]}) for one in [{"index": 0, **said}, *pieces]]
            return whole._replace(deltas=deltas, closing=[frame({}, "tool_calls"), b"data: [DONE]\n\n"])

    agents = {"writer": {"prompt": "p", "tools": ["calculator"]}}
    with Server(reply=[Answer(chunk_delay=0.2), Answer("42")]) as server:
        runtime = {"timeouts": {"first_token_s": 0.5, "between_tokens_s": 0.5}, "failure_policy": ONCE}
        outcome = workspace.run(
            workflow(server.url, chain("go"), agents=agents, tools={"python": ["calculator"]}, runtime=runtime)
        )

    assert outcome.outputs["response"] == "42", outcome.log
    assert len(server.requests) == 2


def test_each_turn_of_a_call_has_its_own_time(workspace: Workspace):
    agents = {"writer": {"prompt": "p", "tools": ["calculator"]}}
    use = Answer("", tool_calls=[("calculator", {"expression": "1"})], delay=0.25)
    with OpenAIServer(reply=[use, use, Answer("done", delay=0.25)]) as server:
        runtime = {"timeouts": {"first_token_s": 0.6}, "failure_policy": ONCE}
        outcome = workspace.run(
            workflow(server.url, chain("go"), agents=agents, tools={"python": ["calculator"]}, runtime=runtime)
        )

    assert outcome.outputs["response"] == "done", outcome.log


def test_a_model_that_was_given_up_is_given_up_again_when_the_run_is_played(workspace: Workspace):
    with OpenAIServer(reply=[SILENT["between two tokens"], Answer("whole")]) as server:
        spec = workflow(server.url, chain("go"), runtime={"timeouts": SHORT, "failure_policy": {"wait_min": 0.01}})
        recorded = workspace.run(spec, mode="record")
        played = workspace.run(spec, mode="replay")

    assert len(server.requests) == 2
    assert (recorded.outputs["response"], played.outputs["response"]) == ("whole", "whole")
    assert TOO_LATE[2] in recorded.logged("step_retry")[0]
    assert TOO_LATE[2] in played.logged("step_retry")[0]


def test_a_summary_that_stays_out_is_given_up_and_the_answer_is_not(workspace: Workspace):
    workspace.environ |= AWS
    reply = calculating(12, summary=lambda: SILENT["before the headers"])
    with BedrockServer(reply=reply) as server:
        spec = workflow(server.url, chain("go"), agents=CALCULATES, provider="bedrock", runtime={"timeouts": SHORT})
        outcome = workspace.run({**spec, "context_policy": policy()})

    assert outcome.outputs["response"] == "done", outcome.log
    assert TOO_LATE[0] in outcome.logged("compaction_failed")[0]


# -- what strikes, and what is left -----------------------------------------------------------------------------------


def silent_of(request: Request) -> Answer:
    """The place that the question names."""
    return SILENT.get(request.user_texts[0], Answer("first"))


def of_bedrock(url: str, of_each: dict[str, Any] | None = None, **runtime: Any) -> dict[str, Any]:
    """A task that is answered, then one that falls silent in each place, all at once. `of_each` is what these say."""
    rows: list[dict[str, Any]] = [{"id": "first", "input": "first", "retries": 5}]  # everything is imported there
    rows += [{"id": f"t{i}", "input": name, "deps": ["first"], **(of_each or {})} for i, name in enumerate(SILENT)]
    return workflow(url, dag(*rows), provider="bedrock", runtime={"failure_policy": ONCE, **runtime})


@pytest.mark.parametrize(
    ("of_each", "runtime", "inputs", "ended", "status", "told"),
    [
        ({}, {}, {"timeout": "2.5"}, (21, "timeout"), "cancelled", ["longer than 2.5 s (input 'timeout', or budgets"]),
        ({"timeout_s": 0.4}, {}, {}, (10, "failed"), "failed", ["no answer within 0.4 s (timeout_s)"]),
        ({}, {"timeouts": SHORT}, {}, (10, "failed"), "failed", [TOO_LATE[0], TOO_LATE[2]]),
    ],
    ids=["the run's time", "the step's", "the turn's"],
)
def test_a_stalled_stream_of_bedrock_holds_neither_slot_nor_exit(
    workspace: Workspace,
    of_each: dict[str, Any],
    runtime: dict[str, Any],
    inputs: dict[str, str],
    ended: tuple[int, str],
    status: str,
    told: list[str],
):
    workspace.environ |= AWS
    keep_going = {**ONCE, "on_failure": "continue"}
    with BedrockServer(reply=silent_of) as server:
        before = time.monotonic()
        outcome = workspace.run(of_bedrock(server.url, of_each, failure_policy=keep_going, **runtime), **inputs)
        took = time.monotonic() - before
        server.until(lambda: server.in_flight == 0)

    assert (outcome.exit_code, outcome.outputs["status"]) == ended
    assert statuses(outcome) == {"tasks.first": "success", **{f"tasks.t{i}": status for i in range(len(SILENT))}}
    assert all(words in outcome.log for words in told)
    assert took < 6


def test_a_signal_ends_a_run_whose_streams_of_bedrock_stall(workspace: Workspace):
    workspace.environ |= AWS
    with BedrockServer(reply=silent_of) as server:
        process = start(workspace, of_bedrock(server.url))
        server.until(lambda: server.in_flight == len(SILENT), timeout=20)
        process.send_signal(signal.SIGTERM)
        before = time.monotonic()
        _, log = process.communicate(timeout=20)

    assert process.returncode == 130, log
    assert time.monotonic() - before < 4
    assert outputs(workspace)["status"] == "cancelled"


def test_a_run_that_ran_out_of_time_leaves_what_had_finished_everywhere(workspace: Workspace):
    def answer(request: Request) -> Answer:
        return SILENT["before the headers"] if request.user_texts == ["b"] else Answer("first")

    with OpenAIServer(reply=answer) as server:
        spec = workflow(server.url, chain({"id": "a", "input": "a"}, "b"), outputs={"step_outputs": {"said": "x"}})
        outcome = workspace.run(spec, timeout="2.5")
    with OpenAIServer(reply="second") as server:
        spec["runtime"]["host"] = server.url
        resumed = workspace.run(spec, mode="resume")

    assert (outcome.exit_code, outcome.outputs["status"]) == (21, "timeout")
    assert statuses(outcome) == {"steps[0]": "success", "steps[1]": "cancelled"}
    assert outcome.results["steps"][0]["response"] == "first"
    assert "longer than 2.5 s (input 'timeout', or budgets.max_duration_s)" in outcome.log
    assert "longer than 2.5 s" in outcome.summary
    assert "first" in outcome.summary
    spans = {span["name"]: span for span in outcome.trace}
    assert "workflow.execute" in spans
    assert [request.user_texts for request in server.requests] == [["b"]]  # what had finished is on the tape
    assert (resumed.exit_code, resumed.outputs["response"]) == (0, "second")


# -- connections ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", sorted(SERVERS))
def test_a_connection_that_is_not_made_in_time_is_tried_again_and_then_elsewhere(workspace: Workspace, provider: str):
    workspace.environ |= KEYS
    with deaf() as nowhere, OpenAIServer(reply="from elsewhere") as server:
        runtime = {
            "timeouts": {"connect_s": 0.1},
            "failure_policy": {"retries": 1, "wait_min": 0.01},
            "fallbacks": [{"provider": "openai", "model_id": "m", "host": server.url}],
        }
        before = time.monotonic()
        outcome = workspace.run(workflow(nowhere, chain("go"), provider=provider, runtime=runtime))

    assert outcome.outputs["response"] == "from elsewhere", outcome.log
    assert "no connection in time (timeouts.connect_s)" in outcome.logged("step_retry")[0]
    assert time.monotonic() - before < 5


@pytest.mark.parametrize("until_s", [None, 0.8], ids=["no connection", "a late one"])
def test_a_call_of_bedrock_that_was_given_up_while_it_connected_is_over(workspace: Workspace, until_s: float | None):
    workspace.environ |= AWS
    with deaf(until_s) as nowhere:
        runtime = {"timeouts": SHORT, "failure_policy": ONCE}
        before = time.monotonic()
        outcome = workspace.run(workflow(nowhere, chain("go"), provider="bedrock", runtime=runtime))

    assert TOO_LATE[0] in outcome.log
    assert time.monotonic() - before < 4
