"""What an answer says: what can only be meant one way is read so, and what is anything else is refused by its place."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.errors import PostProblem
from runner.post.said import Finding, Said, said

many = settings(max_examples=200, deadline=None, derandomize=True)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*Said.model_fields, "x"]), inner),
    max_leaves=12,
)


def finding(**keys: Any) -> Finding:
    found = said({"findings": [{"body": "It is so.", **keys}]}).findings
    assert found is not None
    return found[0]


@pytest.mark.parametrize(
    ("keys", "lines"),
    [
        ({"line": 12}, (12, 12)),
        ({"line": 12.0}, (12, 12)),
        ({"line": "12"}, (12, 12)),
        ({"line": " L12 "}, (12, 12)),
        ({"line": "+12"}, (12, 12)),
        ({"line": "12-15"}, (12, 15)),
        ({"line": "L12-L15"}, (12, 15)),
        ({"line": "12\u201315"}, (12, 15)),
        ({"line": "12 to 15"}, (12, 15)),
        ({"line": 15, "start_line": 12}, (12, 15)),
        ({"line": 12, "start_line": 15}, (12, 15)),
        ({"start_line": 12}, (12, 12)),
        ({"line": 0}, None),
        ({"line": -3}, None),
        ({"line": "about the middle"}, None),
        ({"line": None}, None),
        ({"line": 10**30}, None),
        ({}, None),
    ],
)
def test_a_line_is_read_as_models_write_it(keys: dict[str, Any], lines: tuple[int, int] | None) -> None:
    assert finding(**keys).lines == lines


@pytest.mark.parametrize(
    ("said_side", "side"),
    [("new", "new"), ("RIGHT", "new"), (" Left ", "old"), ("removed", "old"), (None, None), ("", None)],
)
def test_a_side_has_the_words_of_the_host_too(said_side: str | None, side: str | None) -> None:
    assert finding(side=said_side).side == side


def test_a_text_is_a_body() -> None:
    assert said("Looks good.") == Said(body="Looks good.")


def test_what_nobody_asked_for_is_left_where_it_is() -> None:
    assert said({"body": "a", "verdict": "fine", "findings": [{"body": "b", "rule": 7}]}).text == "a"


def test_a_summary_is_a_body_where_there_is_none() -> None:
    assert said({"summary": "short"}).text == "short"
    assert said({"summary": "short", "body": "long"}).text == "long"


def test_that_nothing_was_found_is_an_answer() -> None:
    assert said({"findings": []}).findings == []
    assert said({"findings": None, "body": "a"}).findings is None


@pytest.mark.parametrize("answer", [None, "", "  \n", {}, [], {"body": "", "labels": []}, {"findings": None}])
def test_an_answer_that_says_nothing_is_no_post(answer: Any) -> None:
    with pytest.raises(PostProblem, match="there is nothing to post"):
        said(answer)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (3, "what is to be posted is a number, and should be a text, or data with body, summary, findings"),
        ([{"body": "a"}], "is a list, and should be a text, or data with"),
        ({"text": "a"}, "has none of these: body, summary, findings, labels, conclusion"),
        ({"findings": "none"}, "findings is a text, and should be a list"),
        ({"findings": ["bad"]}, "findings[0] is a text, and should be an object"),
        ({"findings": [{}, {"body": ["a"]}]}, "findings[1].body is a list, and should be a text"),
        ({"findings": [{"line": [12]}]}, "findings[0].line is a list, and should be the number of a line"),
        ({"findings": [{"line": True}]}, "findings[0].line is true or false, and should be the number"),
        ({"findings": [{"start_line": 1.5}]}, "findings[0].start_line is a number, and should be the number of a line"),
        ({"findings": [{"side": "upper"}]}, "findings[0].side is 'upper', and should be 'new' or 'old'"),
        ({"labels": "bug"}, "labels is a text, and should be a list"),
        ({"labels": [1]}, "labels[0] is a number, and should be a text"),
        ({"conclusion": "great"}, "conclusion is 'great', and should be 'success', 'neutral' or 'failure'"),
        ({"findings": [{}] * 1001}, "findings has more than 1,000 entries"),
    ],
)
def test_what_does_not_fit_is_told_with_its_place(answer: Any, told: str) -> None:
    with pytest.raises(PostProblem) as found:
        said(answer)
    assert told in found.value.message


@many
@given(anything)
def test_any_data_is_read_or_refused(answer: Any) -> None:
    found = Said()
    with suppress(PostProblem):
        found = said(answer)
    for one in found.findings or ():
        assert one.lines is None or 0 < one.lines[0] <= one.lines[1]
