"""routing: a router names one of the routes, and the steps of that route run in a row.

The router is held to the names of the routes; one that answers otherwise is asked again, and what then stands in its
place, if anything, is in the plan. So its data always names a route here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.patterns.chain import in_a_row
from runner.plan.scope import view

if TYPE_CHECKING:
    from runner.plan.flows import RoutingFlow
    from runner.plan.scope import Scope
    from runner.step import RunStep


async def routing(flow: RoutingFlow, scope: Scope, run: RunStep) -> Scope:
    result = await run(flow.router, scope, flow.router.path)
    chosen = result.data["route"]
    route = next(route for route in flow.routes if route.id == chosen)
    named = scope.behind(result).with_names(router={**view(result), "chosen_route": chosen}, chosen_route=chosen)
    return await in_a_row(route.steps, named, run)
