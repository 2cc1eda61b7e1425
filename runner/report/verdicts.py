"""What became of recordings when they were made anew, as data: `runner.tape.review` finds it out, and
`runner.report.review` shows it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal

from runner.report.results import Usage

Verdict = Literal["added", "removed", "changed", "reworded", "unchanged"]

VERDICTS: Final[tuple[Verdict, ...]] = ("added", "removed", "changed", "reworded", "unchanged")
"""The gravest first."""


@dataclass(frozen=True, slots=True)
class Side:
    """One recording of a step. `cost_usd` is None where a price is unknown, and `unpriced` are the models whose it is.
    `by_hand` says that nobody was asked: what it tells of tokens is no measure."""

    response: str = ""
    data: Any = None
    usage: Usage = Usage()
    cost_usd: float | None = 0.0
    unpriced: tuple[str, ...] = ()
    turns: int = 0
    by_hand: bool = False


@dataclass(frozen=True, slots=True)
class Reviewed:
    """One step. `reasons` are why the verdict is what it is; `notes` are worth knowing and change no verdict."""

    path: str
    verdict: Verdict
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    before: Side | None = None
    after: Side | None = None


@dataclass(frozen=True, slots=True)
class Review:
    """All steps, the gravest first."""

    steps: tuple[Reviewed, ...] = ()

    @classmethod
    def of(cls, steps: Iterable[Reviewed]) -> Review:
        return cls(tuple(sorted(steps, key=lambda step: VERDICTS.index(step.verdict))))

    @property
    def before(self) -> Side:
        """All that there was, together."""
        return _together([step.before for step in self.steps if step.before])

    @property
    def after(self) -> Side:
        return _together([step.after for step in self.steps if step.after])

    def count(self, verdict: Verdict) -> int:
        return sum(step.verdict == verdict for step in self.steps)


def _together(sides: list[Side]) -> Side:
    costs = [side.cost_usd for side in sides]
    return Side(
        usage=sum((side.usage for side in sides), Usage()),
        cost_usd=None if None in costs else sum(cost for cost in costs if cost is not None),
        unpriced=tuple(dict.fromkeys(model for side in sides for model in side.unpriced)),
        turns=sum(side.turns for side in sides),
        by_hand=all(side.by_hand for side in sides),
    )
