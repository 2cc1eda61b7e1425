"""A session of test cases to Markdown for the job summary, to annotations, and to lines of the log. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from runner.errors import Finding, TookMore
from runner.prices import exact
from runner.report.markdown import MAX_NAME, code, duration, html, plain, table
from runner.report.progress import Line
from runner.report.review import as_markdown
from runner.report.summary import distrust, fitted

if TYPE_CHECKING:
    from runner.report.results import Trust
    from runner.report.tested import CaseResult, CaseStatus, Session

_SIGN: Final[dict[CaseStatus, str]] = {"passed": "✅", "failed": "❌", "error": "⛔"}
MOST_TOLD: Final = 20
"""Of the problems of one case."""

MAX_PROBLEM: Final = 1_000  # characters


def counted(session: Session) -> str:
    """A session in one line: `2 failed, 1 error, 14 passed (1 flaky)`."""
    counts = [(session.count(status), status) for status in ("failed", "error", "passed")]
    told = [f"{count} {status}" for count, status in counts if count]
    told[-1:] = [told[-1] + (f" ({session.flaky} flaky)" if session.flaky else "")] if told else ["nothing tested"]
    return ", ".join(told + ([f"{session.unrun} not run"] if session.unrun else []))


# -- the job summary --------------------------------------------------------------------------------------------------


def summary(session: Session, trust: Trust | None = None) -> str:
    """The job summary: what came of every case, and below what is wrong, as far as the host takes it."""
    return fitted(_sections(session, trust), "junit.xml")


def _sections(session: Session, trust: Trust | None) -> Iterator[str]:
    yield _headline(session) + (distrust(trust) if trust else "")
    yield _table(session)
    yield from (_folded(case) for case in session.cases if case.problems)
    if session.review is not None:
        yield as_markdown(session.review).rstrip()


def _headline(session: Session) -> str:
    sign = "✅" if session.status == "success" else "🛑" if session.cancelled else "❌"
    more = f"\n\n**{TookMore.title}:** {plain('; '.join(session.took_more))}" if session.took_more else ""
    return f"### {sign} Tests: {counted(session)}{more}"


def _table(session: Session) -> str:
    live = session.has_live
    head = ["| case | result | runs passed | tokens | time |", "|---|---|--:|--:|--:|"]
    if not live:
        head = ["| case | result | tokens | time |", "|---|---|--:|--:|"]
    rows = (_row(one, live=live) for one in session.cases)
    return table(head, rows, len(session.cases), "junit.xml")


def _row(case: CaseResult, *, live: bool) -> str:
    result = f"{_SIGN[case.status]} {case.status}" + (" ⚠️ flaky" if case.flaky else "")
    runs = f" {_runs(case) if case.source == 'live' else ''} |" if live else ""
    named = f"{plain(case.name, MAX_NAME)} {code(_place(case))}"
    return f"| {named} | {result} |{runs} {case.tokens:,} | {duration(case.duration_ms)} |"


def _runs(case: CaseResult) -> str:
    return f"{case.passes} of {case.runs} ({case.pass_rate} %)"


def _folded(case: CaseResult) -> str:
    told = [f"- {code(str(one.at))} {plain(one.message, MAX_PROBLEM)}" for one in case.failures[:MOST_TOLD]]
    rest = len(case.failures) - MOST_TOLD
    told += [f"- _and {rest:,} more, in junit.xml_"] if rest > 0 else []
    told += [f"- {plain(case.error, MAX_PROBLEM)}"] if case.error is not None else []
    title = f"{_SIGN[case.status]} {html(case.name)}"
    return f"<details><summary>{title}</summary>\n\n" + "\n".join(told) + "\n\n</details>"


def _place(case: CaseResult) -> str:
    return f"{case.at.file}:{case.at.line}" if case.at.line else case.file


# -- annotations and log ----------------------------------------------------------------------------------------------


def findings(session: Session) -> tuple[Finding, ...]:
    """One for each case that did not pass, and a warning for each that did not always, at its place."""
    return tuple(
        Finding(_sentence(case), case.at, level="warning" if case.status == "passed" else "error")
        for case in session.cases
        if case.status != "passed" or case.flaky
    )


def _sentence(case: CaseResult) -> str:
    begun = f"{case.name}: " + (f"flaky, passed {_runs(case)}: " if case.flaky else "")
    return begun + "; ".join(case.problems)


def line(case: CaseResult) -> Line:
    """What the log says of a case when it is done."""
    told = f"{case.status} {_place(case)} {case.name} ({case.tokens:,} tokens, {duration(case.duration_ms)})"
    if case.source == "live":
        told += f", live: {_runs(case)}"
    if case.problems:
        told += ": " + "; ".join(case.problems)
    if case.flaky:
        return Line("WARNING", told)
    return Line("INFO" if case.status == "passed" else "ERROR", told)


def last_line(session: Session) -> Line:
    """What the log says at the end."""
    told = f"Tests: {counted(session)}; {session.tokens:,} tokens, {duration(session.duration_ms)}"
    if session.took_more:
        told += f"; {TookMore.title}: {'; '.join(session.took_more)}"
    return Line("INFO" if session.status == "success" else "ERROR", told)


# -- outputs ----------------------------------------------------------------------------------------------------------


def outputs(session: Session) -> dict[str, str]:
    """What the action's outputs say of test cases; the others are of runs, and empty."""
    live = [case for case in session.cases if case.source == "live"]
    costs = [case.cost_usd for case in live]
    return {
        "status": session.status,
        "tests-passed": str(session.count("passed")),
        "tests-failed": str(len(session.cases) - session.count("passed") + session.unrun),
        "total-tokens": str(sum(case.tokens for case in live)),
        "cost-usd": "" if None in costs else exact(sum(cost for cost in costs if cost is not None)),
        "duration-ms": str(session.duration_ms),
    }


def as_json(session: Session, mode: str) -> str:
    """results.json of a session: its status, and every case with all that is wrong."""
    document = {
        "status": session.status,
        "exit_code": session.exit_code,
        "mode": mode,
        "cases": [_as_data(case) for case in session.cases],
        "took_more": list(session.took_more),
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _as_data(case: CaseResult) -> dict[str, Any]:
    return {
        "file": case.file,
        "name": case.name,
        "at": str(case.at),
        "status": case.status,
        "source": case.source,
        "passes": case.passes,
        "runs": case.runs,
        "tokens": case.tokens,
        "cost_usd": case.cost_usd,
        "duration_ms": case.duration_ms,
        "failures": [{"message": one.message, "at": str(one.at)} for one in case.failures],
        "error": case.error,
    }
