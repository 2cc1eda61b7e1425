"""A plan as people read it before it is posted."""

from __future__ import annotations

import re

import pytest

from runner.diff.change import Change, FileChange
from runner.facts.facts import Target
from runner.plan.plan import PostRecipe
from runner.post.make import plan_of
from runner.post.plan import PostPlan
from runner.post.said import said
from runner.post.show import MOST_IN_SUMMARY, shown, summary
from tests.hostile import TEXTS
from tests.post.diffs import hunk, planned
from tests.report.reader import UNSEEN, on_github

PLAN = planned(
    {"path": "src/a.py", "line": 11, "title": "Off by one", "severity": "high", "body": "Is\nso.", "suggestion": "x"},
    {"path": "src/a.py", "line": 16, "body": "Far.", "suggestion": "y"},
    {"path": "gone.py", "line": 1, "title": "Gone"},
    {"path": "other.py", "line": 3, "title": "There"},
    body="Three *things*.",
    labels=["bug", "urgent"],
    conclusion="failure",
    recipe=PostRecipe(labels=("bug",), check="review"),
)


def test_a_terminal_shows_all_that_would_be_posted_and_what_was_moved() -> None:
    assert shown(PLAN) == (
        """\
for owner/repo#7, about commit 0123456789: 3 findings in the diff, 1 below

the comment:
  Three *things*.

in the diff:
  src/a.py:11
    [high] Off by one
      Is
      so.
    suggestion:
      x
  src/a.py:12
    (meant for src/a.py:16)
      Far.
      proposed:
        y
  gone.py:1 (as it was)
    Gone

below the comment:
  There (other.py:3)

labels: bug
check: review: failure
- src/a.py:16: at src/a.py:12, for that line is not in the diff
- other.py:3: below the text, for that file is not in the diff
- the label 'urgent' is not set: it is not in outputs.post.labels
"""
    )


def test_a_plan_of_a_branch_that_is_on_no_host_is_shown_too() -> None:
    plan = plan_of(said("Good."), PostRecipe(check="review"), Target("", 0, is_pull=True), None, "review")
    assert shown(plan) == "for what is here\n\nthe comment:\n  Good.\n\ncheck: review: neutral\n"


def test_a_plan_without_findings_says_so() -> None:
    assert shown(planned()) == "for owner/repo#7, about commit 0123456789\n\nthe comment:\n  No findings.\n\n"


def test_the_page_of_a_run_shows_each_comment_as_the_host_would() -> None:
    page = on_github(re.sub("```suggestion", "```text", summary(PLAN, "PR review")))
    assert page.count("details") == 5
    assert "Three things." in page.shown
    assert "src/a.py:11" in page.shown
    assert "label bug, check review: failure" in page.shown


def hostile(text: str) -> PostPlan:
    point = {"title": text, "body": text, "severity": text, "suggestion": text}
    return planned({"path": "src/a.py", "line": 11, **point}, {"path": text, "line": text, **point}, body=text)


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_hostile_words_are_words_to_a_reader(name: str) -> None:
    plan = hostile(TEXTS[name])
    assert not UNSEEN.search(shown(plan))
    assert not re.search(r"^(::|##\[)", shown(plan), re.MULTILINE)
    if plan.comments[0].suggestion is None:
        on_github(summary(plan, TEXTS[name]))


def test_the_page_of_a_run_has_room_for_other_things() -> None:
    change = Change((FileChange("a.py", "added", (hunk(1, *["+x"] * 20),)),))
    many = ({"path": "a.py", "line": index, "body": "word " * 4_000} for index in range(1, 21))
    told = summary(planned(*many, change=change), "PR review")
    assert len(told.encode()) < MOST_IN_SUMMARY + 1_000
    assert "_and 11 comments more, in post-plan.json_" in told
