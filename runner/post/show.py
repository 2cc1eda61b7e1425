"""A plan for people to read before, or instead of, its being posted: in a terminal, and on the page of a run. Pure."""

from __future__ import annotations

from textwrap import indent
from typing import TYPE_CHECKING, Final

from runner.invisible import shown as seen
from runner.post.places import standing_at
from runner.post.say import check_summary, counted, inline
from runner.report.markdown import code, html, size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.post.plan import Comment, Point, PostPlan

MOST_IN_SUMMARY: Final = 200_000
"""Bytes of all comments on the page of a run, which has room for a megabyte in all."""

LONGEST: Final = 4_000  # characters of one text in a terminal


def shown(plan: PostPlan) -> str:
    """The plan as plain text: all that would be posted, where, and what was moved or left out and why."""
    return "\n".join(_lines(plan)) + "\n"


def _lines(plan: PostPlan) -> Iterator[str]:
    yield _heading(plan)
    if plan.body.strip():
        yield from ("", "the comment:", _text(plan.body))
    if plan.comments:
        yield from ("", "in the diff:")
    for comment in plan.comments:
        yield from _at(comment)
    if plan.rest:
        yield from ("", "below the comment:")
    for point in plan.rest:
        yield from _point(point, "")
    yield ""
    if plan.labels:
        yield f"labels: {', '.join(map(_line, plan.labels))}"
    if plan.check:
        yield f"check: {_line(plan.check)}: {plan.conclusion}"
    if plan.since:
        yield f"- only what has changed since {plan.since[:10]} was looked at"
    yield from (f"- {_line(line.removeprefix('- '))}" for line in plan.unseen.splitlines())
    yield from (f"- {_line(remark)}" for remark in plan.remarks)


def _heading(plan: PostPlan) -> str:
    where = f"{plan.repository}#{plan.number}" if plan.repository else "what is here"
    about = f", about commit {plan.head[:10]}" if plan.head else ""
    return ": ".join(one for one in (f"for {where}{about}", counted(plan)) if one)


def _at(comment: Comment) -> Iterator[str]:
    removed = " (as it was)" if comment.side == "old" else ""
    yield f"  {_line(standing_at(comment))}{removed}"
    for point in comment.points:
        yield from (indent(part, "  ") for part in _point(point, "meant for "))
    if comment.suggestion is not None:
        yield "    suggestion:" if comment.suggestion else "    suggestion: these lines are taken out"
        yield from ([_text(comment.suggestion, 6)] if comment.suggestion else [])


def _point(point: Point, before: str) -> Iterator[str]:
    named = " ".join(one for one in (f"[{_line(point.severity)}]" if point.severity else "", _line(point.title)) if one)
    meant = f"({before}{_line(point.said_of)})" if point.said_of else ""
    if named or meant:
        yield f"  {named} {meant}".rstrip() if named else f"  {meant}"
    if point.body.strip():
        yield _text(point.body, 4)
    if point.code is not None:
        yield from ("    proposed:", _text(point.code, 6))


def _line(text: str) -> str:
    return " ".join(seen(text).split())


def _text(text: str, deep: int = 2) -> str:
    cut = text if len(text) <= LONGEST else f"{text[:LONGEST]} […]"
    return indent(seen(cut).strip("\n"), " " * deep)


# -- on the page of a run ----------------------------------------------------------------------------------------------


def summary(plan: PostPlan, by: str) -> str:
    """The plan as Markdown: each comment as the host would show it, folded."""
    parts = [html(_heading(plan)), _folded("the comment that is kept up to date", check_summary(plan, by))]
    room = MOST_IN_SUMMARY - size(parts[1])
    for index, comment in enumerate(plan.comments):
        part = _folded(code(standing_at(comment)), inline(comment, "").partition("\n")[2])
        room -= size(part)
        if room < 0:
            parts.append(f"_and {len(plan.comments) - index:,} comments more, in post-plan.json_")
            break
        parts.append(part)
    set_too = [f"label {code(label)}" for label in plan.labels]
    set_too += [f"check {code(plan.check)}: {plan.conclusion}"] if plan.check else []
    return "\n\n".join([*parts, *([", ".join(set_too)] if set_too else [])])


def _folded(title: str, text: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{text}\n\n</details>"
