"""What is told of an event by a host that checks every question and every answer against what GitHub publishes."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from runner.ci.api import api_of
from runner.ci.event import Event
from runner.ci.refusal import NoAnswer
from runner.facts.ci import ci_of_host, plain, shortened
from runner.facts.facts import facts_of
from runner.facts.file import FactsFile, as_text
from runner.facts.from_host import Asking, github_of_host
from runner.facts.marker import Marker, key_of
from runner.facts.target import target_of
from runner.plan.facts import PARTS
from runner.tokens import tokens
from tests.servers.github import TOKEN, GitHub, Job

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.github import Pull

KEY = key_of("mine")
HERE = "GET /repos/octocat/hello"
FILES = {"src/a.py": ("one\ntwo\n", "one\n2\n"), "docs/b.md": (None, "new\n")}
READS = {"contents": "read", "pull_requests": "read", "actions": "read"}


@contextmanager
def host(**more: Any) -> Iterator[GitHub]:
    with GitHub(READS, **more) as github:
        yield github


def event_of(github: GitHub, name: str, payload: dict[str, Any]) -> Event:
    return Event(payload, name=name, repository=github.repository.full_name, sha=github.repository.branches["main"])


def told(github: GitHub, pull: Pull, *parts: str, incremental: bool = False, event: Event | None = None) -> Any:
    """What is told of a pull request; all of it where no parts are named. Held against the shape of a file."""
    event = event or event_of(github, "pull_request", github.events.pull_request(pull))
    api = api_of(github.environ, github.repository.full_name, TOKEN)
    target = target_of(event, api)
    assert target is not None
    found = Asking(api, event, target, KEY, incremental).pull(parts or PARTS["pr"])
    FactsFile.model_validate(json.loads(as_text({"pr": found})))
    return found


# -- what is told -----------------------------------------------------------------------------------------------------


def test_a_pull_request_is_told_as_it_is() -> None:
    with host() as github:
        pull = github.pull(FILES, title="Fix it", body="It was wrong.", author="mona", draft=True)
        found = told(github, pull)
        assert {name: found[name] for name in ("number", "title", "body", "author", "draft", "labels", "since")} == {
            "number": 1,
            "title": "Fix it",
            "body": "It was wrong.",
            "author": "mona",
            "draft": True,
            "labels": [],
            "since": "",
        }
        assert found["base"] == {"ref": "main", "sha": pull.base}
        assert found["head"] == {"ref": "change", "sha": pull.head, "fork": False}
        assert found["url"].endswith("/octocat/hello/pull/1")
        assert found["commits"] == [{"sha": pull.head, "message": "Fix it", "author": "mona"}]


def test_one_from_a_fork_is_told_to_be_that() -> None:
    with host() as github:
        pull = github.pull(FILES, fork=github.also("stranger/hello", fork=True))
        assert told(github, pull, "head")["head"]["fork"] is True


def test_its_change_is_read_as_git_has_it() -> None:
    with host() as github:
        found = facts_of({"pr": told(github, github.pull(FILES), "diff")}).pull
        assert found is not None
        assert found.change is not None
        assert found.change.whole
        assert [(one.path, one.status, one.added, one.removed) for one in found.change.files] == [
            ("docs/b.md", "added", 1, 0),
            ("src/a.py", "modified", 1, 1),
        ]


def test_all_pages_of_files_are_read() -> None:
    with host() as github:
        pull = github.pull({f"file{number:03}": (None, f"{number}\n") for number in range(205)})
        assert len(told(github, pull, "files")["files"]) == 205


def test_attributes_are_those_of_the_base_and_not_of_the_head() -> None:
    with host(files={".gitattributes": "*.gen linguist-generated\n"}) as github:
        pull = github.pull({".gitattributes": ("*.gen linguist-generated\n", "*.py linguist-generated\n")})
        assert told(github, pull, "diff")["gitattributes"] == "*.gen linguist-generated\n"


def test_what_bots_say_and_what_we_said_is_left_out() -> None:
    with host() as github:
        pull = github.pull(FILES)
        pull.comment("I am a bot.", by="dependabot[bot]")
        pull.comment(f"{Marker(KEY, pull.head)}\nOurs, by a token of somebody's.", by="hubot")
        pull.comment("Have a look.", by="hubot")
        pull.say_at("src/a.py", 2, "Why?", by="mona")
        assert [(one["author"], one["body"], one["path"], one["line"]) for one in told(github, pull)["comments"]] == [
            ("hubot", "Have a look.", None, None),
            ("mona", "Why?", "src/a.py", 2),
        ]


def test_all_comments_are_told_for_the_newest_count_most() -> None:
    with host() as github:
        pull = github.pull(FILES)
        for number in range(330):
            pull.comment(f"{number}", by="hubot")
        assert [one["body"] for one in told(github, pull, "comments")["comments"]] == [f"{n}" for n in range(330)]


def test_a_comment_on_a_pull_request_tells_of_its_head_now() -> None:
    with host() as github:
        pull = github.pull(FILES)
        event = event_of(github, "issue_comment", github.events.issue_comment(pull, pull.comment("/review")))
        head = pull.push({"src/a.py": "one\n3\n"})
        assert told(github, pull, "head", event=event)["head"]["sha"] == head


def test_where_lines_are_asked_for_the_head_is_that_which_has_them() -> None:
    with host() as github:
        pull = github.pull(FILES)
        event = event_of(github, "pull_request", github.events.pull_request(pull))
        head = pull.push({"src/a.py": "one\n3\n"})
        assert told(github, pull, "diff", event=event)["head"]["sha"] == head


# -- what is asked ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "asked"),
    [
        ("title", []),
        ("body", []),
        ("head", []),
        ("commits", [f"{HERE}/pulls/1/commits"]),
        ("comments", [f"{HERE}/issues/1/comments", f"{HERE}/pulls/1/comments"]),
        ("diff", [f"{HERE}/pulls/1", f"{HERE}/pulls/1/files", f"{HERE}/contents/.gitattributes"]),
        ("left_out", [f"{HERE}/pulls/1", f"{HERE}/pulls/1/files", f"{HERE}/contents/.gitattributes"]),
        ("since", ["QUERY /graphql"]),
    ],
)
def test_only_what_is_asked_for_is_fetched(part: str, asked: list[str]) -> None:
    with host() as github:
        told(github, github.pull(FILES), part)
        assert github.asked == asked


def test_a_permission_that_is_missing_is_named() -> None:
    with GitHub({}, private=True) as github:
        pull = github.pull(FILES)
        with pytest.raises(NoAnswer, match=r"the token may not read this: give the job `permissions: \{pull-requests"):
            told(github, pull, "diff")


def test_a_server_of_ones_own_is_asked_where_it_is() -> None:
    with host(enterprise=True) as github:
        assert told(github, github.pull(FILES), "diff", "since")["files"]
        assert {request.path.split("/")[1] for request in github.requests} == {"api"}


# -- what was reviewed ------------------------------------------------------------------------------------------------


def reviewed(pull: Pull, head: str, by: str = "github-actions[bot]", key: str = KEY) -> None:
    """A review of ours, or such that says so, stands there."""
    pull.comment(f"{Marker(key, head)}\nFine.", by=by)


def test_an_unchanged_head_is_known_by_our_own_comment() -> None:
    with host() as github:
        pull = github.pull(FILES)
        reviewed(pull, pull.head)
        found = told(github, pull, incremental=True)
        assert found["since"] == pull.head
        assert found["reviewed"].endswith(f"#issuecomment-{pull.comments[0].id}")


@pytest.mark.parametrize("said", ["by another", "with another key", "below other words"])
def test_what_only_looks_like_our_comment_says_nothing(said: str) -> None:
    with host() as github:
        pull = github.pull(FILES)
        if said == "below other words":
            pull.comment(f"I quote: \n{Marker(KEY, pull.head)}\n", by="github-actions[bot]")
        else:
            by = "hubot" if said == "by another" else "github-actions[bot]"
            reviewed(pull, pull.head, by=by, key=KEY if said == "by another" else key_of("other"))
        found = told(github, pull, incremental=True)
        assert found["since"] == ""
        assert "reviewed" not in found


def test_our_comment_is_found_behind_many_others() -> None:
    with host() as github:
        pull = github.pull(FILES)
        for number in range(101):
            pull.comment(f"{number}", by="hubot")
        reviewed(pull, pull.head)
        assert told(github, pull, "since")["since"] == pull.head


def test_of_two_comments_of_ours_the_older_tells_what_was_reviewed() -> None:
    """That is the one which is kept up to date."""
    with GitHub(READS) as github:
        pull = github.pull(FILES)
        first = pull.head
        reviewed(pull, pull.push({"new.py": "x\n"}))
        reviewed(pull, first)
        assert told(github, pull, "since")["since"] == pull.head


def test_what_came_since_the_last_review_is_told() -> None:
    with host() as github:
        pull = github.pull(FILES)
        first = pull.head
        reviewed(pull, first)
        pull.push({"new.py": "x\n"})
        found = told(github, pull, incremental=True)
        assert found["since"] == first
        assert [one["filename"] for one in found["since_files"]] == ["new.py"]
        assert len(found["files"]) == 3


def test_behind_a_force_push_everything_is_looked_at() -> None:
    with host() as github:
        pull = github.pull(FILES)
        reviewed(pull, pull.head)
        pull.push({"src/a.py": "one\n3\n"}, force=True)
        assert "since_files" not in told(github, pull, incremental=True)


def test_a_commit_that_is_there_no_more_is_no_hindrance() -> None:
    with host() as github:
        pull = github.pull(FILES)
        reviewed(pull, "f" * 40)
        found = told(github, pull, incremental=True)
        assert found["since"] == "f" * 40
        assert "since_files" not in found


# -- github -----------------------------------------------------------------------------------------------------------


def test_what_a_job_says_of_itself_has_no_token() -> None:
    environ = {f"GITHUB_{name.upper()}": f"the {name}" for name in (*PARTS["github"], "token")}
    found = github_of_host({**environ, "ACTIONS_RUNTIME_TOKEN": TOKEN}, Event({"action": "opened"}))
    assert found == {**{name: f"the {name}" for name in PARTS["github"]}, "event": {"action": "opened"}}


# -- ci ---------------------------------------------------------------------------------------------------------------

LOG = (
    "\ufeff2026-01-02T12:00:00.1234567Z \x1b[36;1mmake test\x1b[0m\r\n"
    "2026-01-02T12:00:01.0000000Z  10%\r 50%\r100% done\n"
    "2026-01-02T12:00:02.0000000Z ##[error]boom\u202e\n"
)
PLAIN = "make test\n100% done\n##[error]boom\n"


def ci(github: GitHub, event: Event, *parts: str, **environ: str) -> Any:
    api = api_of(github.environ, github.repository.full_name, TOKEN)
    found = ci_of_host(api, event, {**github.environ, **environ}, parts or PARTS["ci"])
    FactsFile.model_validate({"ci": found})
    return found


def test_what_failed_in_the_run_before_is_told_with_the_end_of_its_log() -> None:
    with host() as github:
        jobs = [Job("lint", "success"), Job("test", log=LOG, steps={"checkout": "success", "make test": "failure"})]
        run = github.repository.run(jobs, name="Tests")
        found = ci(github, event_of(github, "workflow_run", github.events.workflow_run(run)))
        assert (found["workflow"], found["head"]) == ("Tests", run.head)
        assert found["run_url"].endswith(f"/actions/runs/{run.id}")
        [job] = found["failed"]
        assert (job["name"], job["conclusion"], job["step"], job["log"]) == ("test", "failure", "make test", PLAIN)


def test_other_events_are_about_this_very_run() -> None:
    with host() as github:
        run = github.repository.run([Job("test", log=LOG)])
        found = ci(github, event_of(github, "push", {}), GITHUB_RUN_ID=str(run.id), GITHUB_WORKFLOW="Tests")
        assert (found["workflow"], [job["log"] for job in found["failed"]]) == ("Tests", [PLAIN])


def test_no_log_is_fetched_that_nobody_asks_for() -> None:
    with host() as github:
        run = github.repository.run([Job("test", log=LOG)])
        event = event_of(github, "workflow_run", github.events.workflow_run(run))
        assert ci(github, event, "workflow") == {
            "workflow": run.name, "run_url": event.text("workflow_run", "html_url"), "head": run.head
        }  # fmt: skip
        assert github.asked == []


def test_all_logs_together_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runner.facts.ci.LOG_TOKENS", 1_000)
    with host() as github:
        run = github.repository.run([Job(f"job {number}", log="a line of a log\n" * 9_000) for number in range(12)])
        found = ci(github, event_of(github, "push", {}), GITHUB_RUN_ID=str(run.id))
        logs = [job["log"] for job in found["failed"]]
        assert len(logs) == 12
        assert sum(map(tokens, logs)) <= 1_000
        assert logs[0].startswith("[the first ")
        assert logs[0].endswith("a line of a log\n")
        assert logs[10:] == ["", ""]


@pytest.mark.parametrize(
    ("log", "shown"),
    [
        ("2026-01-02T12:00:00Z a\n", "a\n"),
        ("at 2026-01-02T12:00:00Z it is said\n", "at 2026-01-02T12:00:00Z it is said\n"),
        ("\x1b]8;;https://x\x07link\x1b]8;;\x07", "link"),
        ("\x1b", ""),
        ("\x1b[", ""),
        ("\x1b]0;a title without an end\nboom\n\x1b\nboom\n", "\nboom\n\nboom\n"),
    ],
)
def test_a_log_is_what_a_terminal_shows(log: str, shown: str) -> None:
    assert plain(log) == shown


def test_one_long_line_is_cut_as_well() -> None:
    found = shortened("x" * 100_000, 100)
    assert tokens(found) <= 100
    assert found.endswith("xxx")
