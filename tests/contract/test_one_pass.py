"""`validate` tells everything that is wrong with a file in one pass, also what stands below a misspelled key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.workspace import Workspace

BROKEN = """\
version: 1
nmae: x
runtime: {provider: openai, model_id: m, temprature: 0.5, top_p: 7}
agents:
  writer: {promt: "Hi {{ who }}", tools: [calculater]}
pattern:
  type: chain
  config:
    steps:
      - {agent: writer, inptu: "{{ steps[0].response }}"}
      - {agent: wrter}
outptus:
  artifacst: [{pth: x, from: "{{ last_respons }}"}]
"""

FAULTS = [
    "2:1: unknown key 'nmae'; did you mean 'name'?",
    "3:42: unknown key 'temprature'; did you mean 'temperature'?",
    "3:66: runtime.top_p: 7 should be less than or equal to 1",
    "5:12: unknown key 'promt'; did you mean 'prompt'?",
    "5:19: undefined name 'who'; choose one of: inputs, steps",
    "5:43: unknown tool 'calculater'; did you mean 'calculator'?",
    "10:25: unknown key 'inptu'; did you mean 'input'?",
    "10:32: steps[0] does not exist here: no steps come before it",
    "11:17: unknown agent 'wrter'; did you mean 'writer'?",
    "12:1: unknown key 'outptus'; did you mean 'outputs'?",
    "13:3: unknown key 'artifacst'; did you mean 'artifacts'?",
    "13:16: unknown key 'pth'; did you mean 'path'?",
    "13:30: undefined name 'last_respons'; did you mean 'last_response'?",
]


def faults(workspace: Workspace, text: str) -> list[str]:
    ended = workspace.command("validate", workspace.write("w.yaml", text))
    assert ended.exit_code == 3
    return [line.partition(": w.yaml:")[2] for line in ended.log.splitlines() if "Invalid workflow" in line]


def test_shapes_names_and_templates_are_told_at_once(workspace: Workspace) -> None:
    assert faults(workspace, BROKEN) == FAULTS


def test_what_a_key_that_resembles_none_may_have_meant_is_not_guessed(workspace: Workspace) -> None:
    """Without it the templates would be found wrong that need it."""
    text = BROKEN.replace("inptu", "xyz")
    assert [line for line in faults(workspace, text) if "steps[0]" in line or "last_respons" in line] == []


@pytest.mark.parametrize("value", ["[]", "{}", "5", "null", "[[{}]]", "{a: {b: []}}"])
@pytest.mark.parametrize("key", ["runtime", "pattern", "agents"])
def test_a_part_that_is_something_else_altogether_is_told_with_the_rest(
    workspace: Workspace, key: str, value: str
) -> None:
    found = faults(workspace, f"{BROKEN}{key}: {value}\n".replace(f"\n{key}:", f"\nx-{key}:", 1))
    assert FAULTS[0] in found
    assert any(f"'x-{key}'" in line for line in found)
