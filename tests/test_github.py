"""The stand-in for GitHub itself: that it behaves as the host does, and that what does not fit is noticed."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.servers.github import (
    TOKEN,
    GitHub,
    Job,
    Violated,
    broken,
    dropped,
    primary,
    secondary,
    slow,
    stale,
)
from tests.servers.github.shapes import Shapes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = "/repos/octocat/hello"
FILES = {"a.py": ("one\ntwo\nthree\n", "one\n2\nthree\n")}


class Client:
    """A client that adds what every request has."""

    def __init__(self, github: GitHub, token: str = TOKEN) -> None:
        self.graphql = github.environ["GITHUB_GRAPHQL_URL"]
        headers = {"authorization": f"Bearer {token}", "user-agent": "tests"}
        self.http = httpx.Client(base_url=github.api_url, headers=headers, trust_env=False)

    def __call__(self, method: str, path: str, body: Any = None, **query: Any) -> httpx.Response:
        return self.http.request(method, path, json=body, params=query or None)

    def ask(self, query: str, **variables: Any) -> Any:
        return self.http.post(self.graphql, json={"query": query, "variables": variables}).json()


@contextmanager
def client_of(github: GitHub, token: str = TOKEN) -> Iterator[Client]:
    client = Client(github, token)
    with client.http:
        yield client


@contextmanager
def host(*arguments: Any, **more: Any) -> Iterator[tuple[GitHub, Client]]:
    with GitHub(*arguments, **more) as github, client_of(github) as client:
        yield github, client


WRITER = {"contents": "write", "pull_requests": "write", "issues": "write", "checks": "write", "actions": "read"}


def test_every_operation_that_is_known_answers_as_the_description_wants_it() -> None:
    with host(WRITER, files={".gitattributes": "*.js binary\n"}) as (github, ask):
        pull = github.pull(FILES | {"new.py": (None, "x\n"), "old.py": ("y\n", None)}, fork=github.also("mona/hello"))
        thread = pull.say_at("a.py", 2, "Why?")
        said, head = pull.comment("Hello."), pull.head
        issue = github.repository.issue()
        run = github.repository.run([Job("test", log="boom", steps={"build": "success"})], head=head, pulls=[pull])
        label = ask("POST", f"{HERE}/issues/1/labels", {"labels": ["Bug", "mine"]})
        check = ask("POST", f"{HERE}/check-runs", {"name": "review", "head_sha": head, "conclusion": "neutral"})
        review = ask("POST", f"{HERE}/pulls/1/reviews", {"event": "COMMENT", "body": "Fine."})
        paths = [
            "",
            "/pulls",
            "/pulls/1",
            "/pulls/1/files",
            "/pulls/1/commits",
            "/pulls/1/comments",
            f"/pulls/comments/{thread.comments[0].id}",
            "/pulls/1/reviews",
            f"/pulls/1/reviews/{review.json()['id']}",
            f"/pulls/1/reviews/{pull.reviews[0].id}/comments",
            f"/commits/{head}",
            f"/compare/{pull.base}...{head}",
            "/issues/1",
            f"/issues/{issue.number}",
            "/issues/1/comments",
            f"/issues/comments/{said.id}",
            "/issues/1/labels",
            "/labels",
            f"/commits/{head}/check-runs",
            f"/check-runs/{check.json()['id']}",
            f"/actions/runs/{run.id}",
            f"/actions/runs/{run.id}/jobs",
            f"/actions/runs/{run.id}/attempts/1/jobs",
            "/contents/.gitattributes",
            "/collaborators/mona/permission",
        ]
        assert {path: ask("GET", HERE + path).status_code for path in paths} == dict.fromkeys(paths, 200)
        assert ask("GET", "/rate_limit").status_code == 200
        assert [one["name"] for one in label.json()] == ["bug", "mine"]


def test_comments_are_written_changed_and_read_back() -> None:
    with host() as (github, ask):
        pull = github.pull(FILES)
        made = ask("POST", f"{HERE}/issues/1/comments", {"body": "First."})
        assert (made.status_code, made.json()["user"]["login"]) == (201, "github-actions[bot]")
        path = f"{HERE}/issues/comments/{made.json()['id']}"
        assert ask("PATCH", path, {"body": "Second."}).json()["body"] == "Second."
        assert ask("GET", path).json()["body"] == "Second."
        assert (pull.comments[0].body, pull.comments[0].was) == ("Second.", ["First."])
        assert github.writes == [f"POST {HERE}/issues/1/comments", f"PATCH {path}"]


def review(*comments: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"event": "COMMENT", "body": "", "comments": list(comments), **more}


def at(line: int, **more: Any) -> dict[str, Any]:
    return {"path": "a.py", "line": line, "side": "RIGHT", "body": "Hm.", **more}


def test_a_review_stands_at_lines_of_the_diff() -> None:
    with host() as (github, ask):
        pull = github.pull(FILES)
        spots = at(2), at(2, side="LEFT"), at(3, start_line=1, start_side="RIGHT")
        assert ask("POST", f"{HERE}/pulls/1/reviews", review(*spots)).status_code == 200
        assert [(one.side, one.start_line, one.line) for one in pull.threads] == [
            ("RIGHT", None, 2),
            ("LEFT", None, 2),
            ("RIGHT", 1, 3),
        ]
        assert pull.threads[0].hunk.endswith("\n-two\n+2")


@pytest.mark.parametrize(
    ("spot", "told"),
    [
        (at(9), "Pull request review thread line must be part of the diff and Pull request review thread diff hunk"),
        (at(1, side="LEFT"), "Pull request review thread line must be part of the diff"),
        (at(2, path="b.py"), "Path could not be resolved"),
        (at(2, start_line=2, start_side="RIGHT"), "Pull request review thread start line must precede the end line."),
        (at(2, start_line=1, start_side="LEFT"), "must be part of the same hunk as the line."),
        (at(2, body=" "), "can't be blank"),
        (at(2, body="x" * 65537), "Body is too long (maximum is 65536 characters)"),
    ],
)
def test_a_review_with_one_comment_that_cannot_stand_there_is_refused_whole(spot: Any, told: str) -> None:
    with host() as (github, ask):
        pull = github.pull(FILES)
        answer = ask("POST", f"{HERE}/pulls/1/reviews", review(at(2), spot))
        assert answer.status_code == 422
        assert told in answer.json()["errors"][0]
        assert (pull.threads, pull.reviews) == ([], [])


def test_a_comment_at_a_file_is_made_singly() -> None:
    with host() as (github, ask):
        pull = github.pull(FILES)
        said = {"path": "a.py", "commit_id": pull.head, "subject_type": "file", "body": "All of it."}
        assert ask("POST", f"{HERE}/pulls/1/comments", said).status_code == 201
        refused = ask("POST", f"{HERE}/pulls/1/comments", {**said, "path": "b.py"})
        assert (refused.status_code, refused.json()["errors"][0]["message"]) == (422, "Path could not be resolved")
        assert [(one.subject, one.line) for one in pull.threads] == [("file", None)]


def test_what_a_push_leaves_of_a_line_is_moved_and_what_it_does_not_is_outdated() -> None:
    with host() as (github, ask):
        pull = github.pull(FILES)
        at_two, at_three = pull.say_at("a.py", 2, "Two?"), pull.say_at("a.py", 3, "Three?")
        before = pull.head
        pull.push({"a.py": "zero\none\nzwei\nthree\n"})
        assert (at_two.outdated, at_two.line, at_two.original_line) == (True, None, 2)
        assert (at_three.outdated, at_three.line) == (False, 4)
        told = ask("GET", f"{HERE}/compare/{before}...{pull.head}").json()
        assert (told["status"], told["ahead_by"]) == ("ahead", 1)
        pull.push({"a.py": "one\n"}, force=True)
        assert ask("GET", f"{HERE}/compare/{before}...{pull.head}").json()["status"] == "diverged"


DIFF = """\
diff --git a/logo.png b/logo.png
index 1..2 100644
Binary files a/logo.png and b/logo.png differ
diff --git a/old name.py b/new name.py
similarity index 90%
rename from old name.py
rename to new name.py
--- a/old name.py\t
+++ b/new name.py\t
@@ -1,2 +1,2 @@
 same
-old
\\ No newline at end of file
+new
"""


def test_a_pull_request_is_made_of_a_difference_as_git_tells_it() -> None:
    with host() as (github, ask):
        github.pull(diff=DIFF)
        picture, script = ask("GET", f"{HERE}/pulls/1/files").json()
        assert "patch" not in picture
        assert (script["filename"], script["previous_filename"]) == ("new name.py", "old name.py")
        assert (script["status"], script["additions"], script["deletions"]) == ("renamed", 1, 1)


# -- tokens, pages, limits --------------------------------------------------------------------------------------------


def test_a_token_without_a_permission_is_told_which() -> None:
    with host({"pull_requests": "read"}) as (github, ask):
        github.pull(FILES)
        refused = ask("POST", f"{HERE}/issues/1/comments", {"body": "Hello."})
        assert (refused.status_code, refused.json()["message"]) == (403, "Resource not accessible by integration")
        assert refused.headers["x-accepted-github-permissions"] == "issues=write; pull_requests=write"
        with client_of(github, "no such token") as stranger:
            assert stranger("GET", f"{HERE}/pulls/1").status_code == 401


def test_what_may_write_to_pull_requests_may_not_write_to_issues() -> None:
    with host() as (github, ask):
        github.repository.issue()
        refused = ask("POST", f"{HERE}/issues/1/comments", {"body": "Hello."})
        assert refused.headers["x-accepted-github-permissions"] == "issues=write"


@pytest.mark.parametrize(("private", "status"), [(False, 200), (True, 403)])
def test_what_is_public_is_read_with_any_token(private: bool, status: int) -> None:
    with host({}, private=private) as (github, ask):
        github.pull(FILES)
        assert ask("GET", f"{HERE}/pulls/1").status_code == status


@pytest.mark.parametrize("enterprise", [False, True])
def test_a_list_comes_in_pages_which_name_the_repository_by_its_number(enterprise: bool) -> None:
    with host(enterprise=enterprise) as (github, ask):
        pull = github.pull(FILES)
        for number in range(205):
            pull.comment(f"Number {number}.")
        answer, bodies = ask("GET", f"{HERE}/issues/1/comments", per_page=500), []
        bodies += [one["body"] for one in answer.json()]
        while "next" in answer.links:
            assert answer.links["next"]["url"].startswith(f"{github.api_url}/repositories/{github.repository.id}/")
            answer = ask("GET", answer.links["next"]["url"])
            bodies += [one["body"] for one in answer.json()]
        assert bodies == [f"Number {number}." for number in range(205)]
        assert len(github.requests) == 3
        assert answer.links.keys() == {"first", "prev"}


def test_a_limit_holds_until_the_time_that_was_told() -> None:
    with host() as (github, ask):
        github.pull(FILES)
        github.fail(secondary(60), on="GET */pulls/1")
        refused = ask("GET", f"{HERE}/pulls/1")
        assert (refused.status_code, refused.headers["retry-after"]) == (403, "60")
        assert "secondary rate limit" in refused.json()["message"]
        assert ask("GET", f"{HERE}/pulls").status_code == 403
        assert github.too_early == [f"GET {HERE}/pulls"]
        github.later(60)
        assert ask("GET", f"{HERE}/pulls").status_code == 200


def test_the_hourly_limit_is_told_by_its_end() -> None:
    with host() as (github, ask):
        github.fail(primary(3600))
        refused = ask("GET", f"{HERE}/pulls")
        assert (refused.status_code, refused.headers["x-ratelimit-remaining"]) == (403, "0")
        assert "retry-after" not in refused.headers
        github.later(float(refused.headers["x-ratelimit-reset"]) - time.time())
        assert ask("GET", f"{HERE}/pulls").headers["x-ratelimit-remaining"] != "0"


@pytest.mark.parametrize("after", [False, True])
def test_a_server_error_comes_before_the_effect_or_after_it(after: bool) -> None:
    with host() as (github, ask):
        pull = github.pull(FILES)
        github.fail(broken(502, after=after), on="POST *")
        assert ask("POST", f"{HERE}/issues/1/comments", {"body": "Hello."}).status_code == 502
        assert len(pull.comments) == after
        assert ask("POST", f"{HERE}/issues/1/comments", {"body": "Hello."}).status_code == 201


def test_a_connection_is_dropped_after_the_effect() -> None:
    with host() as (github, ask):
        pull = github.pull(FILES)
        github.fail(dropped())
        with pytest.raises(httpx.TransportError):
            ask("POST", f"{HERE}/issues/1/comments", {"body": "Hello."})
        assert len(pull.comments) == 1


def test_an_answer_is_slow_and_a_limit_of_unknown_length_refuses_once() -> None:
    with host() as (github, ask):
        github.fail(secondary(None))
        github.fail(slow(0.1))
        refused = ask("GET", f"{HERE}/pulls")
        assert (refused.status_code, "retry-after" in refused.headers) == (403, False)
        began = time.monotonic()
        assert ask("GET", f"{HERE}/pulls").status_code == 200
        assert time.monotonic() - began >= 0.1


def test_what_is_read_lags_behind_what_was_written() -> None:
    with host() as (github, ask):
        pull = github.pull(FILES)
        pull.comment("There before.")
        github.fail(stale(), on="GET */comments")
        ask("POST", f"{HERE}/issues/1/comments", {"body": "Hello."})
        told = [[one["body"] for one in ask("GET", f"{HERE}/issues/1/comments").json()] for _ in range(2)]
        assert told == [["There before."], ["There before.", "Hello."]]
        assert [one.body for one in pull.comments] == told[1]


def test_logs_and_archives_are_kept_on_another_host() -> None:
    with host(WRITER, files={"a.py": "1\n"}) as (github, ask):
        run = github.repository.run([Job("test", log="boom\n")])
        sent_on = ask("GET", f"{HERE}/actions/jobs/{run.jobs[0].id}/logs")
        assert sent_on.status_code == 302
        assert httpx.get(sent_on.headers["location"], trust_env=False).text == "boom\n"
        packed = ask("GET", f"{HERE}/tarball/main")
        assert httpx.get(packed.headers["location"], trust_env=False).content[:2] == b"\x1f\x8b"
        assert len(github.fetched_elsewhere) == 2


# -- GraphQL ----------------------------------------------------------------------------------------------------------

THREADS = """
query($after: String) {
  viewer { login }
  repository(owner: "octocat", name: "hello") {
    pullRequest(number: 1) {
      headRefOid
      comments(first: 1, after: $after) {
        totalCount pageInfo { hasNextPage endCursor }
        nodes { fullDatabaseId url body viewerDidAuthor author { __typename login } }
      }
      reviewThreads(last: 50) {
        nodes {
          id isResolved isOutdated viewerCanResolve path line subjectType
          comments(first: 50) { totalCount nodes { body viewerDidAuthor author { login } } }
        }
      }
    }
  }
}
"""
RESOLVE = "mutation($id: ID!) { resolveReviewThread(input: {threadId: $id}) { thread { isResolved } } }"


def test_graphql_tells_the_same_state() -> None:
    with host() as (github, ask):
        pull = github.pull(FILES)
        ask("POST", f"{HERE}/issues/1/comments", {"body": "Mine."})
        pull.comment("Not mine.")
        ask("POST", f"{HERE}/pulls/1/reviews", review(at(2)))
        told = ask.ask(THREADS)["data"]
        assert told["viewer"] == {"login": "github-actions[bot]"}
        found = told["repository"]["pullRequest"]
        [first] = found["comments"]["nodes"]
        assert (first["fullDatabaseId"], first["body"]) == (str(pull.comments[0].id), "Mine.")
        assert (first["viewerDidAuthor"], first["author"]["login"]) == (True, "github-actions")
        further = ask.ask(THREADS, after=found["comments"]["pageInfo"]["endCursor"])
        page = further["data"]["repository"]["pullRequest"]["comments"]
        assert [one["viewerDidAuthor"] for one in page["nodes"]] == [False]
        assert (page["totalCount"], page["pageInfo"]["hasNextPage"]) == (2, False)
        [thread] = found["reviewThreads"]["nodes"]
        assert (thread["path"], thread["line"], thread["isOutdated"]) == ("a.py", 2, False)


@pytest.mark.parametrize("contents", ["read", "write"])
def test_a_thread_is_resolved_by_who_may_write_contents_too(contents: str) -> None:
    with host({"contents": contents, "pull_requests": "write"}) as (github, ask):
        thread = github.pull(FILES).say_at("a.py", 2, "Two?")
        told = ask.ask(RESOLVE, id=f"PRRT_{thread.id}")
        assert thread.resolved == (contents == "write")
        assert [one["type"] for one in told.get("errors", [])] == ([] if thread.resolved else ["FORBIDDEN"])
        assert github.writes == ["MUTATION /graphql"]


# -- what does not fit ------------------------------------------------------------------------------------------------


def violated(talk: Callable[[GitHub, Client], object], permissions: dict[str, str] = WRITER) -> str:
    """What is said of it when the host is left."""
    with pytest.raises(Violated) as caught, host(permissions) as (github, ask):
        talk(github, ask)
    return str(caught.value)


@pytest.mark.parametrize(
    ("method", "path", "body", "told"),
    [
        ("GET", "/no/such/thing", None, "GET /no/such/thing is no operation"),
        ("GET", f"{HERE}/pulls?sate=open", None, "sate is no parameter of the query"),
        ("GET", f"{HERE}/pulls?state=opened", None, "state in the query: $: 'opened' is not one of"),
        ("GET", f"{HERE}/pulls/one", None, "pull_number in the path: $: 'one' is not of type 'integer'"),
        ("POST", f"{HERE}/issues/1/comments", None, "its body is missing"),
        ("POST", f"{HERE}/issues/1/comments", {"text": "?"}, "(issues/create-comment): its body, $"),
        ("POST", f"{HERE}/pulls/1/reviews", review(at(2, subject_type="file")), "'subject_type' was unexpected"),
        ("POST", f"{HERE}/pulls/1/reviews", review(at(2), event="SHOUT"), "'SHOUT' is not one of"),
        ("GET", "/emojis", None, "the stand-in does not know emojis/get"),
    ],
)
def test_a_request_that_the_description_does_not_allow_fails_the_test(
    method: str, path: str, body: Any, told: str
) -> None:
    def talk(github: GitHub, ask: Client) -> None:
        pull = github.pull(FILES)
        assert ask(method, path, body).status_code in (404, 422)
        assert (pull.comments, pull.reviews) == ([], [])

    assert told in violated(talk)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        (
            "accept",
            "application/vnd.github.diff",
            "the stand-in does not know how to answer as application/vnd.github.diff",
        ),
        ("x-github-api-version", "2022-11-29", "2022-11-29 is no version of the API"),
    ],
)
def test_a_header_that_would_be_taken_no_notice_of_fails_the_test(name: str, value: str, told: str) -> None:
    def talk(github: GitHub, ask: Client) -> None:
        github.pull(FILES)
        ask.http.headers[name] = value
        assert ask("GET", f"{HERE}/pulls/1").status_code == 422

    assert told in violated(talk)


def test_a_file_is_read_raw_and_a_fork_may_be_gone() -> None:
    with host(files={"a.py": "one\n"}) as (github, ask):
        github.pull().head_repository = None
        assert ask("GET", f"{HERE}/pulls/1").json()["head"]["repo"] is None
        ask.http.headers["accept"] = "application/vnd.github.raw+json"
        assert ask("GET", f"{HERE}/contents/a.py").text == "one\n"
        assert ask("GET", f"{HERE}/contents/b.py").status_code == 404


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("{ viewer { longin } }", "Cannot query field 'longin' on type 'User'"),
        ("{ viewer { email } }", "the stand-in does not know User.email"),
        ("{ viewer", "Syntax Error"),
        ("query($a: String) { viewer { login } }", "Variable '$a' is never used"),
    ],
)
def test_a_query_that_the_schema_does_not_allow_fails_the_test(query: str, told: str) -> None:
    assert told in violated(lambda _, ask: ask.ask(query))


def test_an_answer_that_the_description_does_not_allow_fails_the_test() -> None:
    def talk(github: GitHub, ask: Client) -> None:
        github.pull(FILES).title = 7  # type: ignore[assignment]
        ask("GET", f"{HERE}/pulls/1")

    assert f"the answer 200 to GET {HERE}/pulls/1 (pulls/get): $.title: 7 is not of type 'string'" in violated(talk)


def test_an_answer_with_more_than_the_description_knows_fails_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    def talk(github: GitHub, ask: Client) -> None:
        github.pull(FILES).comment("Hello.")
        ask("GET", f"{HERE}/issues/1/comments")

    told = Shapes.comment
    monkeypatch.setattr(Shapes, "comment", lambda *given: {**told(*given), "made_up": 1})
    assert "$[0]: Additional properties are not allowed ('made_up' was unexpected)" in violated(talk)


def test_a_token_told_to_another_host_fails_the_test() -> None:
    def talk(github: GitHub, ask: Client) -> None:
        run = github.repository.run([Job("test", log="boom\n")])
        ask("GET", ask("GET", f"{HERE}/actions/jobs/{run.jobs[0].id}/logs").headers["location"])

    assert "another host is told the token" in violated(talk)


def test_what_was_violated_is_noted_on_a_failure_that_is_under_way() -> None:
    def fail() -> None:
        with host() as (_, ask):
            ask("GET", "/no/such/thing")
            raise LookupError

    with pytest.raises(LookupError) as caught:
        fail()
    assert "GET /no/such/thing is no operation" in caught.value.__notes__[0]
