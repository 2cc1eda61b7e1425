"""How much a plan may hold, and of what kind: what a plan that we make stays inside of, and one that we read must."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from runner.invisible import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.post.plan import Comment, Point, PostPlan

MOST_BODY: Final = 60_000
MOST_TEXT: Final = 20_000  # of a finding, of its suggestion
MOST_TITLE: Final = 200
MOST_WORD: Final = 30  # a severity
MOST_PLACE: Final = 300
MOST_REMARK: Final = 500
MOST_UNSEEN: Final = 10_000
MOST_PATH: Final = 4_096
MOST_LABEL: Final = 50  # the host's own
"""Characters of texts."""

MOST_COMMENTS: Final = 100
MOST_POINTS: Final = 50  # in one comment
MOST_REST: Final = 200
MOST_LABELS: Final = 20
MOST_REMARKS: Final = 400
"""How many there may be of what is listed."""

_REPOSITORY: Final = re.compile(r"[\w.-]{1,100}/[\w.-]{1,100}", re.ASCII)
_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_MOST_TICKS: Final = 50  # those around it are more
_LAST_LINE: Final = 2**31


def may_be_offered(suggestion: str) -> bool:
    """Whether it may be put in the place of lines with one click: all of it is seen, and there is room for it."""
    small = len(suggestion.encode(errors="replace")) <= MOST_TEXT and "`" * _MOST_TICKS not in suggestion
    return small and shown(suggestion) == suggestion


def may_be_named(path: str) -> bool:
    """Whether a comment may be at that file: all of its name is seen, in one line, and there is room for it."""
    return not any(_name("", path, MOST_PATH))


def strange(plan: PostPlan) -> Iterator[str]:
    """What no plan of ours has, in sentences that name the place."""
    if not _REPOSITORY.fullmatch(plan.repository):
        yield "repository is not owner/name"
    if plan.number < 1:
        yield "number should be 1 or more"
    if plan.head and not _COMMIT.fullmatch(plan.head):
        yield "head is not a whole commit hash in small letters"
    if plan.since and not _COMMIT.fullmatch(plan.since):
        yield "since is not a whole commit hash in small letters"
    yield from _text("body", plan.body, MOST_BODY)
    yield from _text("unseen", plan.unseen, MOST_UNSEEN)
    yield from _name("check", plan.check, MOST_TITLE)
    yield from _listed(plan)
    if plan.kind == "comment" and plan.comments:
        yield "comments are of a review, and this is one comment"
    for index, comment in enumerate(plan.comments):
        yield from _comment(f"comments[{index}]", comment)
    for index, point in enumerate(plan.rest):
        yield from _point(f"rest[{index}]", point)
    for index, label in enumerate(plan.labels):
        yield from _name(f"labels[{index}]", label, MOST_LABEL)
    for index, remark in enumerate(plan.remarks):
        yield from _text(f"remarks[{index}]", remark, MOST_REMARK)


def _listed(plan: PostPlan) -> Iterator[str]:
    counts = {
        "comments": (len(plan.comments), MOST_COMMENTS),
        "rest": (len(plan.rest), MOST_REST),
        "labels": (len(plan.labels), MOST_LABELS),
        "remarks": (len(plan.remarks), MOST_REMARKS),
    }
    yield from (
        f"{name} has {count:,} entries, at most {most}" for name, (count, most) in counts.items() if count > most
    )


def _comment(place: str, comment: Comment) -> Iterator[str]:
    yield from _name(f"{place}.path", comment.path, MOST_PATH)
    if not comment.path:
        yield f"{place}.path is empty"
    if not 1 <= len(comment.points) <= MOST_POINTS:
        yield f"{place}.points has {len(comment.points):,} entries; 1 to {MOST_POINTS} may be there"
    first, last = comment.start_line, comment.line
    if last is None and (first is not None or comment.suggestion is not None or comment.side != "new"):
        yield f"{place} is at the whole file, where there are no lines"
    if last is not None and not 1 <= last <= _LAST_LINE:
        yield f"{place}.line is not the number of a line"
    if last is not None and first is not None and not 1 <= first < last:
        yield f"{place}.start_line does not come before its line"
    if comment.suggestion is not None:
        if comment.side == "old":
            yield f"{place}.suggestion is for lines that are gone"
        if not may_be_offered(comment.suggestion):
            yield f"{place}.suggestion has characters that nobody sees, or more than {MOST_TEXT:,} bytes"
    for index, point in enumerate(comment.points):
        yield from _point(f"{place}.points[{index}]", point)


def _point(place: str, point: Point) -> Iterator[str]:
    yield from _text(f"{place}.body", point.body, MOST_TEXT)
    yield from _name(f"{place}.title", point.title, MOST_TITLE)
    yield from _name(f"{place}.severity", point.severity, MOST_WORD)
    yield from _name(f"{place}.said_of", point.said_of, MOST_PLACE)
    yield from _text(f"{place}.code", point.code or "", MOST_TEXT)


def _text(place: str, text: str, most: int) -> Iterator[str]:
    if len(text) > most:
        yield f"{place} has {len(text):,} characters, at most {most:,}"


def _name(place: str, text: str, most: int) -> Iterator[str]:
    """What stands in one line, of signs that are seen."""
    yield from _text(place, text, most)
    if "\n" in text or "\t" in text or shown(text) != text:
        yield f"{place} has characters that nobody sees, or more than a line"
