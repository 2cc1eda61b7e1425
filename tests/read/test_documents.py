"""Files: what is YAML, what is JSON, what cannot be read, and where things stand in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runner.errors import FileProblem, SpecError
from runner.spec.load import MAX_BYTES, Document, parse, read, to_spec
from runner.spec.nearest import nearest
from tests.build import FILE, as_text, findings_of, spec_of, workflow

# -- YAML and JSON ----------------------------------------------------------------------------------------------------


def test_json_is_read_as_yaml_is() -> None:
    assert spec_of(json.dumps(workflow())) == spec_of(as_text(workflow()))


def test_a_json_file_may_be_indented_by_tabs(tmp_path: Path) -> None:
    (tmp_path / "w.json").write_text(json.dumps(workflow(), indent="\t"))
    assert to_spec(read(tmp_path / "w.json", "w.json")) == spec_of(workflow())


@pytest.mark.parametrize("number", ["1e0", "10E-1", "1.0e+0", "0.1e1"])
def test_a_number_in_any_notation_of_json_is_a_number(number: str) -> None:
    text = json.dumps(workflow(runtime={"temperature": 0})).replace('"temperature": 0', f'"temperature": {number}')
    assert spec_of(text).runtime.temperature == 1.0


def test_mistakes_in_json_have_a_place_too() -> None:
    text = json.dumps(workflow(nam="x"), indent=2)
    line = 1 + text[: text.index('"nam"')].count("\n")
    assert findings_of(text) == [f"workflow.yaml:{line}:3: unknown key 'nam'; did you mean 'name'?"]


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "w.yaml").write_bytes(b"\xef\xbb\xbf" + as_text(workflow()).encode())
    assert to_spec(read(tmp_path / "w.yaml", "w.yaml")).name == "test"


@pytest.mark.parametrize("text", ["2026-01-02", "2026-01-02T10:00:00Z", "12:30", "off", "yes", "NO", "0b11", "1_000"])
def test_what_is_no_value_of_json_stays_the_text_that_was_written(text: str) -> None:
    assert parse(f"a: {text}\n", FILE).data == {"a": text}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("010", 10), ("-3", -3), ("0o17", 15), ("0x1F", 31), ("1.50", 1.5), (".5", 0.5), ("-1e3", -1000.0),
        ("true", True), ("False", False), ("null", None), ("~", None), ("", None), ("'1'", "1"),
    ],
)  # fmt: skip
def test_a_value_is_read_by_the_core_schema_of_yaml(text: str, value: Any) -> None:
    found = parse(f"a: {text}\n", FILE).data["a"]
    assert (type(found), found) == (type(value), value)


def test_aliases_and_merge_keys_are_followed() -> None:
    text = as_text(workflow()).replace("  writer:\n", "  base: &base\n    tools: []\n    prompt: A\n  writer:\n") + ""
    text = text.replace("    prompt: You write.", "    <<: *base\n    prompt: You write.")
    writer = spec_of(text).agents["writer"]
    assert (writer.tools, writer.prompt) == ([], "You write.")


def test_a_mistake_that_came_by_a_merge_key_is_told_where_it_is_written() -> None:
    text = "x: &base\n  promt: A\n" + as_text(workflow()).replace("    prompt: You write.", "    <<: *base")
    assert "workflow.yaml:2:3: unknown key 'promt'; did you mean 'prompt'?" in findings_of(text)


# -- files that cannot be read ----------------------------------------------------------------------------------------


def test_a_missing_file_says_where_paths_start(tmp_path: Path) -> None:
    with pytest.raises(FileProblem, match=r"there is no file flows/a.yaml; paths are relative to the workspace"):
        read(tmp_path / "flows/a.yaml", "flows/a.yaml")


def test_a_directory_is_no_workflow(tmp_path: Path) -> None:
    with pytest.raises(FileProblem, match="flows is a directory"):
        read(tmp_path, "flows")


def test_a_file_above_the_limit_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "w.yaml").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(FileProblem, match=r"w.yaml is larger than 10 MB"):
        read(tmp_path / "w.yaml", "w.yaml")


def test_bytes_that_are_not_text_are_told_with_their_place(tmp_path: Path) -> None:
    (tmp_path / "w.yaml").write_bytes(b"name: \xff")
    with pytest.raises(SpecError, match=r"not UTF-8 text \(byte 6\)"):
        read(tmp_path / "w.yaml", "w.yaml")


def test_a_file_is_named_as_the_user_named_it(tmp_path: Path) -> None:
    (tmp_path / "w.yaml").write_text("name: [")
    with pytest.raises(SpecError) as error:
        read(tmp_path / "w.yaml", "flows/w.yaml")
    assert error.value.at is not None
    assert error.value.at.file == "flows/w.yaml"


# -- places -----------------------------------------------------------------------------------------------------------


def document() -> Document:
    return parse("runtime:\n  provider: openai\nagents:\n  - {id: a}\n  - id: b\n", FILE)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ((), "1:1"),
        (("runtime",), "2:3"),
        (("runtime", "provider"), "2:13"),
        (("agents", 0), "4:5"),
        (("agents", 1, "id"), "5:9"),
    ],
)
def test_a_path_stands_where_its_value_does(path: tuple[str | int, ...], place: str) -> None:
    assert str(document().locate(path)) == f"{FILE}:{place}"


def test_a_key_stands_before_its_value() -> None:
    assert str(document().locate(("runtime", "provider"), key=True)) == f"{FILE}:2:3"


@pytest.mark.parametrize("path", [("runtime", "model_id"), ("runtime", 3), ("runtime", "step", "model_id")])
def test_what_is_not_written_stands_where_it_would_be(path: tuple[str | int, ...]) -> None:
    assert str(document().locate(path)) == f"{FILE}:2:3"


def test_data_without_a_text_has_only_a_name() -> None:
    assert str(Document("prompt", {"a": 1}).locate(("a",))) == "prompt"


# -- advice for names -------------------------------------------------------------------------------------------------


def test_a_wrong_name_is_answered_with_the_nearest() -> None:
    assert nearest("bilding", ["technical", "billing", "general"]) == "did you mean 'billing'?"


def test_a_name_like_no_other_is_answered_with_all() -> None:
    assert nearest("x", ["technical", "billing"]) == "choose one of: billing, technical"


def test_where_there_is_nothing_to_choose_this_is_said() -> None:
    assert nearest("x", []) == "there are none"
