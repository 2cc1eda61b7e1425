"""What can be called: the providers and the built-in tools, as data. How they are called is in `runner.agents`.

Data, so that `validate` and `plan` know what the model would be told without importing an SDK.
"""

from __future__ import annotations

import json
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
    takes_host: bool = True
    takes_region: bool = False
    takes_tools: bool = True
    own_params: frozenset[str] = frozenset(
        {"model", "messages", "stream", "stream_options", "tools", "tool_choice", "n"}
    )
    """What a file may not say in `params`: it would put another question in the place of the step's."""


PROVIDERS: Final[Mapping[str, ProviderFacts]] = {
    "bedrock": ProviderFacts(default_model=None, parallel=(10, 20), takes_region=True),
    "openai": ProviderFacts(default_model=None, parallel=(5, 10)),
    "ollama": ProviderFacts(default_model=None, parallel=(3, 5)),
    "local": ProviderFacts(default_model="smollm2-135m-instruct", parallel=(1, 4), takes_host=False, takes_tools=False),
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
    ]
)
"""The built-in tools of this version. The language knows more; `runner.plan.tools` refuses those by name."""

LANGUAGE_TOOLS: Final = frozenset(
    "calculator current_time file_read file_write grep head tail search http_request web_fetch duckduckgo_search "
    "tavily_search python_exec spec_verify Skill".split()
)
