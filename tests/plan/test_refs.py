"""`$ref`: an agent that is written in a file of its own, under what the workflow file says itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from runner.errors import SpecError
from runner.plan.make import make_plan
from runner.spec.load import read, to_spec
from tests.build import as_text, plan_of, warnings_of, workflow

if TYPE_CHECKING:
    from pathlib import Path

    from runner.plan.plan import AgentRecipe, Plan

PLAIN = {"prompt": "You read."}
SCHEMA = {"type": "object", "required": ["a"]}


class Home:
    """A workspace whose workflow file lies in `flows/`, with `writer` out of a file."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, name: str, content: str | dict[str, Any]) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else as_text(content))

    def plan(self, ref: str, **own: Any) -> Plan:
        agents = {"writer": {"prompt": None, "$ref": ref, **own}}
        self.write("flows/w.yaml", workflow(agents=agents, tools={"python": ["calculator", "current_time"]}))
        document = read(self.root / "flows/w.yaml", "flows/w.yaml")
        return make_plan(to_spec(document), document, root=self.root / "flows", workspace=self.root)

    def agent(self, ref: str, **own: Any) -> AgentRecipe:
        return self.plan(ref, **own).steps()[0].agent

    def said(self, ref: str, **own: Any) -> list[str]:
        with pytest.raises(SpecError) as refused:
            self.plan(ref, **own)
        return [str(finding) for finding in refused.value.findings]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    root = tmp_path / "workspace"
    root.mkdir()
    return Home(root)


# -- what it brings in ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ref", "name", "content"),
    [
        ("reader.yaml", "flows/reader.yaml", PLAIN),
        ("../agents/reader.yaml", "agents/reader.yaml", PLAIN),
        ("../reader.json", "reader.json", json.dumps(PLAIN, indent="\t")),
        ("one.yaml", "flows/one.yaml", {"agents": {"reader": PLAIN}}),
        ("two.yaml#/agents/reader", "flows/two.yaml", {"agents": {"other": {"prompt": "x"}, "reader": PLAIN}}),
        ("whole.yaml#/agents/reader", "flows/whole.yaml", workflow(agents={"reader": PLAIN})),
    ],
)
def test_an_agent_may_be_a_file_or_stand_in_one(home: Home, ref: str, name: str, content: Any) -> None:
    home.write(name, content)
    assert home.agent(ref).prompt == "You read."


def test_it_is_the_same_agent_as_if_it_were_written_here(home: Home) -> None:
    written = {"prompt": "You read.", "model_id": "n", "tools": ["calculator"], "inference": {"temperature": 0.5}}
    home.write("reader.yaml", written)
    here = plan_of(workflow(agents={"writer": written}, tools={"python": ["calculator", "current_time"]}))
    assert home.plan("../reader.yaml").config_hash == here.config_hash


@pytest.mark.parametrize(
    ("own", "changed"),
    [
        ({"prompt": "You write."}, {"prompt": "You write."}),
        ({"tools": []}, {"tools": ()}),
        ({"output_schema": SCHEMA}, {"output_schema": SCHEMA}),
    ],
)
def test_what_the_workflow_file_says_goes_before(home: Home, own: dict[str, Any], changed: dict[str, Any]) -> None:
    home.write("reader.yaml", {**PLAIN, "tools": ["calculator"], "output_schema": {"type": "array"}})
    unchanged = {"prompt": "You read.", "tools": ("calculator",), "output_schema": {"type": "array"}}
    agent = home.agent("../reader.yaml", **own)
    assert {name: getattr(agent, name) for name in unchanged} == {**unchanged, **changed}


def test_inference_is_overridden_key_by_key(home: Home) -> None:
    home.write("reader.yaml", {**PLAIN, "inference": {"temperature": 0.1, "max_tokens": 9}})
    model = home.agent("../reader.yaml", inference={"temperature": 0.9}).model
    assert (model.temperature, model.max_tokens) == (0.9, 9)


def test_the_path_of_a_schema_starts_from_the_file_that_names_it(home: Home) -> None:
    home.write("agents/reader.yaml", {**PLAIN, "output_schema": "answer.json", "input_schema": "ask.json"})
    for name, schema in (("agents/answer.json", SCHEMA), ("agents/ask.json", {"type": "string"})):
        home.write(name, json.dumps(schema))
    home.write("flows/answer.json", '{"type": "array"}')

    there = home.agent("../agents/reader.yaml")
    assert (there.output_schema, there.input_schema) == (SCHEMA, {"type": "string"})
    assert home.agent("../agents/reader.yaml", output_schema="answer.json").output_schema == {"type": "array"}


# -- what is wrong with it --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ref", "content", "message"),
    [
        ("../no.yaml", PLAIN, "there is no such file; the path starts from the directory of the workflow file"),
        ("..", PLAIN, "there is no such file; the path starts from the directory of the workflow file"),
        ("#/agents/x", PLAIN, "there is no such file; the path starts from the directory of the workflow file"),
        ("a\0b", PLAIN, "no file can be found by that name"),
        ("../a.yaml", "- 1\n", "the file is not a mapping that describes an agent"),
        ("../a.yaml", "a: [\n", "not valid YAML: did not find expected node content (a.yaml:2:1)"),
        ("../a.yaml", "a: !!python/name:os.system x\n",
         "tag 'python/name:os.system' is not a plain value (a.yaml:1:4)"),
        ("../a.yaml", {"agents": {"a": PLAIN, "b": PLAIN}},
         "the file has 2 agents; point at one of them: '#/agents/<id>'"),
        ("../a.yaml#/agents/c", {"agents": {"a": PLAIN, "b": PLAIN}}, "there is no agent 'c'; the file has: a, b"),
        ("../a.yaml#/agents/c", PLAIN, "the file has no 'agents', so '#/agents/c' points at nothing"),
        ("../a.yaml", {"agents": ["a"]}, "the file has 0 agents; point at one of them: '#/agents/<id>'"),
        ("../a.yaml", {"$ref": "b.yaml"}, "the agent there is a $ref itself, and only one step is followed"),
        ("w.yaml", PLAIN, "the agent there is a $ref itself, and only one step is followed"),
        ("../a.yaml", "prompt: x\npromt: y\n", "unknown key 'promt'; did you mean 'prompt'? (a.yaml:2:1)"),
        ("../a.yaml", "tools: no\n", "tools: 'no' should be a valid list (a.yaml:1:8)"),
    ],
)  # fmt: skip
def test_one_that_leads_nowhere_is_told_where_it_stands(home: Home, ref: str, content: Any, message: str) -> None:
    home.write("a.yaml", content)
    assert home.said(ref) == [f"flows/w.yaml:8:11: $ref '{ref}': {message}"]


@pytest.mark.parametrize(
    "ref", ["../../a.yaml", "/etc/passwd", "../link.yaml", "../linked/a.yaml", "../x/../../a.yaml"]
)
def test_none_leads_out_of_the_workspace(home: Home, tmp_path: Path, ref: str) -> None:
    (tmp_path / "a.yaml").write_text(as_text(PLAIN))
    (home.root / "link.yaml").symlink_to(tmp_path / "a.yaml")
    (home.root / "linked").symlink_to(tmp_path)
    assert home.said(ref) == [f"flows/w.yaml:8:11: $ref '{ref}': the file lies outside the workspace"]


def test_a_link_inside_the_workspace_is_followed(home: Home) -> None:
    home.write("a.yaml", PLAIN)
    (home.root / "link.yaml").symlink_to("a.yaml")
    assert home.agent("../link.yaml").prompt == "You read."


def test_links_in_a_circle_lead_nowhere(home: Home) -> None:
    (home.root / "loop.yaml").symlink_to("loop.yaml")
    (home.root / "loop.json").symlink_to("loop.json")
    assert "no file can be found by that name" in home.said("../loop.yaml")[0]
    home.write("a.yaml", {**PLAIN, "output_schema": "loop.json"})
    assert "link that leads to itself" in home.said("../a.yaml")[0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("prompt: |\n  hi\n  {{ nope }}\n", "a.yaml:1:9: undefined name 'nope'; choose one of: ci, github, "),
        ("prompt: x\ntools:\n- calculatro\n", "a.yaml:3:3: unknown tool 'calculatro'; did you mean 'calculator'?"),
        ("prompt: x\nprovider: bedrok\n", "$ref '../a.yaml': provider: 'bedrok' is not one of"),
        ("prompt: x\nprovider: ollama\n", "a.yaml:2:11: provider 'ollama' needs a model_id"),
        ("prompt: x\noutput_schema: t.json\n",
         "a.yaml:2:16: output_schema 't.json' cannot be read: No such file or directory"),
        ("prompt: x\ninput_schema: ../t.json\n", "a.yaml:2:15: input_schema '../t.json' lies outside the workspace"),
        ("prompt: x\noutput_schema: {type: 7}\n", "a.yaml:2:16: output_schema is not a valid JSON Schema"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_the_other_file_is_told_there(home: Home, content: str, message: str) -> None:
    home.write("a.yaml", content)
    (found,) = home.said("../a.yaml")
    assert message in found


def test_what_is_wrong_here_is_told_here(home: Home) -> None:
    home.write("a.yaml", {**PLAIN, "prompt": "{{ nope }}"})
    assert home.said("../a.yaml", prompt="{{ neither }}") == [
        "flows/w.yaml:8:13: undefined name 'neither'; choose one of: ci, github, inputs, pr, steps"
    ]


def test_a_text_that_is_no_file_has_none_beside_it() -> None:
    (told, *_) = warnings_of(workflow(agents={"writer": {"prompt": None, "$ref": "a.yaml"}}))
    assert told == "workflow.yaml:8:11: $ref 'a.yaml' is a file of its own, which is not read here"
