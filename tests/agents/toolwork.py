"""One agent that uses tools in a whole run, and what its model was told."""

from __future__ import annotations

from typing import Any, NamedTuple

from tests.servers import Answer, OpenAIServer
from tests.workspace import Outcome, Workspace, chain, workflow


class Used(NamedTuple):
    told: list[str]
    """What each use gave, in the order of the calls."""
    outcome: Outcome
    tools: list[dict[str, Any]]
    """The tools as the model was offered them."""


def use(workspace: Workspace, *calls: tuple[str, dict[str, Any]], **changes: Any) -> Used:
    """Run a file whose agent makes these calls, all in one turn, and then says that it is done."""
    script = [Answer("", tool_calls=calls), Answer("done")] if calls else [Answer("done")]
    with OpenAIServer(reply=script) as model:
        outcome = workspace.run(workflow(model.url, chain("go"), **changes))
        sent = [request.body for request in model.requests]
    told = [text(one["content"]) for one in sent[-1]["messages"] if one["role"] == "tool"] if sent else []
    return Used(told, outcome, [one["function"] for one in sent[0].get("tools", [])] if sent else [])


def text(content: Any) -> str:
    return content if isinstance(content, str) else "\n".join(part["text"] for part in content)
