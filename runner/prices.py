"""What tokens cost, in US dollars, by the list prices that the package genai-prices ships.

Nothing is asked over the network: the prices are as old as the package. They are what providers publish, not what
somebody pays by contract, so whoever tells of them says `about`. A price that is not known is None and never a guess.
The package takes a quarter of a second to load, so it is loaded by the first model that is sold.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.report.results import Usage

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


@lru_cache(maxsize=10_000)
def price(usage: Usage, model: str, *, own_host: bool = False, at: datetime = LATEST) -> Decimal | None:
    """What one turn of `provider/model_id` costs at a time; None where no price is known, as at a host of somebody's
    own.

    Of one turn, not of several: some prices rise with the length of a prompt. Remembered, for the ledger, the outputs,
    the results and the summary all ask for the same.
    """
    provider, _, model_id = model.partition("/")
    if is_free(model):
        return Decimal(0)
    if provider not in _SELLERS or sold_by_others(model, own_host=own_host):
        return None
    import genai_prices

    told = genai_prices.Usage(
        input_tokens=usage.input,
        output_tokens=usage.output,
        cache_read_tokens=usage.cache_read,
        cache_write_tokens=usage.cache_write,
    )
    try:
        found = genai_prices.calc_price(told, model_id, provider_id=_SELLERS[provider], genai_request_timestamp=at)
    except (LookupError, ValueError):  # not listed; counts that contradict each other
        return None
    # A model is listed with what is known of it; one by the hour, or without a price, would come out as free.
    known = found.model_price.input_mtok is not None and found.model_price.output_mtok is not None
    return found.total_price if known else None


def is_free(model: str) -> bool:
    return model.partition("/")[0] in FREE


def sold_by_others(model: str, *, own_host: bool) -> bool:
    """Whether it is not the provider itself that sends the bill."""
    return own_host and model.partition("/")[0] in _OWN_HOSTS


def why_none(model: str, *, own_host: bool) -> str:
    """What is said of a model without a price."""
    return f"no price for {model}{' at a host of its own' if sold_by_others(model, own_host=own_host) else ''}"


def cost_usd(usage: Usage, model: str, at: datetime = LATEST) -> float | None:
    """What one turn of a model cost at a time; None where no price is known."""
    return as_float(price(usage, model, at=at))


def cost_of(turns: Iterable[tuple[str, Usage]], at: datetime = LATEST) -> float | None:
    """What turns of models cost together; None where one of them has no price."""
    return as_float(total(price(usage, model, at=at) for model, usage in turns))


def exact(cost: float | None) -> str:
    """A cost for programs: plain decimals, empty where it is unknown."""
    return "" if cost is None else f"{cost:.9f}".rstrip("0").rstrip(".")


def dollars(cost: float) -> str:
    """A cost as people read it: `$12.50`, `$0.0031`."""
    if 0 < cost < 0.0001:
        return "less than $0.0001"
    return f"${cost:,.2f}" if cost >= 1 or cost == 0 else f"${cost:.4f}"


def amount(what: str, value: Decimal | float) -> str:
    """So much of what a run may spend, as people read it: `12,000 tokens`, `$0.0031`."""
    return dollars(float(value)) if what == "dollars" else f"{_count(value)} {what}"


def of_limit(what: str, used: Decimal | float, limit: Decimal | float) -> str:
    """How much of a limit is spent: `800 of 1,000 tokens`, `$0.80 of $1.00`."""
    return f"{dollars(float(used)) if what == 'dollars' else _count(used)} of {amount(what, limit)}"


def _count(value: Decimal | float) -> str:
    """Tokens and steps are whole, seconds need not be."""
    return f"{float(value):,.10g}"


def total(costs: Iterable[Decimal | None]) -> Decimal | None:
    """A sum of costs; None where one of them is unknown."""
    whole = Decimal(0)
    for cost in costs:
        if cost is None:
            return None
        whole += cost
    return whole


def as_float(cost: Decimal | None) -> float | None:
    return None if cost is None else float(cost)
