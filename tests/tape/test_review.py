"""A recording made anew beside the one before it: which steps are another thing, which say it in other words."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.report.results import Usage
from runner.report.verdicts import VERDICTS, Reviewed
from runner.tape.compare import DEEPEST, gaps
from runner.tape.recording import Answer, GateAsked, Prompt, Recording, ToolUse, Turn, dump, load
from runner.tape.review import MOST_REASONS, review

LISTED = "openai/gpt-4o"
PROSE = "The build is broken."
OTHER_PROSE = "It is the build that is broken."


def turn(text: str = PROSE, *tools: ToolUse, **changes: Any) -> Turn:
    """A turn of `gpt-4o`: 100 tokens in and 20 out."""
    defaults: dict[str, Any] = {"model": LISTED, "usage": Usage(100, 20), "stop": "end_turn"}
    return Turn(content=({"text": text},), tools=tools, **{**defaults, **changes})


def used(name: str, ident: str = "call-1", result: str = "found", status: Any = "success", **arguments: Any) -> ToolUse:
    """One use of a tool."""
    return ToolUse(ident, name, arguments, status, ({"text": result},))


def using(*tools: ToolUse, **changes: Any) -> Recording:
    """A recording in which tools are used in a first turn, and then the answer is given."""
    return recording(turn("", *tools, stop="tool_use"), turn(), **changes)


def recording(*turns: Turn, path: str = "steps[0]", **changes: Any) -> Recording:
    """A step that was answered `The build is broken.` in one turn. `answer` is told in parts: `data`, `status`…"""
    parts = {name: changes.pop(name) for name in ("data", "status", "error", "response") if name in changes}
    defaults: dict[str, Any] = {"config_hash": "c0ffee", "prompt": Prompt("What is wrong?"), "answer": Answer(**parts)}
    return Recording(path, turns=turns or (turn(),), **{**defaults, **changes})


def said(text: str, **changes: Any) -> Recording:
    return recording(turn(text), **changes)


def reviewed(before: Recording | None, after: Recording | None) -> Reviewed:
    """What became of the one step that there is."""
    [step] = review(*({"steps[0]": one} if one else {} for one in (before, after))).steps
    return step


def verdict(before: Recording | None, after: Recording | None) -> tuple[str, tuple[str, ...]]:
    step = reviewed(before, after)
    return step.verdict, step.reasons


# -- the five verdicts ------------------------------------------------------------------------------------------------


def test_a_step_that_answers_the_same_is_unchanged() -> None:
    assert verdict(recording(), recording()) == ("unchanged", ())


def test_a_text_in_other_words_is_reworded() -> None:
    assert verdict(said(PROSE), said(OTHER_PROSE)) == ("reworded", ("response reworded",))


def test_a_word_is_read_by_programs_and_another_one_is_a_change() -> None:
    assert verdict(said("bug"), said("feature")) == ("changed", ("response: bug → feature",))


def test_a_step_that_was_not_there_is_added() -> None:
    assert verdict(None, recording()) == ("added", ("was not recorded before",))


def test_a_step_that_is_not_there_any_more_is_removed() -> None:
    assert verdict(recording(), None) == ("removed", ("is not asked any more",))


def test_the_gravest_steps_come_first_and_the_others_in_their_order() -> None:
    before = {"a": recording(), "b": said(PROSE), "c": said("bug"), "gone": recording(), "d": recording()}
    after = {"a": recording(), "b": said(OTHER_PROSE), "c": said("feature"), "new": recording(), "d": recording()}
    found = review(before, after)
    assert [(step.path, step.verdict) for step in found.steps] == [
        ("new", "added"),
        ("gone", "removed"),
        ("c", "changed"),
        ("b", "reworded"),
        ("a", "unchanged"),
        ("d", "unchanged"),
    ]
    assert [found.count(one) for one in VERDICTS] == [1, 1, 1, 1, 2]


def test_steps_come_in_the_order_of_their_numbers() -> None:
    steps = [f"steps[{number}]" for number in range(12)]
    paths = ["branches.a", "branches.a2.steps[9]", "branches.a2.steps[10]", *steps, "workers#2[1]", "workers#10[0]"]
    assert [step.path for step in review({}, dict.fromkeys(sorted(paths), recording())).steps] == paths


# -- data -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ({"label": "bug"}, {"label": "feature"}, "data.label: bug → feature"),
        ({"score": 7}, {"score": 8}, "data.score: 7 → 8"),
        ({"ok": True}, {"ok": False}, "data.ok: true → false"),
        ({"ok": True}, {"ok": 1}, "data.ok: boolean true → number 1"),
        ({"id": 1}, {"id": "1"}, "data.id: number 1 → text 1"),
        ({"a": None}, {"a": "x"}, "data.a: nothing → text x"),
        ({"a": 1, "b": 2}, {"a": 1}, "data.b is gone"),
        ({"a": 1}, {"a": 1, "b": 2}, "data.b is new"),
        ({"a": {"b": [1, {"c": 2}]}}, {"a": {"b": [1, {"c": 3}]}}, "data.a.b[1].c: 2 → 3"),
        ({"items": [1, 2]}, {"items": [1, 2, 3]}, "data.items: 2 → 3 entries"),
        ({"a": "done"}, {"a": "it is done"}, 'data.a: done → "it is done"'),
        ({"a": "it is done"}, {"a": ""}, 'data.a: "it is done" → ""'),
        ([1], {"a": 1}, "data: list → object"),
        ("bug", "feature", "data: bug → feature"),
    ],
)
def test_data_changes_by_its_structure_and_by_what_is_no_prose(old: Any, new: Any, reason: str) -> None:
    assert verdict(recording(data=old), recording(data=new)) == ("changed", (reason,))


def test_prose_inside_data_is_reworded() -> None:
    found = verdict(recording(data={"why": PROSE, "n": 1}), recording(data={"why": OTHER_PROSE, "n": 1}))
    assert found == ("reworded", ("data.why reworded",))


@pytest.mark.parametrize(("length", "expected"), [(40, "changed"), (41, "reworded")])
def test_a_long_text_without_a_space_is_prose(length: int, expected: str) -> None:
    assert verdict(said("字" * length), said("文" * length))[0] == expected


def test_the_grave_reasons_come_first() -> None:
    old, new = {"why": PROSE, "label": "bug"}, {"why": OTHER_PROSE, "label": "chore"}
    found = verdict(recording(data=old), recording(data=new))
    assert found == ("changed", ("data.label: bug → chore", "data.why reworded"))


@pytest.mark.parametrize(
    ("old", "new"),
    [({"a": 1, "b": 2}, {"b": 2, "a": 1}), ({"n": 1}, {"n": 1.0}), ({"n": float("nan")}, {"n": float("nan")})],
)
def test_the_same_data_is_the_same_however_it_is_written(old: Any, new: Any) -> None:
    assert verdict(recording(data=old), recording(data=new)) == ("unchanged", ())


def test_words_around_the_same_data_are_words() -> None:
    old = recording(data={"n": 1}, response='{"n": 1}')
    new = recording(data={"n": 1}, response='Here you are: {"n": 1}')
    assert verdict(old, new) == ("reworded", ("response reworded",))


def test_a_text_that_is_json_is_compared_as_what_it_says() -> None:
    assert verdict(said('{"label": "bug"}'), said('{"label": "feature"}')) == (
        "changed",
        ("response.label: bug → feature",),
    )
    assert verdict(said('{"label": "bug"}'), said('{"label":"bug"}'))[0] == "reworded"


def test_many_differences_are_counted_and_a_grave_one_behind_them_is_not_lost() -> None:
    old = {f"k{at}": f"{PROSE} {at}" for at in range(100)} | {"z": 1}
    new = {f"k{at}": f"{OTHER_PROSE} {at}" for at in range(100)} | {"z": 2}
    found, reasons = verdict(recording(data=old), recording(data=new))
    assert (found, reasons[0], reasons[-1]) == ("changed", "data.z: 1 → 2", f"and {101 - MOST_REASONS} more")
    assert len(reasons) == MOST_REASONS + 1


def test_data_as_deep_as_json_is_read_is_compared() -> None:
    def nested(value: int) -> Any:
        return json.loads("[" * (DEEPEST + 100) + str(value) + "]" * (DEEPEST + 100))

    assert verdict(recording(data=nested(1)), recording(data=nested(1)))[0] == "unchanged"
    [reason] = verdict(recording(data=nested(1)), recording(data=nested(2)))[1]
    assert reason.endswith("not the same further down")


# -- tools ------------------------------------------------------------------------------------------------------------


def test_a_tool_that_is_not_used_any_more_is_named() -> None:
    before, after = using(used("lookup"), used("read")), using(used("read"))
    assert verdict(before, after) == ("changed", ("no longer uses the tool `lookup`",))
    assert verdict(after, before) == ("changed", ("now uses the tool `lookup`",))


def test_a_tool_that_is_used_more_often_is_counted() -> None:
    before, after = using(used("read")), using(used("read"), used("read"), used("read"))
    assert verdict(before, after) == ("changed", ("uses the tool `read` 3 times, before 1",))


def test_another_order_of_tools_is_a_change() -> None:
    before, after = using(used("a"), used("b")), using(used("b"), used("a"))
    assert verdict(before, after) == ("changed", ("uses its tools in another order: b, a; before a, b",))


def test_arguments_are_compared_as_data_is() -> None:
    before = using(used("search", query="why it broke", limit=5))
    assert verdict(before, using(used("search", query="why it broke", limit=9))) == (
        "changed",
        ("arguments of `search`.limit: 5 → 9",),
    )
    assert verdict(before, using(used("search", query="what broke it", limit=5))) == (
        "reworded",
        ("arguments of `search`.query reworded",),
    )


def test_a_tool_that_fails_now_is_a_change() -> None:
    found = verdict(using(used("read")), using(used("read", status="error")))
    assert found == ("changed", ("the tool `read`: success → error",))


def test_ids_that_a_provider_makes_are_no_difference() -> None:
    assert verdict(using(used("read", "call-1")), using(used("read", "call-2"))) == ("unchanged", ())


def test_what_a_tool_said_is_told_beside() -> None:
    found = reviewed(using(used("read", result="one")), using(used("read", result="two")))
    assert (found.verdict, found.notes) == ("unchanged", ("the tool `read` said something else",))


# -- how it ended -----------------------------------------------------------------------------------------------------


def test_a_step_that_fails_now_has_changed() -> None:
    failed = recording(status="failed", error="it went wrong")
    assert verdict(recording(), failed) == ("changed", ("status: success → failed",))
    assert verdict(failed, recording(status="failed", error="it has gone wrong")) == ("reworded", ("error reworded",))


def test_another_reason_to_stop_is_a_change_where_both_are_known() -> None:
    before = recording()
    assert verdict(before, recording(turn(stop="max_tokens"))) == ("changed", ("stop reason: end_turn → max_tokens",))
    assert verdict(before, recording(turn(stop=None))) == ("unchanged", ())


def test_what_a_person_said_at_a_gate_is_compared_and_when_is_not() -> None:
    def gate(answer: str | None, asked: str = "2026-01-01") -> Recording:
        return recording(gate=GateAsked("Shall we?", asked, answer=answer))

    assert verdict(gate("yes"), gate("no")) == ("changed", ("gate.answer: yes → no",))
    assert verdict(gate("yes"), gate("yes", "2026-02-02")) == ("unchanged", ())


# -- told beside ------------------------------------------------------------------------------------------------------


def test_a_question_in_other_words_is_told_and_is_no_verdict() -> None:
    found = reviewed(recording(), recording(prompt=Prompt("What broke?", system="Be brief.")))
    assert (found.verdict, found.notes) == ("unchanged", ("asked otherwise: system prompt, question",))


def test_what_the_question_was_made_of_is_told_by_its_name() -> None:
    before = recording(asked={"model_id": "m", "temperature": 0})
    found = reviewed(before, recording(asked={"model_id": "n", "temperature": 0}, config_hash="decade"))
    assert (found.verdict, found.notes) == ("unchanged", ("asked otherwise: model_id",))


def test_a_tool_that_is_described_otherwise_is_told_by_its_name() -> None:
    before = recording(tools={"read": "01", "write": "02", "gone": "03"})
    found = reviewed(before, recording(tools={"read": "01", "write": "22", "new": "04"}))
    assert (found.verdict, found.notes) == ("unchanged", ("the tool `write` is described otherwise",))


def test_another_model_is_told() -> None:
    found = reviewed(recording(), recording(turn(model="ollama/llama")))
    assert (found.verdict, found.notes) == ("unchanged", (f"answered by ollama/llama, before by {LISTED}",))


def test_a_hand_that_wrote_one_side_is_told() -> None:
    found = reviewed(recording(origin="hand"), recording())
    assert (found.verdict, found.notes) == ("unchanged", ("written by hand before",))
    assert [side and side.by_hand for side in (found.before, found.after)] == [True, False]


# -- what it took -----------------------------------------------------------------------------------------------------


def test_tokens_turns_and_cost_of_both_sides_are_told() -> None:
    found = reviewed(recording(), using(used("read")))
    assert found.before
    assert found.after
    assert (found.before.usage, found.before.turns) == (Usage(100, 20), 1)
    assert (found.after.usage, found.after.turns) == (Usage(200, 40), 2)
    assert found.before.cost_usd == pytest.approx((100 * 2.5 + 20 * 10) / 1e6)
    assert found.after.cost_usd == pytest.approx(2 * found.before.cost_usd)


def test_an_unknown_price_is_told_by_its_model() -> None:
    found = reviewed(recording(), recording(turn(model="openai/m"), turn()))
    assert found.before
    assert found.after
    assert (found.before.cost_usd is None, found.before.unpriced) == (False, ())
    assert (found.after.cost_usd, found.after.unpriced) == (None, ("openai/m",))


def test_both_sides_are_priced_as_of_one_time() -> None:
    tape = {"steps[0]": recording(turn(model="openai/o3", usage=Usage(1_000_000, 0)))}
    then, now = (review(tape, tape, datetime(2025, month, 1, tzinfo=UTC)) for month in (5, 7))
    assert (then.before.cost_usd, then.after.cost_usd) == (10.0, 10.0)
    assert (now.before.cost_usd, now.after.cost_usd) == (2.0, 2.0)


def test_a_recording_that_counts_nothing_costs_nothing() -> None:
    found = reviewed(None, recording(turn(model="openai/m", usage=Usage()), origin="hand"))
    assert found.after
    assert found.after.cost_usd == 0


def test_totals_are_those_of_all_steps_of_a_side() -> None:
    found = review({"a": recording(), "gone": recording()}, {"a": using(used("read")), "b": recording()})
    assert (found.before.usage, found.before.turns) == (Usage(200, 40), 2)
    assert (found.after.usage, found.after.turns) == (Usage(300, 60), 3)
    assert found.after.cost_usd == pytest.approx(3 * (100 * 2.5 + 20 * 10) / 1e6)


def test_one_unknown_price_makes_a_total_unknown() -> None:
    found = review({"a": recording()}, {"a": recording(), "b": recording(turn(model="openai/m"))})
    assert found.before.cost_usd is not None
    assert (found.after.cost_usd, found.after.unpriced) == (None, ("openai/m",))


# -- always -----------------------------------------------------------------------------------------------------------


def values(numbers: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        st.none() | st.booleans() | st.integers() | st.text() | numbers,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=8,
    )


def recordings(data: st.SearchStrategy[Any]) -> st.SearchStrategy[Recording]:
    return st.builds(
        lambda text, said, arguments, names: using(
            *(used(name, **arguments) for name in names), data=said, response=text
        ),
        st.text(),
        data,
        st.dictionaries(st.sampled_from("abc"), data, max_size=2),
        st.lists(st.sampled_from(["read", "lookup"]), max_size=3),
    )


WRITTEN = values(st.floats(allow_nan=False, allow_infinity=False))
"""What JSON can hold."""

READ = values(st.floats())
"""What Python reads from a text that it takes for JSON."""


@given(st.dictionaries(st.sampled_from("abcd"), recordings(READ), max_size=3))
def test_a_recording_beside_itself_is_unchanged(tape: dict[str, Recording]) -> None:
    found = review(tape, tape)
    assert {step.verdict for step in found.steps} <= {"unchanged"}
    assert not any(step.reasons or step.notes for step in found.steps)
    assert found.before == found.after


@given(recordings(WRITTEN))
def test_a_recording_that_went_through_a_file_is_unchanged(one: Recording) -> None:
    again = load(dump(one), "steps[0].json")
    assert reviewed(one, again).verdict == "unchanged"


@given(READ, READ)
def test_whether_two_values_differ_is_the_same_from_either_side(old: Any, new: Any) -> None:
    there, back = (sorted(gap.only_words for gap in gaps("data", *pair)) for pair in ((old, new), (new, old)))
    assert there == back


@given(recordings(WRITTEN), st.text(min_size=1))
def test_other_words_alone_are_never_a_change(one: Recording, words: str) -> None:
    old, new = (replace(one, answer=replace(one.answer, data={"why": f"one {words} two {n}"})) for n in "ab")
    assert reviewed(old, new).verdict == "reworded"
