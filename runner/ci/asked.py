"""What is asked of the host, and which permission of a job that takes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

MOST_TOLD: Final = 1000
"""Characters of a header that are looked at."""

_OF_JOBS: Final = frozenset(
    "actions attestations checks contents deployments discussions issues models packages pages pull-requests "
    "security-events statuses".split()
)
"""Permissions that a job can be given.
https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#permissions
"""

_BY_PART: Final[Mapping[str, str]] = {
    "graphql": "pull-requests",
    "pulls": "pull-requests",
    "issues": "issues",
    "labels": "issues",
    "check-runs": "checks",
    "check-suites": "checks",
    "actions": "actions",
    "statuses": "statuses",
    "status": "statuses",
    **dict.fromkeys(("contents", "tarball", "compare", "commits", "git", "releases", "branches"), "contents"),
}
"""What a part of the API takes, where the host's answer does not say it."""

_BY_FIELD: Final[Mapping[str, tuple[str, ...]]] = {
    "resolveReviewThread": ("contents",),  # not pull-requests, https://github.com/orgs/community/discussions/44650
    "unresolveReviewThread": ("contents",),
    "issueOrPullRequest": ("pull-requests", "issues"),
}
"""What a field of GraphQL takes where it is another than usual, or one of several."""


@dataclass(frozen=True)
class Asked:
    """One question or wish: a method and a path of the API, which is `graphql` for all that is asked there."""

    method: str
    path: str
    writes: bool
    from_fork: bool = False
    """Whether the job is for a pull request from a fork: its token may only read, whatever `permissions` say."""

    def denied(self, headers: Mapping[str, str], fields: Collection[str] = ()) -> str:
        """That the token may not, and what would help. `fields` lead in GraphQL to what it may not."""
        if self.from_fork and self.writes:
            return (
                "the token may not write: that of a pull request from a fork may not, whatever the job's permissions "
                "say, unless a private repository's settings allow it (docs/review-bots.md#forks has other ways)"
            )
        told, takes = f"the token may not {'do' if self.writes else 'read'} this", self.takes(headers, fields)
        return f"{told}: give the job {takes}" if takes else told

    def takes(self, headers: Mapping[str, str], fields: Collection[str] = ()) -> str:
        """What a job's file has to say for it, as the answer's headers tell, or else as is known; empty where nothing
        is."""
        special = next((_BY_FIELD[one] for one in fields if one in _BY_FIELD), ())
        return " or ".join(map(self._of_jobs, special)) or _accepted(headers) or self._usual()

    def _usual(self) -> str:
        first, *others = self.path.split("/")
        of_commit = _BY_PART.get(others[1]) if first == "commits" and len(others) > 1 else None
        part = of_commit or _BY_PART.get(first)
        return self._of_jobs(part) if part else ""

    def _of_jobs(self, part: str) -> str:
        return _permissions((part, "write" if self.writes else "read"))


def _accepted(headers: Mapping[str, str]) -> str:
    """What the host says it takes: sets with semicolons between, of which one is enough.
    https://github.blog/changelog/2023-08-10-x-accepted-github-permissions-header-for-fine-grained-permission-actors/
    """
    told = headers.get("x-accepted-github-permissions", "")[:MOST_TOLD].replace("_", "-")
    return " or ".join(dict.fromkeys(filter(None, map(_as_permissions, told.split(";")))))


def _as_permissions(told: str) -> str:
    """One set as a job's file has it; empty where it has something that a job cannot be given."""
    pairs = [pair.strip().partition("=")[::2] for pair in told.split(",")]
    pairs = [(name, level) for name, level in pairs if name != "metadata"]  # which every token has
    if not all(name in _OF_JOBS and level in ("read", "write") for name, level in pairs):
        return ""
    return _permissions(*pairs)


def _permissions(*pairs: tuple[str, str]) -> str:
    told = ", ".join(f"{name}: {level}" for name, level in pairs)
    return f"`permissions: {{{told}}}`" if told else ""
