"""routing: a router names one of the routes, and the steps of that route run in a row.

The router is held to the names of the routes; one that answers otherwise is asked again, and what then stands in its
place, if anything, is in the plan. So its data always names a route here. Who reviews it may name another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.patterns.chain import in_a_row
from runner.plan import reviews
from runner.plan.scope import view

if TYPE_CHECKING:
    from runner.plan.flows import RoutingFlow
    from runner.plan.scope import Scope
    from runner.report.results import StepResult
    from runner.step import RunStep


async def routing(flow: RoutingFlow, scope: Scope, run: RunStep) -> Scope:
    result = await run(flow.router, scope, flow.router.path)
    chosen: str = result.data["route"]
    scope = _routed(scope.behind(result), result, chosen)
    if flow.review is not None:
        said = await run(flow.review, scope, flow.review.path)
        chosen = reviews.route(said.response, flow.review.routes) or chosen
        scope = _routed(scope.reviewed(said), result, chosen)
    route = next(route for route in flow.routes if route.id == chosen)
    return await in_a_row(route.steps, scope, run)


def _routed(scope: Scope, result: StepResult, chosen: str) -> Scope:
    return scope.with_names(router={**view(result), "chosen_route": chosen}, chosen_route=chosen)
