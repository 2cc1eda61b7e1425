"""The patterns that run, by the type of their flow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from runner.patterns.chain import chain
from runner.patterns.parallel import parallel
from runner.patterns.workflow import workflow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.plan.scope import Scope
    from runner.step import RunStep


class Pattern(Protocol):
    """Control flow from a scope to a richer one; `run` is its only way to a model."""

    async def __call__(self, flow: Any, scope: Scope, run: RunStep) -> Scope: ...


PATTERNS: Final[Mapping[str, Pattern]] = {"chain": chain, "parallel": parallel, "workflow": workflow}
