"""A path leads to what stands there, or says what stands there instead."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.testing.paths import NoSuchPath, look_up, parts, step_at, step_named, written
from tests.build import report, result

keys = st.text(max_size=5) | st.sampled_from(["a", "0", "-1", "[0]", '"', "\\", "a.b", ".", " ", "\n", "\ud800"])
trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=15,
)


@st.composite
def trees_and_ways(draw: st.DrawFn) -> tuple[Any, list[str | int], Any]:
    """A tree, a way into it, and what stands at its end."""
    tree = there = draw(trees)
    way: list[str | int] = []
    while isinstance(there, dict | list) and there and draw(st.booleans()):
        size = len(there)
        part = draw(st.sampled_from([*there]) if isinstance(there, dict) else st.integers(-size, size - 1))
        way.append(part)
        there = there[part]
    return tree, way, there


@given(trees_and_ways())
@settings(max_examples=300, deadline=None)
def test_every_way_into_a_tree_can_be_written_and_leads_there(found: tuple[Any, list[str | int], Any]) -> None:
    tree, way, there = found
    path = written(way)
    assert [*parts(path)] == way
    assert look_up(tree, parts(path)) is there


@given(st.text(alphabet='ab.[]"0-\\ ', max_size=10))
@settings(max_examples=300, deadline=None)
def test_whatever_is_written_is_a_path_or_refused_and_means_one_thing(text: str) -> None:
    found = None
    with suppress(ValueError):
        found = parts(text)
    assert found is None or parts(written(found)) == found


@pytest.mark.parametrize("path", [".a", "a.", "a..b", "a[", "a[x]", "a]b", "a[0", "a.[0]", '["a', 'a"b', '"a"', "[0]a"])
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="is no path like data"):
        parts(path)


TREE = {"data": {"label": "bug", "tags": ["a", "b"], "none": None}}


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("data.lable", "data has no 'lable'; did you mean 'label'?"),
        ("data.tags[2]", "data.tags has 2 elements"),
        ("data.tags[-3]", "data.tags has 2 elements"),
        ("data.tags.first", "data.tags is a list, whose elements are [0], [1] and so on"),
        ("data.label.x", "data.label is a text and has nothing below it"),
        ("data.label[0]", "data.label is a text and has nothing below it"),
        ("data.none.x", "data.none is null and has nothing below it"),
        ("data[0]", "data has no '0'; choose one of: label, none, tags"),
    ],
)
def test_a_path_that_leads_nowhere_says_what_is_there(path: str, told: str) -> None:
    with pytest.raises(NoSuchPath) as raised:
        look_up(TREE, parts(path))
    assert str(raised.value) == told


# -- steps ------------------------------------------------------------------------------------------------------------

RUN = report(
    result("nodes.draft", id="draft"),
    result("nodes.review", id="review"),
    result("nodes.draft#2", id="draft"),
    result("branches.a.b.steps[0]", id="a.b"),
    result("branches.a.b.steps[0]x", id="a"),
    result("review"),
)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("nodes.draft", "nodes.draft"),
        ("nodes.draft#2", "nodes.draft#2"),
        ("draft", "nodes.draft#2"),
        ("steps.draft", "nodes.draft#2"),
        ("a.b", "branches.a.b.steps[0]"),
        ("review", "review"),
        ("drft", None),
    ],
)
def test_a_step_is_found_by_its_path_or_as_the_last_of_its_id(name: str, path: str | None) -> None:
    found = step_named(name, RUN)
    assert (found.path if found else None) == path


@pytest.mark.parametrize(
    ("path", "step", "rest"),
    [
        ("nodes.draft.data.x", "nodes.draft", ("data", "x")),
        ("nodes.draft#2.data.x", "nodes.draft#2", ("data", "x")),
        ("steps.draft.response", "nodes.draft#2", ("response",)),
        ("steps.a.b.data[0]", "branches.a.b.steps[0]", ("data", 0)),
        ("branches.a.b.steps[0].tools[0]", "branches.a.b.steps[0]", ("tools", 0)),
        ("branches.a.b.steps[0]x.data", "branches.a.b.steps[0]x", ("data",)),
        ("steps.draft", "nodes.draft#2", ()),
    ],
)
def test_a_path_into_a_step_is_split_behind_its_name(path: str, step: str, rest: tuple[str | int, ...]) -> None:
    found = step_at(path, RUN)
    assert found is not None
    assert (found[0].path, found[2]) == (step, rest)


@pytest.mark.parametrize("path", ["data.x", "draft.data", "steps.drafts.data", "nodes", "nodes.drafty.data"])
def test_a_path_into_no_step_is_none(path: str) -> None:
    assert step_at(path, RUN) is None
