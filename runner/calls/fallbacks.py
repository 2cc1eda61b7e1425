"""Somebody else is asked when a model stays unavailable."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from runner.errors import ModelProblem
from runner.report.events import FellBack

if TYPE_CHECKING:
    from runner.calls.call import Call, Invoke, Reply
    from runner.report.events import Emit


def falling_back(invoke: Invoke, emit: Emit) -> Invoke:
    """The step's fallbacks in their order, each with attempts of its own.

    Only for what another model can help with: throttling, a failing server, a connection that is not there, a quota
    that is used up. An answer that does not count is not asked of somebody else.
    """

    async def with_fallbacks(call: Call) -> Reply:
        if not call.step.fallbacks:
            return await invoke(call)
        agents = (call.step.agent, *call.step.fallbacks)
        for agent, following in zip(agents, (*agents[1:], None), strict=True):
            try:
                asked = replace(call.step, agent=agent)
                return await invoke(replace(call, step=asked, spare=following is not None))
            except ModelProblem as problem:
                if following is None or not problem.unavailable:
                    raise
                emit(FellBack(call.path, agent.model.name, following.model.name, problem.message))
        raise AssertionError("the last one returns or raises")

    return with_fallbacks
