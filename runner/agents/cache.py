"""AgentCache: what an agent is made of, prepared once and given out blank for every call.

It holds blueprints, not live agents: a live agent remembers its conversation, so a cached one would leak one step's
words into the next, and it cannot answer two calls at once. What is blank is `blanks`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runner.agents import providers
from runner.agents.blanks import Blanks
from runner.report.events import CacheLookup
from runner.report.results import CacheStatistics

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.agents.providers import Provider
    from runner.plan.plan import AgentRecipe
    from runner.report.events import Emit


@dataclass(frozen=True)
class Blueprint:
    """The parts of an agent that calls share: its recipe, its provider, its tools. None of them keeps state; what does
    is in nobody's hands."""

    recipe: AgentRecipe
    tools: tuple[Any, ...]
    _blanks: Blanks = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_blanks", Blanks(self.recipe.id, self.tools))

    def blanks(self, tools: tuple[Any, ...]) -> Blanks:
        """Where agents with these tools are had: those of a recording are one call's own."""
        return self._blanks if tools == self.tools else Blanks(self.recipe.id, tools)

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
