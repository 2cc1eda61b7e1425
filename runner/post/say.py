"""The texts of a post as the host is given them: Markdown in which nothing of a model's acts but the suggestions that
we offer. The same plan gives the same text. Pure.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from runner.facts.marker import Marker
from runner.invisible import shown
from runner.post.places import standing_at
from runner.post.plan import NOTHING
from runner.post.severity import sign
from runner.report.markdown import code, escaped, fenced, html, quiet
from runner.report.rendered import rendered

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from runner.post.plan import Comment, Point, PostPlan

MOST: Final = 65_000
"""Bytes of a comment. The host takes 65,536 of what it calls characters; nobody knows for sure which it counts."""

ALL_OF_IT: Final = "results.json"
"""Where all of a text is of which a comment has the beginning."""

_HEAD: Final = 500  # bytes of marker and heading, and of how many more there are
_FOOT: Final = 14_000  # of what stands below: the findings at lines, what is folded, and the last line
_LIST: Final = 6_000  # of those findings
_FOLDED: Final = 3_000  # of one list that is folded
_FINDING: Final = 20_000  # of one finding
_LEAST: Final = 1_000  # in less nothing is said any more

_CODE: Final = re.compile("&#96;(.+?)&#96;")
"""Code in a title, which is HTML by then."""


def sticky(plan: PostPlan, key: str, by: str, *, foreign: bool = False) -> str:
    """The comment that is kept up to date. `by` is the name of the workflow that posts, for people; `foreign` says that
    the plan is that of a run without rights, whose words are anybody's."""
    return f"{Marker(key, head=plan.head)}\n{_whole(plan, by, foreign=foreign)}"


def inline(comment: Comment, key: str) -> str:
    """A comment at lines or a file of the diff."""
    offered = [] if comment.suggestion is None else [_suggestion(comment.suggestion)]
    room = MOST - _HEAD - sum(map(_size, offered))
    parts = [*_points(comment.points, room, "meant for "), *offered]
    return f"{Marker(key, place=comment.place)}\n" + "\n\n".join(parts)


def review(comments: Sequence[Comment], by: str) -> str:
    """What stands above these comments at lines, which the host shows as one review."""
    return f"<sub>{html(by)} · {_findings(sum(len(one.points) for one in comments))}</sub>"


def check_title(plan: PostPlan) -> str:
    """The one line beside a check run. That there are no findings is said only where that was the answer."""
    nothing = "No findings in what is new" if plan.since else "No findings"
    return counted(plan) or (nothing if plan.body == NOTHING else "Looked at")


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


@lru_cache(maxsize=8)
def _whole(plan: PostPlan, by: str, *, foreign: bool) -> str:
    """Everything but the marker, in at most MOST bytes with it."""
    room = MOST - _HEAD - _FOOT
    parts = [_fitting(plan.body, min(room, 40_000))] if plan.body.strip() else []
    parts += [f"<p><em>{_since(plan.since)}</em></p>"] if plan.since else []
    room -= sum(map(_size, parts))
    if plan.comments:
        parts.append(_listed(_overview(plan.comments), _LIST))
    if plan.rest:
        parts.append("#### Not at a line of the diff" if plan.comments else "#### Findings")
        parts += _points(plan.rest, room, "")
    parts += _folded(
        "Not all of the change was looked at", [one.removeprefix("- ") for one in plan.unseen.splitlines()]
    )
    parts += _folded("What was moved or left out", plan.remarks)
    return "\n\n".join([*parts, _footer(plan, by, foreign=foreign)])


def _since(commit: str) -> str:
    return f"Only what has changed since {commit} was looked at; what was found before stands at its lines."


def _overview(comments: Sequence[Comment]) -> Iterator[str]:
    """A line for each finding that stands in the diff."""
    for comment in comments:
        for point in comment.points:
            yield f"{_head(point) or 'A finding'} · {code(standing_at(comment))}"


def _head(point: Point) -> str:
    """A finding in a word or two; empty where it has none."""
    named = _CODE.sub(r"<code>\1</code>", html(point.title)) or html(point.severity.capitalize())
    return " ".join(one for one in (sign(point.severity), f"<strong>{named}</strong>" if named else "") if one)


def _points(points: Sequence[Point], room: int, before: str) -> Iterator[str]:
    """Findings one after the other, in so many bytes, and how many there was no room for. `before` is a word before the
    places that they were said of."""
    for index, point in enumerate(points):
        told = "\n\n".join(_point(point, room, before))
        room -= _size(told)
        if room < _LEAST:
            yield f"_and {len(points) - index:,} more, in {ALL_OF_IT}_"
            return
        yield told


def _point(point: Point, room: int, before: str) -> Iterator[str]:
    """A finding in paragraphs, in not much more than so many bytes."""
    parts = [_head(point), html(point.severity) if point.title else ""]
    parts += [before + code(point.said_of)] if point.said_of else []
    if told := " · ".join(one for one in parts if one):
        yield f"<p>{told}</p>"
    if point.body.strip():
        yield _fitting(point.body, min(room // 2, _FINDING))
    if point.code is not None:
        yield _fitting(fenced(point.code), min(room // 4, _FINDING))


def _fitting(markdown: str, room: int) -> str:
    """Markdown as HTML in at most so many bytes, or what there is of it."""
    found = rendered(markdown, room - 100, ALL_OF_IT)  # which leaves some for the words that it was cut
    return found if _size(found) <= room else rendered(markdown, room // 4, ALL_OF_IT)


def _size(text: str) -> int:
    return len(text.encode()) + 2


def _suggestion(text: str) -> str:
    """What the host offers to put in the place of the lines; no fence in it is as long as that around it."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}suggestion\n{text}{'' if text.endswith(chr(10)) or not text else chr(10)}{fence}"


def _folded(title: str, lines: Sequence[str]) -> list[str]:
    """Lines folded away; nothing where there are none."""
    items = [quiet(escaped(shown(" ".join(line.split())[:500]))) for line in lines]
    return [f"<details><summary>{title}</summary>{_listed(items, _FOLDED)}</details>"] if items else []


def _listed(items: Iterable[str], room: int) -> str:
    """HTML of a list, in so many bytes, and how many more there are."""
    every, shown_ = list(items), 0
    for item in every:
        room -= _size(item) + 9
        if room < 0:
            break
        shown_ += 1
    more = [f"and {len(every) - shown_:,} more"] if shown_ < len(every) else []
    return "<ul>" + "".join(f"<li>{one}</li>" for one in [*every[:shown_], *more]) + "</ul>"


def _footer(plan: PostPlan, by: str, *, foreign: bool) -> str:
    parts = [html(by), f"looked at {plan.head}" if plan.head else "", counted(plan)]
    parts += ["made by a run without rights: these may be anybody's words"] if foreign else []
    return f"<sub>{' · '.join(part for part in parts if part)}</sub>"


__all__ = ["MOST", "check_summary", "check_title", "counted", "inline", "review", "sticky"]
