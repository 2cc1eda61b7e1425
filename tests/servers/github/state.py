"""What a host keeps of accounts, of what they said and where, and of what was checked. It stands in a `repository`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from .diff import File, Place, Tree

ACCOUNTS: Final = {
    "octocat": 1,
    "mona": 2,
    "hubot": 3,
    "stranger": 4,
    "dependabot[bot]": 49699333,
    "github-actions[bot]": 41898282,
}
PERMISSIONS: Final = {"octocat": "admin", "mona": "write", "hubot": "read"}
"""What accounts may do in a repository; all others may read."""

LONGEST: Final = 65536
"""Characters of a comment. https://github.com/orgs/community/discussions/27190"""


class Ids:
    """Numbers and times of one host, the same in each run: every one is later than the last."""

    def __init__(self) -> None:
        self._last = 1000
        self._time = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    def number(self) -> int:
        self._last += 1
        return self._last

    def time(self) -> str:
        self._time += timedelta(seconds=1)
        return self._time.strftime("%Y-%m-%dT%H:%M:%SZ")

    def sha(self, of: str = "") -> str:
        return hashlib.sha1(f"{of} {self.number()}".encode()).hexdigest()


@dataclass(frozen=True)
class Account:
    login: str
    id: int

    @property
    def bot(self) -> bool:
        return self.login.endswith("[bot]")


def account(login: str) -> Account:
    made_up = int(hashlib.sha1(login.encode()).hexdigest()[:6], 16)
    return Account(login, ACCOUNTS.get(login, made_up))


@dataclass(eq=False)
class Comment:
    """Somebody's words. `was` is what they said before each edit."""

    id: int
    author: Account
    body: str
    created: str
    updated: str = ""
    was: list[str] = field(default_factory=list)

    def edit(self, body: str, at: str) -> None:
        self.was.append(self.body)
        self.body, self.updated = body, at


@dataclass(eq=False)
class Thread:
    """A conversation at a line, at lines, or (`line` None from the beginning) at a file; `line` becomes None, too, when
    the line is not in the diff any more."""

    id: int
    path: str
    side: str = "RIGHT"
    line: int | None = None
    start_side: str | None = None
    start_line: int | None = None
    subject: str = "line"
    commit: str = ""
    hunk: str = ""
    comments: list[ReviewComment] = field(default_factory=list)
    resolved_by: Account | None = None
    outdated: bool = False

    def __post_init__(self) -> None:
        self.original_line, self.original_start_line = self.line, self.start_line
        self.original_commit = self.commit

    @property
    def resolved(self) -> bool:
        return self.resolved_by is not None

    def moved(self, file: File | None, before: File | None) -> None:
        """The pull request has a new head. A line whose words are not in the diff any more is outdated."""
        if self.outdated or (self.subject == "file" and file is not None):
            return
        old = before.hunk_of((self.side, self.line)) if before and self.line else None
        text = old.places[self.side, self.line] if old and self.line else None
        places = [(place, hunk) for hunk in (file.hunks if file else ()) for place in hunk.places]
        same = [place for place, hunk in places if place[0] == self.side and hunk.places[place] == text]
        if text is None or not same:
            self.outdated, self.line, self.start_line = True, None, None
            return
        assert self.line is not None
        now = min(same, key=lambda place: abs(place[1] - (self.line or 0)))[1]
        if self.start_line is not None:
            self.start_line += now - self.line
        self.line = now


@dataclass(eq=False)
class ReviewComment(Comment):
    """A comment in a thread."""

    thread: Thread = field(kw_only=True)
    review: Review = field(kw_only=True)
    reply_to: int | None = None


@dataclass(eq=False)
class Review:
    id: int
    author: Account
    body: str
    state: str
    commit: str
    submitted: str
    comments: list[ReviewComment] = field(default_factory=list)


@dataclass(frozen=True)
class Commit:
    """A commit; without a tree where only a difference is known."""

    sha: str
    tree: Tree | None
    parents: tuple[str, ...]
    message: str
    author: Account
    date: str


@dataclass(frozen=True)
class Spot:
    """Where a comment is wished to stand."""

    path: str
    line: int | None
    side: str = "RIGHT"
    start_line: int | None = None
    start_side: str | None = None
    subject: str = "line"

    def wrong(self, files: Iterable[File]) -> list[str]:
        """Why it cannot stand there, in the host's words; empty where it can."""
        file = next((one for one in files if one.path == self.path), None)
        if file is None:
            return ["Path could not be resolved"]
        if self.subject == "file":
            return []
        hunk = file.hunk_of(self.last)
        said = [] if hunk else ["Pull request review thread line must be part of the diff"]
        if self.start_line is not None:
            if self.line is not None and self.first >= self.last and self.first[0] == self.last[0]:
                said.append("Pull request review thread start line must precede the end line.")
            elif hunk is None or self.first not in hunk.places:
                said.append("Pull request review thread start line must be part of the same hunk as the line.")
        return said if hunk else [*said, "Pull request review thread diff hunk can't be blank"]

    @property
    def last(self) -> Place:
        return self.side, self.line or 0

    @property
    def first(self) -> Place:
        return self.start_side or self.side, self.start_line or 0

    def thread(self, number: int, commit: str, file: File) -> Thread:
        hunk = file.hunk_of(self.last)
        return Thread(
            number,
            self.path,
            self.side,
            self.line,
            (self.start_side or self.side) if self.start_line is not None else None,
            self.start_line,
            self.subject,
            commit,
            hunk.until(self.last) if hunk else "",
        )


@dataclass(eq=False)
class Check:
    """A check run."""

    id: int
    by: Account
    name: str
    head: str
    said: dict[str, Any]

    @property
    def conclusion(self) -> str | None:
        found: str | None = self.said.get("conclusion")
        return found


@dataclass(eq=False)
class Job:
    """A job of a workflow run, and its log; `steps` are names with conclusions."""

    name: str
    conclusion: str = "failure"
    log: str = ""
    steps: Mapping[str, str] = field(default_factory=dict)
    id: int = 0
