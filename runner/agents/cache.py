"""AgentCache: what an agent is made of, prepared once and stamped out blank for every call.

It holds blueprints, not live agents: a live agent remembers its conversation, so a cached one would leak one step's
words into the next, and it cannot answer two calls at once. Stamping out a blank one costs about 0.1 ms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runner.agents import providers
from runner.report.events import CacheLookup
from runner.report.results import CacheStatistics

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.agents.providers import Provider
    from runner.plan.plan import AgentRecipe
    from runner.report.events import Emit


@dataclass(frozen=True)
class Blueprint:
    """The parts of an agent that calls share: its recipe, its provider, its tools. None of them keeps state."""

    recipe: AgentRecipe
    tools: tuple[Any, ...]

    @property
    def provider(self) -> Provider:
        """Imported when it is first asked for: a replay does without."""
        return providers.provider(self.recipe.model.provider)


class AgentCache:
    """Blueprints by (agent id, config_hash), for one run."""

    def __init__(self, build: Callable[[AgentRecipe], Blueprint], emit: Emit) -> None:
        self._build, self._emit = build, emit
        self._blueprints: dict[tuple[str, str], Blueprint] = {}
        self._hits = 0

    @property
    def statistics(self) -> CacheStatistics:
        return CacheStatistics(builds=len(self._blueprints), hits=self._hits)

    def get(self, recipe: AgentRecipe, *, count: bool = True) -> Blueprint:
        """The blueprint of a recipe, built when it is first asked for. `count` as in `ClientPool.lease`."""
        key = (recipe.id, recipe.config_hash)
        found = self._blueprints.get(key)
        if count:
            self._hits += found is not None
            self._emit(CacheLookup(*key, hit=found is not None))
        if found is None:
            found = self._blueprints[key] = self._build(recipe)
        return found
