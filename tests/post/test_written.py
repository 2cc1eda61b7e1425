"""A plan that another job wrote is a stranger's: it is posted as it was written, where it belongs, or not at all."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.diff.change import Change, FileChange
from runner.errors import PostProblem
from runner.facts.facts import Target
from runner.plan.plan import PostRecipe
from runner.post.plan import Comment, Point, PostPlan
from runner.post.say import inline, sticky
from runner.post.written import FORMAT, MOST_BYTES, Now, checked, dump, load
from tests.hostile import TEXTS
from tests.post.diffs import CHANGE, HEAD, TARGET, hunk, planned
from tests.post.test_say import KEY, read

many = settings(max_examples=200, deadline=None, derandomize=True)

OTHER = "f" * 40
RECIPE = PostRecipe(labels=("bug", "docs"), check="review", max_comments=5)
NOW = Now(True, HEAD, CHANGE)
PLAN = planned(
    {"path": "src/a.py", "line": "10-11", "title": "It", "severity": "high", "body": "Is so.", "suggestion": "a\nbb"},
    {"path": "logo.png", "body": "Large."},
    {"path": "other.py", "line": 3, "body": "Elsewhere.", "suggestion": "x"},
    body="Three things.",
    labels=["bug"],
    conclusion="failure",
    recipe=RECIPE,
)
WRITTEN = dump(PLAN)


def refused(plan: PostPlan, target: Target = TARGET, now: Now = NOW, recipe: PostRecipe | None = RECIPE) -> str:
    """Why a plan that was written and is whole is not posted."""
    with pytest.raises(PostProblem) as found:
        checked(load(dump(plan), "plan.json"), target, now, recipe)
    assert found.value.exit_code == 11
    return found.value.message


def unread(text: str) -> str:
    with pytest.raises(PostProblem) as found:
        load(text, "plan.json")
    assert "\n" not in found.value.message
    return found.value.message


def forged(**changes: Any) -> str:
    """A plan with these fields, and the digest that goes with them."""
    return dump(replace(PLAN, **changes))


# -- as it was written ------------------------------------------------------------------------------------------------


def test_a_plan_is_posted_exactly_as_it_was_written() -> None:
    assert checked(load(WRITTEN, "plan.json"), TARGET, NOW, RECIPE) == PLAN


def test_a_plan_says_its_format_and_can_be_read_by_people() -> None:
    told = json.loads(WRITTEN)
    assert (told["format"], told["plan"]["comments"][0]["path"]) == (FORMAT, "src/a.py")
    assert WRITTEN.startswith('{\n  "format"')
    assert WRITTEN.isascii()
    assert '"place"' not in WRITTEN


@many
@given(st.integers(0, len(WRITTEN) - 1), st.characters(codec="utf-8"))
def test_a_plan_of_which_one_sign_was_changed_is_refused(place: int, sign: str) -> None:
    if WRITTEN[place] != sign:
        unread(WRITTEN[:place] + sign + WRITTEN[place + 1 :])


@many
@given(st.integers(0, len(WRITTEN) - 1), st.integers(1, 50))
def test_a_plan_of_which_something_is_missing_is_refused(place: int, count: int) -> None:
    unread(WRITTEN[:place] + WRITTEN[place + count :])


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def put(told: Any, way: list[int], value: Any) -> Any:
    """Data with one part of it replaced, which the numbers lead to."""
    if not way or not isinstance(told, dict | list) or not told:
        return value
    keys = list(told) if isinstance(told, dict) else list(range(len(told)))
    key = keys[way[0] % len(keys)]
    changed = dict(told) if isinstance(told, dict) else list(told)
    changed[key] = put(told[key], way[1:], value)
    return changed


@many
@given(st.lists(st.integers(0, 12), max_size=5), anything)
def test_any_json_is_a_plan_or_refused_in_a_sentence(way: list[int], value: Any) -> None:
    with suppress(PostProblem):
        load(json.dumps(put(json.loads(WRITTEN), way, value), indent=2) + "\n", "plan.json")


@pytest.mark.parametrize(
    "text",
    ["", "{", "null", "[]", '{"format": 1}', "[" * 100_000, '{"a":' * 50_000, "NaN", "\ud800", "\x00", "1e999999"],
)
def test_what_is_no_plan_is_refused(text: str) -> None:
    assert unread(text).startswith("plan.json is not a plan that `post: plan` wrote: ")


def test_what_is_wrong_with_a_plan_is_told_by_its_place() -> None:
    told = json.loads(WRITTEN)
    told["plan"]["comments"][0]["line"] = "11"
    assert "plan.comments.0.line: Input should be a valid integer" in unread(json.dumps(told))


def test_a_digest_that_is_another_and_a_plan_of_another_version_are_told_apart() -> None:
    assert "was changed after it was written" in unread(WRITTEN.replace("Is so.", "Is it?"))
    assert "has the format 'strands-action/post-plan/9'" in unread(WRITTEN.replace(FORMAT, FORMAT[:-1] + "9"))
    assert f"at most {MOST_BYTES:,} characters" in unread(" " * (MOST_BYTES + 1))
    told = json.loads(WRITTEN)
    told["plan"]["note"] = "more"
    unread(json.dumps(told, indent=2) + "\n")


# -- with a digest that goes with it ----------------------------------------------------------------------------------

AT = Comment("src/a.py", (Point("Is so."),), line=11)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"repository": "owner/repo/../other"}, "repository is not owner/name"),
        ({"repository": "owner"}, "repository is not owner/name"),
        ({"number": 0}, "number should be 1 or more"),
        ({"kind": "comment"}, "comments are of a review, and this is one comment"),
        ({"head": "main"}, "head is not a whole commit hash"),
        ({"head": HEAD + "\n"}, "head is not a whole commit hash"),
        ({"since": "main"}, "since is not a whole commit hash"),
        ({"unseen": "x" * 10_001}, "unseen has 10,001 characters"),
        ({"body": "x" * 60_001}, "body has 60,001 characters, at most 60,000"),
        ({"comments": (AT,) * 101}, "comments has 101 entries, at most 100"),
        ({"rest": (Point("a"),) * 201}, "rest has 201 entries, at most 200"),
        ({"labels": ("x" * 51,)}, "labels[0] has 51 characters, at most 50"),
        ({"labels": ("a\u200bb",)}, "labels[0] has characters that nobody sees"),
        ({"check": "a\nb"}, "check has characters that nobody sees, or more than a line"),
        ({"remarks": ("x" * 501,)}, "remarks[0] has 501 characters"),
        ({"comments": (replace(AT, path="src/\u202ea.py"),)}, "comments[0].path has characters that nobody sees"),
        ({"comments": (replace(AT, path=""),)}, "comments[0].path is empty"),
        ({"comments": (replace(AT, points=()),)}, "comments[0].points has 0 entries"),
        ({"comments": (replace(AT, points=(Point("a"),) * 51),)}, "comments[0].points has 51 entries"),
        ({"comments": (replace(AT, line=0),)}, "comments[0].line is not the number of a line"),
        ({"comments": (replace(AT, start_line=11),)}, "comments[0].start_line does not come before its line"),
        ({"comments": (replace(AT, line=None, start_line=3),)}, "comments[0] is at the whole file"),
        ({"comments": (replace(AT, line=None, suggestion="x"),)}, "comments[0] is at the whole file"),
        ({"comments": (replace(AT, side="old", suggestion="x"),)}, "comments[0].suggestion is for lines that are gone"),
        ({"comments": (replace(AT, suggestion="a\u202eb"),)}, "comments[0].suggestion has characters that nobody sees"),
        ({"comments": (replace(AT, suggestion="x" * 20_001),)}, "or more than 20,000 bytes"),
        ({"comments": (replace(AT, suggestion="`" * 60),)}, "comments[0].suggestion"),
        ({"comments": (replace(AT, points=(Point("x" * 20_001),)),)}, "comments[0].points[0].body has 20,001"),
        ({"rest": (Point("a", severity="x" * 31),)}, "rest[0].severity has 31 characters"),
        ({"rest": (Point("a", title="b\x07"),)}, "rest[0].title has characters that nobody sees"),
    ],
)
def test_what_no_plan_of_ours_has_is_refused(changes: dict[str, Any], told: str) -> None:
    assert told in unread(forged(**changes))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"repository": "owner/other"}, "it is for owner/other, and the event is about owner/repo"),
        ({"number": 8}, "it is for number 8, and the event is about 7"),
        ({"head": OTHER}, "it is about commit ffffffffff, and the run that made it looked at 0123456789"),
        ({"head": ""}, "it is about commit none, and the run that made it looked at 0123456789"),
        ({"labels": ("bug", "approved")}, "the label 'approved' is not one of: bug, docs (outputs.post.labels"),
        ({"labels": ("Bug",)}, "the label 'Bug' is not one of: bug, docs"),
        ({"check": "build"}, "the check 'build' should be 'review' (outputs.post.check"),
        ({"comments": (AT,) * 6}, "it has 6 comments, and at most 5 are allowed"),
        ({"comments": (replace(AT, line=25),)}, "src/a.py:25 is not in the diff"),
        ({"comments": (replace(AT, line=40, start_line=11),)}, "src/a.py:11-40 is not in the diff"),
        ({"comments": (replace(AT, line=12, side="old"),)}, "src/a.py:12 is not in the diff"),
        ({"comments": (replace(AT, path="other.py"),)}, "other.py:11 is not in the diff"),
        ({"comments": (replace(AT, path="./src/a.py"),)}, "./src/a.py:11 is not in the diff"),
        ({"comments": (replace(AT, path="src/old.py", line=None),)}, "src/old.py is not in the diff"),
    ],
)
def test_what_this_job_does_not_allow_is_refused(changes: dict[str, Any], told: str) -> None:
    assert told in refused(replace(PLAN, **changes))


def test_without_a_file_of_its_own_a_job_sets_no_label_and_no_check() -> None:
    bare = replace(PLAN, labels=(), check="", conclusion=None)
    assert checked(load(dump(bare), "plan.json"), TARGET, NOW, None) == bare
    assert "the label 'bug' is not allowed (outputs.post.labels of the file" in refused(PLAN, recipe=None)
    assert "the check 'review' is not allowed" in refused(replace(PLAN, labels=()), recipe=None)


def test_a_stale_plan_is_refused() -> None:
    assert "it is about commit 0123456789, and number 7 is at ffffffffff by now" in refused(
        PLAN, now=Now(True, OTHER, CHANGE)
    )
    assert "number 7 was closed since" in refused(PLAN, now=Now(False, HEAD, CHANGE))


def test_a_plan_for_the_head_of_another_run_is_refused() -> None:
    assert "the run that made it looked at ffffffffff" in refused(PLAN, target=replace(TARGET, head=OTHER))


def test_lines_are_held_against_the_diff_of_now() -> None:
    less = Change((FileChange("src/a.py", "modified", (hunk(40, " x", "+y"),)), FileChange("logo.png", "added")))
    assert "src/a.py:10-11 is not in the diff" in refused(PLAN, now=Now(True, HEAD, less))


def test_a_place_is_never_that_which_a_plan_says() -> None:
    lying = replace(PLAN, comments=tuple(replace(one, place="f" * 16) for one in PLAN.comments))
    assert checked(load(dump(lying), "plan.json"), TARGET, NOW, RECIPE) == PLAN


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_hostile_words_of_a_plan_are_refused_or_harmless(name: str) -> None:
    text = TEXTS[name]
    point = Point(text, code=text)
    plan = replace(PLAN, body=text, comments=(replace(AT, points=(point,), suggestion=text),), rest=(point,))
    for one in (plan, replace(plan, comments=()), replace(PLAN, comments=(replace(AT, path=text),))):
        with suppress(PostProblem):
            found = checked(load(dump(one), "plan.json"), TARGET, NOW, RECIPE)
            read(sticky(found, KEY, "review", foreign=True))
            assert all(read(inline(comment, KEY))[1] == [text.rstrip("\n") + "\n"] for comment in found.comments)
