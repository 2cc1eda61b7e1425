"""What the performance guide shows its readers runs as it stands, and does for agents and calls what it promises."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from tests.contract.test_patterns import Script
from tests.read.test_guide import FRAGMENTS, whole
from tests.servers import OpenAIServer
from tests.servers.http import ModelServer
from tests.workspace import Outcome, Workspace

DRAFTS: dict[str, Any] = {
    "You are the scout.": "a draft",
    "a draft": {"score": 6, "issues": ["dull"]},
    "Write a better draft.": "a better draft",
    "a better draft": {"score": 9.6},
}


class Promise(NamedTuple):
    """How many calls a fragment makes, how many of them at once, and what the agents' cache says of it."""

    calls: int
    at_once: int
    builds: int
    hits: int
    rate: int


PROMISED = {
    "a chain of five steps by three agents": Promise(5, 1, 3, 2, 40),
    "one agent asked twice": Promise(2, 1, 1, 1, 50),
    "the same agent under two names": Promise(2, 1, 2, 0, 0),
    "tasks of which two are independent": Promise(3, 2, 3, 0, 0),
    "independent steps in a row": Promise(3, 1, 3, 0, 0),
    "balanced parallelism": Promise(1, 1, 1, 0, 0),
    "hardly bounded parallelism": Promise(1, 1, 1, 0, 0),
    "a score that can be reached": Promise(4, 1, 2, 2, 50),
    "a score that hardly can": Promise(4, 1, 2, 2, 50),
    "independent branches": Promise(2, 2, 1, 1, 50),
    "a branch that needs another": Promise(2, 2, 1, 1, 50),  # the guide's own warning: it does not wait
    "a token budget": Promise(1, 1, 1, 0, 0),
}


def played(workspace: Workspace, spec: dict[str, Any], delay: float = 0) -> tuple[Outcome, ModelServer]:
    """A run against a server that answers after so many seconds."""
    script = Script(DRAFTS)
    with OpenAIServer(reply=lambda request: replace(script(request), delay=delay)) as server:
        spec["runtime"]["host"] = server.url
        return workspace.run(spec), server


def test_something_is_promised_of_every_fragment() -> None:
    assert PROMISED.keys() == FRAGMENTS.keys()


@pytest.mark.parametrize("name", FRAGMENTS)
def test_a_fragment_runs_and_keeps_its_promise(workspace: Workspace, name: str):
    """The server takes its time, so that calls that may be under way at once are."""
    outcome, server = played(workspace, whole(FRAGMENTS[name]), delay=0.15)

    assert (outcome.exit_code, outcome.outputs["status"]) == (0, "success"), outcome.log
    cache = [int(outcome.outputs[f"cache-{one}"]) for one in ("builds", "hits", "hit-rate")]
    assert Promise(len(server.requests), server.max_in_flight, *cache) == PROMISED[name]


def test_ten_steps_of_one_agent_build_it_once(workspace: Workspace):
    steps = [{"agent": "scout", "input": f"Look at subject {number}"} for number in range(10)]
    spec = whole("pattern: {type: chain, config: {steps: []}}")
    spec["pattern"]["config"]["steps"] = steps
    outcome, server = played(workspace, spec)

    assert [outcome.outputs[f"cache-{one}"] for one in ("builds", "hits", "hit-rate")] == ["1", "9", "90"]
    assert len(server.requests) == 10


def test_what_a_later_step_is_asked_holds_what_an_earlier_one_said(workspace: Workspace):
    _, server = played(workspace, whole(FRAGMENTS["a chain of five steps by three agents"]))

    assert [request.user_texts[-1] for request in server.requests] == [
        "Look at subject A", "Judge ok", "Look at subject B", "Judge ok", "Put it together",
    ]  # fmt: skip


def test_a_draft_that_is_not_good_enough_is_written_again(workspace: Workspace):
    outcome, _ = played(workspace, whole(FRAGMENTS["a score that hardly can"]))

    assert outcome.outputs["response"] == "a better draft"


def test_a_run_stays_within_the_token_budget(workspace: Workspace):
    outcome, _ = played(workspace, whole(FRAGMENTS["a token budget"]))

    assert outcome.results["budget"]["max_tokens"] == 100_000
    assert outcome.results["budget"]["tokens"] == int(outcome.outputs["total-tokens"]) == 15


@pytest.mark.parametrize(("name", "most"), [("balanced parallelism", 5), ("hardly bounded parallelism", 100)])
def test_no_more_calls_are_under_way_than_a_fragment_says(workspace: Workspace, name: str, most: int):
    """Of twelve branches, which a hundred would be enough for."""
    branches = [{"id": f"b{at}", "steps": [{"agent": "scout", "input": "Look."}]} for at in range(12)]
    spec = whole(FRAGMENTS[name]) | {"pattern": {"type": "parallel", "config": {"branches": branches}}}
    outcome, server = played(workspace, spec, delay=0.6)

    assert outcome.exit_code == 0
    assert server.max_in_flight == min(most, len(branches))
