"""A Review to Markdown for a pull request and the job summary, to JSON, and to the sentences of its gates. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from runner.prices import dollars
from runner.report.markdown import code, fenced, plain, size, table
from runner.report.verdicts import VERDICTS

if TYPE_CHECKING:
    from runner.report.verdicts import Review, Reviewed, Side

MAX_BYTES: Final = 60_000
"""Of the whole. GitHub takes a comment of 65,536 characters: https://github.com/orgs/community/discussions/27190."""

MAX_ANSWER: Final = 4_000  # bytes of one side's answer
MAX_REASON: Final = 300  # characters
MOST_REASONS: Final = 8  # of one step; the JSON has the others

_SIGN: Final = {"added": "🆕", "removed": "🗑️", "changed": "❗", "reworded": "💬", "unchanged": "✅"}
_CUT: Final = "_The rest is left out here; the JSON has all of it._"


# -- Markdown ---------------------------------------------------------------------------------------------------------


def as_markdown(review: Review, most: int = MAX_BYTES) -> str:
    """Headline, table of what is not as it was, and the answers of what has changed, in at most so many bytes."""
    parts = [_headline(review), *_asked_otherwise(review)]
    room = most - sum(map(size, [*parts, _CUT]))
    others = [step for step in review.steps if step.verdict != "unchanged"]
    if others:
        parts.append(_table(others, room * 2 // 3))
        room -= size(parts[-1])
    for step in others:
        if step.verdict == "changed":
            answers = _answers(step)
            room -= size(answers)
            if room < 0:
                parts.append(_CUT)
                break
            parts.append(answers)
    return "\n\n".join(parts) + "\n"


def _headline(review: Review) -> str:
    counts = [f"{count:,} {verdict}" for verdict in VERDICTS if (count := review.count(verdict))]
    return f"### Recordings: {', '.join(counts) or 'none'}\n\n{_totals(review)}"


def _totals(review: Review) -> str:
    before, after = review.before, review.after
    return f"- **Tokens** {_tokens(before, after)}\n- **Cost** {_costs(before, after)}"


def _asked_otherwise(review: Review) -> Iterator[str]:
    """Steps that answer as before are not in the table; that they were asked something else is worth a line."""
    same = [step for step in review.steps if step.verdict == "unchanged"]
    count = sum(any(note.startswith("asked otherwise") for note in step.notes) for step in same)
    if count:
        yield f"_Asked otherwise, and answered as before: {count:,}._"


def _table(steps: list[Reviewed], room: int) -> str:
    head = ["| step | verdict | why | tokens | cost | turns |", "|---|---|---|--:|--:|--:|"]
    return table(head, map(_row, steps), len(steps), "the JSON", most=len(steps), room=room)


def _row(step: Reviewed) -> str:
    reasons = [plain(one, MAX_REASON) for one in step.reasons[:MOST_REASONS]]
    if len(step.reasons) > MOST_REASONS:
        reasons.append(f"and {len(step.reasons) - MOST_REASONS:,} more")
    notes = [f"_{plain(one, MAX_REASON)}_" for one in step.notes[:MOST_REASONS]]
    return (
        f"| {code(step.path)} | {_SIGN[step.verdict]} {step.verdict} | {'<br>'.join([*reasons, *notes])} "
        f"| {_tokens(step.before, step.after)} | {_costs(step.before, step.after)} | {_turns(step)} |"
    )


def _tokens(before: Side | None, after: Side | None) -> str:
    """In and out, and by how much both together have grown."""
    sides = [f"{side.usage.input:,} in, {side.usage.output:,} out" for side in (before, after) if side]
    return _beside(sides) + (_percent(before.usage.total, after.usage.total) if before and after else "")


def _costs(before: Side | None, after: Side | None) -> str:
    costs = [side.cost_usd for side in (before, after) if side]
    grown = _percent(*costs) if len(costs) == 2 and None not in costs else ""  # type: ignore[arg-type]
    return _beside(["unknown" if cost is None else dollars(cost) for cost in costs]) + grown


def _turns(step: Reviewed) -> str:
    return _beside([f"{side.turns:,}" for side in (step.before, step.after) if side])


def _beside(texts: list[str]) -> str:
    return " → ".join(dict.fromkeys(texts))


def _percent(before: float, after: float) -> str:
    return f" ({100 * (after - before) / before:+,.0f} %)" if before and after != before else ""


def _answers(step: Reviewed) -> str:
    blocks = [
        f"{word}{', written by hand' if side.by_hand else ''}:\n\n{fenced(side.response, MAX_ANSWER, 'the recording')}"
        for word, side in (("Before", step.before), ("After", step.after))
        if side
    ]
    inside = "\n\n".join(blocks)
    return f"<details><summary>{code(step.path)}</summary>\n\n{inside}\n\n</details>"


# -- JSON -------------------------------------------------------------------------------------------------------------


def as_json(review: Review) -> str:
    """The whole review: counts, totals, and every step with its verdict, reasons and both sides."""
    document = {
        "counts": {verdict: review.count(verdict) for verdict in VERDICTS},
        "before": _measured(review.before),
        "after": _measured(review.after),
        "steps": [
            {
                "path": step.path,
                "verdict": step.verdict,
                "reasons": list(step.reasons),
                "notes": list(step.notes),
                "before": _side(step.before),
                "after": _side(step.after),
            }
            for step in review.steps
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _measured(side: Side) -> dict[str, Any]:
    return {
        "input_tokens": side.usage.input,
        "output_tokens": side.usage.output,
        "cost_usd": side.cost_usd,
        "unpriced": list(side.unpriced),
        "turns": side.turns,
    }


def _side(side: Side | None) -> dict[str, Any] | None:
    if side is None:
        return None
    return {**_measured(side), "by_hand": side.by_hand, "response": side.response, "data": side.data}


# -- gates ------------------------------------------------------------------------------------------------------------


def too_much(review: Review, max_token_increase: float | None, max_cost_increase: float | None) -> list[str]:
    """What has grown by more than so many percent, each in a sentence; 0 allows no growth, None is no limit.

    Held against it are every step that there was before, and the total, which steps that were added count to. What
    was written by hand is no measure of what it would take.
    """
    pairs = [(step.path, step.before, step.after) for step in review.steps if step.before and step.after]
    pairs.append(("all steps together", review.before, review.after))
    measured = [(name, before, after) for name, before, after in pairs if _is_measure(before)]
    told: list[str] = []
    if max_token_increase is not None:
        told += _tokens_over(measured, max_token_increase)
    if max_cost_increase is not None:
        told += _costs_over(measured, max_cost_increase)
        told += _not_held(review, max_cost_increase)
    return told


def _is_measure(before: Side) -> bool:
    return before.turns > 0 and not before.by_hand


def _tokens_over(pairs: list[tuple[str, Side, Side]], allowed: float) -> Iterator[str]:
    for name, before, after in pairs:
        was, now = before.usage.total, after.usage.total
        if _over(was, now, allowed):
            yield f"{name}: {was:,} → {now:,} tokens{_grown(was, now)}; {allowed:g} % more are allowed"


def _costs_over(pairs: list[tuple[str, Side, Side]], allowed: float) -> Iterator[str]:
    for name, before, after in pairs:
        was, now = before.cost_usd, after.cost_usd
        if was is not None and now is not None and _over(was, now, allowed):
            yield f"{name}: about {dollars(was)} → {dollars(now)}{_grown(was, now)}; {allowed:g} % more are allowed"


def _not_held(review: Review, allowed: float) -> Iterator[str]:
    """A limit on a cost that is unknown would hold for nothing, and says so."""
    if not _is_measure(review.before):
        return
    for model in dict.fromkeys([*review.before.unpriced, *review.after.unpriced]):
        yield f"no price is known for {model}, so its cost cannot be held to an increase of {allowed:g} %"


def _over(was: float, now: float, allowed: float) -> bool:
    return now - was > was * allowed / 100 + 1e-12  # what prices add up to is not exact


def _grown(was: float, now: float) -> str:
    return f", {100 * (now - was) / was:.0f} % more" if was else ""
