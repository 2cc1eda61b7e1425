"""The seven patterns by the type of their flow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from runner.patterns.chain import chain
from runner.patterns.evaluator_optimizer import evaluator_optimizer
from runner.patterns.graph import graph
from runner.patterns.orchestrator_workers import orchestrator_workers
from runner.patterns.parallel import parallel
from runner.patterns.routing import routing
from runner.patterns.workflow import workflow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.plan.scope import Scope
    from runner.step import RunStep


class Pattern(Protocol):
    """Control flow from a scope to a richer one; `run` is its only way to a model."""

    async def __call__(self, flow: Any, scope: Scope, run: RunStep) -> Scope: ...


PATTERNS: Final[Mapping[str, Pattern]] = {
    "chain": chain,
    "routing": routing,
    "parallel": parallel,
    "workflow": workflow,
    "graph": graph,
    "evaluator_optimizer": evaluator_optimizer,
    "orchestrator_workers": orchestrator_workers,
}
