"""What is asked now, beside what was asked when it was recorded: field by field, old and new."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from runner.errors import Finding
from runner.plan.flows import planned

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.plan.plan import Plan, Step
    from runner.tape.recording import Prompt, Recording
    from runner.tape.shelf import Shelf

MOST_SHOWN: Final = 80
"""Characters of each side, around where they begin to differ."""

NOTHING: Final = "nothing"

HIDDEN: Final = "***"
"""What stands in the place of a secret."""

ABSENT: Final = object()


@dataclass(frozen=True)
class Difference:
    """A field by the name that the file has for it (`prompt`, `tools.lookup.description`), as it was and as it is."""

    field: str
    old: Any
    new: Any

    def __str__(self) -> str:
        old, new = beside(self.old, self.new)
        return f"{self.field}: {old} → {new}"


def of_step(recording: Recording, config_hash: str, asked: Mapping[str, Any]) -> list[Difference]:
    """What differs in who is asked and how. Nothing where the hashes are equal."""
    if recording.config_hash == config_hash:
        return []
    if recording.gate is not None and asked:
        return [Difference("type", "hitl", ABSENT)]
    found = [*_compared(recording.asked, asked)]
    return found or [Difference("config_hash", recording.config_hash[:12], config_hash[:12])]


def of_prompt(recording: Recording, prompt: Prompt, *, replay: bool) -> list[Difference]:
    """What differs in the rendered question, which values make, and answers of other steps; and in what its session had
    said by then. In a `replay` the steps of a session may come in another order, and are compared after it; and the
    secrets that were taken out are not known."""
    old, same = recording.prompt, fits if replay else str.__eq__
    pairs = (("system prompt", old.system, prompt.system), ("question", old.user, prompt.user))
    found = [Difference(name, was, now) for name, was, now in pairs if not same(was or "", now or "")]
    if not replay and dict(old.before) != dict(prompt.before):
        found.append(Difference("session", ", ".join(old.before), ", ".join(prompt.before)))
    return found


def fits(recorded: str, text: str) -> bool:
    """Whether a text is the one that was recorded, in which HIDDEN stands for whatever was taken out."""
    first, *others = recorded.split(HIDDEN)
    if not others:
        return recorded == text
    if not text.startswith(first):
        return False
    *middle, last = others
    at = len(first)
    for part in middle:
        if (found := text.find(part, at)) < 0:
            return False
        at = found + len(part)
    return text.endswith(last) and at + len(last) <= len(text)


def stale(plan: Plan, recordings: Shelf, asked: Callable[[Step], Mapping[str, Any]]) -> list[Finding]:
    """A finding for every step of a plan that some recording is about and that is another one by now."""
    steps = {step.path: step for step in plan.steps()}
    found: dict[str, Finding] = {}
    for path, card in recordings.cards.items():
        step = steps.get(planned(path))
        if step is None or card.config_hash == step.config_hash:
            continue
        if differences := of_step(card.recording, step.config_hash, asked(step)):
            found.setdefault(step.path, Finding(told(step, differences), step.at))
    return [found[path] for path in steps if path in found]


def told(step: Step, differences: list[Difference], path: str | None = None) -> str:
    """Why a step's recording is stale, in a sentence."""
    listed = "; ".join(map(str, differences))
    return f"{path or step.path} ({step.agent.id}) is not asked as it was recorded: {listed}"


# -- values side by side ----------------------------------------------------------------------------------------------


def _compared(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> Iterator[Difference]:
    for name in dict.fromkeys([*old, *new]):
        was, now = old.get(name, ABSENT), new.get(name, ABSENT)
        if was is not ABSENT and now is not ABSENT and json.dumps(was) == json.dumps(now):
            continue  # as JSON: to Python 1 is True, and the order of a schema's properties is nothing
        if isinstance(was, Mapping) and isinstance(now, Mapping):
            in_order = Difference(f"{prefix}{name}", [*was], [*now])
            yield from [*_compared(was, now, f"{prefix}{name}.")] or [in_order]
        else:
            yield Difference(f"{prefix}{name}", was, now)


def beside(old: Any, new: Any) -> tuple[str, str]:
    """Two values as texts short enough to read, from a little before the first character that differs."""
    was, now = _text(old), _text(new)
    if was == now:  # {} and nothing
        was, now = (json.dumps(one) if one is not ABSENT else NOTHING for one in (old, new))
    if max(len(was), len(now)) <= MOST_SHOWN:
        return was, now
    same = next((at for at, (a, b) in enumerate(zip(was, now, strict=False)) if a != b), min(len(was), len(now)))
    start = max(0, same - MOST_SHOWN // 4)
    if start:  # not in the middle of a word, where one ends before they differ
        start = 1 + was.find(" ", start, same) or start
    return _window(was, start), _window(now, start)


def _window(text: str, start: int) -> str:
    end = start + MOST_SHOWN
    return ("…" if start else "") + text[start:end] + ("…" if end < len(text) else "")


def _text(value: Any) -> str:
    if value is ABSENT or value in (None, {}, []):
        return NOTHING
    return json.dumps(value, ensure_ascii=False)
