"""What a run cost, and who of its steps it was that did; from the bills of their turns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.prices import as_float, is_free, price, total, why_none

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from runner.report.results import Bill, RunReport, StepResult


def step_cost(step: StepResult, at: datetime) -> float | None:
    """What a step cost in this run: nothing where a recording answered."""
    return as_float(total(_cost(bill, at) for bill in step.bills))


def run_cost(report: RunReport) -> float | None:
    """What a run cost; None where a price or a count is unknown."""
    return as_float(total(_cost(bill, report.started) for bill in _bills(report)))


def least_cost(report: RunReport) -> float:
    """What is known of what a run cost: it was at least that."""
    costs = [_cost(bill, report.started) for bill in _bills(report)]
    return float(sum(cost for cost in costs if cost is not None))


def why_unknown(report: RunReport) -> tuple[str, ...]:
    """What it is that is not known of a run's cost, each once, in the order in which it was asked."""
    unknown = [bill for bill in _bills(report) if _cost(bill, report.started) is None]
    return tuple(dict.fromkeys(_missing(bill) for bill in unknown))


def token_shares(report: RunReport) -> dict[str, int]:
    """For every step that spent some its share of all tokens, in whole percent."""
    return _shares({step.path: float(step.usage.total) for step in report.steps})


def cost_shares(report: RunReport) -> dict[str, int]:
    """For every step whose cost is known and not nothing its share of all that is known, in whole percent."""
    return _shares({step.path: step_cost(step, report.started) or 0.0 for step in report.steps})


def _shares(spent: dict[str, float]) -> dict[str, int]:
    whole = sum(spent.values())
    return {path: round(100 * one / whole) for path, one in spent.items() if one}


def _bills(report: RunReport) -> list[Bill]:
    return [bill for step in report.steps for bill in step.bills]


def _cost(bill: Bill, at: datetime) -> Decimal | None:
    if not bill.usage.total and not is_free(bill.model):
        return None
    return price(bill.usage, bill.model, own_host=bill.own_host, at=at)


def _missing(bill: Bill) -> str:
    if not bill.usage.total:
        return f"no count of tokens from {bill.model}"
    return why_none(bill.model, own_host=bill.own_host)
