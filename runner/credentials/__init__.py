"""Secrets: what a provider needs of the environment, known before an SDK is imported, and what is never printed.

Those that a file declares are fetched in `secrets`, and from AWS in `aws`.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Final

from runner.credentials.environment import secrets_in
from runner.credentials.scrub import Scrubber
from runner.errors import Finding, UsageError
from runner.spec.providers import PROVIDERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from runner.plan.plan import ModelRecipe, Step


NOT_GIVEN: Final = "secrets are not given to pull requests from forks, nor to Dependabot's"


class Unavailable(Exception):
    """A secret of a file cannot be had; the sentence goes behind its key and never holds a value."""


def require(steps: Iterable[Step], environ: Mapping[str, str]) -> None:
    """Raise UsageError for the first step that has a model, or one to fall back to, without its key or its package."""
    for step in steps:
        for agent in (step.agent, *step.fallbacks):
            for sentence in _missing(agent.model, environ):
                raise UsageError(sentence, at=step.at)


def unequipped(steps: Iterable[Step]) -> Iterator[Finding]:
    """A warning for every provider that a run would miss the package of here; another image may have it."""
    models = {agent.model.provider: step.at for step in steps for agent in (step.agent, *step.fallbacks)}
    for provider, at in models.items():
        for sentence in _not_installed(provider):
            yield Finding(sentence, at, level="warning")


def scrubber(environ: Mapping[str, str]) -> Scrubber:
    """What takes the environment's secrets out of a text: a provider's error may repeat the key."""
    return Scrubber(secrets_in(environ))


def _missing(model: ModelRecipe, environ: Mapping[str, str]) -> Iterator[str]:
    name, facts = model.provider, PROVIDERS[model.provider]
    yield from _not_installed(name)
    may_need_none = model.host is not None and not facts.needs_host
    if facts.keys and not may_need_none and not any(environ.get(key) for key in facts.keys):
        otherwise = "" if facts.needs_host else ", or set host for a server that needs none"
        yield (
            f"provider '{name}' needs a key: set the environment variable {' or '.join(facts.keys)} "
            f"({NOT_GIVEN}; mode: replay needs none){otherwise}"
        )


def _not_installed(name: str) -> Iterator[str]:
    facts = PROVIDERS[name]
    if not all(_installed(package) for package in facts.packages):
        in_image = "in a job use strands-action/all, with docker the image's tag v1-all; elsewhere "
        yield (
            f"provider '{name}' needs the extra '{name}', which is not here: {in_image if facts.in_image else ''}"
            f"install the extra '{name}' from a clone"
        )


def _installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:  # the package around it is missing
        return False
