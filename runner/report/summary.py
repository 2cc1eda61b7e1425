"""RunReport to the job summary, in Markdown. Pure, and under the runner's size limit whatever happened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import nlargest
from itertools import chain, islice
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from runner.errors import what_to_do
from runner.prices import dollars, of_limit
from runner.report.costs import cost_shares, least_cost, run_cost, token_shares, why_unknown
from runner.report.markdown import MAX_ANSWER, MAX_NAME, MOST_ROWS, code, duration, fenced, html, plain, size, table
from runner.report.posted import section as posted
from runner.report.review import as_markdown
from runner.report.timeline import flow, gantt

if TYPE_CHECKING:
    from runner.errors import Finding, Question
    from runner.report.results import BudgetStatistics, Failure, RunReport, StepResult, Trust, Usage

Detail: TypeAlias = Literal["full", "brief", "off"]

MAX_BYTES: Final = 900 * 1024
"""The runner drops a summary above 1 MiB as a whole."""

MOST_MODELS: Final = 10
MOST_EXTREME: Final = 20
"""Steps that are shown of many because they took longest, and as many because they spent most."""
FEW: Final = 3
"""Steps that are named as those that spent most."""
MANY: Final = 25
"""Steps that are seen at once. Of more those are that failed or wait, and the others when somebody unfolds them."""
MOST_RENDERED: Final = 120_000
"""Bytes of answers that are read as Markdown: of the worst, some two seconds. What is beyond is shown as it is."""

ANSWERS: Final = "<details><summary>Answers</summary>"
END: Final = "</details>"

_SIGN: Final = {
    "success": "✅", "failed": "❌", "budget": "🪙", "timeout": "⏱️", "cancelled": "🛑",
    "paused": "⏸️", "invalid": "⛔", "skipped": "⏭️",
}  # fmt: skip
_STEP_SIGN: Final = {"success": "✅", "failed": "❌", "cancelled": "🛑", "skipped": "⏭️", "paused": "⏸️"}


def summary(report: RunReport, detail: Detail) -> str:
    """The whole summary."""
    return fitted(_sections(report, detail), "results.json")


def fitted(sections: Iterable[str], whole: str) -> str:
    """Sections one below the other, as many as the host takes, and then a marker that names the file with all."""
    parts: list[str] = []
    room = MAX_BYTES
    for text in filter(None, sections):
        room -= size(text)
        if room < 0:
            parts.append(f"_The rest is left out here to stay below the host's limit; {whole} has all of it._")
            parts.extend([END] if ANSWERS in parts else [])
            break
        parts.append(text)
    return "\n\n".join(parts) + "\n"


def _sections(report: RunReport, detail: Detail) -> Iterator[str]:
    for section in (_headline, _questions, posted, _findings, _review, _steps, _statistics):
        yield section(report)
    if detail == "full":
        yield _pictures(report)
        yield from _answers(report)


def _headline(report: RunReport) -> str:
    told = f"### {_SIGN[report.status]} {plain(report.name, MAX_NAME)}: {report.status}"
    if report.shard is not None:
        told += f"\n\n{report.shard.told}"
    if report.trust is not None:
        told += distrust(report.trust)
    if report.idle:
        told += f"\n\n{plain(report.idle)}"
    if report.failure is not None:
        told += f"\n\n**{plain(report.failure.title)}:** {plain(report.failure.message)}"
        told += "".join(f" ({code(str(one.at))})" for one in _said(report.failure))
        told += f" · [what to do]({what_to_do(report.failure.title)})"
    return told


def distrust(trust: Trust) -> str:
    """Why a run is not trusted, below a headline; nothing of one that is."""
    return "" if trust.trusted else f"\n\n🔒 {plain(trust.told)}"


def _questions(report: RunReport) -> str:
    """What humans are asked, and how to go on with their answers."""
    if not report.questions:
        return ""
    return "\n\n".join([*map(_question, report.questions), f"_{plain(how_to_go_on(report.questions))}_"])


def _question(one: Question) -> str:
    told = [f"**Waiting for an answer** to {code(one.path)}{plain(_unless(one))}", fenced(one.prompt)]
    return "\n\n".join([*told, *([fenced(one.context)] if one.context else [])])


def _unless(one: Question) -> str:
    """What becomes of a question that nobody answers."""
    if one.until is None:
        return ""
    what = "fails" if one.default is None else f"is answered '{one.default}'"
    return f", which {what} after {one.until:%Y-%m-%d %H:%M} UTC"


def how_to_go_on(questions: Sequence[Question]) -> str:
    """What to do for a run to go on."""
    if len(questions) == 1:
        return "To go on, run with 'mode: resume' and the answer as 'hitl-response'."
    paths = ", ".join(one.path for one in questions)
    return f"To go on, run with 'mode: resume' and, as 'hitl-response', a map of path to answer ({paths})."


def _said(failure: Failure) -> tuple[Finding, ...]:
    """What was found where it is all that the failure says: its place stands beside it."""
    found = failure.findings
    return found if len(found) == 1 and found[0].at.file and found[0].message == failure.message else ()


def _findings(report: RunReport) -> str:
    wrong = report.failure.findings if report.failure and not _said(report.failure) else ()
    placed = [one for one in (*wrong, *report.warnings) if one.at.file]
    if not placed:
        return ""
    rows = (f"| {one.level} | {code(str(one.at))} | {plain(one.message)} |" for one in placed)
    return table(["| | where | what |", "|---|---|---|"], rows, len(placed), "results.json")


def _review(report: RunReport) -> str:
    return "" if report.review is None else as_markdown(report.review).rstrip()


def _steps(report: RunReport) -> str:
    steps = report.steps
    if len(steps) <= MANY:
        return _table(report, steps, len(steps)) if steps else ""
    ends = Counter[str](one.status for one in steps)
    told = [f"**{len(steps):,} steps:** {', '.join(f'{ends[one]:,} {one}' for one in _STEP_SIGN if ends[one])}"]
    if wrong := [one for one in steps if one.status in ("failed", "paused")]:
        told.append(_table(report, wrong[:MANY], len(wrong)))
    shown = _table(report, _of_interest(steps), len(steps))
    if len(steps) > MOST_ROWS:
        shown += "\n\n_Here are those that did not succeed, took longest or spent most, and the first._"
    return "\n\n".join([*told, f"<details><summary>Steps</summary>\n\n{shown}\n\n{END}"])


def _table(report: RunReport, steps: Sequence[StepResult], total: int) -> str:
    """Steps of a run, as those that are shown of so many."""
    head = [
        "| step | agent | status | time | tokens in | out | share | attempts | source |",
        "|---|---|---|--:|--:|--:|--:|--:|---|",
    ]
    spent = token_shares(report)
    return table(head, (_row(step, spent.get(step.path)) for step in steps), total, "results.json")


def _of_interest(steps: Sequence[StepResult]) -> Sequence[StepResult]:
    """As many steps as a table has rows for, in their order."""
    if len(steps) <= MOST_ROWS:
        return steps
    every = range(len(steps))
    wrong = (at for at in every if steps[at].status not in ("success", "skipped"))
    slow = nlargest(MOST_EXTREME, every, key=lambda at: steps[at].duration_ms)
    dear = nlargest(MOST_EXTREME, every, key=lambda at: steps[at].usage.total)
    chosen = dict.fromkeys(chain(islice(wrong, MOST_ROWS), slow, dear, islice(every, MOST_ROWS)))
    return [steps[at] for at in sorted(islice(chosen, MOST_ROWS))]


def _row(step: StepResult, share: int | None) -> str:
    if step.status == "skipped" and step.started is None:
        return f"| {code(step.path)} | {plain(step.asked)} | {_STEP_SIGN['skipped']} not run | | | | | | |"
    return (
        f"| {code(step.path)} | {plain(step.asked)} | {_STEP_SIGN[step.status]} {step.status} "
        f"| {duration(step.duration_ms)} | {step.usage.input:,} | {step.usage.output:,} "
        f"| {'' if share is None else f'{share} %'} | {step.attempts} | {step.source} |"
    )


def _statistics(report: RunReport) -> str:
    if not report.steps:
        return ""
    cache, clients, usage = report.cache, report.clients, report.usage
    most = _most(token_shares(report)) if len(report.steps) > MANY else ""  # of fewer each share is seen
    tokens = f"{_at_least(report)}{usage.input:,} in{_cached(usage)}, {usage.output:,} out{most}"
    lines = [
        f"- **Time** {duration(report.duration_ms)} · **Tokens** {tokens}",
        f"- **Agent cache** {cache.builds} built, {cache.hits} reused ({cache.hit_rate} %)",
        f"- **Clients** {clients.created} created, {clients.hits} reused",
        f"- **Budget** {_budget(report.budget)}",
        f"- **Cost** {_cost(report)}",
        f"- **Config** {code(report.config_hash[:12])}",
    ]
    return "\n".join(lines)


def _budget(budget: BudgetStatistics) -> str:
    limits = [of_limit(*one) for one in budget.limits]
    return f"{', '.join(limits)} ({budget.used_percent} %)" if limits else "no limit set"


def _at_least(report: RunReport) -> str:
    if not report.uncounted:
        return ""
    turns = "1 turn was" if report.uncounted == 1 else f"{report.uncounted:,} turns were"
    return f"({turns} never counted) at least "


def _cost(report: RunReport) -> str:
    cost = run_cost(report)
    most = _most(cost_shares(report))
    if cost is None:
        why = plain(", ".join(why_unknown(report)[:MOST_MODELS]))
        known = least_cost(report)
        return f"at least about {dollars(known)} at list prices{most}; {why}" if known else f"unknown: {why}"
    return f"about {dollars(cost)} at list prices{most}" if cost else "nothing that is billed was asked"


def _most(shares: Mapping[str, int]) -> str:
    """Who it was that spent most, where there are too many to see."""
    if len(shares) <= FEW:
        return ""
    first = nlargest(FEW, filter(shares.get, shares), key=lambda path: shares[path])
    return f" (most by {', '.join(f'{code(path)} {shares[path]} %' for path in first)})" if first else ""


def _cached(usage: Usage) -> str:
    parts = ((usage.cache_read, "read from a prompt cache"), (usage.cache_write, "written to one"))
    told = [f"{count:,} {what}" for count, what in parts if count]
    return f" ({', '.join(told)})" if told else ""


def _pictures(report: RunReport) -> str:
    pictures = [picture for picture in (gantt(report.steps), flow(report.steps, report.needs)) if picture]
    if not pictures:
        return ""
    blocks = "\n\n".join(f"```mermaid\n{picture}\n```" for picture in pictures)
    return f"<details><summary>Time line and flow</summary>\n\n{blocks}\n\n{END}"


def _answers(report: RunReport) -> Iterator[str]:
    """What models said: the run's own answer for all to see, every step's when it is unfolded."""
    said = [one for one in report.steps if one.response]
    final = next((one for one in reversed(said) if one.response == report.response), None)
    shown = _shown([*([final] if final else []), *(one for one in said if one is not final)])
    if final:
        yield next(shown).replace("<details>", "<details open>", 1)
    yield from shown if len(said) <= MANY else chain([ANSWERS], shown, [END])


def _shown(steps: Iterable[StepResult]) -> Iterator[str]:
    """Answers as Markdown where models wrote it, data as it is; each to unfold."""
    from runner.report.rendered import rendered  # reading Markdown is loaded where there is some

    room = MOST_RENDERED
    for step in steps:
        room -= min(len(step.response), MAX_ANSWER) if step.data is None else 0
        told = fenced(step.response) if step.data is not None or room < 0 else rendered(step.response)
        who = "nobody, so its default" if step.answered_by == "default" else step.asked
        yield f"<details><summary>{html(step.path)} · {html(who)}</summary>\n\n{told}\n\n{END}"
