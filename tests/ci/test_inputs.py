"""The inputs of the action and the flags of the command line: one list, read once, refused by name."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from runner.arguments import from_arguments
from runner.errors import UsageError
from runner.inputs import INPUTS, NEVER_POSTED, NOT_OF_CASES, NOT_OFFERED, ONLY_IN, ActionInputs, from_environ
from runner.patterns.together import AT_ONCE
from runner.report.results import OUTPUTS
from runner.spec.models import Spec

ACTION = yaml.safe_load((Path(__file__).parents[2] / "action.yml").read_text())

GIVEN: dict[str, tuple[str, Any]] = {
    "spec": ("flows/a.yaml", ("flows/a.yaml",)),
    "prompt": ("What is tea?\nTell.", "What is tea?\nTell."),
    "variables": ("topic: tea\ncount: 3", {"topic": "tea", "count": 3}),
    "mode": ("validate", "validate"),
    "fixtures": ("recorded/here", "recorded/here"),
    "record": ("all", "all"),
    "baseline": ("recorded/main", "recorded/main"),
    "live-cases": ("skip", "skip"),
    "max-token-increase": ("25%", 25.0),
    "max-cost-increase": ("0", 0.0),
    "provider": ("ollama", "ollama"),
    "model-id": ("llama", "llama"),
    "host": ("http://localhost:1", "http://localhost:1"),
    "region": ("eu-west-1", "eu-west-1"),
    "max-parallel": ("7", 7),
    "max-tokens-budget": ("100000", 100_000),
    "max-cost-usd": ("0.50", 0.5),
    "timeout": ("1.5", 1.5),
    "shard": ("2/5", (2, 5)),
    "shards": ("3", 3),
    "fail-on": ("warning", "warning"),
    "artifacts-dir": ("out", "out"),
    "summary": ("brief", "brief"),
    "trace": ("false", False),
    "hitl-response": ("Yes, please.", "Yes, please."),
    "facts": ("facts.yaml", "facts.yaml"),
    "diff-base": ("main", "main"),
    "trust": ("untrusted", "untrusted"),
    "only-writers": ("true", True),
    "trusted-bots": ("41898282, 7\n8", (41898282, 7, 8)),
    "github-token": ("ghs_ofTheJob", "ghs_ofTheJob"),
    "post": ("review", "review"),
    "post-plan": ("plan/post-plan.json", "plan/post-plan.json"),
    "post-key": ("nightly", "nightly"),
    "debug": ("true", True),
}
"""For every input a value as it is written, and as it is read."""

ONLY_OF = {
    "shards": "plan",
    **dict.fromkeys(("max-token-increase", "max-cost-increase"), "record"),
    **{name: modes[0] for name, modes in ONLY_IN.items()},
}
"""Inputs that not every mode knows, and one that does."""


def from_action(given: dict[str, str], *, underscores: bool = False) -> ActionInputs:
    """The inputs as the host hands them over; `spec` is given where nothing else says what to run."""
    given = given if {"spec", "prompt"} & given.keys() else {"spec": "w.yaml", **given}
    for name in given.keys() & ONLY_OF.keys():
        given = {"mode": ONLY_OF[name], **given}
    names = {name: name.replace("-", "_") if underscores else name for name in given}
    return from_environ({f"INPUT_{names[name].upper()}": value for name, value in given.items()})


def refusal(**given: str) -> str:
    with pytest.raises(UsageError) as error:
        from_action({name.replace("_", "-"): value for name, value in given.items()})
    return error.value.message


def attribute(inputs: ActionInputs, name: str) -> Any:
    return getattr(inputs, name.replace("-", "_"))


# -- the list ---------------------------------------------------------------------------------------------------------


def test_this_test_knows_every_input() -> None:
    assert set(GIVEN) == {one.name for one in INPUTS}


def test_every_input_has_its_field() -> None:
    own = {one.name.replace("-", "_") for one in INPUTS} | {"plan_as", "given"}
    assert {one.name for one in fields(ActionInputs)} == own


def test_the_action_declares_exactly_these_inputs_with_their_defaults_and_words() -> None:
    declared = {name: (one.get("default", ""), one["description"]) for name, one in ACTION["inputs"].items()}
    assert declared == {one.name: (one.default, one.help) for one in INPUTS}


def test_no_input_of_the_action_is_required() -> None:
    assert not any(one.get("required") for one in ACTION["inputs"].values())


def test_the_action_declares_exactly_the_outputs_that_are_written() -> None:
    declared = {name: one["description"] for name, one in ACTION["outputs"].items()}
    assert declared == OUTPUTS


PLAIN = [one for one in INPUTS if one.default and "${{" not in one.default]
"""Inputs with a default that the host does not have to work out."""


@pytest.mark.parametrize("one", PLAIN, ids=lambda one: one.name)
def test_a_default_of_the_action_is_the_default_of_the_code(one: Any) -> None:
    assert attribute(from_action({one.name: one.default}), one.name) == attribute(ActionInputs(), one.name)


# -- read -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("underscores", [False, True], ids=["hyphens", "underscores"])
@pytest.mark.parametrize("name", GIVEN)
def test_every_input_is_read_from_the_environment(name: str, underscores: bool) -> None:
    written, read = GIVEN[name]
    assert attribute(from_action({name: written}, underscores=underscores), name) == read


@pytest.mark.parametrize("name", [name for name in GIVEN if name not in ("spec", "mode")])
def test_every_input_is_a_flag_as_well(name: str) -> None:
    written, read = GIVEN[name]
    files = [] if name == "prompt" else ["w.yaml"]
    mode = ONLY_OF.get(name, "live")
    command = ["plan"] if mode == "plan" else ["run", "--mode", mode]
    found = from_arguments([*command, *files, f"--{name}", written])
    assert isinstance(found, ActionInputs)
    assert attribute(found, name) == read


def test_an_empty_input_is_one_that_was_not_given() -> None:
    nothing = {name: "  " for name in GIVEN if name != "spec"}
    assert from_action({"spec": "w.yaml", **nothing}) == ActionInputs(spec=("w.yaml",))


def test_the_hosts_own_inputs_are_passed_over() -> None:
    assert from_action({"spec": "w.yaml", "entrypoint": "python", "args": "-u"}) == ActionInputs(spec=("w.yaml",))


def test_other_variables_are_passed_over() -> None:
    assert from_environ({"INPUT_SPEC": "w.yaml", "PATH": "/bin", "MY_INPUT_X": "1"}) == ActionInputs(spec=("w.yaml",))


def test_several_files_stand_one_a_line() -> None:
    assert from_action({"spec": " a.yaml\n\n  b c.yaml \nflows/*.yaml\n"}).spec == (
        "a.yaml",
        "b c.yaml",
        "flows/*.yaml",
    )


@pytest.mark.parametrize("text", ['{"topic": "tea"}', "topic: tea", "{topic: tea}", "---\ntopic: tea\n"])
def test_variables_are_yaml_or_json(text: str) -> None:
    assert from_action({"variables": text}).variables == {"topic": "tea"}


@pytest.mark.parametrize(
    ("word", "meant"),
    [("true", True), ("True", True), ("1", True), ("yes", True), ("on", True), ("FALSE", False), ("0", False),
     ("no", False), ("off", False)],
)  # fmt: skip
def test_a_switch_has_the_usual_words(word: str, meant: bool) -> None:
    assert from_action({"debug": word}).debug is meant


# -- refused ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("mode", "rewind", "'rewind' is not one of: live, record, replay, resume, test, validate, plan"),
        ("record", "none", "'none' is not one of: changed, all"),
        ("fail-on", "info", "'info' is not one of: error, warning, never"),
        ("summary", "long", "'long' is not one of: full, brief, off"),
        ("trace", "maybe", "should be true or false, not 'maybe'"),
        ("debug", "2", "should be true or false, not '2'"),
        ("variables", "- a", "should be a YAML or JSON map of names to values, such as 'name: value'"),
        ("variables", "tea", "should be a YAML or JSON map of names to values, such as 'name: value'"),
    ],
)
def test_a_wrong_value_is_told_with_its_input(name: str, value: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        from_action({name: value})
    assert error.value.message == f"input '{name}' {said}"


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "many", "nan", "inf", "1e3", "9" * 5000])
@pytest.mark.parametrize(("name", "allowed"), [("max-parallel", "from 1 to 500"), ("max-tokens-budget", "above 0")])
def test_a_count_is_a_whole_number_above_nothing(name: str, allowed: str, value: str) -> None:
    with pytest.raises(UsageError, match=f"input '{name}' should be a whole number {allowed}, not '"):
        from_action({name: value})


def test_no_more_calls_at_once_are_promised_than_steps_are_under_way() -> None:
    assert from_action({"max-parallel": str(AT_ONCE)}).max_parallel == AT_ONCE
    with pytest.raises(UsageError, match=f"a whole number from 1 to {AT_ONCE}, not '{AT_ONCE + 1}'"):
        from_action({"max-parallel": str(AT_ONCE + 1)})
    assert Spec.model_json_schema()["$defs"]["Runtime"]["properties"]["max_parallel"]["maximum"] == AT_ONCE


@pytest.mark.parametrize("value", ["0", "-0.5", "soon", "nan", "inf", "-inf"])
def test_a_time_is_a_number_above_nothing(value: str) -> None:
    assert refusal(timeout=value) == f"input 'timeout' should be a number of seconds above 0, not '{value}'"


@pytest.mark.parametrize("value", ["-1", "-0.5%", "half", "%", "25%%", "nan", "inf", "1e999"])
@pytest.mark.parametrize("name", ["max-token-increase", "max-cost-increase"])
def test_a_gate_is_a_number_of_percent(name: str, value: str) -> None:
    told = f"input '{name}' should be a number of percent such as 25 or 25%, 0 or more, not '{value}'"
    assert refusal(**{name: value}) == told


@pytest.mark.parametrize(("value", "percent"), [("25", 25), ("25%", 25), ("25 %", 25), ("0", 0), ("12.5%", 12.5)])
def test_a_gate_is_told_with_its_sign_or_without(value: str, percent: float) -> None:
    assert from_action({"max-token-increase": value}).max_token_increase == percent


@pytest.mark.parametrize("mode", ["live", "replay", "resume", "plan", "validate"])
def test_a_gate_where_nothing_is_recorded_is_refused(mode: str) -> None:
    told = "input 'max-cost-increase' is a gate of mode: record, or of a 'baseline' beside mode: replay"
    assert refusal(mode=mode, max_cost_increase="5") == f"{told}; mode: {mode} records nothing anew"


@pytest.mark.parametrize("name", ONLY_IN)
def test_an_input_that_a_mode_does_not_know_is_refused(name: str) -> None:
    modes = " or ".join(ONLY_IN[name])
    other = next(mode for mode in ("live", "plan") if mode not in ONLY_IN[name])
    told = f"input '{name}' is for mode: {modes}, not for mode: {other}"
    assert refusal(**{name: GIVEN[name][0]}, mode=other) == told


def test_facts_come_from_a_file_or_from_git() -> None:
    told = "inputs 'facts' and 'diff-base' are both set; facts are in a file, or made of a comparison"
    assert refusal(facts="facts.yaml", diff_base="main") == told


@pytest.mark.parametrize("name", NOT_OF_CASES)
def test_an_input_of_a_run_is_refused_for_test_cases(name: str) -> None:
    told = f"input '{name}' is not for test cases: {NOT_OF_CASES[name]}"
    assert refusal(**{name: GIVEN[name][0]}, mode="record", spec="a.test.yaml\n*.test.yml") == told
    assert name in ONLY_IN or refusal(**{name: GIVEN[name][0]}, mode="test") == told


@pytest.mark.parametrize("text", ["{", "a: b: c", "a: 1\na: 2", "a: !odd b", "[" * 100_000, "a: .nan"])
def test_variables_that_are_no_data_are_told(text: str) -> None:
    assert refusal(variables=text).startswith("input 'variables' is not YAML or JSON: ")


@pytest.mark.parametrize("value", ["2", "2/", "/5", "2/5/1", "a/b", "-1/5", "1.5/5", "2 of 5", "9" * 5000, "²/5"])
def test_a_shard_that_is_none_is_told(value: str) -> None:
    told = f"input 'shard' should be two whole numbers such as 2/5, the second of five, not '{value}'"
    assert refusal(shard=value) == told


@pytest.mark.parametrize(
    ("value", "said"),
    [("0/5", "'0/5' is none of 1/5 to 5/5"), ("6/5", "'6/5' is none of 1/5 to 5/5"),
     ("0/0", "'0/0' is none of 1/1 to 1/1"), ("1/0", "'1/0' is none of 1/1 to 1/1")],
)  # fmt: skip
def test_a_shard_is_one_of_so_many(value: str, said: str) -> None:
    assert refusal(shard=value) == f"input 'shard' {said}"


def test_a_shard_may_have_spaces() -> None:
    assert from_action({"shard": " 5 / 5 "}).shard == (5, 5)


def test_what_checks_whole_files_takes_no_shard() -> None:
    told = "input 'shard' is for a run or a plan; mode: validate takes whole files"
    assert refusal(mode="validate", shard="1/2") == told


def test_how_many_shards_is_asked_where_the_plan_is_made() -> None:
    assert refusal(mode="live", shards="3") == (
        "input 'shards' is for mode: plan; a run is told its own 'shard', such as 2/5"
    )


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "many"])
def test_how_many_shards_is_a_whole_number_above_nothing(value: str) -> None:
    assert refusal(mode="plan", shards=value) == f"input 'shards' should be a whole number above 0, not '{value}'"


@pytest.mark.parametrize("matrix", [["--shards", "3"], ["--matrix"]])
def test_a_matrix_is_of_the_whole_plan(matrix: list[str]) -> None:
    with pytest.raises(UsageError, match="input 'shard' shows one share of a plan; a matrix is of the whole plan"):
        from_arguments(["plan", "w.yaml", "--shard", "1/2", *matrix])


def test_an_unknown_input_is_told_with_the_nearest() -> None:
    assert refusal(max_paralel="3") == "unknown input 'max-paralel'; did you mean 'max-parallel'?"


@pytest.mark.parametrize("name", NOT_OFFERED)
def test_an_input_of_a_later_version_is_refused_by_name(name: str) -> None:
    assert refusal(**{name.replace("-", "_"): "something"}) == f"input '{name}' is not offered in this version"


def test_a_bot_is_trusted_by_its_number_only() -> None:
    assert refusal(trusted_bots="7\nhelper[bot]") == (
        "input 'trusted-bots' should be the numbers of accounts, such as 41898282 for github-actions[bot]; "
        "'helper[bot]' is a name, and anybody may have a name"
    )


def test_the_token_is_in_no_text_that_is_made_of_the_inputs() -> None:
    inputs = from_action({"github-token": "ghs_ofTheJob"})
    assert "ghs_ofTheJob" not in repr(inputs)
    assert "github-token" not in inputs.given


def test_asking_for_no_post_is_asking_for_nothing() -> None:
    assert from_action({"post": "none"}) == ActionInputs(spec=("w.yaml",))


def test_something_must_be_there_to_run() -> None:
    with pytest.raises(UsageError, match="nothing to run: set the input 'spec'"):
        from_environ({"INPUT_MODE": "live"})


def test_a_file_and_a_prompt_are_not_both_run() -> None:
    assert refusal(spec="w.yaml", prompt="What?") == "inputs 'spec' and 'prompt' are both set; a run has one of them"


@pytest.mark.parametrize("mode", NEVER_POSTED)
def test_a_mode_that_answers_nothing_to_the_event_posts_nothing(mode: str) -> None:
    told = refusal(post="comment", mode=mode)
    assert told == f"input 'post' is not for mode: {mode}: {NEVER_POSTED[mode]}"


def test_a_share_of_the_answer_is_not_posted() -> None:
    told = refusal(post="comment", shard="1/2")
    assert told == "input 'post' is not for a shard, which has a part of the answer; set it in the job that resumes"


def test_a_plan_of_another_job_is_posted_alone() -> None:
    assert from_action({"post-plan": "p.json", "post": "none", "mode": "live"}).post_plan == "p.json"
    assert from_environ({"INPUT_POST-PLAN": "p.json"}).spec == ()
    told = refusal(post_plan="p.json", post="review")
    assert told == "inputs 'post' and 'post-plan' are both set: a job makes a plan, or posts that of another one"


@pytest.mark.parametrize("name", ["prompt", "variables", "mode", "max-cost-usd", "artifacts-dir", "trace"])
def test_an_input_of_a_run_is_refused_beside_a_plan_of_another_job(name: str) -> None:
    value = "replay" if name == "mode" else GIVEN[name][0]
    told = refusal(**{"post_plan": "p.json", name: value})
    assert told == f"input '{name}' is of a run, and with 'post-plan' nothing runs; leave it out"


# -- the command line -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("command", "mode"), [("run", "live"), ("validate", "validate"), ("plan", "plan")])
def test_a_command_is_a_mode(command: str, mode: str) -> None:
    assert from_arguments([command, "w.yaml"]) == ActionInputs(spec=("w.yaml",), mode=mode)


def test_run_takes_a_mode() -> None:
    assert from_arguments(["run", "w.yaml", "--mode", "plan"]) == ActionInputs(spec=("w.yaml",), mode="plan")


def test_several_files_are_validated() -> None:
    found = from_arguments(["validate", "a b.yaml", "c.yaml"])
    assert isinstance(found, ActionInputs)
    assert found.spec == ("a b.yaml", "c.yaml")


@pytest.mark.parametrize("shape", ["json", "mermaid", "matrix"])
def test_a_plan_may_be_asked_for_as_something_else_than_text(shape: str) -> None:
    asked = from_arguments(["plan", "w.yaml", f"--{shape}"])
    assert asked == ActionInputs(spec=("w.yaml",), mode="plan", plan_as=shape)


@pytest.mark.parametrize("name", ["debug", "trace"])
def test_a_switch_may_stand_alone(name: str) -> None:
    found = from_arguments(["run", "w.yaml", f"--{name}"])
    assert isinstance(found, ActionInputs)
    assert attribute(found, name) is True


def test_a_prompt_needs_no_file() -> None:
    assert from_arguments(["run", "--prompt", "What?", "--provider", "openai"]) == ActionInputs(
        prompt="What?", provider="openai"
    )


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["run", "--help"], ["validate", "-h"], ["plan", "--help"]])
def test_help_is_a_text(arguments: list[str]) -> None:
    found = from_arguments(arguments)
    assert isinstance(found, str)
    assert found.startswith("usage: strands-action")


def test_help_names_every_flag() -> None:
    text = from_arguments(["run", "--help"])
    assert isinstance(text, str)
    assert [one.name for one in INPUTS if one.name != "spec" and f"--{one.name} " not in text] == []


def test_the_schema_of_the_language_is_printed() -> None:
    text = from_arguments(["schema"])
    assert isinstance(text, str)
    schema = json.loads(text)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert set(schema["required"]) == {"version", "name", "runtime", "agents", "pattern"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rnu", "w.yaml"], "invalid choice: 'rnu'"),
        (["run", "w.yaml", "--max-paralel", "3"], "--max-paralel"),
        (["run", "w.yaml", "--max-par", "3"], "--max-par"),
        (["run", "a.yaml", "b.yaml"], "b.yaml"),
        (["run", "w.yaml", "--timeout"], "expected one argument"),
        (["run", "w.yaml", "--timeout", "soon"], "input 'timeout' should be a number of seconds above 0"),
        (["validate"], "SPEC"),
        (["test"], "SPEC"),
        (["plan", "w.yaml", "--mode", "live"], "--mode"),
    ],
)
def test_a_wrong_argument_is_refused_and_named(arguments: list[str], said: str) -> None:
    with pytest.raises(UsageError) as error:
        from_arguments(arguments)
    assert said in error.value.message


def test_what_only_some_modes_know_has_no_default_that_a_host_would_give_to_all() -> None:
    assert {one.name: one.default for one in INPUTS if one.name in ONLY_OF} == dict.fromkeys(ONLY_OF, "")
