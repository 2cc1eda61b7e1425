"""`validate` tells everything that is wrong with a file in one pass, also what stands below a misspelled key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.build import workflow

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
    "5:19: undefined name 'who'; choose one of: ci, github, inputs, pr, steps",
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


VALID = """\
version: 1
name: x
runtime: {provider: openai, model_id: m}
agents: {writer: {prompt: Hi}}
inputs: {values: {topic: tea}}
pattern: {type: chain, config: {steps: [{agent: writer, id: draft, vars: {tone: dry}, input: "{{ topic }} {{ tone }}"},
  {agent: writer, input: "{{ steps.draft.response }}"}]}}
"""
OPTIMIZER = VALID.partition("pattern:")[0] + (
    "pattern: {type: evaluator_optimizer, config: {producer: writer, evaluator: {agent: writer}, min_score: 8}}\n"
)


@pytest.mark.parametrize(
    ("text", "right", "wrong", "message"),
    [
        (VALID, "model_id: m", "model_id: 5", "3:39: runtime.model_id: 5 should be a valid string"),
        (VALID, "prompt: Hi", "prompt: 5", "4:27: agents.writer.prompt: 5 should be a valid string"),
        (VALID, "{topic: tea}", "tea", "5:18: inputs.values: 'tea' should be a mapping"),
        (VALID, "{tone: dry}", "dry", "6:74: pattern.config.steps[0].vars: 'dry' should be a mapping"),
        (VALID, "agent: writer, id", "agent: 5, id", "6:49: pattern.config.steps[0].agent: 5 should be a valid string"),
        (OPTIMIZER, "min_score: 8", "accept: 8", "6:101: pattern.config.accept: 8 should be a mapping"),
        (OPTIMIZER, "min_score: 8", "min_score: '8'", "6:104: pattern.config.min_score: '8' should be a valid number"),
    ],
)
def test_what_is_left_away_to_read_on_is_not_missed(
    workspace: Workspace, text: str, right: str, wrong: str, message: str
) -> None:
    assert faults(workspace, text.replace(right, wrong)) == [message]


def test_what_a_mended_key_says_is_judged(workspace: Workspace) -> None:
    text = VALID + "env: {secrets: [{source: env, nmae: 9x}]}\n"
    found = faults(workspace, text)
    assert "unknown key 'nmae'" in found[1]
    assert "the name '9x' may hold only letters" in found[0]


def test_an_input_that_was_declared_in_the_wrong_place_is_not_undefined_as_well(workspace: Workspace) -> None:
    (fault,) = faults(workspace, VALID.replace("{values: {topic: tea}}", "{topic: string}"))
    assert "an input is declared below 'required' or 'optional'" in fault


def test_a_number_in_the_place_of_a_name_is_read_as_that_name(workspace: Workspace) -> None:
    found = faults(workspace, VALID.replace("id: draft", "id: 5").replace("steps.draft", "steps['6']"))
    assert [line.partition(": ")[2] for line in found] == [
        "pattern.config.steps[0].id: 5 should be a valid string",
        "steps.6 cannot be seen here; choose one of: 5",
    ]


def test_an_alias_in_two_places_is_told_what_may_stand_in_both(workspace: Workspace) -> None:
    config = "orchestrator: &a {agent: writer, input: x}, worker_template: *a, reduce: *a"
    text = VALID.partition("pattern:")[0] + f"pattern: {{type: orchestrator_workers, config: {{{config}}}}}\n"
    assert [line.partition(": ")[2] for line in faults(workspace, text)] == [
        "unknown key 'input'; choose one of: agent"
    ]


def test_a_directory_of_broken_files_is_told_of_in_one_pass(workspace: Workspace) -> None:
    """Every fault of every file, each annotated with its line as far as the host shows annotations."""
    names = [f"flows/{name}.yaml" for name in ("a", "b", "deep/c")]
    for name in names:
        workspace.write(name, BROKEN)
    workspace.write("flows/good.yaml", workflow())
    ended = workspace.action(spec="flows", mode="validate")

    assert ended.exit_code == 3
    told = [line.partition("flows/")[2] for line in ended.logged("ERROR") if "Invalid workflow" in line]
    for name in names:
        assert [line.partition(".yaml:")[2] for line in told if f"flows/{line}".startswith(name)] == FAULTS
    assert "flows/good.yaml: valid" in ended.log
    lines = [line.partition(",line=")[2].partition(",")[0] for line in ended.annotations]
    assert lines == [fault.partition(":")[0] for fault in FAULTS[:10]]
