"""The client and a host that checks every request and every answer against what GitHub publishes of its API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runner.ci.api import Api, api_of
from runner.ci.refusal import NoAnswer
from runner.ci.waiting import patient
from runner.post.there import COMMENTS
from tests.servers.github import TOKEN, GitHub, Job, broken, dropped, primary, secondary

if TYPE_CHECKING:
    from tests.servers.github.server import Fault

WRITER = {"contents": "write", "pull_requests": "write", "issues": "write", "actions": "read"}
FILES = {f"{number:03}.py": ("one\n", "two\n") for number in range(120)}
INTEGRATION = "Resource not accessible by integration"
RESOLVE = "mutation($id: ID!) { resolveReviewThread(input: {threadId: $id}) { thread { isResolved } } }"


def client(github: GitHub) -> Api:
    return api_of(github.environ, "octocat/hello", TOKEN)


@pytest.mark.parametrize("enterprise", [False, True], ids=["github.com", "a server of one's own"])
def test_all_that_can_be_asked_is_as_the_host_wants_it(enterprise: bool) -> None:
    with GitHub(WRITER, enterprise=enterprise) as github:
        github.pull(FILES)
        run = github.repository.run([Job("test", log="boom\n")])
        api = client(github)
        assert api.get("pulls/1").text("base", "ref") == "main"
        assert [one.text("filename") for one in api.pages("pulls/1/files")] == [*FILES]
        assert [one.text("name") for one in api.pages(f"actions/runs/{run.id}/jobs", within="jobs")] == ["test"]
        assert api.text(f"actions/jobs/{run.jobs[0].id}/logs") == "boom\n"
        number = api.send("POST", "issues/1/comments", {"body": "Hello."}).id()
        api.send("DELETE", f"issues/comments/{number}")
        found = api.ask('query($name: String!) { repository(owner: $name, name: "hello") { name } }', name="octocat")
        assert found.text("repository", "name") == "hello"


def test_a_permission_is_named_as_the_host_names_it() -> None:
    with GitHub({"contents": "read", "pull_requests": "write"}) as github:
        thread = github.pull({"a.py": ("one\n", "two\n")}).say_at("a.py", 1, "Two?")
        with pytest.raises(NoAnswer) as resolving:
            client(github).ask(RESOLVE, id=f"PRRT_{thread.id}")
        with pytest.raises(NoAnswer) as checking:
            client(github).send("POST", "check-runs", {"name": "review", "head_sha": "a" * 40})
    told = "the token may not do this: give the job `permissions: {%s: write}` (%s)"
    assert str(resolving.value) == told % ("contents", INTEGRATION)
    assert str(checking.value) == told % ("checks", f"status 403: {INTEGRATION}")


def test_what_is_read_of_an_issue_or_a_pull_request_takes_one_of_two_permissions() -> None:
    with GitHub({"contents": "read"}, private=True) as github:
        github.repository.issue()
        with pytest.raises(NoAnswer) as caught:
            client(github).ask(COMMENTS, owner="octocat", name="hello", number=1)
    takes = "`permissions: {pull-requests: read}` or `permissions: {issues: read}`"
    assert str(caught.value) == f"the token may not read this: give the job {takes} ({INTEGRATION})"


@pytest.mark.parametrize("on", ["POST *", "QUERY *"])
@pytest.mark.parametrize(("limit", "seconds"), [(primary(1800), 1801), (secondary(40), 40), (secondary(None), 60)])
def test_behind_a_limit_the_host_is_asked_once_more_and_not_too_early(limit: Fault, seconds: float, on: str) -> None:
    with GitHub(WRITER) as github:
        pull = github.pull({"a.py": ("one\n", "two\n")})
        slept: list[float] = []

        def sleep(seconds: float) -> None:
            slept.append(seconds)
            github.later(seconds)

        api = client(github).waiting(patient(3600, lambda told: None, sleep=sleep))
        github.fail(limit, on=on)
        api.send("POST", "issues/1/comments", {"body": "Hello."})
        assert api.ask("query { viewer { login } }").text("viewer", "login")
        assert len(pull.comments) == 1
        assert github.too_early == []
    assert slept == [pytest.approx(seconds, abs=2)]


@pytest.mark.parametrize("fault", [dropped(after=True), broken(502, after=True)], ids=["dropped", "502"])
def test_a_wish_that_was_done_without_an_answer_is_done_once(fault: Fault) -> None:
    with GitHub(WRITER) as github:
        pull = github.pull({"a.py": ("one\n", "two\n")})
        github.fail(fault, on="POST *")
        with pytest.raises(NoAnswer) as caught:
            client(github).send("POST", "issues/1/comments", {"body": "Once."})
        assert caught.value.lost
        assert [one.body for one in pull.comments] == ["Once."]
