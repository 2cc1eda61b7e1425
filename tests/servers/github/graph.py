"""The GraphQL API over the same state: queries are checked and carried out against the schema as it is published.

A field that the schema has and our state knows nothing of is a violation, and never a silent null.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLResolveInfo,
    GraphQLSchema,
    OperationType,
    build_schema,
    execute_sync,
    get_operation_ast,
    parse,
    validate,
)

from .fetch import KEPT
from .repository import Issue, Pull, Repository
from .shapes import association
from .state import Account, Comment, ReviewComment, Thread

if TYPE_CHECKING:
    from .server import GitHub, Token

Json = dict[str, Any]
Args = Mapping[str, Any]


@cache
def schema() -> GraphQLSchema:
    """The schema that set-up fetched, built once in a process."""
    path = KEPT / "schema.graphql"
    assert path.exists(), f"{path} is missing: `make setup` fetches it"
    return build_schema(path.read_text(encoding="utf-8"), assume_valid=True, assume_valid_sdl=True, no_location=True)


class Told(GraphQLError):
    """An error that the host tells, with a type of its own."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class Question:
    """A query or mutation, read; `wrong` is what the schema has against it."""

    document: DocumentNode | None
    variables: Mapping[str, Any]
    wrong: Sequence[str]

    @property
    def changes(self) -> bool:
        """Whether it is a mutation."""
        operation = get_operation_ast(self.document) if self.document else None
        return operation is not None and operation.operation is OperationType.MUTATION


def question(body: Any) -> Question:
    if not isinstance(body, Mapping) or not isinstance(body.get("query"), str):
        return Question(None, {}, ["the body is no object with a query"])
    extra = body.keys() - {"query", "variables", "operationName"}
    document, wrong = read(body["query"])
    return Question(document, body.get("variables") or {}, [*wrong, *(f"{name} is no part of it" for name in extra)])


@cache
def read(query: str) -> tuple[DocumentNode | None, tuple[str, ...]]:
    """A query, and what the schema has against it. Programs ask the same few again and again."""
    try:
        document = parse(query)
    except GraphQLError as error:
        return None, (error.message,)
    return document, tuple(f"{error.message} at {error.locations}" for error in validate(schema(), document))


def answer(host: GitHub, token: Token, asked: Question) -> Json:
    """What the host says. Whatever is our own fault is noted with the host."""
    if asked.document is None or asked.wrong:
        return {"errors": [{"message": one} for one in asked.wrong]}
    graph = Graph(host, token)
    result = execute_sync(
        schema(),
        asked.document,
        {"repository": graph.repository, "viewer": graph.viewer, "resolveReviewThread": graph.resolve,
         "unresolveReviewThread": graph.unresolve, "rateLimit": graph.rate, "node": graph.node},
        variable_values=dict(asked.variables),
        field_resolver=resolved,
    )  # fmt: skip
    told: Json = {"data": result.data}
    for error in result.errors or ():
        cause = error.original_error or error
        if not isinstance(cause, Told):
            host.violation(f"GraphQL: {error.message} at {error.path}")
        kind = {"type": cause.kind} if isinstance(cause, Told) else {}
        told.setdefault("errors", []).append({**kind, "path": error.path, "message": error.message})
    return told


def resolved(source: Any, info: GraphQLResolveInfo[Any], **args: Any) -> Any:
    if not isinstance(source, Mapping) or info.field_name not in source:
        raise GraphQLError(
            f"the stand-in does not know {info.parent_type.name}.{info.field_name}; teach it in graph.py"
        )
    found = source[info.field_name]
    return found(args) if callable(found) else found


def connection(items: Sequence[Any], made: Callable[[Any], Json]) -> Callable[[Args], Json]:
    """A list in pages; the host wants to be told how many, and gives a hundred at most."""

    def page(args: Args) -> Json:
        sizes = [args[key] for key in ("first", "last") if args.get(key) is not None]
        if not sizes:
            raise Told(
                "MISSING_PAGINATION_BOUNDARIES", "You must provide a `first` or `last` value to properly paginate."
            )
        if not 0 <= sizes[0] <= 100:
            raise Told("EXCESSIVE_PAGINATION", f"Requesting {sizes[0]} records exceeds the limit of 100 records.")
        start = position(args["after"]) + 1 if args.get("after") else 0
        end = position(args["before"]) if args.get("before") else len(items)
        if args.get("first") is not None:
            end = min(end, start + args["first"])
        else:
            start = max(start, end - args["last"])
        edges = [{"cursor": cursor(at), "node": made(items[at])} for at in range(start, end)]
        return {
            "totalCount": len(items),
            "nodes": [edge["node"] for edge in edges],
            "edges": edges,
            "pageInfo": {
                "hasNextPage": end < len(items),
                "hasPreviousPage": start > 0,
                "startCursor": edges[0]["cursor"] if edges else None,
                "endCursor": edges[-1]["cursor"] if edges else None,
            },
        }

    return page


def cursor(at: int) -> str:
    return base64.b64encode(f"cursor:{at}".encode()).decode()


def position(told: str) -> int:
    return int(base64.b64decode(told).decode().partition(":")[2])


FORBIDDEN: Final = "Resource not accessible by integration"


@dataclass(frozen=True)
class Graph:
    """The state as the schema's types, for one token."""

    host: GitHub
    token: Token

    # -- what is asked ------------------------------------------------------------------------------------------------

    def repository(self, args: Args) -> Json:
        name = f"{args['owner']}/{args['name']}"
        found = self.host.repositories.get(name.lower())
        if found is None:
            raise Told("NOT_FOUND", f"Could not resolve to a Repository with the name '{name}'.")
        return {
            "id": f"R_{found.id}",
            "databaseId": found.id,
            "name": found.name,
            "nameWithOwner": found.full_name,
            "isPrivate": found.private,
            "isFork": found.fork,
            "url": self.host.shapes.page(found),
            "pullRequest": lambda args: self._numbered(found, Pull, args["number"]),
            "issue": lambda args: self._numbered(found, Issue, args["number"]),
            "issueOrPullRequest": lambda args: self._numbered(found, None, args["number"]),
        }

    def _numbered(self, repository: Repository, kind: type[Issue] | None, number: int) -> Json:
        found = repository.issues.get(number)
        if found is None or (kind is not None and type(found) is not kind):
            name = "a PullRequest" if kind is Pull else "an Issue" if kind is Issue else "an issue or pull request"
            raise Told("NOT_FOUND", f"Could not resolve to {name} with the number of {number}.")
        needs = "pull_requests=read" if isinstance(found, Pull) else "issues=read"
        if repository.private and not self.token.may(needs):
            raise Told("FORBIDDEN", FORBIDDEN)
        return self.pull(found) if isinstance(found, Pull) else self.issue(found)

    def viewer(self, _: Args) -> Json:
        return {**self.actor(self.token.account), "login": self.token.account.login}

    def rate(self, _: Args) -> Json:
        rate = self.host.rate()
        return {"limit": rate["limit"], "remaining": rate["remaining"], "used": rate["used"], "cost": 1, "nodeCount": 1}

    def node(self, args: Args) -> Json | None:
        found = self._threads().get(args["id"])
        if found is None:
            raise Told("NOT_FOUND", f"Could not resolve to a node with the global id of '{args['id']}'")
        return self.thread(*found)

    def _threads(self) -> dict[str, tuple[Pull, Thread]]:
        pulls = [pull for one in self.host.repositories.values() for pull in one.pulls]
        return {thread_id(thread): (pull, thread) for pull in pulls for thread in pull.threads}

    def resolve(self, args: Args) -> Json:
        return self._settle(args["input"], self.token.account)

    def unresolve(self, args: Args) -> Json:
        return self._settle(args["input"], None)

    def _settle(self, given: Args, by: Account | None) -> Json:
        """A token of the job's needs to write contents as well. https://github.com/github/gh-aw/issues/35726"""
        found = self._threads().get(given["threadId"])
        if found is None:
            raise Told("NOT_FOUND", f"Could not resolve to a node with the global id of '{given['threadId']}'")
        if not self.token.may("contents=write,pull_requests=write"):
            raise Told("FORBIDDEN", FORBIDDEN)
        found[1].resolved_by = by
        return {"clientMutationId": given.get("clientMutationId"), "thread": self.thread(*found)}

    # -- what there is ------------------------------------------------------------------------------------------------

    def actor(self, of: Account) -> Json:
        """A bot has no `[bot]` in its name here."""
        login = of.login.removesuffix("[bot]")
        return {
            "__typename": "Bot" if of.bot else "User",
            "id": f"U_{of.id}",
            "databaseId": of.id,
            "login": login,
            "url": f"{self.host.shapes.web}/{login}",
            "resourcePath": f"/{login}",
        }

    def issue(self, of: Issue) -> Json:
        return {
            "__typename": "Issue",
            "id": f"I_{of.id}",
            "databaseId": of.id,
            "fullDatabaseId": str(of.id),
            "number": of.number,
            "title": of.title,
            "body": of.body or "",
            "state": of.state.upper(),
            "closed": of.state != "open",
            "url": self.host.shapes.issue_page(of),
            "author": self.actor(of.author),
            "authorAssociation": association(of.repository, of.author),
            "createdAt": of.created,
            "viewerDidAuthor": of.author == self.token.account,
            "labels": connection(of.labels, lambda name: {"name": name, "color": of.repository.labels[name]}),
            "comments": connection(of.comments, lambda one: self.comment(of, one)),
        }

    def pull(self, of: Pull) -> Json:
        return {
            **self.issue(of),
            "__typename": "PullRequest",
            "id": f"PR_{of.id}",
            "isDraft": of.draft,
            "merged": of.state == "merged",
            "headRefName": of.head_ref,
            "headRefOid": of.head,
            "baseRefName": of.base_ref,
            "baseRefOid": of.base,
            "isCrossRepository": of.head_repository is not of.repository,
            "reviewThreads": connection(of.threads, lambda one: self.thread(of, one)),
            "reviews": connection(of.reviews, lambda one: {
                "id": f"PRR_{one.id}", "fullDatabaseId": str(one.id), "databaseId": one.id, "body": one.body,
                "state": one.state, "author": self.actor(one.author), "viewerDidAuthor": self.mine(one.author),
                "url": f"{self.host.shapes.issue_page(of)}#pullrequestreview-{one.id}", "submittedAt": one.submitted,
                "commit": {"oid": one.commit},
            }),
        }  # fmt: skip

    def mine(self, author: Account) -> bool:
        return author == self.token.account

    def comment(self, on: Issue, of: Comment) -> Json:
        return {
            "__typename": "IssueComment",
            "id": f"IC_{of.id}",
            "databaseId": of.id,
            "fullDatabaseId": str(of.id),
            "body": of.body,
            "author": self.actor(of.author),
            "authorAssociation": association(on.repository, of.author),
            "createdAt": of.created,
            "updatedAt": of.updated or of.created,
            "lastEditedAt": of.updated or None,
            "publishedAt": of.created,
            "isMinimized": False,
            "minimizedReason": None,
            "url": self.host.shapes.comment_page(on, of),
            "viewerDidAuthor": self.mine(of.author),
            "viewerCanUpdate": self.mine(of.author),
        }

    def review_comment(self, on: Pull, of: ReviewComment) -> Json:
        thread = of.thread
        return {
            **self.comment(on, of),
            **self._lines(thread),
            "__typename": "PullRequestReviewComment",
            "id": f"PRRC_{of.id}",
            "outdated": thread.outdated,
            "diffHunk": thread.hunk,
            "state": "PENDING" if of.review.state == "PENDING" else "SUBMITTED",
            "commit": {"oid": on.head},
            "originalCommit": {"oid": thread.original_commit},
        }

    def thread(self, on: Pull, of: Thread) -> Json:
        return {
            **self._lines(of),
            "__typename": "PullRequestReviewThread",
            "id": thread_id(of),
            "isResolved": of.resolved,
            "isOutdated": of.outdated,
            "isCollapsed": of.resolved or of.outdated,
            "diffSide": of.side,
            "startDiffSide": of.start_side,
            "resolvedBy": self.actor(of.resolved_by) if of.resolved_by else None,
            "viewerCanReply": True,
            "viewerCanResolve": not of.resolved,  # also where the token may not: the mutation says so
            "viewerCanUnresolve": of.resolved,
            "comments": connection(of.comments, lambda one: self.review_comment(on, one)),
        }

    def _lines(self, of: Thread) -> Json:
        return {
            "path": of.path,
            "line": of.line,
            "originalLine": of.original_line,
            "startLine": of.start_line,
            "originalStartLine": of.original_start_line,
            "subjectType": of.subject.upper(),
        }


def thread_id(of: Thread) -> str:
    return f"PRRT_{of.id}"
