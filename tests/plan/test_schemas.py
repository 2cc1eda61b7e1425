"""output_schema: inline or in a file beside the workflow, and known to be usable before anything runs."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path
from typing import Any

import pytest

from runner.plan.schemas import MAX_BYTES, load, mismatch
from tests.build import chain, findings_of, plan_of, workflow

SCHEMA = {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}}


def asking_for(schema: Any) -> dict[str, Any]:
    return workflow(agents={"writer": {"output_schema": schema}})


def said(schema: Any, root: Path) -> str:
    """What is said of a schema, without its place."""
    (found,) = findings_of(asking_for(schema), root=root)
    place, message = found.split(": ", 1)
    assert place.startswith("workflow.yaml:")
    return message


# -- where it stands --------------------------------------------------------------------------------------------------


def test_a_schema_in_a_file_is_the_schema(tmp_path: Path) -> None:
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas/a.json").write_text(json.dumps(SCHEMA))
    planned = plan_of(asking_for("schemas/a.json"), root=tmp_path)
    assert planned.steps()[0].agent.output_schema == SCHEMA
    assert planned.config_hash == plan_of(asking_for(SCHEMA)).config_hash


def test_a_steps_schema_stands_over_its_agents() -> None:
    pattern = chain("A.", {"output_schema": {"type": "array"}})
    planned = plan_of(asking_for(SCHEMA) | {"pattern": pattern})
    assert [step.agent.output_schema for step in planned.steps()] == [SCHEMA, {"type": "array"}]


def test_a_missing_file_is_told_where_it_is_named(tmp_path: Path) -> None:
    assert findings_of(asking_for("a.json"), root=tmp_path) == [
        "workflow.yaml:9:20: output_schema 'a.json' cannot be read: No such file or directory"
    ]


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.json")
    assert said("a.json", tmp_path) == "output_schema 'a.json' is not a regular file"


@pytest.mark.parametrize("name", ["../a.json", "/etc/passwd", "sub/../../a.json", "link.json"])
def test_a_file_outside_the_workspace_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.json").write_text("{}")
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "link.json").symlink_to(tmp_path / "a.json")
    assert said(name, root) == f"output_schema '{name}' lies outside the workspace"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON: "),
        ("", "is not JSON: "),
        ("[]", "is not a JSON object"),
        ('{"maximum": NaN}', "is not JSON: "),
        ('{"maximum": 1e999}', "is not JSON: "),
        ("[" * 100_000, "is not JSON: "),
        (" " * (MAX_BYTES + 1), "is larger than 1024 KiB"),
    ],
    ids=range(7),
)
def test_a_file_that_holds_no_schema_is_told(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "a.json").write_text(content)
    assert said("a.json", tmp_path).startswith(f"output_schema 'a.json' {message}")


def test_a_name_that_no_file_can_have_is_told(tmp_path: Path) -> None:
    assert re.search("null (byte|character)", said("a\0b", tmp_path))  # as the version of Python has it


def test_a_directory_is_no_schema(tmp_path: Path) -> None:
    assert said(".", tmp_path) == "output_schema '.' is not a regular file"


# -- what it says -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "objekt"},
        {"properties": []},
        {"required": "a"},
        {"properties": {"a": {"minimum": "x"}}},
        {"pattern": "("},
        {"patternProperties": {"(": {}}},
    ],
)
def test_what_is_no_schema_is_told(tmp_path: Path, schema: dict[str, Any]) -> None:
    assert said(schema, tmp_path).startswith("output_schema is not a valid JSON Schema: ")


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "http://127.0.0.1:1/a"},
        {"$ref": "file:///etc/passwd"},
        {"$ref": "other.json"},
        {"$ref": "#/$defs/missing"},
        {"$ref": "#missing"},
        {"items": {"anyOf": [{"$ref": "#/$defs/missing"}]}},
        {"$ref": "https://json-schema.org/draft/2020-12/schema"},
    ],
)
def test_a_reference_that_leads_out_of_the_schema_is_refused(tmp_path: Path, schema: dict[str, Any]) -> None:
    assert said(schema, tmp_path).startswith("output_schema refers to ")


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/a", "$defs": {"a": {"type": "integer"}}},
        {"$ref": "#a", "$defs": {"a": {"$anchor": "a", "type": "integer"}}},
        {"$ref": "http://example.com/a", "$defs": {"a": {"$id": "http://example.com/a", "type": "integer"}}},
    ],
)
def test_a_reference_within_the_schema_is_followed(schema: dict[str, Any]) -> None:
    assert load("output_schema", schema, None) == schema
    assert mismatch(1, schema) is None
    assert mismatch("1", schema) == "$: type should be 'integer'"


def test_a_property_named_like_a_reference_is_no_reference() -> None:
    schema = {"properties": {"$ref": {"type": "string"}}, "const": {"$ref": "elsewhere"}}
    assert load("output_schema", schema, None) == schema


def test_a_schema_of_a_tree_refers_to_itself() -> None:
    tree = {"type": "array", "items": {"$ref": "#"}}
    assert load("output_schema", tree, None) == tree
    assert mismatch([[], [[]]], tree) is None
    assert mismatch([[1]], tree) == "$[0][0]: type should be 'array'"


@pytest.mark.parametrize("schema", [{"$ref": "#"}, {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}])
def test_a_schema_that_refers_to_itself_without_end_is_a_mismatch(schema: dict[str, Any]) -> None:
    assert mismatch(1, schema) == "$: the schema refers to itself without end"


# -- what satisfies it ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        ({"a": 1}, None),
        ({}, "$: 'a' is a required property"),
        ({"a": "1"}, "$.a: type should be 'integer'"),
        ([], "$: type should be 'object'"),
    ],
)
def test_where_a_value_does_not_satisfy_a_schema_is_told(value: Any, wrong: str | None) -> None:
    assert mismatch(value, SCHEMA) == wrong


def test_a_mismatch_is_told_in_a_few_words() -> None:
    found = mismatch(["x" * 10_000], {"items": {"type": "integer"}})
    assert found is not None
    assert len(found) <= 300


# -- what never ends --------------------------------------------------------------------------------------------------

FORKED: dict[str, Any] = {f"a{i + 1}": {"allOf": [{"$ref": f"#/$defs/a{i}"}] * 2} for i in range(40)}


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        ("a" * 50_000 + "b", {"pattern": "^(a+)+$"}),
        ({"a" * 50_000 + "b": 1}, {"patternProperties": {"^(a|a)*$": {}}}),
        ({"a" * 50_000: 1}, {"propertyNames": {"pattern": "(.*)*b"}}),
        ([{"a": i} for i in range(50_000)], {"uniqueItems": True}),
        ([-1] * 20_000, {"items": {"enum": list(range(9000))}}),
        ("a", {"$ref": "#/$defs/a40", "$defs": {"a0": {"type": "string"}, **FORKED}}),
    ],
    ids=["pattern", "names of properties", "property names", "unique items", "enum", "references that fork"],
)
def test_a_value_that_takes_too_long_to_compare_does_not_satisfy(value: Any, schema: dict[str, Any]) -> None:
    assert load("output_schema", schema, None) == schema
    before = time.monotonic()
    assert mismatch(value, schema) == "$: comparing it takes longer than 1 s"
    assert time.monotonic() - before < 2


def test_a_number_beyond_all_fractions_does_not_satisfy() -> None:
    assert mismatch(10**4000, {"multipleOf": 0.1}) == "$: a number is too large to check"
