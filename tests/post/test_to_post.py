"""What of a run is to be posted: its answer, or what the file says. A secret is in neither."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from runner.deliver import clean
from runner.errors import SpecError
from runner.plan.scope import Scope
from runner.report.results import RunReport
from runner.run import _with_outputs
from tests.build import chain, plan_of, report, result, workflow

FOUND = {"findings": [{"path": "a.py", "line": 3}], "labels": ["bug"]}


def left(source: str | None, **answer: Any) -> RunReport:
    """What is left of a run of one step, whose file says so of what is posted."""
    post = {} if source is None else {"post": {"from": source}}
    return _with_outputs(plan_of(workflow(outputs=post)), report(), Scope().after(result(**answer)))


def test_the_answer_is_posted_where_the_file_says_nothing() -> None:
    assert left(None, response="Good.").to_post == "Good."
    assert left(None, response="{…}", data=FOUND).to_post == FOUND


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("steps[0].data", FOUND),
        ("{{ steps[0].data.findings }}", FOUND["findings"]),
        ("{'body': name, 'labels': steps[0].data.labels}", {"body": "test", "labels": ["bug"]}),
        ("## {{ name }}\n{{ steps[0].response }}", "## test\nsaid"),
    ],
)
def test_an_expression_over_answers_says_what_is_posted(source: str, found: object) -> None:
    assert left(source, response="said", data=FOUND).to_post == found


def test_a_file_whose_expression_fails_fails_the_run() -> None:
    ended = left("steps[0].data.nothing.at_all", response="said", data=FOUND)
    assert (ended.status, ended.exit_code, ended.response) == ("failed", 10, "said")
    assert ended.failure is not None
    assert ended.failure.message.startswith("outputs.post.from: ")


@pytest.mark.parametrize(
    ("post", "told"),
    [
        ({"from": "answr"}, "undefined name 'answr'"),
        ({"from": "steps[3].data"}, "steps[3] does not exist here"),
        ({"from": "steps[0].dat"}, "an answer has no 'dat'"),
        ({"from": "just words"}, "not a valid template"),
        ({"labels": ["a" * 51]}, "a label has at most 50 characters"),
        ({"check": "a" * 101}, "a check's name has at most 100 characters"),
        ({"max_comments": 101}, "at most 100 comments are made at once"),
        ({"label": ["bug"]}, "label"),
    ],
)
def test_what_cannot_be_posted_is_found_before_anything_is_asked(post: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError) as found:
        plan_of(workflow(outputs={"post": post}, pattern=chain("Write.", "Again.")))
    [finding] = found.value.findings
    assert told in finding.message
    assert finding.at.line > 1


def test_the_recipe_of_a_file_is_in_its_plan() -> None:
    post = {"from": "last_response", "labels": ["bug", "bug", "docs"], "check": "review", "max_comments": 3}
    recipe = plan_of(workflow(outputs={"post": post})).post
    assert (recipe.source, recipe.labels, recipe.check, recipe.max_comments) == (
        "last_response",
        ("bug", "docs"),
        "review",
        3,
    )


def test_no_secret_is_posted_however_deep_it_stands() -> None:
    deep: Any = "hush"
    for _ in range(5_000):
        deep = [deep]
    cleaned = clean(replace(report(), to_post=deep), lambda text: text.replace("hush", "***")).to_post
    for _ in range(5_000):
        [cleaned] = cleaned
    assert cleaned == "***"
