"""What is to be posted, as a value: made from an answer and a diff, printed, written to a file, and read from one that
another job wrote. Texts are a model's Markdown; what makes them safe to post is done where they are posted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from runner.diff.change import Side

Kind = Literal["comment", "review"]
"""A comment that is kept up to date; or that and comments at lines of the diff."""

Conclusion = Literal["success", "neutral", "failure"]

NOTHING: Final = "No findings."
"""The body of a plan whose answer has looked for findings, found none, and says nothing else."""


@dataclass(frozen=True, slots=True)
class Point:
    """One finding, as people read it. `said_of` is the place that it was said of, such as src/a.py:12, where it stands
    elsewhere. `code` is what the lines there should be, where that cannot be offered as a suggestion."""

    body: str
    title: str = ""
    severity: str = ""
    said_of: str = ""
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment at lines of a file of the diff, `start_line` to `line`; at the whole file where there is no line.

    `place` is the fingerprint of the path and the text of the line it stands at: what has been said there already is
    not said again. `suggestion` is what the lines should be instead.
    """

    path: str
    points: tuple[Point, ...]
    place: str = ""
    line: int | None = None
    start_line: int | None = None
    side: Side = "new"
    suggestion: str | None = None


@dataclass(frozen=True, slots=True)
class PostPlan:
    """Everything that one run would post, on one pull request or issue.

    `head` is the commit that was looked at; empty for an issue. `comments` are at lines or files of its diff; `rest`
    are findings for which there is no such place, and stand below the `body`. `remarks` say what was moved, merged or
    left out, in sentences.
    """

    repository: str
    number: int
    kind: Kind
    body: str
    head: str = ""
    comments: tuple[Comment, ...] = ()
    rest: tuple[Point, ...] = ()
    labels: tuple[str, ...] = ()
    check: str = ""
    """The name of a check run; empty for none."""
    conclusion: Conclusion | None = None
    """What the check run says; None where there is none."""
    remarks: tuple[str, ...] = ()
    since: str = ""
    """The commit since which the change was looked at; empty for all of it."""
    unseen: str = ""
    """What of the change was not looked at, in lines; empty for nothing."""
