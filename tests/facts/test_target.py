"""Which pull request or issue an event is about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from runner.ci.event import Event, Told
from runner.facts.facts import Target
from runner.facts.target import target_of
from tests.ci import events
from tests.ci.events import FORK, HEAD, HERE

if TYPE_CHECKING:
    from runner.ci.api import Api

OTHER = "e" * 40


class Host:
    """Answers by path, and remembers what it was asked."""

    def __init__(self, **answers: Any) -> None:
        self.answers, self.asked = answers, list[tuple[str, dict[str, Any]]]()

    def get(self, path: str) -> Told:
        self.asked.append((path, {}))
        return Told(self.answers[path.replace("/", "_")])

    def pages(self, path: str, **query: Any) -> list[Told]:
        self.asked.append((path, query))
        return [Told(one) for one in self.answers[path.replace("/", "_")]]


def target(name: str, payload: dict[str, Any], host: Host | None = None) -> Target | None:
    return target_of(Event(payload, name=name, repository="octocat/hello"), cast("Api", host or Host()))


def run(pulls: list[Any], head: int | None = FORK, **more: Any) -> dict[str, Any]:
    """The payload of a `workflow_run`."""
    payload = events.workflow_run(head)
    payload["workflow_run"] |= {"head_branch": "change", "pull_requests": pulls, **more}
    if head is not None:
        payload["workflow_run"]["head_repository"] |= {"owner": {"login": "stranger"}}
    return payload


def pull(head: int = FORK, sha: str = HEAD, number: int = 7) -> dict[str, Any]:
    found: dict[str, Any] = events.pull_request(head)["pull_request"]
    return {**found, "number": number, "head": {**found["head"], "sha": sha}}


PULL = Target("octocat/hello", 7, HEAD, is_pull=True)


@pytest.mark.parametrize(
    "name", ["pull_request", "pull_request_target", "pull_request_review", "pull_request_review_comment"]
)
def test_an_event_of_a_pull_request_is_about_that_and_its_head(name: str) -> None:
    assert target(name, events.pull_request()) == PULL


@pytest.mark.parametrize(("name", "payload"), [("issues", events.issue()), ("issue_comment", events.comment({}))])
def test_an_issue_has_no_head_and_the_host_is_not_asked(name: str, payload: dict[str, Any]) -> None:
    host = Host()
    assert target(name, payload, host) == Target("octocat/hello", 5)
    assert host.asked == []


def test_a_comment_on_a_pull_request_is_about_its_head_as_the_host_has_it_now() -> None:
    host = Host(pulls_5=pull(number=5))
    assert target("issue_comment", events.comment({}, on_pull=True), host) == Target(
        "octocat/hello", 5, HEAD, is_pull=True
    )


def test_a_run_of_this_repository_names_its_pull_request() -> None:
    host = Host()
    assert target("workflow_run", run([pull(HERE)], HERE), host) == PULL
    assert host.asked == []


def test_a_pull_request_with_another_head_than_the_run_had_is_not_its_own() -> None:
    assert target("workflow_run", run([pull(HERE, OTHER)], HERE), Host(pulls=[])) is None


def test_the_pull_request_of_a_run_of_a_fork_is_asked_for_by_its_branch() -> None:
    host = Host(pulls=[pull()])
    assert target("workflow_run", run([]), host) == PULL
    assert host.asked == [("pulls", {"state": "open", "head": "stranger:change"})]


@pytest.mark.parametrize(
    "found", [pull(sha=OTHER), pull(HERE)], ids=["another commit", "another repository of the same owner"]
)
def test_a_branch_of_that_name_is_not_enough(found: dict[str, Any]) -> None:
    assert target("workflow_run", run([]), Host(pulls=[found])) is None


def test_what_the_payload_names_of_another_repository_is_passed_over() -> None:
    theirs = {**pull(), "base": {"ref": "main", "sha": OTHER, "repo": {"id": FORK}}}
    assert target("workflow_run", run([theirs]), Host(pulls=[pull(number=8)])) == Target(
        "octocat/hello", 8, HEAD, is_pull=True
    )


def test_a_pull_request_of_ours_is_not_that_of_a_forks_run_for_the_same_commit() -> None:
    assert target("workflow_run", run([pull(HERE)]), Host(pulls=[pull(HERE)])) is None


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"pull_request": []},
        {"pull_request": {"number": True, "head": {"sha": HEAD}}},
        {"pull_request": {"number": -1, "head": {"sha": HEAD}}},
        {"pull_request": {"number": 7, "head": {"sha": "../../etc"}}},
    ],
)
def test_a_payload_that_is_not_what_it_should_be_is_about_nothing(payload: dict[str, Any]) -> None:
    assert target("pull_request", payload) is None


@pytest.mark.parametrize("name", ["push", "schedule", "workflow_dispatch", ""])
def test_other_events_are_about_neither(name: str) -> None:
    assert target(name, events.pull_request()) is None


def test_without_a_repository_there_is_nowhere_to_post() -> None:
    assert target_of(Event(events.pull_request(), name="pull_request"), cast("Api", Host())) is None
