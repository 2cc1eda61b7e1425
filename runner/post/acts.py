"""What is to be done for a plan to stand at the host, as values that can be held against each other: each is one
request that changes something there. What is missing is told here without asking anybody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from runner.post.say import check_summary, check_title, inline, review, sticky

if TYPE_CHECKING:
    from runner.ci.api import Api
    from runner.post.plan import Comment, PostPlan
    from runner.post.there import There, Thread

SIDES: Final = {"new": "RIGHT", "old": "LEFT"}

RESOLVE: Final = """
mutation($id: ID!) { resolveReviewThread(input: {threadId: $id}) { thread { isResolved } } }
"""


class Act(Protocol):
    """One request. `what` is what it posts, for people."""

    @property
    def what(self) -> str: ...

    def do(self, api: Api) -> object: ...


@dataclass(frozen=True)
class Author:
    """Whose post it is: the `key` of its markers, and `by` for people; `foreign` says that the plan is a stranger's.
    `scrub` takes secrets out of every text."""

    key: str
    by: str
    foreign: bool = False
    scrub: Callable[[str], str] = lambda text: text

    def without_secrets(self, comment: str) -> str:
        """A comment as it may be read. Its first line is the marker: without that nobody would know it again, and a
        short secret may be a word of it."""
        marker, end, text = comment.partition("\n")
        return marker + end + self.scrub(text)


@dataclass(frozen=True)
class Spot:
    """A comment at lines, with its text as it is posted."""

    comment: Comment
    body: str


@dataclass(frozen=True)
class Review:
    """All comments at lines, at once: the host takes all of them or none."""

    number: int
    head: str
    body: str
    spots: tuple[Spot, ...]

    @property
    def what(self) -> str:
        return "the comments at lines"

    def do(self, api: Api) -> object:
        comments = [{**_lines(one.comment), "body": one.body} for one in self.spots]
        body = {"commit_id": self.head, "event": "COMMENT", "body": self.body, "comments": comments}
        return api.send("POST", f"pulls/{self.number}/reviews", body)


@dataclass(frozen=True)
class AtFile:
    """A comment at a file as a whole, which a review has no room for."""

    number: int
    head: str
    spot: Spot

    @property
    def what(self) -> str:
        return f"the comment at {self.spot.comment.path}"

    def do(self, api: Api) -> object:
        body = {"commit_id": self.head, "path": self.spot.comment.path, "subject_type": "file", "body": self.spot.body}
        return api.send("POST", f"pulls/{self.number}/comments", body)


@dataclass(frozen=True)
class Resolve:
    """A thread of ours that nobody has answered, at lines that are no more."""

    thread: str
    what = "that a comment is outdated"

    def do(self, api: Api) -> object:
        return api.ask(RESOLVE, id=self.thread)


@dataclass(frozen=True)
class Label:
    """Labels, beside those that are there."""

    number: int
    labels: tuple[str, ...]

    @property
    def what(self) -> str:
        return f"the labels {', '.join(self.labels)}" if len(self.labels) > 1 else f"the label {self.labels[0]}"

    def do(self, api: Api) -> object:
        return api.send("POST", f"issues/{self.number}/labels", {"labels": list(self.labels)})


@dataclass(frozen=True)
class Check:
    """A check run for one commit: a new one, or what there is said anew."""

    name: str
    head: str
    key: str
    conclusion: str
    title: str
    summary: str
    id: int | None = None

    @property
    def what(self) -> str:
        return f"the check '{self.name}'"

    def do(self, api: Api) -> object:
        said = {
            "name": self.name,
            "external_id": self.key,
            "status": "completed",
            "conclusion": self.conclusion,
            "output": {"title": self.title, "summary": self.summary},
        }
        if self.id is None:
            return api.send("POST", "check-runs", {**said, "head_sha": self.head})
        return api.send("PATCH", f"check-runs/{self.id}", said)


@dataclass(frozen=True)
class Say:
    """The comment that is kept up to date: a new one, or what there is with another text."""

    number: int
    body: str
    id: int | None = None
    what = "the comment"

    def do(self, api: Api) -> object:
        if self.id is None:
            return api.send("POST", f"issues/{self.number}/comments", {"body": self.body})
        return api.send("PATCH", f"issues/comments/{self.id}", {"body": self.body})


def missing(plan: PostPlan, there: There, author: Author) -> tuple[Act, ...]:
    """What is to be done, in this order. The comment comes last: it says which commit was looked at, and whoever reads
    that may take it that all else was posted."""
    return (
        *_comments(plan, there, author),
        *(Resolve(one.id) for one in outdated(plan, there) if one.may_resolve),
        *_labels(plan, there),
        *_check(plan, there, author),
        *_comment(plan, there, author),
    )


def unsaid(plan: PostPlan, there: There) -> tuple[Comment, ...]:
    """Comments at places at which nothing of ours stands, not even resolved."""
    said = there.places
    return tuple(one for one in plan.comments if one.place not in said)


def outdated(plan: PostPlan, there: There) -> list[Thread]:
    """Threads to be resolved: their lines are no more, what they say was not found again, and nobody has answered."""
    found = {one.place for one in plan.comments}
    open_ = (one for one in there.threads if one.outdated and not one.resolved and not one.answered)
    return [one for one in open_ if one.place not in found]


def _comments(plan: PostPlan, there: There, author: Author) -> Iterator[Act]:
    spots = [Spot(one, author.without_secrets(inline(one, author.key))) for one in unsaid(plan, there)]
    at_lines = tuple(one for one in spots if one.comment.line is not None)
    if at_lines:
        yield Review(
            plan.number, plan.head, author.scrub(review([one.comment for one in at_lines], author.by)), at_lines
        )
    for one in spots:
        if one.comment.line is None:
            yield AtFile(plan.number, plan.head, one)


def _labels(plan: PostPlan, there: There) -> Iterator[Act]:
    new = tuple(one for one in plan.labels if one.lower() not in there.labels)
    if new:
        yield Label(plan.number, new)


def _check(plan: PostPlan, there: There, author: Author) -> Iterator[Act]:
    if not plan.check or plan.conclusion is None:
        return
    title = author.scrub(check_title(plan))
    summary = author.scrub(check_summary(plan, author.by, foreign=author.foreign))
    known = there.check
    if (
        known is None
        or known.conclusion != plan.conclusion
        or not (same(known.title, title) and same(known.summary, summary))
    ):
        number = None if known is None else known.id
        yield Check(plan.check, plan.head, author.key, plan.conclusion, title, summary, number)


def _comment(plan: PostPlan, there: There, author: Author) -> Iterator[Act]:
    body = author.without_secrets(sticky(plan, author.key, author.by, foreign=author.foreign))
    if not there.stickies:
        yield Say(plan.number, body)
    elif not same(there.stickies[0].body, body):
        yield Say(plan.number, body, there.stickies[0].id)


def same(one: str, other: str) -> bool:
    """Whether two texts are the same to whoever reads them: a host may end lines otherwise than it was told."""
    return _plain(one) == _plain(other)


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").strip()


def _lines(comment: Comment) -> dict[str, Any]:
    """Where a comment stands, as the host wants to be told."""
    side = SIDES[comment.side]
    told = {"path": comment.path, "line": comment.line, "side": side}
    if comment.start_line is None or comment.start_line == comment.line:
        return told
    return {**told, "start_line": comment.start_line, "start_side": side}
