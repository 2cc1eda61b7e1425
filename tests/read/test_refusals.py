"""What is wrong with a file is said with its line and column, what would be right, and all of it at once."""

from __future__ import annotations

import pytest

from tests.build import as_text, chain, dag, findings_of, spec_of, workflow

FILE = as_text(workflow())
"""
1  version: 1
2  name: test
3  runtime:
4    provider: openai
5    model_id: m
6  agents:
7    writer:
8      prompt: You write.
9  pattern:
10   type: chain
11   config:
12     steps:
13     - agent: writer
14       input: Write.
"""


def changed(old: str, new: str) -> list[str]:
    """The findings of the file above with one thing changed."""
    assert FILE.count(old) == 1
    return findings_of(FILE.replace(old, new))


def test_a_valid_file_has_no_findings() -> None:
    assert findings_of(FILE) == []


# -- unknown and missing keys -----------------------------------------------------------------------------------------


def test_an_unknown_key_is_named_with_the_nearest_known_one() -> None:
    assert changed("prompt: You", "promt: You") == ["workflow.yaml:8:5: unknown key 'promt'; did you mean 'prompt'?"]


def test_an_unknown_key_like_no_other_comes_with_all_that_are_known_there() -> None:
    assert changed("model_id: m", "colour: red") == [
        (
            "workflow.yaml:5:3: unknown key 'colour'; choose one of: budgets, failure_policy, fallbacks, host, "
            "max_parallel, max_tokens, model_id, params, prompt_cache, provider, region, temperature, timeout_s, "
            "timeouts, top_p"
        )
    ]


def test_the_keys_of_a_step_are_offered_in_a_step() -> None:
    assert changed("input: Write.", "inptu: Write.") == [
        "workflow.yaml:14:7: unknown key 'inptu'; did you mean 'input'?"
    ]


def test_both_spellings_of_a_key_are_offered() -> None:
    task = {"id": "a", "agent": "writer", "depend_on": []}
    assert "did you mean 'depends_on'?" in findings_of(workflow(pattern=dag(task)))[0]


def test_both_spellings_of_a_key_at_once_are_refused() -> None:
    found = findings_of(workflow(pattern=dag({"id": "a"}, {"id": "b", "deps": ["a"], "depends_on": ["a"]})))
    assert [line.split(": ", 1)[1] for line in found] == [
        "key 'depends_on' is another spelling of a key that stands here too"
    ]


def test_the_python_name_of_a_field_is_no_key() -> None:
    outputs = {"artifacts": [{"path": "a.txt", "from_": "b"}]}
    assert any("unknown key 'from_'; did you mean 'from'?" in line for line in findings_of(workflow(outputs=outputs)))


def test_a_missing_key_is_told_at_the_mapping_that_lacks_it() -> None:
    assert changed("  provider: openai\n", "") == ["workflow.yaml:4:3: runtime needs the key 'provider'"]


@pytest.mark.parametrize("key", ["version", "name", "runtime", "agents", "pattern"])
def test_every_required_key_of_a_file_is_asked_for(key: str) -> None:
    assert f"workflow.yaml:1:1: the file needs the key '{key}'" in findings_of(workflow(**{key: None}))


def test_an_agent_without_a_prompt_is_refused() -> None:
    assert changed("prompt: You write.", "tools: []") == [
        "workflow.yaml:8:5: agents.writer: an agent needs a prompt (or $ref to a file that has one)"
    ]


def test_everything_wrong_is_told_at_once_in_the_order_of_the_file() -> None:
    broken = FILE.replace("name: test", "nam: test").replace("provider: openai", "provider: 3")
    assert findings_of(broken.replace("steps:", "stepps:")) == [
        "workflow.yaml:2:1: unknown key 'nam'; did you mean 'name'?",
        (
            "workflow.yaml:4:13: runtime.provider: 3 is not one of: bedrock, openai, ollama, anthropic, gemini, "
            "azure_openai or local"
        ),
        "workflow.yaml:12:5: unknown key 'stepps'; did you mean 'steps'?",
    ]


# -- wrong values -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("version: 1", "version: 2", "1:10: version: 2 is not one of: 0 or 1"),
        ("version: 1", 'version: "1"', "1:10: version: '1' is not one of: 0 or 1"),
        ("name: test", "name: 7", "2:7: name: 7 should be a valid string"),
        ("model_id: m", "model_id: [m]", "5:13: runtime.model_id: a list should be a valid string"),
        ("model_id: m", "temperature: warm", "5:16: runtime.temperature: 'warm' should be a valid number"),
        ("model_id: m", "temperature: '1'", "5:16: runtime.temperature: '1' should be a valid number"),
        ("model_id: m", "temperature: 2.1", "5:16: runtime.temperature: 2.1 should be less than or equal to 2"),
        ("model_id: m", "top_p: 1.5", "5:10: runtime.top_p: 1.5 should be less than or equal to 1"),
        ("model_id: m", "max_parallel: 0", "5:17: runtime.max_parallel: 0 should be greater than or equal to 1"),
        ("model_id: m", "max_parallel: 2.0", "5:17: runtime.max_parallel: 2.0 should be a valid integer"),
        ("model_id: m", "max_parallel: true", "5:17: runtime.max_parallel: True should be a valid integer"),
        ("model_id: m", "params: 3", "5:11: runtime.params: 3 should be a mapping"),
        ("    prompt: You write.", "    - prompt", "8:5: agents.writer: a list should be a mapping"),
        ("type: chain", "type: chian", ("10:9: pattern: type 'chian' is not one of: chain, routing, parallel, "
         "workflow, graph, evaluator_optimizer, orchestrator_workers")),
        ("type: chain", "typ: chain", "10:3: pattern needs the key 'type'"),
        ("agent: writer", "agent: the writer",
         "13:14: pattern.config.steps[0].agent: 'the writer' may hold only letters, digits and . _ : -"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_told_with_its_place_and_the_rule(old: str, new: str, found: str) -> None:
    assert changed(old, new) == [f"workflow.yaml:{found}"]


def test_a_pattern_needs_at_least_one_step() -> None:
    assert findings_of(workflow(pattern=chain())) == [
        "workflow.yaml:12:12: pattern.config.steps: a list should have at least 1 item, not 0"
    ]


def test_a_mixture_of_two_patterns_cannot_be_written() -> None:
    pattern = {"type": "chain", "config": {"tasks": [{"id": "a", "agent": "writer"}]}}
    assert [line.split(": ", 1)[1] for line in findings_of(workflow(pattern=pattern))] == [
        "pattern.config needs the key 'steps'",
        "unknown key 'tasks'; choose one of: steps",
    ]


def test_a_long_value_is_shortened_in_the_message() -> None:
    assert all(len(line) < 200 for line in changed("model_id: m", f"max_parallel: {'many' * 1000}"))


# -- not YAML, or not plain data --------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "\n", "# only a comment\n", "---\n"])
def test_an_empty_file_says_what_a_workflow_needs(text: str) -> None:
    (found,) = findings_of(text)
    assert "a workflow" in found
    assert "version, name, runtime, agents" in found


@pytest.mark.parametrize(("text", "kind"), [("- a\n", "list"), ("just words\n", "str"), ("42\n", "int")])
def test_a_file_that_is_no_mapping_is_refused(text: str, kind: str) -> None:
    assert findings_of(text) == [
        f"workflow.yaml:1:1: a workflow file is a mapping with version, name, runtime, agents and pattern, not a {kind}"
    ]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("name: [\n", "2:1"),
        ("name: a: b\n", "1:8"),
        ("\tname: a\n", "1:1"),
        ("name: 'a\n", "2:1"),
        ("a: 1\n---\nb: 2\n", "2:1"),
        ("a: *nobody\n", "1:4"),
        ("%YAML 9.9\n---\na: 1\n", "1:1"),
    ],
)
def test_what_is_not_yaml_is_told_with_its_place(text: str, place: str) -> None:
    (found,) = findings_of(text)
    assert found.startswith(f"workflow.yaml:{place}: not valid YAML: ")


def test_a_control_character_is_not_yaml() -> None:
    (found,) = findings_of("name: \x00")
    assert found.startswith("workflow.yaml: not valid YAML: ")


def test_half_a_surrogate_pair_is_not_text() -> None:
    assert findings_of("name: \ud800") == ["workflow.yaml: not Unicode text: it has half a surrogate pair"]


def test_a_key_that_stands_twice_is_refused_with_its_first_line() -> None:
    assert findings_of(FILE + "name: again\n") == [
        "workflow.yaml:15:1: key 'name' stands here again; it was first written in line 2"
    ]


def test_a_key_that_stands_twice_deep_inside_is_refused_too() -> None:
    assert changed("input: Write.", "input: Write.\n      input: Again.") == [
        "workflow.yaml:15:7: key 'input' stands here again; it was first written in line 14"
    ]


@pytest.mark.parametrize("key", ["1", "1.5", "true", "null", "[a]", "{a: 1}"])
def test_a_key_that_is_not_text_is_refused(key: str) -> None:
    (found,) = findings_of(FILE + f"? {key}\n: value\n")
    assert found.startswith("workflow.yaml:15:3: key ")
    assert found.endswith("is not text; quote it")


@pytest.mark.parametrize("word", ["off", "on", "no", "12:30", "2026-01-01", "0x_", "1_000"])
def test_a_word_that_yaml_1_1_made_something_else_of_is_text(word: str) -> None:
    assert spec_of(FILE.replace("name: test", f"name: {word}")).name == word


@pytest.mark.parametrize(("written", "number"), [("010", 10), ("0o10", 8), ("0x10", 16), ("-3", -3)])
def test_a_whole_number_is_read_as_yaml_1_2_reads_it(written: str, number: int) -> None:
    assert spec_of(FILE.replace("model_id: m", f"params: {{a: {written}}}")).runtime.params == {"a": number}


@pytest.mark.parametrize("number", [".nan", ".NaN", ".inf", "-.inf", "1.0e+400", "-1e999", "!!float nan"])
def test_a_number_that_json_does_not_know_is_refused(number: str) -> None:
    (found,) = changed("model_id: m", f"params: {{a: {number}}}")
    assert found.startswith("workflow.yaml:5:15: ")
    assert found.endswith("is not a number that JSON knows")


@pytest.mark.parametrize(
    "tag", ["!odd x", "!!python/object/apply:os.system [ls]", "!!binary aGk=", "!!set {a}", "!!timestamp 2026-01-01"]
)
def test_a_tag_that_is_no_plain_value_is_refused(tag: str) -> None:
    found = changed("name: test", f"name: {tag}")
    assert found[0].startswith("workflow.yaml:2:7: tag ")


@pytest.mark.parametrize("scalar", ["!!int x", "!!float x", "!!bool x", "!!int ''", "9" * 5000, "0x" + "f" * 5000])
def test_a_scalar_that_its_own_tag_cannot_read_is_refused(scalar: str) -> None:
    (found,) = changed("name: test", f"name: {scalar}")
    assert found.startswith("workflow.yaml:2:7: not valid YAML: this cannot be read as ")


@pytest.mark.parametrize("tag", ["int", "float", "bool", "null", "str"])
@pytest.mark.parametrize(("written", "kind"), [("{a: 1}", "mapping"), ("[1]", "sequence")])
def test_a_scalars_tag_on_what_is_none_is_refused(tag: str, written: str, kind: str) -> None:
    (found,) = changed("name: test", f"name: !!{tag} {written}")
    assert found == f"workflow.yaml:2:7: not valid YAML: expected a scalar node, but found {kind}"


@pytest.mark.parametrize("text", ["[" * 100_000, "a: {" * 100_000, "- " * 100_000, "? " * 100_000])
def test_what_is_nested_too_deeply_is_refused_and_does_not_end_the_process(text: str) -> None:
    (found,) = findings_of(text)
    assert found.startswith("workflow.yaml:1:")
    assert found.endswith(": nested too deeply")


def test_an_alias_bomb_is_refused() -> None:
    layers = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)]
    (found,) = findings_of("a0: &a0 [x]\n" + "".join(layers))
    assert found.endswith("expanded too far by aliases")


def test_an_alias_to_what_it_stands_in_is_refused() -> None:
    (found,) = findings_of("a: &a [*a]\n")
    assert found == "workflow.yaml:1:8: nested too deeply or expanded too far by aliases"


def test_a_hundred_aliases_inside_each_other_are_nested_too_deeply() -> None:
    layers = [f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 100)]
    (found,) = findings_of("a0: &a0 [x]\n" + "".join(layers))
    assert found.endswith("nested too deeply or expanded too far by aliases")


@pytest.mark.parametrize("declaration", ["string", "{type: integer, default: 3}"])
def test_an_input_that_is_declared_by_its_name_alone_is_told_where_it_belongs(declaration: str) -> None:
    assert findings_of(f"{FILE}inputs:\n  topic: {declaration}\n")[0].endswith(
        "unknown key 'topic'; an input is declared below 'required' or 'optional'"
    )


def test_a_typing_mistake_in_inputs_is_told_with_the_nearest_key() -> None:
    (found,) = findings_of(f"{FILE}inputs:\n  requierd: {{topic: string}}\n")
    assert found.endswith("unknown key 'requierd'; did you mean 'required'?")
