"""Facts as templates see them, whoever wrote what stands in them."""

from __future__ import annotations

import json
from itertools import cycle
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.ci.api import Api
from runner.ci.event import Event, Told
from runner.facts.compared import pull_of_compare
from runner.facts.facts import Target, facts_of
from runner.facts.file import FactsFile, as_text
from runner.facts.from_host import Asking
from runner.facts.views import COMMENT_TOKENS, COMMENTS_TOKENS, latest, seen, with_facts
from runner.plan.facts import PARTS
from runner.tokens import tokens
from tests.build import chain, plan_of, workflow


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("a<!-- b -->c", "ac"),
        ("a<!-- b\nc --> d <!-- e -->", "a d "),
        ("a\n<!-- not ended\nb", "a\n"),
        ("a\n   <!-- not ended\nb", "a\n   "),
        ("say `<!--` to hide", "say `<!--` to hide"),
        ("<!-->a", "a"),
        ("<!--->a", "a"),
        ("a<!-- b --->c", "ac"),
        ("a\u200b\u202eb\U000e0041", "ab"),
        ("a<!\u200b-- b -->c", "ac"),
    ],
)
def test_what_nobody_sees_no_model_is_shown(text: str, shown: str) -> None:
    assert seen(text) == shown


@given(st.lists(st.sampled_from(["<!--", "-->", "-", ">", "a", "\n", " ", "<"]), max_size=40).map("".join))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_no_whole_comment_is_left_and_nothing_is_added(text: str) -> None:
    shown = seen(text)
    letters = iter(text)
    assert all(letter in letters for letter in shown)


def test_many_beginnings_take_no_time() -> None:
    assert len(seen("x<!--" * 200_000)) == 1_000_000


def comment(body: str) -> dict[str, Any]:
    return {"author": "mona", "body": body, "path": None, "line": None, "created": ""}


def test_of_many_comments_the_newest_are_shown_and_how_many_are_not_is_said() -> None:
    shown = latest([comment(f"{number} {'word ' * 300}") for number in range(200)])
    numbers = [int(one["body"].split()[0]) for one in shown[1:]]
    assert numbers == [*range(200 - len(numbers), 200)]
    assert shown[0]["body"] == f"[{200 - len(numbers)} older comments are left out]"
    assert 10_000 < sum(tokens(one["body"]) for one in shown) <= COMMENTS_TOKENS


def test_a_long_comment_takes_no_room_of_others() -> None:
    before, long = latest([comment("Have a look."), comment("x" * 65_536)])
    assert before["body"] == "Have a look."
    assert long["body"].endswith("x [the rest of this comment is left out]")
    assert tokens(long["body"]) <= COMMENT_TOKENS + 20


def test_few_comments_are_shown_as_they_are() -> None:
    assert latest([comment("a"), comment("b")]) == [comment("a"), comment("b")]


def test_what_nobody_sees_is_in_no_text_of_a_pull_request_or_a_run() -> None:
    hidden = "a\u202e\U000e0041b"
    pull = {"title": hidden, "labels": [hidden], "head": {"ref": hidden}, "comments": [comment(hidden)]}
    told = {"pr": pull, "ci": {"failed": [{"name": hidden, "step": hidden}]}}
    plan = plan_of(
        workflow(pattern=chain("{{ pr.title }}{{ pr.labels }}{{ pr.head }}{{ pr.comments }}{{ ci.failed }}"))
    )
    shown = with_facts(plan, facts_of(told), "a test")[0].variables
    assert "\u202e" not in str(shown)
    assert str(shown).count("'ab'") == 6


KEYS = ("number", "title", "body", "html_url", "user", "login", "type", "draft", "labels", "name", "base", "head")
KEYS += ("ref", "sha", "repo", "id", "commit", "author", "message", "path", "line", "created_at", "filename")
KEYS += ("status", "patch", "additions", "deletions", "files", "content", "repository", "pullRequest", "comments")
LEAF = st.sampled_from(
    [None, True, False, 0, -1, 7, 1.5, "", "x", "c" * 40, "\ud800", "@@ -1 +1 @@\n-a\n+b", "../..", [], {}]
)
ODD = st.recursive(
    LEAF, lambda inner: st.dictionaries(st.sampled_from(KEYS), inner, max_size=4) | st.lists(inner, max_size=2),
    max_leaves=6,
)  # fmt: skip


class Odd:
    """A host that answers whatever comes to its mind."""

    def __init__(self, answers: list[dict[str, Any]]) -> None:
        self.answers = cycle(answers)

    def get(self, path: str, **query: Any) -> Told:
        return Told(next(self.answers))

    def pages(self, path: str, **query: Any) -> list[Told]:
        return [self.get(path)]

    def ask(self, query: str, **variables: Any) -> Told:
        return self.get(query)


ALL_OF_PR = plan_of(workflow(pattern=chain("{{ pr }}")))


@given(st.lists(st.dictionaries(st.sampled_from(KEYS), ODD, max_size=6), min_size=1, max_size=3))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_whatever_a_host_answers_is_told_in_the_shape_that_facts_have(answers: list[Any]) -> None:
    asking = Asking(cast("Api", Odd(answers)), Event(), Target("a/b", 1, "c" * 40, is_pull=True), "k", incremental=True)
    told = asking.pull(PARTS["pr"])
    text = as_text({"pr": told})
    FactsFile.model_validate(json.loads(text))
    named = [file for file in told["files"] if file["filename"]]
    plan, _ = with_facts(ALL_OF_PR, facts_of({"pr": {**told, "files": named}}), "a test")
    assert plan.variables["pr"].keys() == {*PARTS["pr"]}
    compared = pull_of_compare(cast("Api", Odd(answers)), Event(sha="c" * 40), {}, "main", PARTS["pr"])
    FactsFile.model_validate(json.loads(as_text({"pr": compared})))
