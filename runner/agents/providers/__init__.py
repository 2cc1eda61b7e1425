"""The providers: how each one's client is opened and closed, its model made, and its errors read.

A provider is one module named after it with a `PROVIDER`; it is imported when a run first uses it, so that nobody
pays for an SDK they do not call.
"""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from runner.plan.plan import Timeouts

if TYPE_CHECKING:
    from runner.agents.pool import Client
    from runner.agents.providers.faults import Fault
    from runner.agents.providers.http import Transport
    from runner.plan.plan import AgentRecipe, ModelRecipe


@dataclass(frozen=True)
class Home:
    """What clients of one run are opened with: the environment's credentials, the run's width and patience, one HTTP
    transport."""

    environ: Mapping[str, str]
    max_parallel: int
    timeouts: Timeouts = Timeouts()

    @cached_property
    def http(self) -> Transport:
        """Imported and made when a client first needs it: a replay does without."""
        from runner.agents.providers.http import Transport

        return Transport(self.max_parallel, self.environ, self.timeouts.connect_s)

    async def close(self) -> None:
        if "http" in vars(self):
            await self.http.close()


@dataclass(frozen=True)
class Provider:
    """`address` tells which client a model needs, `open` opens it, `model` makes the SDK's model on it.

    `native_schema` says whether an agent's model is held to its output_schema by the provider itself; the others are
    told in words. `cached_apart` says that the provider's count of input tokens leaves out those of its prompt cache.
    `fault` reads one exception of the provider's client; None when it is not one of its own.
    """

    address: Callable[[ModelRecipe], str]
    open: Callable[[str, Home], Awaitable[Client]]
    model: Callable[[AgentRecipe, Client], Any]
    fault: Callable[[BaseException], Fault | None]
    native_schema: Callable[[AgentRecipe], bool] = lambda _: True
    cached_apart: bool = False


@cache
def provider(name: str) -> Provider:
    """A provider by the name the language gives it."""
    found: Provider = importlib.import_module(f"runner.agents.providers.{name}").PROVIDER
    return found


def inference(recipe: ModelRecipe, **names: str) -> dict[str, Any]:
    """The parameters that were set, under the provider's names for them, and its `params` as they are."""
    given = {
        names.get("temperature", "temperature"): recipe.temperature,
        names.get("top_p", "top_p"): recipe.top_p,
        names.get("max_tokens", "max_tokens"): recipe.max_tokens,
    }
    return {key: value for key, value in given.items() if value is not None} | dict(recipe.params)
