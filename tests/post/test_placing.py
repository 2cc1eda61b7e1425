"""Whatever was found in whatever change: each comment is where the host takes it, and nothing that was said is lost."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from runner.diff.change import Change, FileChange, Hunk
from runner.plan.plan import PostRecipe
from runner.post.bounds import strange
from runner.post.make import gathered, plan_of
from runner.post.plan import PostPlan
from runner.post.said import said
from runner.post.written import Now, checked, dump, load
from tests.post.diffs import TARGET, hunk, taken

many = settings(max_examples=200, deadline=None, derandomize=True)
some = settings(many, max_examples=100)
PATHS = ["a.py", "src/a.py", "b/x", "a\tb", "old.py"]

TEXTS = [sign + text for sign in " +-" for text in ("", "x", "}", "\u202e", "y\r")]
lines = st.lists(st.sampled_from(TEXTS), min_size=1, max_size=8)


@st.composite
def files(draw: st.DrawFn, path: str) -> FileChange:
    hunks: list[Hunk] = []
    old = new = 1
    for texts in draw(st.lists(lines, max_size=3)):
        old, new = old + (gap := draw(st.integers(1, 15))), new + gap
        hunks.append(hunk(new, *texts, old=old))
        old += sum(text[0] != "+" for text in texts)
        new += sum(text[0] != "-" for text in texts)
    status = draw(st.sampled_from(["added", "removed", "modified", "renamed", "copied"]))
    return FileChange(path, status, tuple(hunks), old_path="old.py" if status in ("renamed", "copied") else "")


changes = st.fixed_dictionaries({}, optional={path: files(path) for path in PATHS[:4]}).map(
    lambda found: Change(tuple(found.values()))
)
numbers = st.one_of(
    st.integers(-2, 60),
    st.tuples(st.integers(0, 60), st.integers(0, 60)).map(lambda two: f"{two[0]}-{two[1]}"),
    st.sampled_from([None, "L7", "12", "there", 10**9, "1-999999999"]),
)
words = st.sampled_from(["", "It is so.", "It is not.", "a\u202eb", "```", "x" * 25_000, "<!-- x -->"])
findings = st.fixed_dictionaries(
    {},
    optional={
        "path": st.sampled_from([*PATHS, "./a.py", "b/src/a.py", "/w/src/a.py", "", "nowhere", "x", "a\nb"]),
        "line": numbers,
        "start_line": numbers,
        "side": st.sampled_from(["new", "old", None]),
        "severity": st.sampled_from(["", "high", "low", "urgent", "z" * 99]),
        "title": words,
        "body": words,
        "suggestion": st.sampled_from([None, "", "x", "}\n", "a\u202eb", "```\n"]),
    },
)


def made(found: list[dict[str, Any]], change: Change, most: int = 25) -> PostPlan:
    return plan_of(said({"findings": found}), PostRecipe(max_comments=most), TARGET, change, "review")


def left_out(plan: PostPlan) -> int:
    """How many findings are left out, as the remarks tell it."""
    counts = [re.match(r"([\d,]+) findings? (?:is|are) left out", one) for one in plan.remarks]
    return sum(int(one[1].replace(",", "")) for one in counts if one)


@many
@given(st.lists(findings, max_size=6), changes, st.integers(1, 4))
def test_each_comment_is_where_the_host_takes_it_and_nothing_is_lost(
    found: list[dict[str, Any]], change: Change, most: int
) -> None:
    plan = made(found, change, most)
    assert all(taken(one, change) for one in plan.comments)
    assert len(plan.comments) <= most
    assert len({(one.path, one.line, one.side) for one in plan.comments}) == len(plan.comments)
    assert len({one.place for one in plan.comments}) == len(plan.comments)
    assert sum(len(one.points) for one in plan.comments) + len(plan.rest) + left_out(plan) == len(found)
    assert made(found, change, most) == plan
    assert len(gathered(plan, "why").rest) == len(plan.rest) + sum(len(one.points) for one in plan.comments)


@some
@given(st.lists(findings, max_size=6), changes)
def test_every_suggestion_is_for_the_lines_that_it_was_said_of(found: list[dict[str, Any]], change: Change) -> None:
    wanted = {(one.get("suggestion") or "").rstrip("\n") for one in found}
    for comment in made(found, change).comments:
        if comment.suggestion is not None:
            assert (comment.side, comment.points[0].said_of) == ("new", "")
            assert comment.suggestion.rstrip("\n") in wanted
            assert comment.suggestion.isprintable() or comment.suggestion.replace("\n", "").isprintable()


@some
@given(st.lists(findings, max_size=6), changes)
def test_every_plan_is_read_back_as_it_was_made(found: list[dict[str, Any]], change: Change) -> None:
    plan = made(found, change)
    assert list(strange(plan)) == []
    again = checked(load(dump(plan), "plan.json"), TARGET, Now(True, TARGET.head, change), None)
    assert again == plan


def test_a_change_without_end_is_gone_through_soon() -> None:
    change = Change((FileChange("a.py", "modified", (hunk(1, *["+x"] * 10_000),)),))
    found = [{"path": "a.py", "line": f"{index}-999999999", "body": str(index)} for index in range(1, 200)]
    [comment] = made(found, change).comments
    assert (comment.start_line, comment.line) == (9_001, 10_000)
