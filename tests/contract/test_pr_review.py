"""The example pr-review on its recordings, posted at a host that has its pull request: each of the five mistakes that
were planted in it is told once, at its line, and a second run has nothing to say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.contract.reviewing import SPEC, act, checked_out, seeded
from tests.servers.github import GitHub, Pull
from tests.workspace import Outcome, Workspace, jobs_workspace

PLANTED = {
    ("stockroom/load.py", 14): "path.open(newline",
    ("stockroom/load.py", 18): "except Exception:",
    ("stockroom/report.py", 20): "len(items) - 1",
    ("stockroom/store.py", 37): "execute(query)",
    ("tests/test_store.py", 29): 'store.search("nvi")',
}
"""Where the mistakes are, and what stands in those lines."""


def reviewed(workspace: Workspace, github: GitHub, pull: Pull, post: str = "review") -> Outcome:
    checked_out(workspace)
    payload = github.events.pull_request(pull)
    return act(workspace, github, "pull_request", payload, spec=SPEC, mode="replay", post=post)


@dataclass(frozen=True)
class Review:
    """What the first run left, and where."""

    workspace: Workspace
    github: GitHub
    pull: Pull
    outcome: Outcome


@pytest.fixture(scope="module")
def first() -> Iterator[Review]:
    with jobs_workspace() as workspace, seeded() as (github, pull):
        outcome = reviewed(workspace, github, pull)
        assert outcome.exit_code == 0, outcome.log
        yield Review(workspace, github, pull, outcome)


def test_each_planted_mistake_is_told_once_at_its_line(first: Review):
    assert sorted((thread.path, thread.line) for thread in first.pull.threads) == sorted(PLANTED)
    for thread in first.pull.threads:
        assert PLANTED[thread.path, thread.line or 0] in thread.hunk.splitlines()[-1]
        assert len(thread.comments) == 1


def test_what_is_said_of_the_whole_stands_in_one_comment_and_nothing_is_approved(first: Review):
    [sticky] = first.pull.comments
    assert "It is not ready" in sticky.body
    assert first.outcome.outputs["posted-url"].endswith(f"#issuecomment-{sticky.id}")
    assert {review.state for review in first.pull.reviews} == {"COMMENTED"}


def test_the_one_comment_says_what_of_the_change_nobody_looked_at(first: Review):
    assert "<li>a lock file: uv.lock</li>" in first.pull.comments[0].body


def test_what_the_judge_dropped_is_posted_nowhere(first: Review):
    bodies = [said.body for said in first.pull.comments] + [one.comments[0].body for one in first.pull.threads]
    reviewers = {f"branches.{name}.steps[0]" for name in ("correctness", "security", "tests")}
    steps = [step for step in first.outcome.results["steps"] if step["path"] in reviewers]
    titles = [one["title"] for step in steps for one in step["data"]["findings"]]
    posted = {title for title in titles if any(title in body for body in bodies)}
    assert (len(titles), len(posted)) == (9, 5)


def test_suggestions_stand_where_they_can_be_taken(first: Review):
    suggested = {
        (thread.path, thread.start_line, thread.line)
        for thread in first.pull.threads
        if "```suggestion\n" in thread.comments[0].body
    }
    assert suggested == {
        ("stockroom/report.py", None, 20),
        ("stockroom/store.py", 36, 37),
        ("tests/test_store.py", None, 29),
    }


def test_the_second_run_on_the_same_head_writes_nothing(first: Review):
    written = len(first.github.writes)
    second = reviewed(first.workspace, first.github, first.pull)

    assert written == 2  # the review and the comment
    assert first.github.writes[written:] == []
    assert (second.exit_code, second.outputs["posted-url"]) == (0, first.outcome.outputs["posted-url"])
    assert (len(first.pull.comments), len(first.pull.threads)) == (1, 5)


@pytest.mark.parametrize("post", ["plan", "none"])
def test_without_a_post_nothing_is_written(workspace: Workspace, post: str):
    with seeded() as (github, pull):
        outcome = reviewed(workspace, github, pull, post)
        assert (outcome.exit_code, github.writes) == (0, [])
    assert bool(outcome.outputs["post-plan-path"]) == (post == "plan")
