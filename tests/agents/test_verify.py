"""`spec_verify`: what is told of a workflow file that a model wrote, and that nothing else is read on its word."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from runner.agents.tools import child, verify
from tests.agents.using import Told, bench, use
from tests.build import as_text, chain, workflow

ROOT = Path(__file__).parents[2]


def told_of(content: str) -> Told:
    return asyncio.run(use("spec_verify", bench(Path("/")), spec_content=content))


def verified(content: str | dict[str, Any]) -> dict[str, Any]:
    found = told_of(content if isinstance(content, str) else as_text(content))
    assert found.status == "success", found.text
    return json.loads(found.text)  # type: ignore[no-any-return]


def test_a_valid_file_is_told_with_its_name_and_pattern():
    assert verified(workflow(name="mine")) == {"valid": True, "findings": [], "name": "mine", "pattern": "chain"}


def test_what_is_wrong_is_told_with_its_place():
    assert verified(workflow(pattern=chain({"agent": "writre"}))) == {
        "valid": False,
        "findings": [
            {
                "message": "unknown agent 'writre'; did you mean 'writer'?",
                "line": 13,
                "column": 14,
                "level": "error",
            }
        ],
        "name": "test",
        "pattern": "chain",
    }


def test_advice_leaves_a_file_valid():
    found = verified(workflow(agents={"critic": {"prompt": "You judge."}}))
    assert found["valid"]
    assert [one["level"] for one in found["findings"]] == ["warning"]


@pytest.mark.parametrize("content", ["", "[]", "a: b: c", "version: 1", "\t", "[" * 90_000])
def test_what_is_no_workflow_file_has_no_name(content: str):
    found = verified(content)
    assert (found["valid"], found["name"], found["pattern"]) == (False, None, None)
    assert found["findings"]


def test_values_that_a_run_would_need_are_not_asked_for():
    assert verified(workflow(inputs={"required": {"topic": "string"}}, pattern=chain("{{ topic }}")))["valid"]


def test_files_that_it_names_are_not_read_and_that_is_said(tmp_path: Path):
    schema, skill = tmp_path / "schema.json", tmp_path / "skill.md"
    schema.write_text("no schema, which is not seen")
    skill.write_text("---\nno end, which is not seen")
    content = workflow(agents={"writer": {"output_schema": str(schema)}}, skills=[{"id": "a", "path": str(skill)}])
    found = verified(content)
    assert found["valid"]
    assert [one["message"] for one in found["findings"]] == [
        f"skill '{skill}' is a file of its own, which is not read here",
        f"output_schema '{schema}' is a file of its own, which is not read here",
    ]


def test_nothing_is_loaded_once_rights_are_given_up():
    script = """
import sys
from runner.agents.tools.verifier import verify, warm_up
warm_up()
before = set(sys.modules)
for file in sys.argv[1:]:
    verify(open(file).read())
sys.exit(" ".join(set(sys.modules) - before))
"""
    files = sorted(map(str, ROOT.glob("examples/*/*.yaml")))
    assert len(files) > 10
    ended = subprocess.run([sys.executable, "-c", script, *files], cwd=ROOT, capture_output=True, text=True)
    assert ended.stderr.strip() == ""


def test_what_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(verify, "VERIFY_S", 0.01)
    found = told_of(as_text(workflow()))
    assert found.text == "Error: it takes longer than 0.01 s; something simpler may not"


def test_a_file_that_is_too_long_is_not_looked_at():
    assert told_of("#" * 100_001).text == "Error: the file is longer than 100,000 characters"


def test_a_check_that_fails_of_itself_is_told_as_such(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(child, "HERE", Path("/nowhere"))
    assert "it was not done" in told_of(as_text(workflow())).text
