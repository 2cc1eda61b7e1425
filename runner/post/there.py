"""What of a post stands at the host by now: our own comments and threads, told by who wrote them and by their marker,
and the labels and the check run that a plan may want otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from runner.ci.event import Told
from runner.errors import PostProblem
from runner.facts.marker import Marker, marker_of

if TYPE_CHECKING:
    from runner.ci.api import Api
    from runner.post.plan import PostPlan

MOST_PAGES: Final = 100
"""Of a hundred comments, or fifty threads, each. Nobody reads a pull request that has more."""

COMMENTS: Final = """
query($owner: String!, $name: String!, $number: Int!, $after: String) {
  repository(owner: $owner, name: $name) {
    issueOrPullRequest(number: $number) {
      ... on Issue {
        labels(first: 100) { nodes { name } }
        comments(first: 100, after: $after) { ...page }
      }
      ... on PullRequest {
        headRefOid
        labels(first: 100) { nodes { name } }
        comments(first: 100, after: $after) { ...page }
      }
    }
  }
}
fragment page on IssueCommentConnection {
  pageInfo { hasNextPage endCursor }
  nodes { fullDatabaseId url body viewerDidAuthor }
}
"""

THREADS: Final = """
query($owner: String!, $name: String!, $number: Int!, $after: String) {
  repository(owner: $owner, name: $name) {
    pullRequest(number: $number) {
      reviewThreads(first: 50, after: $after) {
        pageInfo { hasNextPage endCursor }
        nodes {
          id isResolved isOutdated viewerCanResolve
          comments(first: 50) { totalCount nodes { body viewerDidAuthor state } }
        }
      }
    }
  }
}
"""

Ask: TypeAlias = Callable[[str | None], Told]
"""Asks for the page behind a cursor."""


@dataclass(frozen=True, slots=True)
class Sticky:
    """A comment of ours that is kept up to date."""

    id: int
    url: str
    body: str


@dataclass(frozen=True, slots=True)
class Thread:
    """A thread that we began at a line or a file. In one that is `answered` somebody else has written as well."""

    id: str
    place: str
    resolved: bool = False
    outdated: bool = False
    answered: bool = False
    may_resolve: bool = True


@dataclass(frozen=True, slots=True)
class CheckRun:
    """A check run of ours, and what it says."""

    id: int
    conclusion: str
    title: str
    summary: str


@dataclass(frozen=True, slots=True)
class There:
    """All that stands at the host of one post. `head` is the newest commit of the pull request; `stickies` are the
    oldest first, and should be one at most. Names of labels are in lower case, for the host does not tell them apart.
    """

    head: str = ""
    stickies: tuple[Sticky, ...] = ()
    threads: tuple[Thread, ...] = ()
    labels: frozenset[str] = frozenset()
    check: CheckRun | None = None

    @property
    def places(self) -> frozenset[str]:
        """Where threads of ours stand, resolved ones too."""
        return frozenset(one.place for one in self.threads)


def look(plan: PostPlan, key: str, api: Api) -> There:
    """What stands at the host of the post of this key. Raises NoAnswer, and PostProblem where there is no end to it."""
    owner, _, name = plan.repository.partition("/")

    def ask(query: str, of: str) -> Ask:
        def page(after: str | None) -> Told:
            found = api.ask(query, owner=owner, name=name, number=plan.number, after=after).at("repository", of)
            if not isinstance(found, Mapping):
                raise PostProblem(f"{plan.repository}#{plan.number} is not to be found")
            return Told(found)

        return page

    pages = [*_pages(ask(COMMENTS, "issueOrPullRequest"), "comments")]
    threads = _pages(ask(THREADS, "pullRequest"), "reviewThreads") if plan.kind == "review" else iter(())
    return There(
        head=pages[0].commit("headRefOid"),
        stickies=tuple(_stickies(pages, key)),
        threads=tuple(_threads(threads, key)),
        labels=frozenset(one.text("name").lower() for one in pages[0].each("labels", "nodes")),
        check=_check(plan, key, api) if plan.check else None,
    )


def _pages(ask: Ask, of: str) -> Iterator[Told]:
    """Page after page, until the host says that there is none."""
    after: str | None = None
    for _ in range(MOST_PAGES):
        page = ask(after)
        yield page
        after = page.text(of, "pageInfo", "endCursor")
        if page.at(of, "pageInfo", "hasNextPage") is not True or not after:
            return
    raise PostProblem(f"there are more than {MOST_PAGES} pages of {of}, and ours may be in any")


def _stickies(pages: list[Told], key: str) -> Iterator[Sticky]:
    for page in pages:
        for one in page.each("comments", "nodes"):
            marker, number = _ours(one, key), one.text("fullDatabaseId")
            if marker is not None and not marker.place and number.isdecimal():
                yield Sticky(int(number), one.text("url"), one.text("body"))


def _threads(pages: Iterator[Told], key: str) -> Iterator[Thread]:
    """Those that people see: of a review that is pending, as one that failed halfway may be, only we do."""
    for page in pages:
        for one in page.each("reviewThreads", "nodes"):
            comments = one.each("comments", "nodes")
            marker = _ours(comments[0], key) if comments else None
            if marker is not None and marker.place and comments[0].text("state") != "PENDING":
                whole = one.at("comments", "totalCount") == len(comments)
                yield Thread(
                    one.text("id"),
                    marker.place,
                    resolved=one.at("isResolved") is True,
                    outdated=one.at("isOutdated") is True,
                    answered=not whole or any(said.at("viewerDidAuthor") is not True for said in comments),
                    may_resolve=one.at("viewerCanResolve") is True,
                )


def _ours(comment: Told, key: str) -> Marker | None:
    """The marker of a comment that we wrote ourselves. Anybody can copy a marker."""
    marker = marker_of(comment.text("body")) if comment.at("viewerDidAuthor") is True else None
    return marker if marker is not None and marker.key == key else None


def _check(plan: PostPlan, key: str, api: Api) -> CheckRun | None:
    runs = api.pages(f"commits/{plan.head}/check-runs", within="check_runs", check_name=plan.check, filter="all")
    for one in runs:
        number = one.id()
        if one.text("external_id") == key and number is not None:
            said = one.text("output", "title"), one.text("output", "summary")
            return CheckRun(number, one.text("conclusion"), *said)
    return None
