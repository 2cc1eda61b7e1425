"""What can be called: the built-in tools, as data. How they are called is in `runner.agents.tools`.

Data, so that `validate` and `plan` know what the model would be told without importing an SDK.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from runner.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping


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


_PATH: Final = {"type": "string", "description": "Relative to the workspace, such as src/main.py"}
_TREE: Final = {"type": "string", "description": "A file or a directory, relative to the workspace; . is all of it"}


def _count(least: int, default: int, most: int, description: str) -> dict[str, Any]:
    return {"type": "integer", "minimum": least, "maximum": most, "default": default, "description": description}


def _matching(most: str) -> dict[str, Any]:
    """What `grep` and `search` have in common."""
    return {
        "is_regex": {"type": "boolean", "default": False, "description": "Python's regular expressions, line by line"},
        "case_sensitive": {"type": "boolean", "default": True, "description": "Whether A is not a"},
        "context_lines": _count(0, 0, 20, "Lines to show before and after each match"),
        most: _count(1, 50, 500, "Matching lines to show at most"),
    }


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
        _tool(
            "file_read",
            "Read a text file of the workspace, or some of its lines. Of a directory it gives the names in it.",
            path=_PATH,
            start_line={"type": "integer", "minimum": 1, "default": 1, "description": "The first line, from 1"},
            end_line={"type": "integer", "minimum": 0, "default": 0, "description": "The last line; 0 is the file's"},
        ),
        _tool(
            "file_write",
            "Write a text file of the workspace, with the directories it needs.",
            path=_PATH,
            content={"type": "string", "description": "The whole text, or what is added to it"},
            mode={
                "enum": ["write", "append"],
                "default": "write",
                "description": "Replace what is there, or add to it",
            },
        ),
        _tool("head", "The first lines of a text file.", path=_PATH, lines=_count(1, 10, 10_000, "How many")),
        _tool("tail", "The last lines of a text file.", path=_PATH, lines=_count(1, 10, 10_000, "How many")),
        _tool(
            "grep",
            "Find the lines that match a pattern, in a file or in all below a directory.",
            path=_TREE,
            pattern={"type": "string", "description": "The text, or with is_regex the regular expression"},
            **_matching("max_matches"),
        ),
        _tool(
            "search",
            "Find the lines that hold any of some keywords, in a file or in all below a directory.",
            path=_TREE,
            keywords={
                "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}],
                "description": "One keyword or several",
            },
            **_matching("max_results"),
        ),
        _tool(
            "python_exec",
            "Run Python code in an empty directory, and give what it prints and its exit code. It ends with the code: "
            "nothing is kept, and there may be no network.",
            code={"type": "string", "description": "The code; print what you want to know"},
            timeout={"type": "number", "minimum": 1, "maximum": 60, "default": 10, "description": "Seconds"},
        ),
        _tool(
            "spec_verify",
            "Check a workflow file: whether it is valid, and what is wrong or unwise in it.",
            spec_content={"type": "string", "description": "The file's text, YAML or JSON"},
        ),
    ]
)
"""The built-in tools of this version. The language knows more; `runner.plan.tools` refuses those by name."""

LANGUAGE_TOOLS: Final = frozenset(
    "calculator current_time file_read file_write grep head tail search http_request web_fetch duckduckgo_search "
    "tavily_search python_exec spec_verify Skill".split()
)
