"""What became of a post, for the log and for the job summary. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.report.markdown import plain

if TYPE_CHECKING:
    from runner.report.results import Posted, RunReport


def line(report: RunReport) -> str:
    """One line of the log; empty where nothing was to be posted."""
    if report.posted is not None:
        where = f"{report.posted.url} · " if report.posted.url else ""
        return f"{_title(report)}: {where}{counted(report.posted)}"
    return f"{report.unposted or _kept(report)}"


def section(report: RunReport) -> str:
    """The part of the summary that says it; empty where nothing was to be posted."""
    posted = report.posted
    if posted is not None:
        where = f" [at the host]({posted.url})" if posted.url else ""
        told = [f"**{_title(report)}**{where}: {plain(counted(posted))}"]
        return "\n".join([*told, *(f"- {plain(one)}" for one in posted.remarks)])
    if report.post_page:
        return f"**{plain(_kept(report))}**\n\n{report.post_page}"
    return f"_{plain(report.unposted)}_" if report.unposted else ""


def counted(posted: Posted) -> str:
    """What was done at the host, and what stood there before."""
    if not posted.written:
        return "all of it stood there already"
    comments = "1 new comment" if posted.comments == 1 else f"{posted.comments} new comments"
    parts = [f"{comments} at the diff"] if posted.comments else []
    parts += [f"{posted.known} said before"] if posted.known else []
    parts += [f"{posted.resolved} resolved"] if posted.resolved else []
    return ", ".join([*parts, f"{posted.written} {'change' if posted.written == 1 else 'changes'} at the host"])


def _title(report: RunReport) -> str:
    return "Posted" if report.failure is None else "Posted before it ended"


def _kept(report: RunReport) -> str:
    return f"What would be posted is in {report.post_plan}; nothing was" if report.post_shown else ""
