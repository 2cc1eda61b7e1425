"""Payloads of events as the host writes them, cut to what is looked at and some of what is not; and the host's API."""

from __future__ import annotations

import io
import json
import re
import tarfile
from typing import TYPE_CHECKING, Any

from tests.servers import Answer, WebServer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.servers import Request

OWNER, WRITER, READER, STRANGER, DEPENDABOT, BOT = 1, 2, 3, 4, 49699333, 41898282
LOGINS = {
    OWNER: "octocat",
    WRITER: "mona",
    READER: "hubot",
    STRANGER: "stranger",
    DEPENDABOT: "dependabot[bot]",
    BOT: "github-actions[bot]",
}
PERMISSIONS = {"octocat": "admin", "mona": "write", "hubot": "read"}
HERE, FORK = 100, 200
BASE, HEAD, MERGE = "b" * 40, "c" * 40, "d" * 40
TOKEN = "ghs_theTokenOfTheJob0123"


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


def archive(files: Mapping[str, str | bytes | tarfile.TarInfo], top: str = "octocat-hello-bbbbbbb") -> bytes:
    """A commit's files as the host packs them; a TarInfo stands for what is no regular file."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in files.items():
            if isinstance(content, tarfile.TarInfo):
                tar.addfile(content)
                continue
            data = content if isinstance(content, bytes) else content.encode()
            member = tarfile.TarInfo(f"{top}/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return packed.getvalue()


class GitHub(WebServer):
    """The host's API for one repository: who may write, where a pull request comes from, and the base's files.

    Whoever comes without the token gets nothing.
    """

    def __init__(self, files: Mapping[str, str] | None = None, *, head: int | None = HERE) -> None:
        super().__init__(self._answer)
        self.ids = {login: number for number, login in LOGINS.items()}
        self._files, self._head = files, head

    @property
    def environ(self) -> dict[str, str]:
        return {"GITHUB_API_URL": self.url, "GITHUB_REPOSITORY": "octocat/hello", "GITHUB_SHA": BASE}

    def _answer(self, request: Request) -> Answer:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return Answer(json.dumps({"message": "Bad credentials"}), status=401)
        if found := re.fullmatch(r"/repos/octocat/hello/collaborators/([^/]+)/permission", request.path):
            login = found[1].replace("%5B", "[").replace("%5D", "]")
            if login not in self.ids:
                return Answer(json.dumps({"message": "Not Found"}), status=404)
            said = {"permission": PERMISSIONS.get(login, "read"), "user": user(self.ids[login], login)}
            return Answer(json.dumps(said))
        if request.path == "/repos/octocat/hello/pulls/5":
            return Answer(json.dumps(pull_request(self._head)["pull_request"]))
        if request.path == f"/repos/octocat/hello/tarball/{BASE}" and self._files is not None:
            return Answer(raw=archive(self._files))
        return Answer(json.dumps({"message": "Not Found"}), status=404)
