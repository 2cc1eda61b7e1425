"""The facts of an event out of what the host says: its payload, and its API for what is not in that. Nothing is fetched
that no template asks for, and nothing is believed to have the shape that it should.
"""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from runner.ci.event import Told
from runner.ci.refusal import NoAnswer
from runner.facts.marker import marker_of
from runner.facts.target import OF_A_PULL

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from runner.ci.api import Api
    from runner.ci.event import Event
    from runner.facts.facts import Target

OF_THE_DIFF: Final = frozenset({"files", "diff", "left_out"})
MOST_FILES: Final = 3000
"""The host tells no more of a pull request. https://docs.github.com/en/rest/pulls/pulls#list-pull-requests-files"""

MOST_COMPARED: Final = 300
"""Nor of the files between two commits. https://docs.github.com/en/rest/commits/commits#compare-two-commits"""

PAGES_OF_OURS: Final = 20

_OURS: Final = """
query($owner: String!, $name: String!, $number: Int!, $after: String) {
  repository(owner: $owner, name: $name) {
    pullRequest(number: $number) {
      comments(first: 100, after: $after) {
        pageInfo { hasNextPage endCursor }
        nodes { viewerDidAuthor body url }
      }
    }
  }
}
"""


def github_of_host(environ: Mapping[str, str], event: Event) -> dict[str, Any]:
    """What the job says of itself and of the event. There is no token in it."""
    names = ("event_name", "repository", "sha", "ref", "actor", "run_id", "run_attempt", "server_url", "workflow")
    told: dict[str, Any] = {name: environ.get(f"GITHUB_{name.upper()}", "") for name in (*names, "job")}
    return {**told, "event": event.payload}


@dataclass(frozen=True)
class Asking:
    """One pull request at the host. `key` tells our own last comment from others; `incremental` asks for it."""

    api: Api
    event: Event
    target: Target
    key: str = ""
    incremental: bool = False

    def pull(self, parts: Collection[str]) -> dict[str, Any]:
        """What is asked for of it, as it is now, or where no more is needed as it was when the event came about.
        Raises NoAnswer."""
        wanted = set(parts)
        found = _plain(self._own(wanted))
        number, head = self.target.number, found["head"]["sha"]
        if "commits" in wanted:
            found["commits"] = [commit_of(one) for one in self.api.pages(f"pulls/{number}/commits", most=250)]
        if "comments" in wanted:
            found["comments"] = self._comments()
        if wanted & OF_THE_DIFF:
            found |= self._files(found["base"]["sha"])
        if self.incremental or "since" in wanted:
            found |= self._since(head, wanted)
        return found

    def _own(self, wanted: set[str]) -> Told:
        """The pull request itself. Its lines are those of the head that it has now, so that is the one to know then."""
        if self.event.name in OF_A_PULL and not wanted & OF_THE_DIFF:
            return self.event.part("pull_request")
        return self.api.get(f"pulls/{self.target.number}")

    def _files(self, base: str) -> dict[str, Any]:
        files = [file_of(one) for one in self.api.pages(f"pulls/{self.target.number}/files", most=MOST_FILES)]
        attributes = content(self.api, ".gitattributes", base) if files else ""
        return {"files": files, "whole": len(files) < MOST_FILES, "gitattributes": attributes}

    # -- what was said ------------------------------------------------------------------------------------------------

    def _comments(self) -> list[dict[str, Any]]:
        """What people have said, in its order: neither bots, nor we."""
        number = self.target.number
        every = [
            one
            for path in (f"issues/{number}/comments", f"pulls/{number}/comments")
            for one in self.api.pages(path)
            if one.text("user", "type") != "Bot" and marker_of(one.text("body")) is None
        ]
        return sorted(map(_comment, every), key=lambda one: str(one["created"]))

    # -- what was reviewed --------------------------------------------------------------------------------------------

    def _since(self, head: str, wanted: set[str]) -> dict[str, Any]:
        since, url = self._reviewed()
        found: dict[str, Any] = {"since": since}
        if since == head != "":
            found["reviewed"] = url
        elif since and self.incremental and wanted & OF_THE_DIFF:
            found |= self._between(since, head)
        return found

    def _reviewed(self) -> tuple[str, str]:
        """The head that our own comment names, and where that stands. Of several it is the oldest that is kept up to
        date."""
        for one in self._ours():
            marker = marker_of(one.text("body"))
            if marker is not None and marker.key == self.key and marker.head:
                return marker.head, one.text("url")
        return "", ""

    def _ours(self) -> Iterator[Told]:
        """Comments by whoever the token is. Others know the key as well, and could say what they like."""
        owner, _, name = self.target.repository.partition("/")
        after: str | None = None
        for _ in range(PAGES_OF_OURS):
            told = self.api.ask(_OURS, owner=owner, name=name, number=self.target.number, after=after)
            comments = told.part("repository", "pullRequest", "comments")
            yield from (one for one in comments.each("nodes") if one.at("viewerDidAuthor") is True)
            after = comments.text("pageInfo", "endCursor")
            if comments.at("pageInfo", "hasNextPage") is not True or not after:
                return

    def _between(self, since: str, head: str) -> dict[str, Any]:
        """What has come to the head since a commit; nothing where it is not behind that, as after a force-push, or
        where the host does not tell all of it: then all is looked at."""
        try:
            told = self.api.get(f"compare/{since}...{head}")
        except NoAnswer as problem:
            if problem.status in (404, 422):
                return {}
            raise
        files = told.at("files")
        if told.text("status") != "ahead" or not isinstance(files, list) or len(files) >= MOST_COMPARED:
            return {}
        return {"since_files": [*map(file_of, told.each("files"))]}


def content(api: Api, path: str, commit: str) -> str:
    """A file at a commit; empty where there is none. Raises NoAnswer."""
    try:
        told = api.get(f"contents/{quote(path)}", ref=commit)
    except NoAnswer as problem:
        if problem.status == 404:
            return ""
        raise
    try:
        return b64decode(told.text("content")).decode(errors="replace")
    except ValueError:  # of what is no base64, or no ASCII
        return ""


# -- the host's shapes as ours ----------------------------------------------------------------------------------------


def _plain(told: Told) -> dict[str, Any]:
    head, base = told.id("head", "repo"), told.id("base", "repo")
    return {
        "number": _count(told, "number"),
        "title": told.text("title"),
        "body": told.text("body"),
        "url": told.text("html_url"),
        "author": told.text("user", "login"),
        "draft": told.at("draft") is True,
        "labels": [name for one in told.each("labels") if (name := one.text("name"))],
        "base": {"ref": told.text("base", "ref"), "sha": told.commit("base", "sha")},
        "head": {
            "ref": told.text("head", "ref"),
            "sha": told.commit("head", "sha"),
            "fork": head is None or head != base,
        },
    }


def commit_of(told: Told) -> dict[str, str]:
    author = told.text("author", "login") or told.text("commit", "author", "name")
    return {"sha": told.commit("sha"), "message": told.text("commit", "message"), "author": author}


def _comment(told: Told) -> dict[str, Any]:
    line = told.at("line")
    return {
        "author": told.text("user", "login"),
        "body": told.text("body"),
        "path": told.text("path") or None,
        "line": line if type(line) is int else None,
        "created": told.text("created_at"),
    }


def file_of(told: Told) -> dict[str, Any]:
    found: dict[str, Any] = {
        "filename": told.text("filename"),
        "previous_filename": told.text("previous_filename"),
        "status": told.text("status"),
        "additions": _count(told, "additions"),
        "deletions": _count(told, "deletions"),
        "sha": told.text("sha"),
    }
    return found if told.at("patch") is None else {**found, "patch": told.text("patch")}


def _count(told: Told, name: str) -> int:
    found = told.at(name)
    return found if type(found) is int and found >= 0 else 0
