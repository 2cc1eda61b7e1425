"""Whom an event is from: the payloads of every trigger give the trust that docs/trust.md tells."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.ci.api import Api, api_of
from runner.ci.event import MAX_PAYLOAD, Account, Event, event_of
from runner.ci.rules import BY_EVENT, RULES, WRITERS_ONLY, Asking, doubt_of
from tests.ci import events
from tests.ci.events import BOT, DEPENDABOT, FORK, HERE, OWNER, READER, STRANGER, TOKEN, WRITER, GitHub, user
from tests.servers import Answer, WebServer

DOCS = Path(__file__).parents[2] / "docs/trust.md"


@pytest.fixture(scope="module")
def github() -> Any:
    with GitHub() as server:
        yield server


def api(url: str, token: str = TOKEN) -> Api:
    return Api(url, "octocat/hello", token, {})


def doubt(server: Any, name: str, payload: dict[str, Any], *bots: int, actor: int | None = None) -> str:
    """Why an event is not trusted, with the host's API at hand."""
    return doubt_of(Event(name=name, payload=payload, actor=actor), Asking(api(server.url).may_write, bots))


# -- events that need nobody to be asked ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WRITERS_ONLY)
def test_what_only_writers_can_cause_is_trusted(github: GitHub, name: str) -> None:
    assert doubt(github, name, events.push()) == ""


@pytest.mark.parametrize("name", BY_EVENT)
@pytest.mark.parametrize("known_as", ["sender", "actor"])
def test_nothing_that_dependabot_causes_is_trusted(github: GitHub, name: str, known_as: str) -> None:
    payload = events.push(DEPENDABOT if known_as == "sender" else WRITER)
    told = doubt(github, name, payload, DEPENDABOT, actor=DEPENDABOT if known_as == "actor" else None)
    assert told.startswith("Dependabot caused the event")


@pytest.mark.parametrize("name", ["pull_request", "pull_request_target"])
def test_a_pull_request_is_trusted_from_this_repository_and_not_from_a_fork(github: GitHub, name: str) -> None:
    assert doubt(github, name, events.pull_request(HERE)) == ""
    assert doubt(github, name, events.pull_request(FORK, OWNER)) == "the pull request is from a fork"
    assert doubt(github, name, events.pull_request(None)) == "the pull request is from a fork that is there no more"


@pytest.mark.parametrize(
    ("payload", "trusted"),
    [
        (events.workflow_run(), True),
        (events.workflow_run(event="push"), True),
        (events.workflow_run(FORK), False),
        (events.workflow_run(None), False),
        (events.workflow_run(actor=DEPENDABOT), False),
        (events.workflow_run(event="issue_comment"), False),
        (events.workflow_run(event="pull_request_target"), False),
        (events.workflow_run(event="workflow_run"), False),
    ],
    ids=["branch", "push", "fork", "deleted fork", "Dependabot", "comment", "target", "run"],
)
def test_a_run_after_another_is_trusted_as_that_one_was(github: GitHub, payload: Any, trusted: bool) -> None:
    assert (doubt(github, "workflow_run", payload) == "") == trusted


@pytest.mark.parametrize("name", ["", "watch", "fork", "pull_request_comment", "PUSH", "push\n"])
def test_an_event_that_nobody_knows_is_not_trusted(github: GitHub, name: str) -> None:
    assert doubt(github, name, events.push(OWNER))


# -- events that anybody can cause ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("by", "trusted"), [(OWNER, True), (WRITER, True), (READER, False), (STRANGER, False), (BOT, False)]
)
def test_what_anybody_can_say_is_trusted_from_who_may_write(github: GitHub, by: int, trusted: bool) -> None:
    said = {
        "issue_comment": events.comment(user(by)),
        "issues": events.issue(by),
        "discussion": events.discussion(by),
        "discussion_comment": events.comment(user(by)),
        "pull_request_review": events.review(by=by),
        "pull_request_review_comment": events.comment(user(by)) | events.pull_request(),
    }
    said["pull_request_review_comment"]["sender"] = user(by)
    told = {name: doubt(github, name, payload) for name, payload in said.items()}
    assert {name: one == "" for name, one in told.items()} == dict.fromkeys(said, trusted)


def test_a_member_without_write_is_told_apart_from_one_who_has_it(github: GitHub) -> None:
    """The payload calls everybody here a MEMBER."""
    assert events.comment(user(READER))["comment"]["author_association"] == "MEMBER"
    assert doubt(github, "issue_comment", events.comment(user(READER))) == "hubot may not write to the repository"


def test_a_writers_review_of_a_fork_is_not_trusted(github: GitHub) -> None:
    assert doubt(github, "pull_request_review", events.review(FORK, OWNER)) == "the pull request is from a fork"


@pytest.mark.parametrize(("author", "by"), [(STRANGER, OWNER), (OWNER, STRANGER)])
def test_who_edited_or_labelled_and_who_wrote_must_both_be_writers(github: GitHub, author: int, by: int) -> None:
    told = "stranger may not write to the repository"
    assert doubt(github, "issue_comment", events.comment(user(author), user(by))) == told
    assert doubt(github, "issues", events.issue(author, by)) == told


@pytest.mark.parametrize(
    "pretender",
    [
        user(666, "octocat[bot]"),
        user(666, "mona-bot"),
        user(BOT, "octocat"),
        user(666, "octocat"),
        {**user(OWNER), "id": str(OWNER)},
        {**user(OWNER), "id": True},
        {**user(OWNER), "login": "octocat/../mona"},
        {**user(OWNER), "login": ["octocat"]},
        None,
    ],
    ids=["a bot", "a user", "a bot's number", "an old name", "text", "true", "a path", "a list", "nobody"],
)
def test_nobody_is_trusted_for_a_name(github: GitHub, pretender: Any) -> None:
    assert doubt(github, "issue_comment", events.comment(pretender, user(OWNER)))
    assert doubt(github, "issue_comment", events.comment(user(OWNER)) | {"sender": pretender})


def test_a_bot_is_trusted_by_its_number_whatever_it_is_called(github: GitHub) -> None:
    assert doubt(github, "issue_comment", events.comment(user(BOT)), BOT) == ""
    assert doubt(github, "issue_comment", events.comment(user(BOT, "renamed[bot]")), BOT) == ""
    assert doubt(github, "issue_comment", events.comment(user(666, "github-actions[bot]")), BOT)


# -- the host's answer ------------------------------------------------------------------------------------------------


def asked(reply: Any, token: str = TOKEN) -> tuple[str, int]:
    """What is made of the API's answer about a writer, and how many requests that took."""
    with WebServer(reply) as server:
        told = doubt_of(Event(name="issues", payload=events.issue(OWNER)), Asking(api(server.url, token).may_write))
        return told, len(server.requests)


GOOD = Answer(json.dumps({"permission": "admin", "user": {"id": OWNER, "login": "octocat"}}))
TWO = [Answer(status=502), GOOD]


def test_a_host_that_fails_is_asked_once_more() -> None:
    assert asked(TWO) == ("", 2)
    told, requests = asked(Answer(status=502))
    assert (told.endswith("the host answers with status 502"), requests) == (True, 2)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Answer(status=403), "the token may not read this (status 403)"),
        (Answer("<html>"), "the host's answer is not JSON"),
        (Answer("[" * 100_000), "the host's answer is not JSON"),
        (Answer("[]"), "the host's answer is not a JSON object"),
        (Answer(" " * 33 * 1024 * 1024), "the host's answer is larger than 32 MiB"),
        (Answer('{"permission": "admin"}'), "is not the one that caused the event"),
        (Answer('{"permission": "admin", "user": {"id": 1.0}}'), "is not the one that caused the event"),
        (Answer('{"permission": ["admin"], "user": {"id": 1}}'), "may not write to the repository"),
    ],
)
def test_an_answer_that_is_none_is_nobodys_permission(answer: Answer, why: str) -> None:
    told, requests = asked(answer)
    assert told.endswith(why)
    assert requests == 1


def test_without_a_token_nobody_is_asked() -> None:
    told = "nobody can tell whether octocat may write: there is no github-token to ask the host with"
    assert asked(GOOD, token="") == (told, 0)


def test_a_host_that_is_not_there_is_no_permission() -> None:
    told = doubt_of(Event(name="issues", payload=events.issue(OWNER)), Asking(api("http://127.0.0.1:9").may_write))
    assert told.startswith("nobody can tell whether octocat may write: the host cannot be asked")


def test_the_token_stays_with_the_host_when_it_sends_us_on() -> None:
    with WebServer(GOOD) as elsewhere:
        told, _ = asked(Answer("", status=302, headers={"location": f"{elsewhere.url}/answer"}))
    [request] = elsewhere.requests
    assert told == ""
    assert "authorization" not in request.headers


def test_a_proxy_is_asked_where_there_is_one_and_the_host_is_no_exception() -> None:
    with WebServer(GOOD) as proxy:
        account = Account(OWNER, "octocat")
        around = {"http_proxy": proxy.url, "GITHUB_API_URL": "http://api.github.example"}
        assert api_of(around, "octocat/hello", TOKEN).may_write(account) == ""
        assert proxy.requests[0].target.startswith("http://api.github.example/repos/octocat/hello/")
        direct = around | {"GITHUB_API_URL": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1"}
        assert "cannot be asked" in api_of(direct, "octocat/hello", TOKEN).may_write(account)
        assert len(proxy.requests) == 1


def test_a_file_of_ours_is_no_answer(tmp_path: Path) -> None:
    (tmp_path / "answer").write_text(GOOD.text)
    told, _ = asked(Answer("", status=302, headers={"location": f"file://{tmp_path}/answer"}))
    assert told
    assert "nobody can tell" in api(f"file://{tmp_path}").may_write(Account(OWNER, "octocat"))


# -- hostile payloads -------------------------------------------------------------------------------------------------

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([HERE, OWNER, "octocat"])
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["id", "login", "user"]), inner),
    max_leaves=8,
)
KEYS = st.sampled_from("sender comment issue review pull_request workflow_run repository discussion".split())


@settings(max_examples=200, deadline=None, derandomize=True)
@given(name=st.sampled_from(sorted(set(BY_EVENT) - {*WRITERS_ONLY})), payload=st.dictionaries(KEYS, ANYTHING))
def test_no_payload_of_anybody_breaks_a_rule_or_is_trusted_by_chance(name: str, payload: dict[str, Any]) -> None:
    assert doubt_of(Event(name=name, payload=payload), Asking(lambda account: "nobody may write"))


DECIDING = [
    ("issue_comment", "sender", events.comment(user(OWNER))),
    ("issue_comment", "comment", events.comment(user(OWNER))),
    ("pull_request", "pull_request", events.pull_request()),
    ("workflow_run", "workflow_run", events.workflow_run()),
    ("workflow_run", "repository", events.workflow_run()),
]
"""Events that are trusted, and a part of each that this hangs on."""


@settings(max_examples=200, deadline=None, derandomize=True)
@given(one=st.sampled_from(DECIDING), instead=ANYTHING)
def test_a_part_that_is_something_else_takes_the_trust_away(one: tuple[str, str, dict[str, Any]], instead: Any) -> None:
    name, part, payload = one
    asking = Asking(lambda account: "")
    assert doubt_of(Event(name=name, payload=payload), asking) == ""
    assert doubt_of(Event(name=name, payload={**payload, part: instead}), asking)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[" * 1_000_000, b'{"a":' * 1_000_000, b"[]", b"null", b"\xff\xfe", b'{"a": ' + b"9" * 9999 + b"}"],
    ids=["empty", "cut", "deep lists", "deep maps", "a list", "null", "bytes", "a long number"],
)
def test_a_payload_that_cannot_be_read_is_told_and_not_trusted(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "event.json"
    path.write_bytes(content)
    event = event_of({"GITHUB_EVENT_NAME": "push", "GITHUB_EVENT_PATH": str(path)})
    assert doubt_of(event, Asking(lambda account: "")).startswith("the payload of the event tells nothing: it is not ")


@pytest.mark.parametrize("path", ["", "/nowhere/event.json", "/", "/dev/zero", "a\0b"])
def test_a_payload_that_is_not_there_is_not_trusted(path: str) -> None:
    event = event_of({"GITHUB_EVENT_NAME": "push", "GITHUB_EVENT_PATH": path})
    assert event.trouble
    assert doubt_of(event, Asking(lambda account: ""))


def test_a_payload_may_be_large_and_not_endless(tmp_path: Path) -> None:
    path = tmp_path / "event.json"
    with path.open("wb") as file:
        file.truncate(MAX_PAYLOAD + 1)
    assert event_of({"GITHUB_EVENT_PATH": str(path)}).trouble == "it is larger than 32 MiB"


def test_what_the_host_says_in_the_environment_is_looked_at_as_well() -> None:
    bad = {"GITHUB_REPOSITORY": "a/../b", "GITHUB_SHA": "../../x", "GITHUB_ACTOR_ID": "9" * 5000}
    event = event_of(bad)
    assert (event.repository, event.sha, event.actor) == ("", "", None)


# -- the documentation ------------------------------------------------------------------------------------------------


def test_the_table_in_the_docs_is_the_rules() -> None:
    [table] = re.findall(r"\| event \| trusted when \|\n\|---\|---\|\n((?:\|.*\n)+)", DOCS.read_text())
    rows = [f"| {', '.join(f'`{name}`' for name in rule.events)} | {rule.told} |" for rule in RULES]
    assert table.splitlines() == rows
