"""docs/coming-from.md: what becomes of other tools' files asks models the same, and what they say otherwise is told."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.build import chain, findings_of, parallel, workflow
from tests.servers import OpenAIServer
from tests.workspace import Workspace

PAGE = (Path(__file__).parents[1] / "docs/coming-from.md").read_text()
PROMPTS = PAGE[PAGE.index("## `.prompt.yml` files") : PAGE.index("## strands-cli")]


def block(language: str) -> Any:
    [text] = re.findall(rf"^```{language}\n(.*?)^```$", PROMPTS, re.DOTALL | re.MULTILINE)
    return yaml.safe_load(text)


@pytest.fixture
def sent(workspace: Workspace) -> dict[str, Any]:
    """What the file that a prompt file becomes asks a model."""
    with OpenAIServer('{"kind": "bug"}') as server:
        outcome = workspace.run(block("yaml"), host=server.url, variables="title: It is down")
    assert outcome.outputs["kind"] == "bug"
    [request] = server.requests
    return request.body


def test_the_messages_are_those_of_the_prompt_file(sent: dict[str, Any]):
    told = [(one["role"], one["content"].replace("{{title}}", "It is down")) for one in block("text")["messages"]]
    asked = [(one["role"], one["content"]) for one in sent["messages"]]
    assert [(role, content if isinstance(content, str) else content[0]["text"]) for role, content in asked] == told


def test_so_are_model_parameters_and_schema(sent: dict[str, Any]):
    before = block("text")
    assert sent["model"] == before["model"].removeprefix("openai/")
    assert sent["temperature"] == before["modelParameters"]["temperature"]
    limit = sent.get("max_completion_tokens", sent.get("max_tokens"))
    assert limit == before["modelParameters"]["maxCompletionTokens"]
    assert sent["response_format"]["json_schema"]["schema"] == json.loads(before["jsonSchema"])["schema"]


GRAPH = {
    "type": "graph",
    "config": {
        "nodes": [{"id": "a", "agent": "writer"}],
        "edges": [{"from": "a", "to": "b", "condition": "x"}],
        "start_node": "a",
    },
}


@pytest.mark.parametrize(
    ("key", "file"),
    [
        ("agent_id", workflow(pattern=chain({"agent_id": "writer", "input": "a"}))),
        ("enabled", workflow(pattern=parallel(a="x", reduce={"enabled": True}))),
        ("evaluator-optimizer", workflow(pattern={"type": "evaluator-optimizer", "config": {}})),
        ("start_node", workflow(pattern=GRAPH)),
        ("condition", workflow(pattern=GRAPH)),
        ("nodes", workflow(pattern=GRAPH)),
        ("timestamp", workflow(pattern=chain("{{ timestamp }}"))),
        ("exporter", workflow(telemetry={"otel": {"exporter": "otlp"}})),
        ("$", workflow(outputs={"artifacts": [{"path": "a", "from": "{{ $TRACE }}"}]})),
    ],
)
def test_what_strands_cli_says_otherwise_is_told_and_in_the_table(key: str, file: dict[str, Any]):
    assert any(key in found for found in findings_of(file))
    assert re.search(rf"^\| [^|]*{re.escape(key)}", PAGE, re.MULTILINE)


def test_the_rest_of_a_file_runs_as_it_is():
    file = workflow(
        version=0,
        runtime={"failure_policy": {"retries": 2, "backoff": "exponential"}, "budgets": {"max_duration_s": 600}},
        pattern=chain("a", "{{ steps[0].response }}"),
        outputs={"artifacts": [{"path": "./a.md", "from": "{{ last_response }}"}]},
    )
    assert findings_of(file) == []
