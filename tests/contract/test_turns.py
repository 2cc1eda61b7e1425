"""A turn that was answered is not asked again, and a tool that was used is not used again, when a later turn fails."""

from __future__ import annotations

from typing import Any

import pytest

from tests.servers import Answer, OpenAIServer, Request
from tests.workspace import Outcome, Workspace, chain, workflow

RUNTIME = {"failure_policy": {"retries": 2, "wait_min": 0.01}}
ADDS = {"mode": "append", "path": "log.txt", "content": "once\n"}


class Failing:
    """A model that writes into a file, and then cannot be reached so many times before it answers."""

    def __init__(self, *failures: Answer) -> None:
        self._failures = [*failures]

    def __call__(self, request: Request) -> Answer:
        if not any(message["role"] in ("tool", "function") for message in request.messages):
            return Answer("", tool_calls=[("file_write", ADDS)], usage=(10, 20))
        return self._failures.pop(0) if self._failures else Answer("done", usage=(30, 5))


def run(workspace: Workspace, server: OpenAIServer, mode: str = "live", **runtime: Any) -> Outcome:
    agents = {"writer": {"prompt": "w", "tools": ["file_write"]}}
    given = {**RUNTIME, **runtime}
    return workspace.run(workflow(server.url, chain("go"), agents=agents, runtime=given), mode=mode)


@pytest.mark.parametrize("failure", [Answer(status=503), Answer("half of it", reset="during")], ids=["503", "reset"])
def test_a_turn_that_fails_is_asked_again_alone(workspace: Workspace, failure: Answer) -> None:
    with OpenAIServer(reply=Failing(failure, failure)) as server:
        outcome = run(workspace, server)

    assert (outcome.outputs["status"], outcome.outputs["response"]) == ("success", "done")
    assert [len(request.messages) for request in server.requests] == [2, 4, 4, 4]
    assert (workspace.root / "log.txt").read_text() == "once\n"
    (step,) = outcome.results["steps"]
    assert (step["attempts"], step["turns"], step["tools"]) == (3, 4, ["file_write"])
    assert step["usage"]["total_tokens"] == 65


def test_another_model_begins_anew(workspace: Workspace) -> None:
    with OpenAIServer(reply=Failing(*[Answer(status=503)] * 9)) as server, OpenAIServer(reply="mine") as spare:
        fallback = {"provider": "openai", "model_id": "spare", "host": spare.url}
        outcome = run(workspace, server, fallbacks=[fallback])

    assert outcome.outputs["response"] == "mine"
    assert [len(request.messages) for request in spare.requests] == [2]


def test_it_replays_as_it_was(workspace: Workspace) -> None:
    with OpenAIServer(reply=Failing(Answer(status=503))) as server:
        lived = run(workspace, server, "record")
        played = run(workspace, server, "replay")

    assert (lived.exit_code, played.exit_code) == (0, 0)
    kept = ("status", "response", "attempts", "turns", "tools", "usage")
    assert [[step[key] for key in kept] for step in played.results["steps"]] == [
        [step[key] for key in kept] for step in lived.results["steps"]
    ]


def test_what_a_recording_played_is_nothing_to_go_on_from(workspace: Workspace) -> None:
    """Where it leads nowhere any more the question is asked anew, and the tool is used."""
    with OpenAIServer(reply=Failing(Answer(status=503))) as server:
        run(workspace, server, "record")
    with OpenAIServer(reply=Failing()) as server:
        anew = run(workspace, server, "record", failure_policy={"retries": 0})
        played = run(workspace, server, "replay", failure_policy={"retries": 0})

    assert [len(request.messages) for request in server.requests] == [2, 4]
    assert (workspace.root / "log.txt").read_text() == "once\nonce\n"
    assert (anew.exit_code, played.exit_code, played.outputs["response"]) == (0, 0, "done")


class Malformed(Failing):
    """A model whose answer is not the data that was asked for, and that cannot be reached when it is asked again."""

    def __call__(self, request: Request) -> Answer:
        if "It cannot be used" in request.user_texts[-1]:
            return self._failures.pop(0) if self._failures else Answer('{"score": 8}', usage=(30, 5))
        if not any(message["role"] == "tool" for message in request.messages):
            return Answer("", tool_calls=[("file_write", ADDS)], usage=(10, 20))
        return Answer("eight", usage=(30, 5))


def test_an_answer_that_is_asked_for_again_is_still_what_is_asked_for(workspace: Workspace) -> None:
    schema = {"type": "object", "properties": {"score": {"type": "number"}}, "required": ["score"]}
    agents = {"writer": {"prompt": "w", "tools": ["file_write"], "output_schema": schema}}
    with OpenAIServer(reply=Malformed(Answer(status=503))) as server:
        written = workflow(server.url, chain("go"), agents=agents, runtime=RUNTIME)
        lived = workspace.run(written, mode="record")
        played = workspace.run(written, mode="replay")

    assert lived.results["data"] == played.results["data"] == {"score": 8}
    assert [len(request.messages) for request in server.requests] == [2, 4, 2, 2]
    assert (workspace.root / "log.txt").read_text() == "once\n"
