"""What is said of an answer that is none: one sentence, with what would help where something would."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from runner.ci.api import Api
from runner.ci.refusal import NoAnswer
from runner.inputs import ActionInputs
from runner.trust import standing_of
from tests.ci.events import FORK, HERE, TOKEN, pull_request
from tests.ci.test_api import answer, api
from tests.servers import Answer, WebServer

if TYPE_CHECKING:
    from pathlib import Path

INTEGRATION = "Resource not accessible by integration"


def refusal(said: Any, question: str = "GET pulls/7", **more: Any) -> NoAnswer:
    """What is made of an answer to a request, or to a document of GraphQL."""
    with WebServer(said) as server, pytest.raises(NoAnswer) as caught:
        ask(api(server, **more), question)
    return caught.value


def ask(one: Api, question: str) -> Any:
    method, _, path = question.partition(" ")
    if method in ("query", "mutation"):
        return one.ask(question)
    return one.get(path) if method == "GET" else one.send(method, path, {})


# -- permissions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "permission"),
    [
        ("GET pulls/7/commits", "pull-requests: read"),
        ("POST pulls/7/reviews", "pull-requests: write"),
        ("POST issues/7/comments", "issues: write"),
        ("POST check-runs", "checks: write"),
        ("GET commits/abc/check-runs", "checks: read"),
        ("GET commits/abc/pulls", "pull-requests: read"),
        ("GET commits/abc", "contents: read"),
        ("GET compare/abc...def", "contents: read"),
        ("GET actions/runs/1/jobs", "actions: read"),
        ("query { a }", "pull-requests: read"),
        ("mutation { a }", "pull-requests: write"),
    ],
)
def test_a_permission_that_is_missing_is_named_by_what_was_asked_for(question: str, permission: str) -> None:
    does = "read this" if permission.endswith("read") else "do this"
    told = f"the token may not {does}: give the job `permissions: {{{permission}}}` (status 403: {INTEGRATION})"
    assert str(refusal(answer({"message": INTEGRATION}, 403), question)) == told


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("pull_requests=write", "`permissions: {pull-requests: write}`"),
        (
            "issues=write; pull_requests=write",
            "`permissions: {issues: write}` or `permissions: {pull-requests: write}`",
        ),
        ("contents=read,metadata=read; administration=write", "`permissions: {contents: read}`"),
        ("pull_requests=write,contents=write", "`permissions: {pull-requests: write, contents: write}`"),
        ("administration=write", "`permissions: {issues: write}`"),
        ("metadata=read", "`permissions: {issues: write}`"),
        ("<b>=write; ::error::=read; issues=all", "`permissions: {issues: write}`"),
    ],
)
def test_a_permission_that_the_host_names_is_the_one(header: str, told: str) -> None:
    """As long as a job can be given it."""
    said = answer({"message": INTEGRATION}, 403, x_accepted_github_permissions=header)
    assert str(refusal(said, "POST issues/7/comments")).startswith(f"the token may not do this: give the job {told} (")


def test_what_a_token_may_not_see_is_not_there() -> None:
    told = "nothing is there (status 404), or the token may not see it, which takes `permissions: {actions: read}`"
    assert str(refusal(answer({"message": "Not Found"}, 404), "GET actions/jobs/1/logs")) == told
    assert str(refusal(answer({"message": "Not Found"}, 404), "GET /user")).endswith("or the token may not see it")


def test_a_token_that_is_none_is_told_without_it() -> None:
    told = "the host does not take the github-token: it is not one, or has expired (status 401)"
    assert str(refusal(answer({"message": f"Bad credentials {TOKEN}"}, 401))) == told


@pytest.mark.parametrize(
    "said",
    [
        answer({"message": INTEGRATION}, 403),
        answer({"data": None, "errors": [{"type": "FORBIDDEN", "message": INTEGRATION}]}),
    ],
    ids=["REST", "GraphQL"],
)
def test_the_token_of_a_forks_pull_request_is_not_helped_by_a_permission(said: Answer) -> None:
    wish, question = (
        ("mutation { a }", "query { a }") if said.status == 200 else ("POST pulls/7/reviews", "GET pulls/7")
    )
    told = str(refusal(said, wish, from_fork=True))
    assert "that of a pull request from a fork may not, whatever the job's permissions say" in told
    assert "give the job" not in told
    assert "pull-requests: read" in str(refusal(said, question, from_fork=True))


@pytest.mark.parametrize(
    "message",
    [
        "Unable to create comment because issue is locked.",
        "Repository was archived so is read-only.",
        "GitHub Actions is not permitted to create or approve pull requests.",
    ],
)
def test_what_is_forbidden_for_another_reason_is_told_in_the_hosts_words(message: str) -> None:
    told = f"the host forbids it (status 403: {message})"
    assert str(refusal(answer({"message": message}, 403), "POST issues/7/comments")) == told


# -- other refusals ---------------------------------------------------------------------------------------------------


def test_what_does_not_fit_is_told_with_what_the_host_says_of_it() -> None:
    errors = [
        {"resource": "Review", "field": "line", "code": "invalid"},
        "Line could not be resolved",
        {"message": "no"},
    ]
    problem = refusal(answer({"message": "Unprocessable", "errors": errors}, 422), "POST pulls/7/reviews")
    told = "the host answers with status 422: Unprocessable; Review line invalid; Line could not be resolved; no"
    assert (str(problem), problem.status) == (told, 422)


@pytest.mark.parametrize("status", [400, 409, 410, 413, 418, 451])
def test_another_status_is_told_by_its_number(status: int) -> None:
    assert str(refusal(answer({}, status))) == f"the host answers with status {status}"


def test_words_of_the_host_are_one_short_line_without_the_token() -> None:
    told = str(refusal(answer({"message": f"{TOKEN}\n::error::{'x' * 9999}"}, 422)))
    assert told.startswith("the host answers with status 422: *** ::error::xxx")
    assert len(told) < 400
    assert "\n" not in told


@pytest.mark.parametrize("question", ["query { a }", "mutation { a }"])
def test_errors_beside_data_are_no_answer(question: str) -> None:
    """Half a list of comments would be taken for the whole of it."""
    some = {"data": {"a": {"id": 1}}, "errors": [{"type": "NOT_FOUND", "message": "Could not resolve to a node"}]}
    problem = refusal(answer(some), question)
    told = "the host has nothing there, or nothing that the token may see (Could not resolve to a node)"
    assert (str(problem), problem.kinds, problem.lost) == (told, {"NOT_FOUND"}, question.startswith("mutation"))


def test_to_resolve_a_thread_takes_another_permission_than_it_seems() -> None:
    error = {"type": "FORBIDDEN", "path": ["resolveReviewThread"], "message": INTEGRATION}
    problem = refusal(answer({"data": {"resolveReviewThread": None}, "errors": [error]}), "mutation { a }")
    told = f"the token may not do this: give the job `permissions: {{contents: write}}` ({INTEGRATION})"
    assert (str(problem), problem.lost) == (told, False)


def test_a_query_that_the_host_does_not_understand_is_told_in_its_words() -> None:
    errors = [{"message": "Field 'a' doesn't exist on type 'Query'", "extensions": {"code": "undefinedField"}}]
    told = "the host refuses the query: Field 'a' doesn't exist on type 'Query'"
    assert str(refusal(answer({"errors": errors}), "query { a }")) == told


@pytest.mark.parametrize("errors", ["text", [1, "two", None], {"a": 1}, [{"type": ["FORBIDDEN"], "path": 1}], True])
def test_errors_of_no_shape_are_errors(errors: Any) -> None:
    assert str(refusal(answer({"data": {"a": 1}, "errors": errors}), "query { a }"))


# -- before anything is asked -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    ["../user", "pulls/../../x", "pulls//7", "pulls/7?a=b", "pulls/7#a", "pulls/a b", "//evil.example/x", "pulls/", ""],
)
def test_what_is_no_path_is_not_asked_for(path: str) -> None:
    with WebServer("{}") as server:
        with pytest.raises(NoAnswer, match="no path of the API"):
            api(server).get(path)
        assert server.requests == []


@pytest.mark.parametrize(
    ("token", "told"),
    [("", "there is no github-token"), ("a\nb", "has characters that no token has"), ("ü", "characters")],
)
def test_without_a_token_nothing_is_asked(token: str, told: str) -> None:
    with WebServer("{}") as server:
        with pytest.raises(NoAnswer, match=told):
            Api(server.url, "octocat/hello", token).get("pulls/7")
        assert server.requests == []


@pytest.mark.parametrize("url", ["", "file:///etc", "http://[", "http://", "api.github.com", "http://a b"])
@pytest.mark.parametrize("question", ["GET pulls/7", "query { a }"])
def test_an_address_that_is_none_is_no_answer(url: str, question: str) -> None:
    with pytest.raises(NoAnswer):
        ask(Api(url, "octocat/hello", TOKEN), question)


def test_the_token_is_not_in_how_the_client_is_shown() -> None:
    proxies = {"http": "http://user:password@proxy.example"}
    shown = repr(Api("https://api.github.com", "octocat/hello", TOKEN, proxies))
    assert TOKEN not in shown
    assert "password" not in shown


# -- whose token it is ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "head", "forked"),
    [
        ("pull_request", FORK, True),
        ("pull_request", None, True),
        ("pull_request", HERE, False),
        ("pull_request_review", FORK, True),
        ("pull_request_target", FORK, False),
        ("push", HERE, False),
    ],
)
def test_a_token_that_may_never_write_is_known_by_its_event(
    tmp_path: Path, name: str, head: int | None, forked: bool
) -> None:
    (tmp_path / "event.json").write_text(json.dumps(pull_request(head)))
    environ = {"GITHUB_EVENT_NAME": name, "GITHUB_EVENT_PATH": str(tmp_path / "event.json")}
    assert standing_of(ActionInputs(), environ, tmp_path, hosted=True).api.from_fork == forked
