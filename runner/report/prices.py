"""What tokens cost, in US dollars, by the list prices that the package genai-prices ships.

Nothing is asked over the network: the prices are as old as the package. They are what providers publish, not what
somebody pays by contract, so whoever tells of them says `about`. A price that is not known is None and never a guess.
The package takes a quarter of a second to load, so it is loaded by the first model that has a bill.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.report.results import Bill, RunReport, StepResult, Usage

LATEST: Final = datetime.max.replace(tzinfo=UTC)
"""The last prices that the package knows of."""

FREE: Final = frozenset({"local", "ollama"})
"""Models on the machine itself, or on one that is somebody's own: there is no bill."""

_SELLERS: Final[Mapping[str, str]] = {
    "anthropic": "anthropic",
    "azure_openai": "azure",
    "bedrock": "aws",
    "gemini": "google",
    "openai": "openai",
}
"""What the package calls our providers; its own search would take `azure_openai` for OpenAI."""

_OWN_HOSTS: Final = frozenset({"anthropic", "gemini", "openai"})
"""Providers whose protocol others speak too, so that at a `host` nobody knows whose price it is. Azure and AWS send
their own bill for theirs."""


def cost_usd(usage: Usage, model: str, at: datetime = LATEST) -> float | None:
    """What one turn of `provider/model_id` cost at a time; None where no price is known.

    Of one turn, not of several: some prices rise with the length of a prompt.
    """
    return _float(_cost(usage, model, at))


def cost_of(turns: Iterable[tuple[str, Usage]], at: datetime = LATEST) -> float | None:
    """What turns of models cost together; None where one of them has no price."""
    return _float(_sum(_cost(usage, model, at) for model, usage in turns))


def step_cost(step: StepResult, at: datetime) -> float | None:
    """What a step cost in this run: nothing where a recording answered."""
    return _float(_sum(_billed(bill, at) for bill in step.bills))


def run_cost(report: RunReport) -> float | None:
    """What a run cost; None where a price is unknown."""
    return _float(_sum(_billed(bill, report.started) for bill in _bills(report)))


def why_unknown(report: RunReport) -> tuple[str, ...]:
    """What it is that is not known of a run's cost, each once, in the order in which it was asked."""
    unknown = [bill for bill in _bills(report) if _billed(bill, report.started) is None]
    return tuple(dict.fromkeys(_missing(bill) for bill in unknown))


def exact(cost: float | None) -> str:
    """A cost for programs: plain decimals, empty where it is unknown."""
    return "" if cost is None else f"{cost:.9f}".rstrip("0").rstrip(".")


def dollars(cost: float) -> str:
    """A cost as people read it: `$12.50`, `$0.0031`."""
    if 0 < cost < 0.0001:
        return "less than $0.0001"
    return f"${cost:,.2f}" if cost >= 1 or cost == 0 else f"${cost:.4f}"


def _bills(report: RunReport) -> list[Bill]:
    return [bill for step in report.steps for bill in step.bills]


def _billed(bill: Bill, at: datetime) -> Decimal | None:
    provider = bill.model.partition("/")[0]
    if provider in FREE:
        return Decimal(0)
    if not bill.usage.total or (bill.own_host and provider in _OWN_HOSTS):
        return None
    return _cost(bill.usage, bill.model, at)


def _missing(bill: Bill) -> str:
    if not bill.usage.total:
        return f"no count of tokens from {bill.model}"
    elsewhere = bill.own_host and bill.model.partition("/")[0] in _OWN_HOSTS
    return f"no price for {bill.model}{' at a host of its own' if elsewhere else ''}"


def _cost(usage: Usage, model: str, at: datetime) -> Decimal | None:
    provider, _, model_id = model.partition("/")
    if provider in FREE:
        return Decimal(0)
    if provider not in _SELLERS:
        return None
    import genai_prices

    told = genai_prices.Usage(
        input_tokens=usage.input,
        output_tokens=usage.output,
        cache_read_tokens=usage.cache_read,
        cache_write_tokens=usage.cache_write,
    )
    try:
        price = genai_prices.calc_price(told, model_id, provider_id=_SELLERS[provider], genai_request_timestamp=at)
    except (LookupError, ValueError):  # not listed; counts that contradict each other
        return None
    # A model is listed with what is known of it; one by the hour, or without a price, would come out as free.
    known = price.model_price.input_mtok is not None and price.model_price.output_mtok is not None
    return price.total_price if known else None


def _sum(costs: Iterable[Decimal | None]) -> Decimal | None:
    total = Decimal(0)
    for cost in costs:
        if cost is None:
            return None
        total += cost
    return total


def _float(cost: Decimal | None) -> float | None:
    return None if cost is None else float(cost)
