"""A limit in money needs the price of everything that may be asked: without one it could not be kept."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from runner.prices import price, why_none
from runner.report.results import Usage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.plan.plan import AgentRecipe, Plan


def unpriced(plan: Plan) -> Iterator[str]:
    """Why the plan's limit in money cannot be kept, for each model."""
    if plan.limits.max_cost_usd is None:
        return
    told = set[str]()
    for agent in _agents(plan):
        model, own_host = agent.model.name, agent.model.host is not None
        why = why_none(model, own_host=own_host)
        if why not in told and price(Usage(1, 1), model, own_host=own_host) is None:
            told.add(why)
            yield f"max_cost_usd cannot be kept: {why} (agent '{agent.id}'); max_tokens can"


def _agents(plan: Plan) -> Iterator[AgentRecipe]:
    """Every agent on every model that it may be asked on: its own, those to fall back to, that of its summaries."""
    compaction = plan.context.compaction
    for step in plan.steps():
        for agent in (step.agent, *step.fallbacks):
            yield agent
            if compaction is not None and compaction.model_id is not None:
                yield replace(agent, model=replace(agent.model, model_id=compaction.model_id))
