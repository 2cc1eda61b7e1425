"""A branch as if it were a pull request: what is the same whether git tells of it or the host does."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from runner.errors import UsageError

MOST_COMMITS: Final = 250
"""As many as the host tells of a pull request; of a branch it is the newest."""

OF_COMMITS: Final = frozenset({"title", "body", "author", "commits"})
"""Parts that are made of what is committed."""

_REVISION: Final = re.compile(r"(?![-^])[^\x00-\x20\x7f]{1,200}")


def revision(name: str) -> str:
    """The name, where it can be that of a revision. Raises UsageError."""
    if not _REVISION.fullmatch(name):
        raise UsageError(f"{name[:200]!r} is not the name of a git revision")
    return name


def as_pull(base: dict[str, str], branch: str, head: str, commits: Sequence[dict[str, str]]) -> dict[str, Any]:
    """The plain facts of a branch; `commits` are those that are not in its base, the oldest first."""
    title, body = _words(commits, branch)
    return {
        "number": None,
        "title": title,
        "body": body,
        "url": "",
        "author": commits[-1]["author"] if commits else "",
        "draft": False,
        "labels": [],
        "base": base,
        "head": {"ref": branch, "sha": head, "fork": False},
        "commits": [*commits],
        "comments": [],
        "since": "",
    }


def _words(commits: Sequence[dict[str, str]], branch: str) -> tuple[str, str]:
    """Title and body as a host would begin with: those of the only commit, or the name of the branch."""
    match commits:
        case [one]:
            title, _, body = one["message"].partition("\n")
            return title, body.strip()
    return branch, ""
