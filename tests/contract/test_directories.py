"""A directory to validate stands for the workflow files below it."""

from __future__ import annotations

import pytest

from tests.build import workflow
from tests.workspace import Outcome, Workspace

BROKEN = {**workflow(), "agents": {}}


def told(outcome: Outcome) -> list[str]:
    """The files that were told of as valid or skipped, in order."""
    return [line.split()[2].rstrip(":") for line in outcome.log.splitlines() if " INFO " in line]


def test_every_workflow_file_below_a_directory_is_checked_in_order(workspace: Workspace):
    for name in ("b.yaml", "a.yml", "deep/er/c.yaml", ".github/agents/d.yaml", "a.txt"):
        workspace.write(name, workflow())
    outcome = workspace.command("validate", ".")

    assert outcome.exit_code == 0
    assert told(outcome) == [".github/agents/d.yaml", "a.yml", "b.yaml", "deep/er/c.yaml"]


@pytest.mark.parametrize(
    "name", [".git/x.yaml", ".venv/x.yaml", "node_modules/m/x.yaml", "fixtures/x.yaml", "x.test.yaml", "x.test.yml"]
)
def test_what_is_no_place_for_workflows_is_passed_over(workspace: Workspace, name: str):
    workspace.write("agents/a.yaml", workflow())
    workspace.write(f"agents/{name}", BROKEN)
    outcome = workspace.command("validate", "agents/")

    assert outcome.exit_code == 0
    assert told(outcome) == ["agents/a.yaml"]


def test_each_file_has_all_its_findings(workspace: Workspace):
    workspace.write("flows/a.yaml", BROKEN)
    workspace.write("flows/b.yaml", "version: [1")
    workspace.write("flows/c.yaml", workflow())
    outcome = workspace.action(spec="flows", mode="validate")

    assert outcome.exit_code == 3
    assert [line.partition("file=")[2].partition(",")[0] for line in outcome.annotations] == [
        "flows/a.yaml", "flows/b.yaml",
    ]  # fmt: skip
    assert told(outcome)[0] == "flows/c.yaml"


@pytest.mark.parametrize("text", ["prompt: You write.\ntools: []\n", "- a\n- b\n"], ids=["one agent", "a list"])
def test_a_file_that_is_no_workflow_is_skipped_and_named(workspace: Workspace, text: str):
    workspace.write("flows/agents/writer.yaml", text)
    workspace.write("flows/main.yaml", workflow())
    outcome = workspace.command("validate", "flows")

    assert outcome.exit_code == 0
    assert "flows/agents/writer.yaml skipped: not a workflow" in outcome.log


def test_a_file_that_was_named_is_never_skipped(workspace: Workspace):
    workspace.write("writer.yaml", "prompt: You write.\n")
    assert workspace.command("validate", "writer.yaml").exit_code == 3


@pytest.mark.parametrize("name", ["notes.txt", "fixtures/a.yaml"])
def test_a_directory_without_a_yaml_file_is_an_error(workspace: Workspace, name: str):
    workspace.write(f"flows/{name}", workflow())
    outcome = workspace.action(spec="flows", mode="validate")

    assert (outcome.exit_code, outcome.outputs["status"]) == (2, "invalid")
    assert "there is no workflow file (*.yaml, *.yml) below 'flows'" in outcome.log


def test_a_directory_in_which_everything_was_skipped_is_an_error(workspace: Workspace):
    workspace.write("flows/writer.yaml", "prompt: You write.\n")
    outcome = workspace.command("validate", "flows")

    assert outcome.exit_code == 2
    assert "no file to validate" in outcome.log


@pytest.mark.parametrize("mode", ["run", "plan"])
def test_a_run_has_one_file_and_no_directory(workspace: Workspace, mode: str):
    workspace.write("flows/a.yaml", workflow())
    outcome = workspace.command(mode, "flows")

    assert outcome.exit_code == 12
    assert "flows is a directory; name a workflow file in it" in outcome.log
