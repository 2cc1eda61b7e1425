"""A recording made anew is reviewed, not trusted: what became of every step, by rules that need no judgement.

A step has `changed` when what a program sees of it has: its status, the data or the single word that it answered, the
tools that it used and their arguments, why it stopped, what a person said at a gate. It is `reworded` when only prose
is other. How it was asked, by which model it was answered and what tools said is told beside, and changes no verdict.
What a provider makes at random, such as ids, is not compared.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from runner.prices import LATEST, cost_of, cost_usd
from runner.report.verdicts import Review, Reviewed, Side, Verdict
from runner.tape.compare import Gap, gaps
from runner.tape.drift import of_prompt, of_step

if TYPE_CHECKING:
    from runner.tape.recording import Recording, ToolUse

MOST_REASONS: Final = 50
"""Reasons of one step: who reads more reads the recordings."""


def review(before: Mapping[str, Recording], after: Mapping[str, Recording], at: datetime = LATEST) -> Review:
    """What became of the recordings of a workflow, by path. Both are priced as of one time, so that a difference in
    cost is one of the work."""
    paths = {*after, *before}
    steps = [_reviewed(path, before.get(path), after.get(path), at) for path in sorted(paths, key=_by_number)]
    return Review.of(steps)


def _by_number(path: str) -> tuple[list[tuple[str, int]], str]:
    """`steps[10]` comes behind `steps[9]`."""
    return [(word, int(number or -1)) for word, number in re.findall(r"(\D*)(\d*)", path)], path


def _reviewed(path: str, old: Recording | None, new: Recording | None, at: datetime) -> Reviewed:
    sides = (_side(old, at) if old else None, _side(new, at) if new else None)
    if old is None:
        return Reviewed(path, "added", ("was not recorded before",), (), *sides)
    if new is None:
        return Reviewed(path, "removed", ("is not asked any more",), (), *sides)
    found = sorted(_compared(old, new), key=lambda gap: gap.only_words)
    more = [f"and {len(found) - MOST_REASONS:,} more"] if len(found) > MOST_REASONS else []
    told = (*(gap.told for gap in found[:MOST_REASONS]), *more)
    grave = any(not gap.only_words for gap in found)
    verdict: Verdict = "changed" if grave else "reworded" if found else "unchanged"
    return Reviewed(path, verdict, told, tuple(_notes(old, new)), *sides)


def _side(recording: Recording, at: datetime) -> Side:
    counted = [(turn.model, turn.usage) for turn in recording.turns if turn.usage.total]
    return Side(
        response=recording.response,
        data=recording.answer.data,
        usage=recording.usage,
        cost_usd=cost_of(counted, at),
        unpriced=tuple(dict.fromkeys(model for model, usage in counted if cost_usd(usage, model, at) is None)),
        turns=len(recording.turns),
        by_hand=recording.origin == "hand",
    )


# -- what makes a verdict ---------------------------------------------------------------------------------------------


def _compared(old: Recording, new: Recording) -> Iterator[Gap]:
    yield from gaps("status", old.answer.status, new.answer.status)
    yield from _of_stops(old, new)
    yield from _of_tools(old, new)
    yield from _of_answers(old, new)
    yield from gaps("gate", _said_at_gate(old), _said_at_gate(new))
    if old.answer.error is not None and new.answer.error is not None and old.answer.error != new.answer.error:
        yield Gap("error reworded", only_words=True)


def _of_stops(old: Recording, new: Recording) -> Iterator[Gap]:
    """Why the last turn ended; who writes a recording by hand need not say."""
    was, now = (one.turns[-1].stop if one.turns else None for one in (old, new))
    if was is not None and now is not None:
        yield from gaps("stop reason", was, now)


def _of_tools(old: Recording, new: Recording) -> Iterator[Gap]:
    was, now = old.tools_used, new.tools_used
    if was == now:
        for one, other in zip(_uses(old), _uses(new), strict=True):
            yield from gaps(f"arguments of `{one.name}`", one.input, other.input)
            if one.status != other.status:
                yield Gap(f"the tool `{one.name}`: {one.status} → {other.status}")
        return
    before, after = Counter(was), Counter(now)
    for name in dict.fromkeys([*was, *now]):
        if not after[name]:
            yield Gap(f"no longer uses the tool `{name}`")
        elif not before[name]:
            yield Gap(f"now uses the tool `{name}`")
        elif before[name] != after[name]:
            yield Gap(f"uses the tool `{name}` {after[name]} times, before {before[name]}")
    if before == after:
        yield Gap(f"uses its tools in another order: {', '.join(now)}; before {', '.join(was)}")


def _of_answers(old: Recording, new: Recording) -> Iterator[Gap]:
    """What was answered as data, and else as text; a text that is JSON is compared as what it says."""
    was, now = old.answer.data, new.answer.data
    where = "data"
    if was is None and now is None:
        where, was, now = "response", *_as_read(old.response, new.response)
    found = False
    for gap in gaps(where, was, now):
        found = True
        yield gap
    if not found and old.response != new.response:
        yield Gap("response reworded", only_words=True)


def _as_read(old: str, new: str) -> tuple[Any, Any]:
    """Two texts, or what they say where both are objects or lists of JSON."""
    try:
        was, now = json.loads(old), json.loads(new)
    except (ValueError, RecursionError):
        return old, new
    return (was, now) if isinstance(was, dict | list) and isinstance(now, dict | list) else (old, new)


def _said_at_gate(recording: Recording) -> dict[str, Any] | None:
    gate = recording.gate
    if gate is None:
        return None
    return {"question": gate.question, "context": gate.context, "answer": gate.answer, "by": gate.by}


def _uses(recording: Recording) -> list[ToolUse]:
    return [use for turn in recording.turns for use in turn.tools]


# -- what is told beside ----------------------------------------------------------------------------------------------


def _notes(old: Recording, new: Recording) -> Iterator[str]:
    asked = [*of_step(old, new.config_hash, new.asked), *of_prompt(old, new.prompt, replay=False)]
    if asked:
        yield f"asked otherwise: {', '.join(dict.fromkeys(one.field for one in asked))}"
    yield from (f"the tool `{name}` is described otherwise" for name in _described_otherwise(old, new))
    was, now = (one.turns[-1].model if one.turns else "" for one in (old, new))
    if was and now and was != now:
        yield f"answered by {now}, before by {was}"
    if old.tools_used == new.tools_used:
        pairs = zip(_uses(old), _uses(new), strict=True)
        others = dict.fromkeys(one.name for one, other in pairs if one.content != other.content)
        yield from (f"the tool `{name}` said something else" for name in others)
    if old.origin != new.origin:
        yield "written by hand before" if old.origin == "hand" else "written by hand now"


def _described_otherwise(old: Recording, new: Recording) -> Iterator[str]:
    """Tools of which a model is told something else under the same name: what a server of tools says of them is not
    known before it is asked, and so is no part of a config_hash."""
    return (name for name, told in new.tools.items() if old.tools.get(name, told) != told)
