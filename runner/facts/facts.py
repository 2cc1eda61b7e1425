"""What a host, or git, says of the event, as data: what templates call `github`, `pr` and `ci`, before it is shaped for
a model. It is written to a file and read from one, so that a run can be made again without asking anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from runner.diff.change import Change
from runner.diff.read import file_of_host, files_of_git


@dataclass(frozen=True, slots=True)
class Target:
    """Where a post goes: a pull request with its head, or an issue, which has none."""

    repository: str
    """As owner/name."""
    number: int
    head: str = ""
    is_pull: bool = False


@dataclass(frozen=True, slots=True)
class Pull:
    """A pull request, or a branch that could be one. `told` are its plain facts, as they were told; `since` is the
    commit that was reviewed last, and `fresh` what has changed since then, where only that is to be looked at.

    `change` is None where nobody asked for it, and `reviewed` where the review of this very head stands, if there is
    one. `attributes` is the .gitattributes of the base.
    """

    told: Mapping[str, Any]
    change: Change | None = None
    since: str = ""
    fresh: Change | None = None
    attributes: str = ""
    reviewed: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of the event, of that which was asked for. `raw` is all of it as it was told; `of_now` says that it
    was just now, and not in a file. Of a change that is shown to models `unseen` says what they are not shown, and
    `since` is the commit since which it is, where it is not all of it."""

    github: Mapping[str, Any] = field(default_factory=dict)
    pull: Pull | None = None
    ci: Mapping[str, Any] | None = None
    raw: Mapping[str, Any] = field(default_factory=dict)
    of_now: bool = False
    unseen: str = ""
    since: str = ""

    def seen(self, target: Target | None) -> tuple[Target | None, Change | None]:
        """Where a post goes, at the head of which the lines were seen; and its change, where that is known.

        Those of another place, such as git's own, or of another time, as in a file, are not the host's now.
        """
        pull = self.pull
        if pull is None or pull.change is None or target is None:
            return target, None if pull is None else pull.change
        if not self.of_now or not target.is_pull or pull.told.get("number") != target.number:
            return target, None
        return replace(target, head=pull.told["head"]["sha"]), pull.change


def facts_of(raw: Mapping[str, Any], *, of_now: bool = False) -> Facts:
    """Facts out of what was told, just now or in a file. Raises UsageError for a diff that is none."""
    return Facts(raw.get("github", {}), _pull(raw["pr"]) if "pr" in raw else None, raw.get("ci"), raw, of_now)


def _pull(raw: Mapping[str, Any]) -> Pull:
    kept = ("files", "diff", "whole", "since", "since_files", "gitattributes", "reviewed")
    since_files = raw.get("since_files")
    return Pull(
        {name: value for name, value in raw.items() if name not in kept},
        _change(raw),
        raw.get("since", ""),
        None if since_files is None else Change(tuple(map(file_of_host, since_files))),
        raw.get("gitattributes", ""),
        raw.get("reviewed", ""),
    )


def _change(raw: Mapping[str, Any]) -> Change | None:
    if "files" in raw:
        return Change(tuple(map(file_of_host, raw["files"])), raw.get("whole", True))
    return Change(files_of_git(raw["diff"])) if "diff" in raw else None
