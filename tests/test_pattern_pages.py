"""A page for each pattern: its picture is the plan of its file, its keys are those of the code, its test runs."""

from __future__ import annotations

import json
import re
from itertools import count
from typing import TYPE_CHECKING, Any, get_args

import pytest
import yaml

from runner.spec import patterns
from tests.servers import OpenAIServer
from tests.test_docs import BLOCKS, CASES, ROOT, SPECS, Block, fitting, rows

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runner.spec.shape import Shape
    from tests.servers.http import Request
    from tests.workspace import Workspace

CONFIGS: dict[str, type[Shape]] = {
    get_args(one.model_fields["type"].annotation)[0]: one.model_fields["config"].annotation  # type: ignore[misc]
    for one in get_args(get_args(patterns.Pattern)[0])
}
"""What stands in `config`, by pattern."""

NAMES = sorted(CONFIGS)


def page(name: str) -> Path:
    return ROOT / f"docs/patterns/{name}.md"


def block(name: str, among: list[Block]) -> str:
    """The one block of a kind on a pattern's page."""
    [found] = [one.text for one in among if one.page == f"docs/patterns/{name}.md"]
    return found


def scripted() -> Callable[[Request], Any]:
    """A model that is content at the second time: with a draft, with its score, with the tasks that are left."""
    judged = count()

    def answer(request: Request) -> Any:
        asked = request.body.get("response_format")
        if asked is None:
            return "ok"
        schema = asked["json_schema"]["schema"]
        told = fitting(schema)
        if "route" in told:
            return {"route": "question" if "How do" in json.dumps(request.body["messages"]) else "bug"}
        again = next(judged) > 0
        better = {
            "good": again,
            "score": 9 if again else 5,
            "tasks": [] if again else [{"task": "one"}, {"task": "two"}],
        }
        return {key: better.get(key, value) for key, value in told.items()}

    return answer


def test_every_pattern_has_a_page_that_the_index_links_to():
    index = (ROOT / "docs/patterns.md").read_text()
    linked = set(re.findall(r"^\| \[`\w+`\]\(patterns/(\w+)\.md\)", index, re.MULTILINE))
    assert linked == {*NAMES}
    assert {path.stem for path in (ROOT / "docs/patterns").iterdir()} == {*NAMES, "shards"}


@pytest.mark.parametrize("name", NAMES)
def test_a_page_shows_the_plan_of_its_own_file(name: str, workspace: Workspace):
    spec = block(name, SPECS)
    assert yaml.safe_load(spec)["pattern"]["type"] == name
    planned = workspace.command("plan", "--mermaid", workspace.write("workflow.yaml", spec))
    mermaid = [one for one in BLOCKS if one.language == "mermaid"]
    assert block(name, mermaid).strip() == planned.stdout.strip(), "what `plan --mermaid` prints of the page's file"


@pytest.mark.parametrize("name", NAMES)
def test_a_page_has_a_row_for_each_key_of_its_config(name: str):
    table = rows("graph" if name == "graph" else "config", page(name).read_text())
    told = [key for row in table for key in re.findall(r"`([^`]+)`", row[0])]
    assert sorted(told) == sorted(CONFIGS[name].known_keys())


@pytest.mark.parametrize("name", NAMES)
def test_the_test_on_a_page_is_recorded_and_then_needs_no_model(name: str, workspace: Workspace):
    workspace.write(f"{name}.yaml", block(name, SPECS))
    workspace.write(f"{name}.test.yaml", block(name, CASES))
    record, test = re.findall(r"`strands-action ([^`]+)`", page(name).read_text())
    with OpenAIServer(scripted()) as server:
        recorded = workspace.command(*record.split(), "--host", server.url)
    tested = workspace.command(*test.split())

    assert (recorded.exit_code, tested.exit_code) == (0, 0), recorded.log + tested.log


@pytest.mark.parametrize("name", NAMES)
def test_a_page_names_an_example_of_its_pattern(name: str):
    linked = re.findall(r"\]\(\.\./\.\./examples/([\w-]+)\)", page(name).read_text())
    assert linked
    for one in linked:
        assert yaml.safe_load((ROOT / f"examples/{one}/workflow.yaml").read_text())["pattern"]["type"] == name
