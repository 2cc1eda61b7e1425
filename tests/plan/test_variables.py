"""Values for templates: typed, complete and meant, before the first token."""

from __future__ import annotations

from typing import Any

import pytest

from runner.errors import UsageError
from tests.build import chain, findings_of, plan_of, workflow


def declared(required: Any = None, optional: Any = None, values: Any = None) -> dict[str, Any]:
    """A file that asks about `topic`, with these declarations."""
    given = {"required": required, "optional": optional, "values": values}
    inputs = {name: value for name, value in given.items() if value is not None}
    return workflow(inputs=inputs, pattern=chain("About {{ topic | default('nothing') }}."))


def values_of(source: dict[str, Any], **variables: Any) -> dict[str, Any]:
    return dict(plan_of(source, variables=variables).variables)


def refusal(source: dict[str, Any], **variables: Any) -> str:
    with pytest.raises(UsageError) as error:
        plan_of(source, variables=variables)
    return error.value.message


# -- where values come from -------------------------------------------------------------------------------------------


def test_a_given_value_stands_over_the_files_and_that_over_a_default() -> None:
    inputs = {"topic": {"type": "string", "default": "water"}}
    assert values_of(declared(optional=inputs)) == {"topic": "water"}
    assert values_of(declared(optional=inputs, values={"topic": "tea"})) == {"topic": "tea"}
    assert values_of(declared(optional=inputs, values={"topic": "tea"}), topic="milk") == {"topic": "milk"}


def test_a_name_that_a_template_uses_need_not_be_declared() -> None:
    assert values_of(workflow(pattern=chain("{{ tone }}")), tone="calm") == {"tone": "calm"}


def test_a_name_that_a_template_can_do_without_may_be_given() -> None:
    assert values_of(workflow(pattern=chain("{{ tone | default('calm') }}")), tone="loud") == {"tone": "loud"}


def test_a_value_is_not_a_template() -> None:
    assert values_of(declared(), topic="{{ steps }}") == {"topic": "{{ steps }}"}


# -- missing and unknown ----------------------------------------------------------------------------------------------


def test_a_missing_required_value_is_told_with_its_type() -> None:
    assert refusal(declared(required={"topic": "string"})) == (
        "required variable missing: 'topic' (string); set 'variables'"
    )


def test_all_missing_values_are_told_at_once() -> None:
    required = {"topic": "string", "count": {"type": "integer"}}
    assert refusal(declared(required=required)) == (
        "required variables missing: 'topic' (string), 'count' (integer); set 'variables'"
    )


def test_a_required_value_may_stand_in_the_file_or_have_a_default() -> None:
    assert values_of(declared(required={"topic": "string"}, values={"topic": "tea"})) == {"topic": "tea"}
    assert values_of(declared(required={"topic": {"type": "string", "default": "tea"}})) == {"topic": "tea"}


def test_validating_needs_no_values() -> None:
    assert plan_of(declared(required={"topic": "string"}), need_values=False).variables == {}


def test_a_value_nobody_asks_for_is_a_typing_mistake() -> None:
    assert refusal(declared(required={"topic": "string"}), topic="tea", tpoic="milk") == (
        "input 'variables': 'tpoic' is declared nowhere and used by no template; did you mean 'topic'?"
    )


# -- types and choices ------------------------------------------------------------------------------------------------

FITTING = {
    "string": ["", "tea"],
    "number": [0, 1.5, -2],
    "integer": [0, 10**30],
    "boolean": [True, False],
    "array": [[], [1, "a"]],
    "object": [{}, {"a": 1}],
}


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind in FITTING for value in FITTING[kind]])
def test_a_value_of_its_type_is_taken(kind: str, value: Any) -> None:
    assert values_of(declared(required={"topic": kind}), topic=value) == {"topic": value}


@pytest.mark.parametrize(
    ("kind", "value", "was"),
    [
        ("string", 3, 'int (3); write topic: "3"'),
        ("string", None, "NoneType (None)"),
        ("number", "3", "str ('3'); write topic: 3"),
        ("number", True, "bool (True)"),
        ("integer", 1.0, "float (1.0)"),
        ("integer", True, "bool (True)"),
        ("boolean", 1, "int (1)"),
        ("boolean", "true", "str ('true'); write topic: true"),
        ("array", "a", "str ('a')"),
        ("array", {}, "dict ({})"),
        ("object", [], "list ([])"),
    ],
)
def test_a_value_of_another_type_is_refused(kind: str, value: Any, was: str) -> None:
    assert refusal(declared(optional={"topic": kind}), topic=value) == (
        f"input 'variables': 'topic' should be of type {kind}, not {was}"
    )


def test_a_value_outside_its_choices_is_told_with_them() -> None:
    choice = {"topic": {"type": "string", "enum": ["tea", "milk"]}}
    assert values_of(declared(required=choice), topic="tea") == {"topic": "tea"}
    assert (
        refusal(declared(required=choice), topic="rum") == "input 'variables': 'topic' is 'rum', not one of: tea, milk"
    )


@pytest.mark.parametrize(
    ("source", "place"),
    [
        (declared(required={"topic": "string"}, values={"topic": 3}), "13:12"),
        (declared(required={"topic": {"type": "string", "default": 3}}), "13:16"),
    ],
)
def test_a_wrong_value_in_the_file_is_told_at_its_place(source: dict[str, Any], place: str) -> None:
    assert findings_of(source) == [
        f"workflow.yaml:{place}: inputs: 'topic' should be of type string, not int (3); write topic: \"3\""
    ]


def test_a_long_value_is_shortened_in_the_message() -> None:
    assert len(refusal(declared(required={"topic": "integer"}), topic="x" * 10_000)) < 300


def test_a_value_that_is_asked_for_among_all_inputs_may_be_given() -> None:
    assert values_of(workflow(pattern=chain("{{ inputs.values.tone }}")), tone="calm") == {"tone": "calm"}
    guarded = chain("{{ inputs.values.tone | default('calm') }}")
    assert values_of(workflow(pattern=guarded), tone="loud") == {"tone": "loud"}


@pytest.mark.parametrize("name", ["steps", "inputs", "secrets"])
def test_a_reserved_name_cannot_be_given(name: str) -> None:
    assert refusal(workflow(), **{name: "a"}).startswith(f"input 'variables': a variable cannot be named '{name}': ")


@pytest.mark.parametrize(
    ("kind", "value", "advice"),
    [
        ("integer", "5", "; write topic: 5"),
        ("number", "0.5", "; write topic: 0.5"),
        ("array", '["a"]', '; write topic: ["a"]'),
        ("string", True, '; write topic: "true"'),
        ("integer", "5.5", ""),
        ("integer", "five", ""),
        ("integer", "true", ""),
        ("string", ["a"], ""),
    ],
)
def test_a_value_with_quotes_too_many_or_too_few_is_told_how_to_be_written(kind: str, value: Any, advice: str) -> None:
    said = refusal(declared(optional={"topic": kind}), topic=value)
    assert said == (
        f"input 'variables': 'topic' should be of type {kind}, not {type(value).__name__} ({value!r}){advice}"
    )
