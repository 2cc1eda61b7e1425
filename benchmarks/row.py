"""A row of the results: what was measured, the floor beside it, and the limit that it is held to. Plain data, as JSON
and back again, so that the page and the tests read what the measurements wrote.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Unit = Literal["s", "ms", "MiB", "MB", "", "%"]
Verdict = Literal["holds", "FAILS", "not measured", ""]
"""What has no limit has no verdict."""

DIGITS: Final[Mapping[str, int]] = {"s": 3, "ms": 2, "MiB": 1, "MB": 1, "%": 0, "": 2}


@dataclass(frozen=True)
class Figure:
    """One thing that was measured, as often as it was; its value is the median."""

    what: str
    samples: tuple[float, ...]
    unit: Unit = "s"

    @property
    def value(self) -> float:
        return statistics.median(self.samples)

    @property
    def told(self) -> str:
        """The value with its unit, for people."""
        digits = 0 if self.unit == "" and self.value == int(self.value) else DIGITS[self.unit]
        return f"{self.value:,.{digits}f} {self.unit}".strip()

    def as_json(self) -> dict[str, Any]:
        spread = {"median": self.value, "min": min(self.samples), "max": max(self.samples)}
        return {"what": self.what, "unit": self.unit, **spread, "samples": list(self.samples)}


@dataclass(frozen=True)
class Limit:
    """What a result may be at most, must be at least, or is to be."""

    sign: Literal["≤", "≥", "="]
    value: float
    unit: Unit = ""

    def holds(self, result: float) -> bool:
        match self.sign:
            case "≤":
                return result <= self.value
            case "≥":
                return result >= self.value
            case "=":
                return result == self.value

    def __str__(self) -> str:
        return f"{self.sign} {self.value:g} {self.unit}".strip()


@dataclass(frozen=True)
class Row:
    """`by` says what is held to the limit: the figure as a share of its floor, what it is above it, or itself.

    A row without a figure was not measured; `why` says why.
    """

    name: str
    case: str
    figure: Figure | None = None
    floor: Figure | None = None
    by: Literal["ratio", "difference", "value"] = "ratio"
    limit: Limit | None = None
    counted: Mapping[str, float] = field(default_factory=dict)
    why: str = ""

    @property
    def result(self) -> float | None:
        if self.figure is None:
            return None
        if self.by == "value" or self.floor is None:
            return self.figure.value
        return self.figure.value / self.floor.value if self.by == "ratio" else self.figure.value - self.floor.value

    @property
    def told(self) -> str:
        """The result, for people."""
        if self.result is None:
            return "-"
        if self.by == "ratio":
            return f"{self.result:.3f}" if self.result < 1 else f"{self.result:.2f}"
        assert self.figure is not None
        sign = "+" if self.by == "difference" and self.result > 0 else ""
        return sign + Figure("", (self.result,), self.figure.unit).told

    @property
    def verdict(self) -> Verdict:
        if self.result is None:
            return "not measured"
        if self.limit is None:
            return ""
        return "holds" if self.limit.holds(self.result) else "FAILS"

    def as_json(self) -> dict[str, Any]:
        found = {"name": self.name, "case": self.case, "by": self.by, "result": self.result, "verdict": self.verdict}
        found |= {"figure": self.figure and self.figure.as_json(), "floor": self.floor and self.floor.as_json()}
        limit = self.limit and {"sign": self.limit.sign, "value": self.limit.value, "unit": self.limit.unit}
        return found | {"limit": limit, "counted": dict(self.counted), "why": self.why}


def of_json(found: Mapping[str, Any]) -> Row:
    """A row that was written by `as_json`; what follows from its samples is worked out anew."""
    figure, floor = (
        Figure(one["what"], tuple(one["samples"]), one["unit"]) if one else None
        for one in (found["figure"], found["floor"])
    )
    limit = Limit(**found["limit"]) if found["limit"] else None
    return Row(found["name"], found["case"], figure, floor, found["by"], limit, found["counted"], found["why"])


def table(rows: Iterable[Row], *, counts: bool = True) -> str:
    """Rows in Markdown, with what was counted beside their times."""
    heads = ["what", "", "floor", "", "result", "limit", "", *(["counted"] * counts)]
    lines = [_line(heads), _line(["---", "--:", "---", "--:", "--:", "--:", "---", *(["---"] * counts)])]
    return "\n".join([*lines, *(_line([*_cells(row), *([counted(row)] * counts)]) for row in rows)])


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(row: Row) -> Iterator[str]:
    yield row.figure.what if row.figure else row.name
    yield row.figure.told if row.figure else row.why
    yield row.floor.what if row.floor else ""
    yield row.floor.told if row.floor else ""
    yield row.told
    yield str(row.limit) if row.limit else ""
    yield row.verdict


def counted(row: Row) -> str:
    """What was counted beside the times, in words."""
    return ", ".join(f"{_short(number)} {_name(name, number)}" for name, number in row.counted.items())


def _name(name: str, number: float) -> str:
    return name.removesuffix("s") if number == 1 else name


def _short(number: float) -> str:
    return f"{number:,.0f}" if number == int(number) or number >= 100 else f"{number:.2f}"
