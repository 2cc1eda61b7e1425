"""The texts of a post as the host is given them: Markdown in which nothing of a model's acts but the suggestions that
we offer. The same plan gives the same text. Pure.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from runner.facts.marker import Marker
from runner.invisible import shown
from runner.post.severity import sign
from runner.report.markdown import code, escaped, fenced, html, quiet
from runner.report.rendered import rendered

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runner.post.plan import Comment, Point, PostPlan

MOST: Final = 65_000
"""Bytes of a comment. The host takes 65,536 of what it calls characters; nobody knows for sure which it counts."""

ALL_OF_IT: Final = "results.json"
"""Where all of a text is of which a comment has the beginning."""

_FOOT: Final = 4_000  # bytes for what stands below: remarks and the last line
_REMARKS: Final = 3_000


def sticky(plan: PostPlan, key: str, by: str, *, foreign: bool = False) -> str:
    """The comment that is kept up to date. `by` is the name of the workflow that posts, for people; `foreign` says that
    the plan is that of a run without rights, whose words are anybody's."""
    return f"{Marker(key, head=plan.head)}\n{_whole(plan, by, foreign=foreign)}"


def inline(comment: Comment, key: str) -> str:
    """A comment at lines or a file of the diff."""
    room = MOST - 1_000 - len(_suggestion(comment).encode())
    parts = [part for point in comment.points for part in _point(point, room // len(comment.points))]
    return "\n\n".join([f"{Marker(key, place=comment.place)}\n{parts[0]}", *parts[1:], *_offered(comment)])


def review(plan: PostPlan, by: str) -> str:
    """What stands above the comments at lines, which the host shows as one review."""
    return f"<sub>{html(by)} · {counted(plan)}</sub>"


def check_title(plan: PostPlan) -> str:
    """The one line beside a check run."""
    return counted(plan) or "Looked at"


def check_summary(plan: PostPlan, by: str, *, foreign: bool = False) -> str:
    """The page of a check run: what the sticky comment says."""
    return _whole(plan, by, foreign=foreign)


def counted(plan: PostPlan) -> str:
    """How many findings are where; empty where there are none."""
    at_lines = sum(len(one.points) for one in plan.comments)
    rest = len(plan.rest)
    told = [f"{_findings(at_lines)} in the diff"] if at_lines else []
    told += [f"{rest} below" if at_lines else _findings(rest)] if rest else []
    return ", ".join(told)


def _findings(count: int) -> str:
    return f"{count} finding" if count == 1 else f"{count} findings"


def _whole(plan: PostPlan, by: str, *, foreign: bool) -> str:
    """Everything but the marker, in at most MOST bytes with it."""
    foot = [*_remarks(plan.remarks), _footer(plan, by, foreign=foreign)]
    room = MOST - _FOOT
    parts = [_fitting(plan.body, min(room, 40_000))]
    room -= _size(parts[0])
    if plan.rest:
        parts.append("#### Not at a line of the diff" if plan.comments else "#### Findings")
        room -= 100  # for the heading, and for how many there was no room for
    for index, point in enumerate(plan.rest):
        told = "\n\n".join(_point(point, room))
        if _size(told) > room:
            parts.append(f"_and {len(plan.rest) - index:,} more, in {ALL_OF_IT}_")
            break
        parts.append(told)
        room -= _size(told)
    return "\n\n".join([*parts, *foot])


def _fitting(markdown: str, room: int) -> str:
    """Markdown as HTML in at most so many bytes."""
    for most in (room, room // 3, room // 9):
        if _size(found := rendered(markdown, most, ALL_OF_IT)) <= room:
            break
    return found


def _size(text: str) -> int:
    return len(text.encode()) + 2


def _point(point: Point, room: int) -> Iterator[str]:
    """A finding in paragraphs, in about so many bytes."""
    named = html(point.title) or (html(point.severity.capitalize()) if point.severity else "")
    head = [one for one in (sign(point.severity), f"<strong>{named}</strong>" if named else "") if one]
    more = [html(point.severity)] if point.title and point.severity else []
    more += [f"meant for {code(point.said_of)}"] if point.said_of else []
    if head or more:
        yield "<p>" + " · ".join([" ".join(head), *more] if head else more) + "</p>"
    if point.body.strip():
        yield _fitting(point.body, room * 2 // 3)
    if point.code is not None:
        yield fenced(point.code, room // 4, ALL_OF_IT)


def _offered(comment: Comment) -> list[str]:
    return [_suggestion(comment)] if comment.suggestion is not None else []


def _suggestion(comment: Comment) -> str:
    """What the host offers to put in the place of the lines; no fence in it is as long as that around it."""
    text = comment.suggestion or ""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}suggestion\n{text}{'' if text.endswith(chr(10)) or not text else chr(10)}{fence}"


def _remarks(remarks: Sequence[str]) -> list[str]:
    """What was moved or left out, folded away."""
    items, room = "", _REMARKS
    for index, remark in enumerate(remarks):
        item = f"<li>{quiet(escaped(shown(' '.join(remark.split())[:500])))}</li>"
        room -= _size(item)
        if room < 0:
            items += f"<li>and {len(remarks) - index:,} more</li>"
            break
        items += item
    return [f"<details><summary>What was moved or left out</summary><ul>{items}</ul></details>"] if items else []


def _footer(plan: PostPlan, by: str, *, foreign: bool) -> str:
    parts = [html(by), f"looked at {plan.head}" if plan.head else "", counted(plan)]
    parts += ["from a run without rights: its words are not checked"] if foreign else []
    return f"<sub>{' · '.join(part for part in parts if part)}</sub>"


__all__ = ["MOST", "check_summary", "check_title", "counted", "inline", "review", "sticky"]
