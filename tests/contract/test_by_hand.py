"""A recording that somebody wrote: what may be left out of it, and what is said of one that contradicts itself."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.agents.test_compaction import CALCULATES
from tests.build import chain
from tests.contract.replaying import Both, both, fixtures
from tests.contract.test_replay import JUDGE, SUM
from tests.servers import Answer
from tests.workspace import Outcome, Workspace


@pytest.fixture
def ran(workspace: Workspace) -> Both:
    """A run whose recording is there to be written over."""
    return both(workspace, chain("go"), [Answer("", tool_calls=[SUM]), Answer("ok")], agents=CALCULATES)


def replay(workspace: Workspace, ran: Both, **changes: Any) -> Outcome:
    """The replay of its only recording with this in it instead, and no more of it than a person would write."""
    (file,) = fixtures(workspace).values()
    kept = ("format", "path", "config_hash", "prompt", "tools", "turns")
    body = {name: one for name, one in json.loads(file.read_text()).items() if name in kept}
    file.write_text(json.dumps({**body, "origin": "hand", **changes}))
    return workspace.run(ran.spec, mode="replay")


def turn(*content: Any, **changes: Any) -> dict[str, Any]:
    blocks = [{"text": one} if isinstance(one, str) else {"toolUse": one} for one in content]
    return {"model": "somebody", "content": blocks, **changes}


def used(number: int, expression: str) -> dict[str, Any]:
    return {"toolUseId": str(number), "name": "calculator", "input": {"expression": expression}}


def gave(number: int, expression: str, result: str, **changes: Any) -> dict[str, Any]:
    given = {"expression": expression}
    return {"id": str(number), "name": "calculator", "input": given, "content": [{"text": result}], **changes}


def test_several_turns_with_tools_need_no_more_than_what_was_said(workspace: Workspace, ran: Both):
    turns = [
        turn("Let me see.", used(1, "1 + 1"), used(2, "2 + 2"), tools=[gave(1, "1 + 1", "2"), gave(2, "2 + 2", "4")]),
        turn(used(3, "1 / 0"), tools=[gave(3, "1 / 0", "Error: by zero", status="error")]),
        turn("2 and 4"),
    ]
    outcome = replay(workspace, ran, turns=turns)

    (step,) = outcome.results["steps"]
    assert (outcome.exit_code, outcome.outputs["response"]) == (0, "2 and 4"), outcome.log
    assert (step["turns"], step["tools"]) == (3, ["calculator"] * 3)


def test_what_was_never_sent_cost_nothing_that_nobody_told(workspace: Workspace, ran: Both):
    outcome = replay(workspace, ran, turns=[turn("ok")])

    assert outcome.results["usage"]["uncounted_turns"] == 0
    assert "at least" not in outcome.summary


def test_it_may_stop_as_it_says(workspace: Workspace, ran: Both):
    answer = {"status": "failed", "error": "cut off"}
    outcome = replay(workspace, ran, turns=[turn("cut", stop="max_tokens")], answer=answer)
    assert (outcome.exit_code, "cut off at max_tokens" in outcome.log) == (10, True)


@pytest.mark.parametrize(
    ("turns", "says"),
    [
        ([], "is at its end, and one more turn is asked for"),
        (
            [turn(used(1, "1+1"), tools=[gave(1, "1 + 1", "2")]), turn("2")],
            'there is no result of the tool \'calculator\' for {"expression": "1+1"}',
        ),
        ([turn(used(1, "1 + 1")), turn("2")], "there is no result of the tool 'calculator'"),
        (
            [turn("2", tools=[gave(1, "1 + 1", "2")])],
            "the content of a turn does not use the tool 'calculator' (id '1')",
        ),
        ([turn("2"), turn("3")], "was asked for 1 of its 2 turns"),
    ],
    ids=["no turn", "other arguments", "no result", "not in the content", "a turn too many"],
)
def test_what_does_not_fit_together_is_named(workspace: Workspace, ran: Both, turns: list[Any], says: str):
    outcome = replay(workspace, ran, turns=turns)
    assert outcome.exit_code == 14
    assert f"steps[0] (writer): its recording {says}" in outcome.log or f"does not fit its tools: {says}" in outcome.log


@pytest.mark.parametrize(
    ("answer", "says"),
    [({"data": {"score": 3}}, '{"score": 3} → {"score": 4}'), ({}, 'nothing → {"score": 4}')],
    ids=["other data", "no data"],
)
def test_data_has_to_be_that_of_the_turns(workspace: Workspace, answer: dict[str, Any], says: str):
    agents = {"writer": {"prompt": "p", "output_schema": JUDGE}}
    ran = both(workspace, chain("go"), '{"score": 3}', agents=agents)
    outcome = replay(workspace, ran, turns=[turn('{"score": 4}')], answer=answer)

    assert outcome.exit_code == 14
    assert f"does not lead to the answer that stands in it: data: {says}" in outcome.log
    assert replay(workspace, ran, turns=[turn('{"score": 4}')], answer={"data": {"score": 4}}).exit_code == 0
