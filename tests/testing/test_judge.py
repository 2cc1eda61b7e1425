"""A run is judged: all that is not as it should be is told at once, in sentences, each at its place."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings

from runner.errors import Location
from runner.report.results import Bill, Failure, Usage
from runner.testing.cases import Case
from runner.testing.judge import Expected, judge
from runner.testing.showing import WIDTH, differences
from tests.build import report, result, skipped
from tests.testing.test_paths import trees
from tests.testing.writing import FILE, cases_of, expected, judged

LONG = "word " * 200


def said(response: str, **changes: Any) -> Any:
    return report(result(response=response), **changes)


# -- how it ended -----------------------------------------------------------------------------------------------------


def test_a_run_that_succeeded_is_as_expected_where_nothing_is_said() -> None:
    assert judged(report()) == []


def test_a_run_that_failed_is_told_with_its_reason() -> None:
    run = report(status="failed", failure=Failure("Step failed", "steps[0] (writer): no answer"))
    assert judged(run) == ["status should be success, but is failed: Step failed: steps[0] (writer): no answer"]


@pytest.mark.parametrize("status", ["failed", "budget", "timeout", "paused", "skipped"])
def test_a_run_may_be_expected_to_end_otherwise(status: Any) -> None:
    assert judged(report(status=status), status=status) == []
    assert judged(report(), status=status) == [f"status should be {status}, but is success"]


# -- words ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("says", "response", "told"),
    [
        ({"contains": "bug"}, "a bug", []),
        ({"contains": "bug"}, "a feature", ["response should contain 'bug', but is 'a feature'"]),
        ({"contains": ["a", "b", "c"]}, "b", [
            "response should contain 'a', but is 'b'",
            "response should contain 'c', but is 'b'",
        ]),
        ({"contains": "bug"}, "A Bug", [
            "response should contain 'bug', but has it only as 'Bug'; letters count as they are written",
        ]),
        ({"contains": "bug"}, "", ["response should contain 'bug', but is ''"]),
        ({"not_contains": ["x", "bug"]}, "a bug", ["response should not contain 'bug', but has it: 'a bug'"]),
        ({"not_contains": "bug"}, "a Bug", []),
        ({"matches": "^b.g$"}, "bug", []),
        ({"matches": ["^b", "g$", "^x"]}, "bug", ["response should match '^x', but is 'bug'"]),
        ({"matches": "(?i)BUG"}, "a bug", []),
        ({"matches": "[[b]ug"}, "a bug", []),  # Python warns of such a one
    ],
)  # fmt: skip
def test_the_response_is_looked_through(says: dict[str, Any], response: str, told: list[str]) -> None:
    assert judged(said(response), **says) == told


def test_a_long_response_is_shown_around_what_should_not_be_in_it() -> None:
    [told] = judged(said(LONG + "the password is x " + LONG), not_contains="password")
    assert "password" in told.split("has it: ")[1]
    assert len(told) < 2 * WIDTH
    assert told.endswith("…")


def test_a_long_response_is_shown_from_its_beginning_where_nothing_of_it_matters() -> None:
    [told] = judged(said("first " + LONG), contains="bug")
    assert "is 'first word" in told
    assert told.endswith("…")


def test_a_pattern_that_never_ends_is_told_in_time() -> None:
    begun = time.monotonic()
    told = judged(said("a" * 60 + "!"), matches="(a+)+$")
    assert told == ["response should match '(a+)+$', but finding out takes longer than 1 s"]
    assert time.monotonic() - begun < 5


# -- equals -----------------------------------------------------------------------------------------------------------

RUN = report(
    result("steps[0]", id="triage", response="bug", data={"label": "bug"}, tools=("lookup",)),
    result("steps[1]", response="done"),
    data={"label": "bug", "tags": ["a", "b"], "score": 1.0, "sure": True, "by": {"name": "x"}},
    step_outputs={"label": "bug"},
)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("response", "done"),
        ("status", "success"),
        ("data.label", "bug"),
        ("data.tags", ["a", "b"]),
        ("data.tags[1]", "b"),
        ("data.score", 1),
        ("data.by", {"name": "x"}),
        ("step_outputs.label", "bug"),
        ("steps.triage.data.label", "bug"),
        ("steps[0].data", {"label": "bug"}),
        ("steps[1].response", "done"),
        ("steps[-1].response", "done"),
        ("steps[0].tools", ["lookup"]),
        ("usage.total_tokens", 20),
        ("failure", None),
    ],
)
def test_what_stands_at_a_path_is_compared(path: str, value: Any) -> None:
    assert judged(RUN, equals={path: value}) == []


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("data.label", "feature", "data.label should be 'feature', but is 'bug'"),
        ("data.sure", 1, "data.sure should be 1, but is true"),
        ("data.score", True, "data.score should be true, but is 1.0"),
        ("data.score", "1", "data.score should be '1', but is 1.0"),
        ("data.tags", ["a", "c"], "data.tags[1] should be 'c', but is 'b'"),
        ("data.tags", ["a"], 'data.tags should have 1 element, but has 2 elements: ["a", "b"]'),
        ("data.tags", "a", 'data.tags should be \'a\', but is ["a", "b"]'),
        ("data.by", {"nam": "x", "name": "x"}, ("data.by.nam should be 'x', but data.by has no 'nam'; "
                                                 "did you mean 'name'?")),
        ("steps.triage.data", {"label": "bug", "x": 1}, ("steps.triage.data.x should be 1, but steps.triage.data has "
                                                          "no 'x'; choose one of: label")),
        ("data.lable", None, "data.lable should be null, but data has no 'lable'; did you mean 'label'?"),
        ("dat.label", "bug", "dat.label should be 'bug', but the run has no 'dat.label'; did you mean 'data'?"),
        ("steps.triag.response", "x", ("steps.triag.response should be 'x', but the run has no step 'triag'; "
                                      "did you mean 'triage'?")),
        ("steps.triage.respons", "x", ("steps.triage.respons should be 'x', but steps.triage has no 'respons'; "
                                      "did you mean 'response'?")),
        ("steps[7].response", "x", "steps[7].response should be 'x', but steps has 2 elements"),
        ("response[0]", "d", "response[0] should be 'd', but response is a text and has nothing below it"),
        ("failure.title", "x", "failure.title should be 'x', but failure is null and has nothing below it"),
    ],
)  # fmt: skip
def test_what_is_not_equal_is_told_where_it_differs(path: str, value: Any, told: str) -> None:
    assert judged(RUN, equals={path: value}) == [told]


def test_what_is_too_much_is_told_as_well() -> None:
    assert judged(RUN, equals={"data.by": {"other": 1}}) == [
        "data.by.other should be 1, but data.by has no 'other'; choose one of: name",
        "data.by.name should not be there, but is 'x'",
    ]


def test_long_texts_are_shown_around_where_they_differ() -> None:
    [told] = judged(said(LONG + "left" + LONG), equals={"response": LONG + "right" + LONG})
    should, but = told.split(", but is ")
    assert "word right" in should
    assert "word left" in but
    assert len(told) < 3 * WIDTH


@given(trees, trees)
@settings(max_examples=300, deadline=None)
def test_values_differ_exactly_where_json_does(one: Any, other: Any) -> None:
    assert [*differences(one, one, "x")] == []
    assert bool([*differences(one, other, "x")]) == (_typed(one) != _typed(other))


def _typed(value: Any) -> Any:
    """A value in which 1 and true are two things to Python as well."""
    match value:
        case dict():
            return {key: _typed(inner) for key, inner in value.items()}
        case list():
            return [_typed(inner) for inner in value]
    return (isinstance(value, bool), value)


# -- data -------------------------------------------------------------------------------------------------------------


def schema_judged(tmp_path: Any, run: Any, expect: str) -> list[str]:
    """Sentences about a run by an `expect` with schemas, which the loader reads."""
    case: Case = cases_of(tmp_path, f"cases: [{{name: a, expect: {expect}}}]")[0]
    return [one.message for one in judge(case.expected, run)]


@pytest.mark.parametrize(
    ("run", "told"),
    [
        (report(data={"label": "bug"}), []),
        (said('{"label": "bug"}'), []),
        (said("a bug", data=[]), []),
        (report(data={"label": 1}), [("data should satisfy json_schema, but does not at $.label: type should be "
                                      "'string'; it is {\"label\": 1}")]),
        (said('{"label": 1}'), [("response should satisfy json_schema, but does not at $.label: type should be "
                                "'string'; it is {\"label\": 1}")]),
        (said("a bug"), ["response should be JSON as json_schema says, but is 'a bug'"]),
        (said("[" * 100_000), [f"response should be JSON as json_schema says, but is '{'[' * WIDTH}'…"]),
    ],
)  # fmt: skip
def test_data_or_the_response_as_json_satisfies_a_schema(tmp_path: Any, run: Any, told: list[str]) -> None:
    assert schema_judged(tmp_path, run, "{json_schema: {properties: {label: {type: string}}}}") == told


def test_a_steps_data_satisfies_a_schema_of_its_own(tmp_path: Any) -> None:
    run = report(result(id="triage", data=1), data="x")
    assert schema_judged(tmp_path, run, "{steps: {triage: {json_schema: {type: string}}}}") == [
        "step 'triage': data should satisfy json_schema, but does not at $: type should be 'string'; it is 1"
    ]


# -- tools ------------------------------------------------------------------------------------------------------------

USED = report(result("steps[0]", tools=("grep", "lookup")), result("steps[1]", tools=("lookup", "save")))


@pytest.mark.parametrize(
    ("tools", "told"),
    [
        ({"called": "lookup"}, []),
        ({"called": ["save", "grep"]}, []),
        ({"called": ["save", "fetch"]}, ["tools should include fetch, but were grep, lookup, lookup, save"]),
        ({"not_called": ["fetch", "send"]}, []),
        ({"not_called": "save"}, ["tools should not include save, but were grep, lookup, lookup, save"]),
        ({"in_order": ["grep", "save"]}, []),
        ({"in_order": ["lookup", "lookup"]}, []),
        ({"in_order": ["lookup", "grep"]}, [("tools should be used in the order lookup, grep, "
                                            "but were grep, lookup, lookup, save")]),
        ({"in_order": ["grep", "grep"]}, [("tools should be used in the order grep, grep, "
                                          "but were grep, lookup, lookup, save")]),
    ],
)  # fmt: skip
def test_tools_are_those_of_all_steps_in_their_order(tools: dict[str, Any], told: list[str]) -> None:
    assert judged(USED, tools=tools) == told


def test_a_run_without_tools_says_so() -> None:
    assert judged(report(), tools={"called": "grep"}) == ["tools should include grep, but none was used"]


# -- limits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "told"),
    [
        ({"max_tokens": 1000}, []),
        ({"max_tokens": 999}, ["tokens should be at most 999, but are 1,000"]),
        ({"max_turns": 3}, []),
        ({"max_turns": 2}, ["turns should be at most 2, but are 3"]),
        ({"max_duration_s": 1.5}, []),
        ({"max_duration_s": 1.4}, ["duration should be at most 1.4 s, but is 1.5 s"]),
        ({"max_cost_usd": 0.02}, []),
        ({"max_cost_usd": 0.019}, ["cost should be at most 0.019 USD, but is 0.02 USD"]),
    ],
)
def test_a_limit_may_be_reached_and_not_passed(limit: dict[str, Any], told: list[str]) -> None:
    run = report(result("steps[0]", tokens=(600, 100), turns=2), result("steps[1]", tokens=(200, 100)))
    assert judged(replace(run, duration_ms=1500), 0.02, **limit) == told


def test_an_unknown_cost_says_what_has_no_price() -> None:
    run = report(result(bills=(Bill("openai/of-our-own", Usage(7, 3)),)))
    assert judged(run, None, max_cost_usd=1) == [
        "cost should be at most 1 USD, but is not known: no price for openai/of-our-own"
    ]


def test_a_cost_that_nobody_knows_is_not_below_a_limit() -> None:
    assert judged(report(result(bills=())), None, max_cost_usd=1000) == [
        "cost should be at most 1000 USD, but is not known: a price is missing"
    ]


# -- steps ------------------------------------------------------------------------------------------------------------


def test_a_step_is_expected_to_succeed_where_something_else_is_said_of_it() -> None:
    run = report(result(id="triage", status="failed", response="", error="no answer"))
    assert judged(run, steps={"triage": {"contains": "bug"}}) == [
        "step 'triage': status should be success, but is failed: no answer",
        "step 'triage': response should contain 'bug', but is ''",
    ]


def test_a_step_that_was_not_taken_is_skipped() -> None:
    run = report(result("steps[0]"), skipped("steps[1]"))
    assert judged(run, steps={"steps[0]": "success", "steps[1]": "skipped"}) == []
    assert judged(run, steps={"steps[0]": "skipped"}) == ["step 'steps[0]': status should be skipped, but is success"]


def test_each_step_is_judged_by_what_is_its_own() -> None:
    run = report(result(id="a", data={"n": 1}), result("steps[1]", id="b", data={"n": 2}))
    assert judged(run, steps={"a": {"equals": {"data.n": 1}}, "b": {"equals": {"data.n": 2}}}) == []
    assert judged(run, equals={"steps.a.data.n": 1, "steps.b.data.n": 2}) == []


def test_a_step_that_is_not_there_is_no_skipped_one() -> None:
    assert judged(report(result(id="triage")), steps={"triag": "skipped"}) == [
        "step 'triag' should be in the run, but is not; did you mean 'triage'?"
    ]


def test_all_that_can_be_said_of_a_run_can_be_said_of_a_step() -> None:
    run = report(result(id="a", response="x", data={"n": 1}, tools=("t",), tokens=(10, 1), turns=2), result("steps[1]"))
    says = {
        "contains": "y",
        "not_contains": "x",
        "matches": "z",
        "equals": {"data.n": 2, "data.m": 1},
        "tools": {"called": "u"},
        "max_tokens": 10,
        "max_turns": 1,
    }
    assert judged(run, steps={"a": says}) == [
        "step 'a': response should contain 'y', but is 'x'",
        "step 'a': response should not contain 'x', but has it: 'x'",
        "step 'a': response should match 'z', but is 'x'",
        "step 'a': data.n should be 2, but is 1",
        "step 'a': data.m should be 1, but data has no 'm'; choose one of: n",
        "step 'a': tools should include u, but were t",
        "step 'a': tokens should be at most 10, but are 11",
        "step 'a': turns should be at most 1, but are 2",
    ]


# -- places -----------------------------------------------------------------------------------------------------------


def test_each_failure_stands_where_it_was_expected() -> None:
    run = report(result(id="a", response="x", tools=("t",)))
    says = {"contains": ["x", "y"], "steps": {"a": {"max_turns": 1, "contains": "z"}, "b": "success"}}
    found = judge(expected(**says, tools={"not_called": "t"}), run)
    assert [(one.at.line, one.what) for one in found] == [
        (6, "response"),
        (10, "step 'a': response"),
        (11, "step 'b'"),
        (13, "tools"),
    ]
    assert {one.at.file for one in found} == {FILE}


def test_what_is_written_in_no_file_has_no_place() -> None:
    [found] = judge(Expected(), report(status="failed"))
    assert found.at == Location("")
