"""chain: steps in order, each seeing those before it. The answer is the last one's."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.plan.flows import ChainFlow
    from runner.plan.plan import Row
    from runner.plan.scope import Scope
    from runner.step import RunStep


async def chain(flow: ChainFlow, scope: Scope, run: RunStep) -> Scope:
    return await in_a_row(flow.steps, scope, run)


async def in_a_row(steps: Sequence[Row], scope: Scope, run: RunStep) -> Scope:
    """Take steps and gates one after the other; returns the scope behind the last."""
    for step in steps:
        scope = scope.after(await run(step, scope, step.path))
    return scope
