"""The texts of a post as people read them: what was said is there, and nothing in it acts but what we offer."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from markdown_it import MarkdownIt

from runner.facts.marker import Marker, key_of, marker_of
from runner.invisible import shown
from runner.plan.plan import PostRecipe
from runner.post.make import looked_at
from runner.post.plan import Comment, Point, PostPlan
from runner.post.say import MOST, check_summary, check_title, inline, review, sticky
from tests.hostile import TEXTS, huge
from tests.post.diffs import HEAD, planned
from tests.report.reader import Page, on_github
from tests.report.test_rendered import nasty

many = settings(max_examples=200, deadline=None, derandomize=True)
KEY = key_of("review", "job", "step")
AT = {"path": "src/a.py", "line": 11}


def read(text: str) -> tuple[Page, list[str]]:
    """A comment as it is read, and the suggestions that the host offers in it. Fails for what may not be in it."""
    assert len(text.encode()) <= MOST
    head, _, rest = text.partition("\n")
    assert marker_of(text) is not None
    assert str(marker_of(text)) == head
    offered = [one for one in MarkdownIt().parse(rest) if one.type == "fence" and one.info == "suggestion"]
    lines = rest.split("\n")
    for one in offered:
        assert one.map is not None
        assert one.map[1] == len(lines)
        lines = lines[: one.map[0]]
    assert "<!--" not in "\n".join(lines)
    return on_github("\n".join(lines)), [one.content for one in offered]


def comment(**keys: Any) -> str:
    [one] = planned({**AT, **keys}).comments
    return inline(one, KEY)


def below(*findings: dict[str, Any], **more: Any) -> str:
    return sticky(planned(*findings, **more), KEY, "PR review")


# -- as people read it ------------------------------------------------------------------------------------------------


def test_a_comment_has_a_title_a_body_and_a_suggestion() -> None:
    text = comment(title="Off by one", severity="High", body="It reads *past* the end.", suggestion="better")
    place = planned({**AT, "body": "."}).comments[0].place
    assert text == (
        f"<!-- strands-action key={KEY} place={place} -->\n"
        "<p>🔴 <strong>Off by one</strong> · high</p>\n\n"
        "<p>It reads <em>past</em> the end.</p>\n\n"
        "```suggestion\nbetter\n```"
    )


def test_the_comment_that_is_kept_lists_what_stands_in_the_diff_and_says_what_stands_nowhere_else() -> None:
    text = below(
        {**AT, "title": "Here is `@a`", "severity": "high", "body": "That."},
        {"path": "other.py", "line": 3, "title": "There", "severity": "low", "body": "It."},
        body="Two things.",
    )
    assert text == (
        f"<!-- strands-action key={KEY} head={HEAD} -->\n"
        "<p>Two things.</p>\n\n"
        "<ul><li>🔴 <strong>Here is <code>@\u200ba</code></strong> · <code>src/a.py:11</code></li></ul>\n\n"
        "#### Not at a line of the diff\n\n"
        "<p>🔵 <strong>There</strong> · low · <code>other.py:3</code></p>\n\n"
        "<p>It.</p>\n\n"
        "<details><summary>What was moved or left out</summary><ul><li>other.py:3: below the text, for that file is "
        "not in the diff</li></ul></details>\n\n"
        f"<sub>PR review · looked at {HEAD} · 1 finding in the diff, 1 below</sub>"
    )


def test_a_review_of_a_part_of_the_change_says_so() -> None:
    lock = "Not all shown: 1 of 5 files.\n- a lock file: <b>uv.lock"
    text = sticky(looked_at(planned(), "a" * 40, lock), KEY, "PR review")
    assert text.partition("\n")[2] == (
        "<p>No findings.</p>\n\n"
        f"<p><em>Only what has changed since {'a' * 40} was looked at; what was found before stands at its lines.</em>"
        "</p>\n\n<details><summary>Not all of the change was looked at</summary><ul><li>Not all shown: 1 of 5 files."
        "</li><li>a lock file: &lt;b&gt;uv.lock</li></ul></details>\n\n"
        f"<sub>PR review · looked at {HEAD}</sub>"
    )
    assert check_title(looked_at(planned(), "a" * 40, "")) == "No findings in what is new"


def test_where_there_are_no_findings_that_and_the_commit_are_said() -> None:
    assert below() == (
        f"<!-- strands-action key={KEY} head={HEAD} -->\n<p>No findings.</p>\n\n<sub>PR review · looked at {HEAD}</sub>"
    )


def test_one_comment_that_has_all_findings_calls_them_so() -> None:
    assert "\n#### Findings\n\n<p><strong>Here</strong> · <code>src/a.py:11</code></p>\n" in below(
        {**AT, "title": "Here"}, kind="comment"
    )


def test_an_empty_body_leaves_no_empty_box() -> None:
    assert "```" not in below({**AT, "title": "Here"})


def test_a_plan_of_a_run_without_rights_says_whose_words_these_are() -> None:
    assert "these may be anybody" in sticky(planned(), KEY, "PR review", foreign=True)


def test_findings_at_one_place_are_told_one_after_the_other() -> None:
    [one] = planned({**AT, "title": "A", "body": "a"}, {**AT, "title": "B", "suggestion": "b2"}).comments
    page, offered = read(inline(one, KEY))
    assert page.shown.split() == ["A", "a", "B"]
    assert offered == ["b2\n"]


def test_a_proposal_that_cannot_be_offered_is_shown_as_code() -> None:
    page, offered = read(comment(title="Far", suggestion="better", line=16))
    assert offered == []
    assert "better" in page.shown
    assert "meant for src/a.py:16" in page.shown


@pytest.mark.parametrize("text", ["", "\n", "a\n\nb", "```\nx\n```", "~~~\n````\n", "  indented\n", "- [ ] a", "<b>"])
def test_what_is_offered_is_what_was_said_to_the_letter(text: str) -> None:
    _, [offered] = read(comment(title="It", suggestion=text))
    assert offered == (text if text.endswith("\n") or not text else f"{text}\n")


def test_the_review_and_the_check_say_how_many_findings_there_are() -> None:
    plan = planned({**AT, "title": "A"}, {**AT, "title": "B"}, {"body": "C"}, recipe=PostRecipe(check="review"))
    assert check_title(plan) == "2 findings in the diff, 1 below"
    assert check_title(planned()) == "No findings"
    assert check_title(planned(body="Three bugs, in prose.")) == "Looked at"
    assert review(plan.comments, "PR review") == "<sub>PR review · 2 findings</sub>"
    assert f"<!-- x -->\n{check_summary(plan, 'w')}".partition("\n")[2] == sticky(plan, KEY, "w").partition("\n")[2]


# -- nothing in it acts -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_hostile_words_are_words(name: str) -> None:
    text = TEXTS[name]
    point = {"title": text, "body": text, "severity": text, "suggestion": text}
    plan = planned(
        {**AT, **point}, {"path": text, "line": text, **point}, {"path": "src/a.py", "line": 16, **point}, body=text
    )
    for one in plan.comments:
        _, offered = read(inline(one, KEY))
        assert offered == ([] if one.suggestion is None else [one.suggestion])
    plan = replace(plan, remarks=(*plan.remarks, text))
    _, offered = read(sticky(plan, KEY, text))
    assert offered == []


@many
@given(nasty, nasty, nasty)
def test_no_words_leave_their_place(title: str, body: str, code: str) -> None:
    points = (Point(body, title, title, title, code), Point(body, code=""))
    page, offered = read(inline(Comment("a", points, "0" * 16, 1, suggestion=shown(code)), KEY))
    assert len(offered) == 1
    plan = PostPlan("o/r", 1, "comment", body, rest=points, remarks=(title, code))
    page, offered = read(sticky(plan, KEY, title))
    assert offered == []
    assert page.tags[-1][-1] in ("sub", "code", "br") or ("p", "sub") in page.tags


# -- sizes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", ["a", "é", "🔴", "<", "`", "\u202e", "word ", "a\n\n", "|a", "- "])
def test_no_comment_is_longer_than_the_host_takes(sign: str) -> None:
    text = sign * 20_000
    many_points = tuple(Point(text[:20_000], text[:200], code=text[:20_000]) for _ in range(4))
    read(inline(Comment("a", many_points, "0" * 16, 1, suggestion="é" * 10_000), KEY))
    some = {"comments": (Comment("a", many_points, "", 1),) * 100, "unseen": f"{text[:90]}\n" * 100, "since": HEAD}
    plan = PostPlan("o/r", 1, "review", text, HEAD, rest=many_points * 10, remarks=(text[:500],) * 400, **some)
    page, _ = read(sticky(plan, KEY, text))
    assert "results.json" in page.shown


def test_a_line_of_ten_megabytes_is_cut() -> None:
    read(below({**AT, "body": huge()}, {"body": huge()}, body=huge()))


def test_the_same_plan_gives_the_same_text() -> None:
    found = [{**AT, "title": "A"}, {"body": "B"}]
    assert below(*found) == below(*found)


# -- markers ----------------------------------------------------------------------------------------------------------


def test_a_marker_is_read_back() -> None:
    for marker in (Marker(KEY), Marker(KEY, head=HEAD), Marker(KEY, place="0" * 16)):
        assert marker_of(f"{marker}\nwords") == marker_of(f"{marker}\r\nwords") == marker_of(str(marker)) == marker


@pytest.mark.parametrize(
    "text",
    [
        "",
        "words",
        f"words\n{Marker(KEY)}\n",
        f" {Marker(KEY)}\n",
        f"{Marker(KEY)} words",
        str(Marker(KEY.upper())),
        str(Marker(KEY, head="abc")),
        "<!-- strands-action: pwned -->",
    ],
)
def test_what_stands_elsewhere_or_otherwise_marks_nothing(text: str) -> None:
    assert marker_of(text) is None


def test_a_key_tells_posts_apart() -> None:
    assert key_of("a", "bc") != key_of("ab", "c")
    assert re.fullmatch("[0-9a-f]{16}", key_of("a"))
