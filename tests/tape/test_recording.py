"""A recording and its file: the same again when it is read, readable in a diff, and refused when it is none."""

from __future__ import annotations

import copy
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import RecordingProblem
from runner.report.results import Usage
from runner.tape.cleaning import cleaned
from runner.tape.recording import Answer, Fault, GateAsked, Prompt, Recording, ToolUse, Turn, dump, load

if TYPE_CHECKING:
    from collections.abc import Iterator

WHOLE = Recording(
    path="branches.a:b.steps[0]",
    config_hash="c0ffee" * 10,
    asked={"prompt": "You write.\nWell.", "input": "Go.", "temperature": 0.5, "vars": {"input": ["a", "b"]}},
    prompt=Prompt("Go.\n", "You write.\nWell.", {"steps[0]": "0123"}),
    tools={"calculator": "4567"},
    turns=(
        Turn("openai/m", fault=Fault("busy\nvery", transient=True, retry_after=0.5), latency_ms=3),
        Turn(
            "openai/m",
            content=({"text": "Let me\nsee."}, {"toolUse": {"toolUseId": "1", "name": "add", "input": {"a": 1}}}),
            stop="tool_use",
            tools=(ToolUse("1", "add", {"a": [1, "x\ny"]}, "error", ({"text": "no\n"}, {"json": {"text": "a\nb"}})),),
            usage=Usage(10, 5, 3, 2),
        ),
        Turn("openai/m", "summary", ({"text": "short"},), "end_turn"),
        Turn("openai/m", content=({"text": '{"a": 1}'},), stop="end_turn"),
    ),
    answer=Answer("success", "something\nelse", {"a": [1, 2.5, None, True, "x\ny"]}, None, 2, 40),
)  # fmt: skip
FAILED = Recording("steps[1]", "0" * 64, answer=Answer("failed", error="why\nnot"))
GATE = Recording(
    "steps[2]", "0" * 64, gate=GateAsked("Go on?\nReally?", "2026-01-02T12:00:00Z", "all\nof it", "yes", "response")
)

# -- there and back ---------------------------------------------------------------------------------------------------

ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    ["", "\n", "a\n", "\nb", "\r\n", "\u2028", "***"]
)
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(ANY_TEXT, JSON, max_size=3)
COUNTS = st.integers(0, 10**12)
USES = st.builds(
    lambda name, given: {"toolUse": {"toolUseId": name, "name": name, "input": given}}, ANY_TEXT, OBJECTS | ANY_TEXT
)
BLOCKS = st.builds(lambda text: {"text": text}, ANY_TEXT) | st.builds(lambda data: {"json": data}, JSON) | USES
CONTENT = st.lists(BLOCKS, max_size=3).map(tuple)
TOOL_USES = st.builds(ToolUse, ANY_TEXT, ANY_TEXT, JSON, st.sampled_from(["success", "error"]), CONTENT)
USAGE = st.builds(Usage, COUNTS, COUNTS, COUNTS, COUNTS)
FAULTS = st.builds(Fault, ANY_TEXT, st.booleans(), st.booleans(), st.none() | st.floats(0, 1e6))
TURNS = st.builds(
    Turn, ANY_TEXT, st.sampled_from(["answer", "summary"]), CONTENT, st.none() | ANY_TEXT,
    st.lists(TOOL_USES, max_size=2).map(tuple), st.none() | FAULTS, USAGE, COUNTS,
)  # fmt: skip
ASKED = st.builds(lambda prompt, more: {**more, "prompt": prompt, "input": prompt}, ANY_TEXT, OBJECTS)
RECORDINGS = st.builds(
    Recording,
    ANY_TEXT,
    ANY_TEXT,
    ASKED,
    st.builds(Prompt, ANY_TEXT, st.none() | ANY_TEXT, st.dictionaries(ANY_TEXT, ANY_TEXT, max_size=2)),
    st.dictionaries(ANY_TEXT, ANY_TEXT, max_size=2),
    st.lists(TURNS, max_size=2).map(tuple),
    st.builds(
        Answer, st.sampled_from(["success", "failed"]), st.none() | ANY_TEXT, JSON, st.none() | ANY_TEXT, COUNTS, COUNTS
    ),
    st.none() | st.builds(GateAsked, ANY_TEXT, ANY_TEXT, ANY_TEXT, st.none() | ANY_TEXT),
    st.sampled_from(["model", "hand"]),
)


@given(RECORDINGS)
def test_what_is_written_is_what_is_read(recording: Recording) -> None:
    text = dump(recording)

    assert load(text, "a.json") == load(text.encode(), "a.json") == recording
    assert dump(load(text, "a.json")) == text  # to the byte, whoever writes it


@pytest.mark.parametrize("recording", [WHOLE, FAILED, GATE])
def test_every_field_survives(recording: Recording) -> None:
    assert load(dump(recording), "a.json") == recording


def test_what_is_the_default_is_not_written() -> None:
    assert json.loads(dump(Recording("a", "b"))).keys() == {"format", "path", "config_hash", "seal"}


@given(st.text(), JSON)
def test_what_was_cleaned_can_be_written(text: str, data: Any) -> None:
    """Also halves of characters, which a model may say and no file can hold."""
    said = cleaned({text: [text, data], "more": {text: {text: text}}}, lambda one: one)
    recording = Recording("a", "b", answer=Answer(response=cleaned(text, lambda one: one), data=said))
    assert load(dump(recording).encode(), "a.json") == recording


@pytest.mark.parametrize("field", ["response", "data", "a key"])
def test_what_was_not_is_refused_where_it_cannot(field: str) -> None:
    half = "\ud800"
    answer = {"response": Answer(response=half), "data": Answer(data=[half]), "a key": Answer(data={half: 1})}[field]
    with pytest.raises(RecordingProblem, match=r"^a: what was said cannot be recorded: .*surrogates not allowed"):
        dump(Recording("a", "b", answer=answer))


@pytest.mark.parametrize("depth", [250, 300, 900, 5_000, 100_000])
def test_what_nests_too_deeply_is_refused(depth: int) -> None:
    data: Any = []
    for _ in range(depth):
        data = [data]
    if depth == 250:
        assert load(dump(Recording("a", "b", answer=Answer(data=data))), "a.json").answer.data == data
        return
    with pytest.raises(RecordingProblem, match="a: what was said cannot be recorded"):
        dump(Recording("a", "b", answer=Answer(data=data)))
    if depth > 1_000:  # a version of Python may need two frames for a level, or one
        with pytest.raises(RecordingProblem, match="nested too deeply"):
            cleaned(data, str)


@pytest.mark.parametrize("depth", [100_000])
def test_a_file_that_nests_too_deeply_is_refused(depth: int) -> None:
    text = f'{{"format": 1, "path": "a", "config_hash": "b", "answer": {{"data": {"[" * depth}{"]" * depth}}}}}'
    assert "is not a whole recording: maximum recursion depth" in refused(text)


def test_a_text_of_several_lines_is_a_list_of_them() -> None:
    body = json.loads(dump(WHOLE))

    assert body["asked"]["prompt"] == body["prompt"]["system"] == ["You write.", "Well."]
    assert body["asked"]["input"] == "Go."
    assert body["prompt"]["user"] == ["Go.", ""]
    assert body["turns"][0]["fault"]["message"] == ["busy", "very"]
    assert body["turns"][1]["content"][0] == {"text": ["Let me", "see."]}
    assert body["answer"]["response"] == ["something", "else"]


def test_what_was_said_freely_is_kept_as_it_was() -> None:
    body = json.loads(dump(WHOLE))

    assert body["asked"]["vars"] == {"input": ["a", "b"]}
    (use,) = body["turns"][1]["tools"]
    assert use["input"] == {"a": [1, "x\ny"]}
    assert use["content"] == [{"text": ["no", ""]}, {"json": {"text": "a\nb"}}]
    assert body["answer"]["data"] == {"a": [1, 2.5, None, True, "x\ny"]}


def test_a_reader_finds_first_what_it_is_about() -> None:
    assert [*json.loads(dump(WHOLE))][:5] == ["format", "path", "config_hash", "asked", "prompt"]


# -- whatever else is in a file ---------------------------------------------------------------------------------------


def refused(text: str | bytes) -> str:
    """Why a file is no recording; its name stands first."""
    with pytest.raises(RecordingProblem) as raised:
        load(text, "here/a.json")
    assert raised.value.message.startswith("here/a.json ")
    assert (raised.value.exit_code, raised.value.status) == (14, "invalid")
    return raised.value.message


def test_a_file_that_was_cut_off_anywhere() -> None:
    content = dump(WHOLE).encode()
    for length in range(len(content) - 1):  # the last byte ends the last line
        assert "is not a whole recording" in refused(content[:length])


def leaves(value: Any, *way: Any) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict | list) and value:
        for name in value if isinstance(value, dict) else range(len(value)):
            yield from leaves(value[name], *way, name)
    else:
        yield way


@pytest.mark.parametrize("recording", [WHOLE, FAILED, GATE])
def test_a_file_in_which_anything_was_changed(recording: Recording) -> None:
    body = json.loads(dump(recording))
    for *way, last in leaves(body):
        changed = copy.deepcopy(body)
        inner = changed
        for name in way:
            inner = inner[name]
        was = inner[last]
        for other in ("another", None, 7, not was, [was]):
            if json.dumps(other) != json.dumps(was):
                inner[last] = other
                refused(json.dumps(changed))
        if isinstance(inner, dict):
            del inner[last]
            refused(json.dumps(changed))


@pytest.mark.parametrize("more", [{"new": 1}, {"origin": "nobody"}, {"turns": {}}, {"seal": ""}])
def test_a_file_to_which_something_was_added(more: dict[str, Any]) -> None:
    assert "was changed after it was recorded; restore it, or delete it" in refused(
        json.dumps({**json.loads(dump(FAILED)), **more})
    )


def test_a_file_that_was_only_written_otherwise_is_the_same() -> None:
    assert load(json.dumps(json.loads(dump(WHOLE)), sort_keys=True, indent=None), "a.json") == WHOLE


@pytest.mark.parametrize(
    "text",
    ["", " ", "\0", "null", "[]", "1", '"format"', "{}", '{"a": 1}', '{"format": "1"}', '{"format": null}',
     '{"format": 1.0}', '{"format": true, "origin": "hand", "path": "a", "config_hash": "b"}', "{'format': 1}",
     "<html></html>", "version https://git-lfs.github.com/spec/v1", "<<<<<<< HEAD\n{}\n=======\n{}\n>>>>>>> b\n"],
)  # fmt: skip
def test_a_file_of_something_else(text: str) -> None:
    message = refused(text)
    assert "is not a recording: it has no 'format'" in message or "is not a whole recording" in message


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"\xff", b'{"format": 1, "path": "\xc3"}', b"\x89PNG\r\n"])
def test_a_file_that_is_no_text(content: bytes) -> None:
    refused(content)


@pytest.mark.parametrize("number", [0, 2, -1, 99, 10**30])
def test_a_file_of_another_format(number: int) -> None:
    message = refused(json.dumps({**json.loads(dump(FAILED)), "format": number}))
    assert (
        f"is a recording of format {number}, and this version reads format 1; use the version that made it" in message
    )


# -- written by hand --------------------------------------------------------------------------------------------------


def by_hand(**changes: Any) -> str:
    return json.dumps({"format": 1, "path": "a", "config_hash": "b", "origin": "hand", **changes})


def test_one_that_was_written_by_hand_needs_no_seal() -> None:
    turn = {"model": "m", "content": [{"text": ["several", "lines"]}], "stop": "end_turn"}
    recording = load(by_hand(turns=[turn]), "a.json")

    assert recording.origin == "hand"
    assert recording.response == "several\nlines"
    assert json.loads(dump(recording))["origin"] == "hand"
    assert "seal" not in json.loads(dump(recording))


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"path": None}, "path"),
        ({"path": 1}, "path"),
        ({"turns": [{}]}, "turns.0.model"),
        ({"turns": [{"model": "m", "purpose": "fun"}]}, "turns.0.purpose"),
        ({"turns": [{"model": "m", "usage": {"input": "many"}}]}, "turns.0.usage.input"),
        ({"turns": [{"model": "m", "usage": {"cache_read": -1}}]}, "turns.0.usage"),
        ({"turns": [{"model": "m", "usage": {"output": 10**400}}]}, "turns.0.usage"),
        ({"turns": [{"model": "m", "latency_ms": -1}]}, "turns.0.latency_ms"),
        ({"answer": {"duration_ms": 10**400}}, "answer.duration_ms"),
        ({"turns": [{"model": "m", "typo": 1}]}, "turns.0.typo"),
        ({"turns": [{"model": "m", "content": [1]}]}, "turns.0.content.0"),
        ({"turns": [{"model": "m", "content": "words"}]}, "turns.0.content"),
        ({"turns": [{"model": "m", "content": [{"text": 1}]}]}, "turns.0.content.0"),
        ({"turns": [{"model": "m", "content": [{"toolUse": "add"}]}]}, "turns.0.content.0"),
        ({"turns": [{"model": "m", "content": [{"toolUse": {"toolUseId": 1}}]}]}, "turns.0.content.0"),
        ({"turns": [{"model": "m", "content": [{"event": None}]}]}, "turns.0.content.0"),
        ({"turns": "none"}, "turns"),
        ({"answer": {"status": "fine"}}, "answer.status"),
        ({"answer": {"respnse": "x"}}, "answer.respnse"),
        ({"answer": []}, "answer"),
        ({"typo": 1}, "typo"),
        ({"asked": []}, "asked"),
    ],
)
def test_one_that_was_written_by_hand_and_wrongly(changes: dict[str, Any], where: str) -> None:
    assert f"is not a recording at {where}: " in refused(by_hand(**changes))


KEYS = st.sampled_from(["path", "turns", "content", "text", "model", "answer", "data", "usage"])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
)


@given(st.dictionaries(KEYS, ANYTHING))
def test_whatever_is_written_by_hand_is_a_recording_or_refused(body: dict[str, Any]) -> None:
    with suppress(RecordingProblem):
        assert load(by_hand(**body), "a.json").origin == "hand"
