"""Advice about a plan that would run, but not as well as its writer hopes. Rules yield findings; callers decide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.errors import Finding
from runner.plan.catalogue import PROVIDERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.plan.plan import Plan
    from runner.spec import models as spec
    from runner.spec.load import Document


def warnings(plan: Plan, source: spec.Spec, document: Document) -> Iterator[Finding]:
    """Every piece of advice for one planned file."""
    yield from _unused_agents(plan, source, document)
    yield from _twins(plan, document)
    if "max_parallel" in source.runtime.model_fields_set:
        yield from _too_parallel(plan, document)
    yield from _budget_below_one_call(plan, document)


def _unused_agents(plan: Plan, source: spec.Spec, document: Document) -> Iterator[Finding]:
    used = {step.agent.id for step in plan.steps()}
    for name in source.agents:
        if name not in used:
            yield _advice(f"agent '{name}' is used by no step", document, ("agents", name), key=True)


def _twins(plan: Plan, document: Document) -> Iterator[Finding]:
    first: dict[str, str] = {}
    told: set[tuple[str, str]] = set()
    for step in plan.steps():
        agent = step.agent
        pair = first.setdefault(agent.config_hash, agent.id), agent.id
        if pair[0] != pair[1] and pair not in told:
            told.add(pair)
            message = f"agents '{pair[0]}' and '{pair[1]}' are configured alike; under one id the cache can reuse it"
            yield _advice(message, document, ("agents", agent.id), key=True)


def _too_parallel(plan: Plan, document: Document) -> Iterator[Finding]:
    for provider in sorted({step.agent.model.provider for step in plan.steps()}):
        low, high = PROVIDERS[provider].parallel
        if plan.limits.max_parallel > high:
            message = f"max_parallel {plan.limits.max_parallel} is above the guidance for {provider} ({low} to {high})"
            yield _advice(message, document, ("runtime", "max_parallel"))


def _budget_below_one_call(plan: Plan, document: Document) -> Iterator[Finding]:
    largest = max((step.agent.model.max_tokens or 0 for step in plan.steps()), default=0)
    if plan.limits.max_tokens is not None and largest > plan.limits.max_tokens:
        message = f"the budget of {plan.limits.max_tokens} tokens is smaller than one call's max_tokens ({largest})"
        yield _advice(message, document, ("runtime", "budgets"))


def _advice(message: str, document: Document, path: tuple[str | int, ...], *, key: bool = False) -> Finding:
    return Finding(message, document.locate(path, key=key), level="warning")
