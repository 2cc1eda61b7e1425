"""Payloads of events as the host writes them, cut to what is looked at and some of what is not; and the host's API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.servers.github import TOKEN as TOKEN
from tests.servers.github import GitHub as Host

if TYPE_CHECKING:
    from collections.abc import Mapping

OWNER, WRITER, READER, STRANGER, DEPENDABOT, BOT = 1, 2, 3, 4, 49699333, 41898282
LOGINS = {
    OWNER: "octocat",
    WRITER: "mona",
    READER: "hubot",
    STRANGER: "stranger",
    DEPENDABOT: "dependabot[bot]",
    BOT: "github-actions[bot]",
}
HERE, FORK = 100, 200
BASE, HEAD, MERGE = "b" * 40, "c" * 40, "d" * 40


def user(number: int, login: str | None = None) -> dict[str, Any]:
    login = login or LOGINS[number]
    return {"login": login, "id": number, "type": "Bot" if login.endswith("[bot]") else "User", "site_admin": False}


def repository(number: int = HERE) -> dict[str, Any]:
    name = {HERE: "octocat/hello", FORK: "stranger/hello"}[number]
    return {"id": number, "full_name": name, "fork": number != HERE, "default_branch": "main", "private": False}


def push(by: int = WRITER) -> dict[str, Any]:
    return {"ref": "refs/heads/main", "repository": repository(), "sender": user(by), "before": BASE, "after": HEAD}


def pull_request(head: int | None = HERE, by: int = WRITER, **more: Any) -> dict[str, Any]:
    """`head` is the repository that it comes from; None where that was deleted."""
    pull = {
        "number": 7,
        "user": user(by),
        "author_association": "MEMBER",
        "head": {"ref": "change", "sha": HEAD, "repo": None if head is None else repository(head)},
        "base": {"ref": "main", "sha": BASE, "repo": repository()},
        "merge_commit_sha": MERGE,
    }
    return {
        "action": "opened",
        "number": 7,
        "pull_request": pull,
        "repository": repository(),
        "sender": user(by),
        **more,
    }


def review(head: int | None = HERE, by: int = WRITER) -> dict[str, Any]:
    return {
        **pull_request(head),
        "action": "submitted",
        "review": {"user": user(by), "body": "fine"},
        "sender": user(by),
    }


def issue(author: int = STRANGER, by: int | None = None) -> dict[str, Any]:
    one = {"number": 5, "title": "It breaks", "user": user(author), "author_association": "NONE"}
    return {"action": "opened", "issue": one, "repository": repository(), "sender": user(by or author)}


def comment(author: dict[str, Any], by: dict[str, Any] | None = None, *, on_pull: bool = False) -> dict[str, Any]:
    """Somebody's comment on a stranger's issue, or pull request; `by` is who caused the event where it is another."""
    on = {**issue()["issue"], **({"pull_request": {"url": "https://api.github.com/…"}} if on_pull else {})}
    said = {"id": 9, "body": "/review", "user": author, "author_association": "MEMBER"}
    return {"action": "created", "issue": on, "comment": said, "repository": repository(), "sender": by or author}


def discussion(author: int) -> dict[str, Any]:
    return {
        "action": "created",
        "discussion": {"user": user(author)},
        "repository": repository(),
        "sender": user(author),
    }


def workflow_run(head: int | None = HERE, event: str = "pull_request", actor: int = WRITER) -> dict[str, Any]:
    run = {
        "event": event,
        "actor": user(actor),
        "triggering_actor": user(actor),
        "conclusion": "success",
        "head_repository": None if head is None else repository(head),
        "head_sha": HEAD,
    }
    return {"action": "completed", "workflow_run": run, "repository": repository(), "sender": user(WRITER)}


class GitHub(Host):
    """The host with pull request 5, which comes from the repository `head` (None: one that was deleted since), and the
    base's files; without any the base is not there."""

    def __init__(self, files: Mapping[str, str] | None = None, *, head: int | None = HERE) -> None:
        super().__init__({"contents": "read", "pull_requests": "read"}, private=True)
        self.repository.id = HERE
        fork = self.also("stranger/hello", fork=True)
        fork.id = FORK
        pull = self.repository.pull(number=5)
        pull.head_repository = {HERE: self.repository, FORK: fork, None: None}[head]
        if files is not None:
            self.repository.commit(files, (), "The base", sha=BASE)

    @property
    def environ(self) -> dict[str, str]:
        return {**super().environ, "GITHUB_SHA": BASE}
