"""A recording being played: its turns in their order, and what real tools give beside what they gave."""

from __future__ import annotations

from typing import Any

import pytest

from runner.errors import RecordingProblem
from runner.tape.recording import Recording, ToolUse, Turn
from runner.tape.reel import Player


def use(given: Any, ident: str = "1", **changes: Any) -> ToolUse:
    """A use of the tool `read`, which gave this."""
    content = given if isinstance(given, tuple) else ({"text": given},)
    return ToolUse(ident, "read", {"path": ident}, content=content, **changes)


def asks(*uses: ToolUse) -> Turn:
    """A turn in which a model asks for tools."""
    content = [{"toolUse": {"toolUseId": one.id, "name": one.name, "input": one.input}} for one in uses]
    return Turn("m", content=tuple(content), stop="tool_use", tools=uses)


DONE = Turn("m", content=({"text": "done"},), stop="end_turn")


def player(*turns: Turn, **changes: Any) -> Player:
    return Player(Recording("steps[0]", "0" * 64, turns=turns), RecordingProblem, **changes)


def gave(*results: tuple[str, Any], status: str = "success") -> Any:
    """The messages behind tools that gave this, by the ids of their uses."""
    blocks = [
        {
            "toolResult": {
                "toolUseId": ident,
                "status": status,
                "content": [{"text": one} if isinstance(one, str) else one],
            }
        }
        for ident, one in results
    ]
    return [{"role": "user", "content": blocks}]


ASKED: Any = [{"role": "user", "content": [{"text": "go"}]}]


def compared(*uses: ToolUse, now: Any, **changes: Any) -> None:
    """Play a turn that uses tools, and the next, by when real ones have given this."""
    played = player(asks(*uses), DONE, tools_live=True, **changes)
    played.turn(ASKED)
    assert played.turn(now) == DONE


# -- real tools -------------------------------------------------------------------------------------------------------


def blotted(text: str) -> str:
    return text.replace("secret", "***").replace("ann@example.org", "[email]")


@pytest.mark.parametrize(
    ("recorded", "now"),
    [
        ("same", "same"),
        ("a *** b", "a secret b"),
        ("a *** b", "a key that nobody told us b"),
        ("to [email]", "to ann@example.org"),
        (({"json": {"***": ["***", 1]}},), {"json": {"secret": ["secret", 1]}}),
        (({"json": {"a": "***"}},), {"json": {"a": "secret"}}),
    ],
)
def test_what_was_taken_out_of_a_result_is_no_difference(recorded: Any, now: Any) -> None:
    compared(use(recorded), now=gave(("1", now)), clean=blotted)


@pytest.mark.parametrize(
    ("recorded", "now"),
    [
        ("one", "two"),
        ("a *** b", "a secret c"),
        (({"json": {"a": 1}},), {"json": {"a": 2}}),
        (({"json": {"a": [1]}},), {"json": {"a": [1, 2]}}),
        (({"json": {"a": 1}},), {"json": {"b": 1}}),
        (({"json": 1},), "1"),
        (({"text": "one"}, {"text": "two"}), "one"),
    ],
)
def test_another_result_is_told_with_both_and_without_what_must_not_be_kept(recorded: Any, now: Any) -> None:
    with pytest.raises(RecordingProblem, match="does not fit its tools: the tool 'read' gave ") as problem:
        compared(use(recorded), now=gave(("1", now)), clean=blotted)
    assert "secret" not in problem.value.message


def test_a_tool_that_fails_now_is_another_result() -> None:
    with pytest.raises(RecordingProblem, match="the tool 'read' gave 'no'"):
        compared(use("no"), now=gave(("1", "no"), status="error"))


def test_two_uses_that_share_an_id_are_compared_each_with_its_own() -> None:
    """As of a provider that gives all uses of a turn the same one."""
    compared(use("one"), use("two"), now=gave(("1", "one"), ("1", "two")))
    with pytest.raises(RecordingProblem, match="'three', and when it was recorded 'two'"):
        compared(use("one"), use("two"), now=gave(("1", "one"), ("1", "three")))


def test_an_attempt_that_begins_again_has_no_results_to_compare() -> None:
    broken = Turn("m", content=({"toolUse": {"toolUseId": "2", "name": "read", "input": {}}},), tools=(use((), "2"),))
    played = player(asks(use("one")), broken, DONE, tools_live=True)
    played.turn(ASKED)
    played.turn(gave(("1", "one")))
    assert played.turn(ASKED) == DONE


# -- by hand ----------------------------------------------------------------------------------------------------------


def test_a_use_of_a_tool_that_has_no_id_is_not_the_one_that_has_a_result() -> None:
    """What a model began to ask for, or who wrote by hand, need not have one."""
    turn = Turn("m", content=({"toolUse": {"name": "read", "input": {}}},), tools=(use("text"),))
    with pytest.raises(RecordingProblem, match=r"the content of a turn does not use the tool 'read' \(id '1'\)"):
        player(turn).turn()
