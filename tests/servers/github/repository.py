"""Repositories, and what is in them: commits, issues, pull requests and runs; and how a test makes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .diff import File, Tree, between, files_of
from .state import PERMISSIONS, Account, Check, Comment, Commit, Ids, Job, Review, ReviewComment, Spot, Thread, account


@dataclass(eq=False)
class Issue:
    repository: Repository
    id: int
    number: int
    title: str
    body: str | None
    author: Account
    created: str
    labels: list[str] = field(default_factory=list)
    state: str = "open"
    comments: list[Comment] = field(default_factory=list)

    def comment(self, body: str, by: str = "mona") -> Comment:
        """Somebody says something."""
        ids = self.repository.ids
        self.comments.append(Comment(ids.number(), account(by), body, ids.time()))
        return self.comments[-1]


@dataclass(eq=False)
class Pull(Issue):
    """A pull request. `silent` are paths of which the host shows no patch, as it does where one is very large."""

    base_ref: str = "main"
    base: str = ""
    head_ref: str = "change"
    head: str = ""
    head_repository: Repository | None = None
    draft: bool = False
    files: list[File] = field(default_factory=list)
    reviews: list[Review] = field(default_factory=list)
    threads: list[Thread] = field(default_factory=list)
    silent: set[str] = field(default_factory=set)

    def push(
        self,
        files: Mapping[str, str | bytes | None] | None = None,
        *,
        diff: str | None = None,
        since: str | None = None,
        message: str = "More",
        force: bool = False,
    ) -> str:
        """A new head: `files` as they are now (None: gone), or the whole difference as text, and what changed `since`
        the last head. With `force` the head before is no ancestor of it. Gives its hash."""
        before, old = self.head, self.files
        tree = None if files is None else changed(self.repository.tree(before), files)
        self.head = self.repository.commit(tree, (self.base if force else before,), message, self.author.login)
        self.repository.branches[self.head_ref] = self.head
        if diff is not None:
            self.repository.differences[self.base, self.head] = diff
        if since is not None:
            self.repository.differences[before, self.head] = since
        self._read_again()
        for thread in self.threads:
            thread.moved(self.file(thread.path), next((one for one in old if one.path == thread.path), None))
        return self.head

    def _read_again(self) -> None:
        self.files = files_of(self.repository.difference(self.base, self.head))

    def file(self, path: str) -> File | None:
        return next((one for one in self.files if one.path == path), None)

    def files_at(self, commit: str) -> list[File] | None:
        """What one of its commits shows of it; None where it has no such commit."""
        if commit == self.head:
            return self.files
        history = self.repository.ancestors
        if commit not in history(self.head) or commit in history(self.base):
            return None
        return files_of(self.repository.difference(self.base, commit))

    def say_at(self, path: str, line: int | None, body: str, by: str = "mona", side: str = "RIGHT") -> Thread:
        """Somebody writes a comment at a line, or (None) at a file."""
        place = Spot(path, line, side, subject="file" if line is None else "line")
        return self.review([(place, body)], by=by).comments[0].thread

    def review(
        self,
        said: Iterable[tuple[Spot, str]],
        body: str = "",
        *,
        by: str = "mona",
        state: str = "COMMENTED",
        commit: str | None = None,
    ) -> Review:
        """Somebody reviews what one of its commits shows, else its head."""
        ids, commit = self.repository.ids, commit or self.head
        review = Review(ids.number(), account(by), body, state, commit, ids.time())
        self.reviews.append(review)
        seen = {one.path: one for one in self.files_at(commit) or ()}
        for spot, words in said:
            thread = spot.thread(ids.number(), commit, seen[spot.path])
            if commit != self.head:
                thread.moved(self.file(spot.path), seen[spot.path])
            self.threads.append(thread)
            self._add(thread, review, words)
        return review

    def reply(self, thread: Thread, body: str, by: str = "mona") -> ReviewComment:
        """Somebody answers in a thread."""
        ids = self.repository.ids
        review = Review(ids.number(), account(by), "", "COMMENTED", self.head, ids.time())
        self.reviews.append(review)
        return self._add(thread, review, body)

    def _add(self, thread: Thread, review: Review, body: str) -> ReviewComment:
        ids = self.repository.ids
        first = thread.comments[0].id if thread.comments else None
        made = ReviewComment(
            ids.number(), review.author, body, ids.time(), thread=thread, review=review, reply_to=first
        )
        thread.comments.append(made)
        review.comments.append(made)
        return made


@dataclass(eq=False)
class Run:
    """A workflow run."""

    repository: Repository
    id: int
    head: str
    jobs: list[Job]
    name: str = "ci"
    event: str = "pull_request"
    conclusion: str = "failure"
    head_branch: str = "change"
    head_repository: Repository | None = None
    attempt: int = 1
    pulls: list[Pull] = field(default_factory=list)


class Repository:
    """A repository. `files` are those of its default branch; `labels` are names with colours. In a private one a token
    needs a permission to read, too."""

    def __init__(self, name: str, ids: Ids, files: Tree, *, private: bool = False, fork: bool = False) -> None:
        self.full_name, self.ids, self.private, self.fork = name, ids, private, fork
        self.id = ids.number()
        self.owner, _, self.name = name.partition("/")
        self.default_branch = "main"
        self.permissions = dict(PERMISSIONS)
        self.labels = {"bug": "d73a4a", "question": "d876e3", "enhancement": "a2eeef"}
        self.commits: dict[str, Commit] = {}
        self.branches = {"main": ""}
        self.differences: dict[tuple[str, str], str] = {}
        self.issues: dict[int, Issue] = {}
        self.checks: list[Check] = []
        self.runs: dict[int, Run] = {}
        self.branches["main"] = self.commit(files, (), "First")

    def commit(
        self, tree: Tree | None, parents: tuple[str, ...], message: str, by: str = "mona", *, sha: str = ""
    ) -> str:
        made = Commit(sha or self.ids.sha(message), tree, parents, message, account(by), self.ids.time())
        self.commits[made.sha] = made
        return made.sha

    def tree(self, sha: str) -> Tree:
        found = self.commits[sha].tree
        assert found is not None, "only a difference is known of this commit: push another with diff="
        return found

    @property
    def pulls(self) -> list[Pull]:
        return [one for one in self.issues.values() if isinstance(one, Pull)]

    def pull(
        self,
        files: Mapping[str, tuple[str | bytes | None, str | bytes | None]] | None = None,
        *,
        diff: str | None = None,
        title: str = "A change",
        body: str | None = "What it is good for.",
        author: str = "mona",
        head: str = "change",
        fork: Repository | None = None,
        draft: bool = False,
        number: int | None = None,
    ) -> Pull:
        """A pull request, of files before and after, or of a difference as git tells it. With `fork` it comes from
        there."""
        given = files or {}
        before = changed(self.tree(self.branches["main"]), {path: old for path, (old, _) in given.items()})
        base = self.branches["main"] = self.commit(before, (self.branches["main"],), "Before")
        after = None if diff is not None else changed(before, {path: new for path, (_, new) in given.items()})
        sha = self.commit(after, (base,), title, author)
        if diff is not None:
            self.differences[base, sha] = diff
        self.branches[head] = sha
        number = number or self._next
        made = Pull(
            self, self.ids.number(), number, title, body, account(author), self.ids.time(), base=base,
            head_ref=head, head=sha, head_repository=fork or self, draft=draft,
        )  # fmt: skip
        made._read_again()
        self.issues[number] = made
        return made

    def issue(self, title: str = "It breaks", body: str | None = "Here.", author: str = "stranger") -> Issue:
        number = self._next
        made = Issue(self, self.ids.number(), number, title, body, account(author), self.ids.time())
        self.issues[number] = made
        return made

    @property
    def _next(self) -> int:
        return max(self.issues, default=0) + 1

    def run(self, jobs: Iterable[Job] = (), *, head: str = "", **more: Any) -> Run:
        """A workflow run of these jobs."""
        made = Run(self, self.ids.number(), head or self.branches["main"], list(jobs), **more)
        for job in made.jobs:
            job.id = job.id or self.ids.number()
        self.runs[made.id] = made
        return made

    # -- history ------------------------------------------------------------------------------------------------------

    def found(self, revision: str) -> Commit | None:
        """A commit by its hash, its branch or a tag's name."""
        name = revision.removeprefix("refs/").removeprefix("heads/")
        return self.commits.get(self.branches.get(name, revision))

    def ancestors(self, sha: str) -> list[str]:
        """A commit and all before it, the newest first."""
        found: dict[str, None] = {}
        waiting = [sha]
        while waiting:
            one = waiting.pop(0)
            if one not in found:
                found[one] = None
                waiting += self.commits[one].parents
        return list(found)

    def merge_base(self, base: str, head: str) -> str:
        known = set(self.ancestors(base))
        return next(one for one in self.ancestors(head) if one in known)

    def difference(self, base: str, head: str) -> str:
        """What changed up to a head since it left a base, as git tells it."""
        if (base, head) in self.differences:
            return self.differences[base, head]
        since = self.merge_base(base, head)
        return between(self.tree(since), self.tree(head))


def changed(tree: Tree, files: Mapping[str, str | bytes | None]) -> Tree:
    """A tree with other files; None takes one out."""
    both = {**tree, **files}
    return {path: content for path, content in both.items() if content is not None}
