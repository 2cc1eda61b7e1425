"""What a host, or git, says of the event, as data: what templates call `github`, `pr` and `ci`, before it is shaped for
a model. It is written to a file and read from one, so that a run can be made again without asking anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runner.diff.change import Change


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
    """A pull request, or a branch that could be one. `told` are its plain facts, as templates see them; `since` is the
    commit that was reviewed last, and `fresh` what has changed since then, where only that is to be looked at."""

    told: Mapping[str, Any]
    change: Change
    since: str = ""
    fresh: Change | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of the event, of that which was asked for."""

    github: Mapping[str, Any] = field(default_factory=dict)
    pull: Pull | None = None
    ci: Mapping[str, Any] | None = None
