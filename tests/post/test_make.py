"""Where each finding goes, and what is said of those that are not where they were said."""

from __future__ import annotations

from typing import Any

import pytest

from runner.diff.change import Change, FileChange
from runner.errors import PostProblem
from runner.facts.facts import Target
from runner.plan.plan import PostRecipe
from runner.post.make import gathered, plan_of
from runner.post.plan import Comment, PostPlan
from runner.post.said import said
from tests.post.diffs import CHANGE, HEAD, TARGET, hunk, planned, taken


def where(plan: PostPlan) -> list[tuple[str, int | None, int | None, str]]:
    assert all(taken(one, CHANGE) for one in plan.comments)
    return [(one.path, one.start_line, one.line, one.side) for one in plan.comments]


def only(*findings: dict[str, Any], **given: Any) -> Comment:
    [comment] = planned(*findings, **given).comments
    return comment


# -- places -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said_there", "stands"),
    [
        ({"path": "src/a.py", "line": 11}, ("src/a.py", None, 11, "new")),
        ({"path": "src/a.py", "line": "10-12"}, ("src/a.py", 10, 12, "new")),
        ({"path": "src/a.py", "line": 11, "side": "old"}, ("src/a.py", None, 11, "old")),
        ({"path": "src/a.py", "line": 12, "side": "old"}, ("src/a.py", None, 12, "new")),  # it is there still
        ({"path": "gone.py", "line": 2}, ("gone.py", None, 2, "old")),
        ({"path": "gone.py", "line": "1-2", "side": "new"}, ("gone.py", 1, 2, "old")),
        ({"path": "src/new.py", "line": 2}, ("src/new.py", None, 2, "new")),
        ({"path": "src/old.py", "line": 2}, ("src/new.py", None, 2, "new")),
        ({"path": "logo.png"}, ("logo.png", None, None, "new")),
        ({"path": "src/a.py"}, ("src/a.py", None, None, "new")),
    ],
)
def test_a_finding_in_the_diff_stands_where_it_was_said(said_there: dict[str, Any], stands: tuple[Any, ...]) -> None:
    plan = planned({"title": "It", **said_there})
    assert where(plan) == [stands]
    assert plan.comments[0].points[0].said_of == ""
    assert plan.remarks == ()


@pytest.mark.parametrize(
    "path",
    [
        *("./src/a.py", "/src/a.py", "a/src/a.py", "b/src/a.py", "src\\a.py", " src/a.py\n", "`src/a.py`"),
        *("/github/workspace/src/a.py", "/home/runner/work/repo/repo/src/a.py"),
    ],
)
def test_a_path_is_known_in_other_spellings(path: str) -> None:
    plan = planned({"path": path, "line": 11, "body": "It."})
    assert where(plan) == [("src/a.py", None, 11, "new")]
    assert plan.remarks == ()


def test_a_path_of_the_diff_is_that_and_nothing_else() -> None:
    change = Change((FileChange("b/x", "added"), FileChange("x", "added")))
    assert [only({"path": path, "body": "."}, change=change).path for path in ("b/x", "x", "./b/x")] == [
        "b/x",
        "x",
        "b/x",
    ]


@pytest.mark.parametrize(
    ("said_there", "stands", "told"),
    [
        ({"line": 16}, ("src/a.py", None, 12, "new"), "src/a.py:16: at src/a.py:12, for that line is not in the diff"),
        ({"line": 4}, ("src/a.py", None, 10, "new"), "src/a.py:4: at src/a.py:10, for that line is not in the diff"),
        ({"line": 25}, ("src/a.py", None, None, "new"), "src/a.py:25: at the whole file, for that line is not in the"),
        ({"line": 0}, ("src/a.py", None, None, "new"), "src/a.py:0: at the whole file, for that is no line"),
        ({"line": "11-42"}, ("src/a.py", 40, 42, "new"), "src/a.py:11-42: at src/a.py:40-42, for the rest is not in"),
        ({"line": "5-30"}, ("src/a.py", 10, 12, "new"), "src/a.py:5-30: at src/a.py:10-12, for the rest is not in the"),
        (
            {"path": "logo.png", "line": 3},
            ("logo.png", None, None, "new"),
            "logo.png:3: at the whole file, for no line of",
        ),
        (
            {"path": "big.json", "line": 3},
            ("big.json", None, None, "new"),
            "big.json:3: at the whole file, for no line of",
        ),
    ],
)
def test_a_finding_elsewhere_is_moved_to_the_nearest_place_and_says_so(
    said_there: dict[str, Any], stands: tuple[Any, ...], told: str
) -> None:
    plan = planned({"path": "src/a.py", "title": "It", "suggestion": "better", **said_there})
    assert where(plan) == [stands]
    [remark] = plan.remarks
    assert remark.startswith(told)
    [comment] = plan.comments
    assert comment.points[0].said_of == remark.partition(": ")[0]
    assert (comment.suggestion, comment.points[0].code) == (None, "better")


@pytest.mark.parametrize("path", ["a\u202eb.py", "a\nb.py", "a\tb.py", "x" * 5_000])
def test_a_file_whose_name_is_not_all_seen_has_its_findings_below_the_text(path: str) -> None:
    change = Change((FileChange(path, "modified", (hunk(1, "+a"),)),))
    plan = planned({"path": path, "line": 1, "body": "It."}, change=change)
    assert (plan.comments, len(plan.rest)) == ((), 1)
    assert plan.remarks[0].endswith(": below the text, for the name of that file is not all seen")


def test_a_file_with_a_long_name_is_named_by_its_beginning_in_a_text() -> None:
    change = Change((FileChange("x" * 500, "modified", (hunk(1, "+a", "+b"),)),))
    found = [{"path": "x" * 500, "line": line, "body": "It."} for line in (1, 2)]
    plan = planned(*found, change=change, recipe=PostRecipe(max_comments=1))
    assert [len(one.said_of) for one in (*plan.rest, *gathered(plan, "why").rest)] == [300, 300, 300]


def test_a_file_that_was_copied_is_another_than_its_copy() -> None:
    change = Change((FileChange("copy.py", "copied", (hunk(1, "+a"),), old_path="a.py"),))
    plan = planned({"path": "a.py", "line": 1, "body": "It."}, change=change)
    assert (plan.comments, len(plan.rest)) == ((), 1)


def test_a_comment_is_in_one_hunk_and_on_one_side() -> None:
    change = Change((FileChange("a.py", "modified", (hunk(1, "+a", old=1), hunk(2, "+b", old=9))),))
    comment = only({"path": "a.py", "line": "1-2", "body": "It."}, change=change)
    assert (comment.start_line, comment.line, comment.points[0].said_of) == (None, 2, "a.py:1-2")
    comment = only({"path": "src/a.py", "line": "10-11", "side": "old", "body": "It."})
    assert (comment.start_line, comment.line, comment.side) == (None, 11, "old")


def test_what_is_not_in_the_diff_stands_below_the_text() -> None:
    plan = planned({"path": "other.py", "line": 3, "body": "It.", "suggestion": "x"}, {"body": "In general."})
    assert plan.comments == ()
    assert [(one.body, one.said_of, one.code) for one in plan.rest] == [
        ("It.", "other.py:3", "x"),
        ("In general.", "", None),
    ]
    assert plan.remarks == ("other.py:3: below the text, for that file is not in the diff",)


def test_without_a_side_a_line_that_is_gone_is_found_where_it_was() -> None:
    change = Change((FileChange("a.py", "modified", (hunk(5, "-x", "-y", "-z", old=50),)),))
    comment = only({"path": "a.py", "line": 51, "body": "It."}, change=change)
    assert (comment.line, comment.side) == (51, "old")


def test_one_comment_holds_all_findings_or_an_issue_has_them() -> None:
    found = {"path": "src/a.py", "line": 11, "title": "It", "suggestion": "x"}
    for plan in (planned(found, kind="comment"), planned(found, change=None)):
        assert plan.comments == plan.remarks == ()
        assert [(one.title, one.said_of, one.code) for one in plan.rest] == [("It", "src/a.py:11", "x")]


# -- suggestions ------------------------------------------------------------------------------------------------------


def suggested(text: str, line: str = "11") -> tuple[str | None, str | None]:
    """What is offered for the lines, and what is shown as code instead."""
    comment = only({"path": "src/a.py", "line": line, "title": "It", "suggestion": text})
    return comment.suggestion, comment.points[0].code


def test_a_suggestion_takes_the_place_of_the_lines() -> None:
    assert suggested("better") == ("better\n", None)
    assert suggested("one\r\n\r\n  two\n", "10-12") == ("one\n\n  two\n", None)
    assert suggested("") == ("", None)
    assert suggested("\n") == ("\n", None)
    assert suggested("```\nx\n```") == ("```\nx\n```\n", None)


def test_a_suggestion_that_changes_nothing_is_none() -> None:
    assert suggested("b") == suggested("b\n") == suggested("b\r\n") == (None, None)
    assert suggested("a\nb\nc", "10-12") == (None, None)


def test_a_suggestion_leaves_ends_of_lines_as_they_are_in_the_file() -> None:
    change = Change((FileChange("a.py", "modified", (hunk(1, "+b\r"),)),))
    comment = only({"path": "a.py", "line": 1, "title": "It", "suggestion": "b\n"}, change=change)
    assert (comment.suggestion, comment.points[0].code) == (None, None)


@pytest.mark.parametrize("text", ["a\u202eb", "a\rb", "a\x00b", "x" * 20_001])
def test_what_nobody_sees_is_not_offered_with_one_click(text: str) -> None:
    offered, instead = suggested(text)
    assert offered is None
    assert instead is not None


def test_a_line_that_is_gone_takes_no_suggestion() -> None:
    comment = only({"path": "src/a.py", "line": 11, "side": "old", "suggestion": "x"})
    assert (comment.suggestion, comment.points[0].code) == (None, "x")


# -- several ----------------------------------------------------------------------------------------------------------


def at(line: int, title: str, **keys: Any) -> dict[str, Any]:
    return {"path": "src/a.py", "line": line, "title": title, **keys}


def test_findings_at_one_place_are_one_comment_the_worst_first() -> None:
    plan = planned(
        at(11, "small", severity="low", suggestion="x"), at(11, "large", severity="Critical", suggestion="y")
    )
    [comment] = plan.comments
    assert [(one.severity, one.title, one.code) for one in comment.points] == [
        ("critical", "large", None),
        ("low", "small", "x"),
    ]
    assert comment.suggestion == "y\n"
    assert plan.remarks == ("1 finding is said together with another, at the same line",)


def test_a_comment_at_several_lines_says_of_which_of_them_the_others_are() -> None:
    wide = {"path": "src/a.py", "start_line": 10, "line": 12, "title": "wide", "severity": "high"}
    [comment] = planned(wide, at(12, "narrow", suggestion="x")).comments
    assert (comment.start_line, comment.line, comment.suggestion) == (10, 12, None)
    assert [(one.said_of, one.code) for one in comment.points] == [("", None), ("src/a.py:12", "x")]


def test_what_is_said_twice_in_the_same_words_is_said_once() -> None:
    plan = planned(at(11, "It", body="Is so."), at(11, " it ", body="is  SO."), at(40, "It", body="Is so."))
    assert [len(one.points) for one in plan.comments] == [1, 1]
    assert plan.remarks == ("1 finding is left out: said twice in the same words",)


def test_a_finding_that_says_nothing_is_left_out() -> None:
    assert planned({"path": "src/a.py", "line": 11, "severity": "high"}).remarks == (
        "1 finding is left out: no title, no body and no suggestion",
    )


def test_there_are_no_more_comments_than_the_file_says_and_the_worst_are_those() -> None:
    plan = planned(
        at(10, "a"), at(40, "b", severity="low"), at(11, "c", severity="high"), recipe=PostRecipe(max_comments=2)
    )
    assert [one.points[0].title for one in plan.comments] == ["c", "a"]
    assert [(one.title, one.said_of) for one in plan.rest] == [("b", "src/a.py:40")]
    assert plan.remarks == ("1 finding is below the text: at most 2 comments may be made (max_comments)",)


def test_more_than_there_is_room_for_is_counted() -> None:
    plan = planned(*({"body": f"number {index}"} for index in range(205)))
    assert len(plan.rest) == 200
    assert plan.remarks == ("5 findings are left out, for there are too many; results.json has all of them",)
    plan = planned(*(at(11, f"number {index}") for index in range(60)))
    assert len(plan.comments[0].points) == 50
    assert plan.remarks[-1] == "10 findings are left out, for there are too many; results.json has all of them"


def test_lines_that_read_alike_are_places_of_their_own() -> None:
    places = [one.place for one in planned(at(41, "a"), at(42, "b"), at(11, "c")).comments]
    assert len(set(places)) == 3


def test_a_place_stays_the_same_when_the_lines_above_have_shifted() -> None:
    moved = Change((FileChange("src/a.py", "modified", (hunk(10, "+new", "+new", " a", "+b", "-old b", " c"),)),))
    assert only(at(11, "It")).place == only(at(13, "It"), change=moved).place
    assert only({"path": "src/a.py", "body": "."}).place == only({"path": "src/a.py", "body": "."}, change=moved).place


# -- what is not at a line --------------------------------------------------------------------------------------------


def test_where_nothing_was_found_that_is_said() -> None:
    assert planned().body == "No findings."
    assert planned(body="All well.").body == "All well."
    assert planned(at(11, "It")).body == ""
    assert (
        plan_of(said({"labels": ["Bug"]}), PostRecipe(labels=("bug",)), TARGET, None, "comment").body == "Labels: bug."
    )


def test_labels_are_those_of_the_list_in_its_spelling() -> None:
    plan = planned(labels=["BUG", " bug ", "urgent", "urgent"], recipe=PostRecipe(labels=("bug", "Question")))
    assert plan.labels == ("bug",)
    assert plan.remarks == ("the label 'urgent' is not set: it is not in outputs.post.labels",)


@pytest.mark.parametrize(("conclusion", "told"), [("success", "success"), ("failed", "failure"), (None, "neutral")])
def test_a_check_is_green_only_where_the_answer_says_so(conclusion: str | None, told: str) -> None:
    plan = planned(conclusion=conclusion, recipe=PostRecipe(check="review"))
    assert (plan.check, plan.conclusion) == ("review", told)


def test_without_the_name_of_a_check_there_is_none() -> None:
    plan = planned(conclusion="success")
    assert (plan.check, plan.conclusion) == ("", None)


def test_an_issue_has_no_check() -> None:
    plan = plan_of(said("Good."), PostRecipe(check="review"), Target("owner/repo", 7), None, "comment")
    assert (plan.check, plan.conclusion) == ("", None)


def test_an_empty_answer_is_no_plan() -> None:
    with pytest.raises(PostProblem):
        plan_of(said(""), PostRecipe(check="review"), TARGET, CHANGE, "review")


def test_a_long_text_is_cut_and_says_where_all_of_it_is() -> None:
    plan = planned(at(11, "t" * 300, body="b" * 30_000), body="a" * 70_000)
    [point] = plan.comments[0].points
    assert (len(plan.body), len(point.body), len(point.title)) == (60_000, 20_000, 200)
    assert plan.body.endswith("[cut here; results.json has all of it]")
    assert point.body.endswith("[cut here; results.json has all of it]")


def test_what_nobody_sees_is_not_in_a_plan() -> None:
    plan = planned(at(11, "a\u200bb", body="c\u202ed"), body="e\U000e0041f")
    assert plan.body == "ef"
    assert plan.comments[0].points[0].body == "cd"
    assert plan.comments[0].points[0].title == "a⟨U+200B⟩b"


def test_a_plan_that_the_host_does_not_take_at_its_lines_is_one_comment() -> None:
    plan = planned(at(11, "It", suggestion="x"), {"body": "In general."})
    one = gathered(plan, "the host does not take comments at lines")
    assert one.comments == ()
    assert [(point.title, point.said_of, point.code) for point in one.rest] == [
        ("It", "src/a.py:11", "x\n"),
        ("", "", None),
    ]
    assert one.remarks == ("the host does not take comments at lines",)
    assert one.head == HEAD
