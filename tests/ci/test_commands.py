"""What is said through the log: our own commands are understood, and nobody else's words ever become one."""

from __future__ import annotations

import io
import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.ci.commands import (
    MAX_ANNOTATIONS,
    MAX_LINE,
    MAX_MESSAGE,
    MAX_READ,
    annotate,
    answer,
    command,
    masks,
    output_file,
    printable,
)
from runner.errors import Finding, Location
from runner.log import Log
from tests.build import NOON
from tests.container.runner_parser import parse_file_command, parse_log
from tests.hostile import BLANKS, TEXTS, UNSEEN, huge

many = settings(max_examples=200, deadline=None, derandomize=True)

NASTY = st.sampled_from(
    ["::", ":", "##[", "#", "##", "[", "]", "::set-output name=a::b", "##[error]", "::error::", "\n", "\r", "\r\n",
     "\u2028", "\x85", "\t", " ", "\u3000", "\u00a0", "\x1b[31m", "\x00", "\ud800", "%0A::", "%", "a", "\ufeff",
     *BLANKS, *UNSEEN]
)  # fmt: skip
texts = st.lists(NASTY | st.text(max_size=5), max_size=12).map("".join)


def seen(text: str) -> str:
    """The text as one reads it who does not see what has no width; the runner compares so."""
    return "".join(sign for sign in text if unicodedata.category(sign) not in ("Cf", "Mn"))


# -- the guard --------------------------------------------------------------------------------------------------------


@many
@given(texts)
def test_no_text_is_printed_as_a_command(text: str) -> None:
    line = printable(text)
    assert parse_log(line) == parse_log(seen(line)) == []
    assert not re.match(r"\s*::", seen(line))
    assert "##[" not in seen(line)


@many
@given(texts)
def test_a_text_is_printed_in_one_line_without_control_characters(text: str) -> None:
    line = printable(text)
    assert len(line.splitlines()) <= 1
    assert {unicodedata.category(sign) for sign in line} & {"Cc", "Cs", "Zl", "Zp"} == set()
    line.encode()


@many
@given(texts)
def test_the_log_never_holds_a_command(text: str) -> None:
    stream = io.StringIO()
    Log(stream, lambda: NOON, str).line("INFO", text)
    assert parse_log(stream.getvalue()) == []
    assert stream.getvalue().count("\n") == 1


@pytest.mark.parametrize("text", ["an answer", "a :: b", "C:\\dir", "a#b ##c [d]", "ünïcode 🪙", "50 %", ""])
def test_a_harmless_text_is_printed_as_it_is(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("::error::a", ": :error::a"),
        ("  ::error::a", "  : :error::a"),
        ("a ##[error]b", "a ## [error]b"),
        ("a\nb\r\n\r\nc", "a b c"),
        ("\x1b[31mred", " [31mred"),
        ("\u202eabc", "⟨U+202E⟩abc"),
        ("\u200b::error::a", "⟨U+200B⟩::error::a"),
        (":\u200d:error::a", ":⟨U+200D⟩:error::a"),
        ("#\ufe0f#\ufe0f[error]a", "#\ufe0f#\ufe0f [error]a"),
    ],
)
def test_a_harmful_text_can_still_be_read(text: str, line: str) -> None:
    assert printable(text) == line


def test_a_long_text_is_cut() -> None:
    assert printable("a" * MAX_LINE) == "a" * MAX_LINE
    assert printable("a" * 10_000) == "a" * (MAX_LINE - 1) + "…"
    assert printable("\u202e" * (MAX_READ + 1)) == f"⟨U+202E and {MAX_READ - 1:,} more⟩…"


# -- answers ----------------------------------------------------------------------------------------------------------


@many
@given(texts)
def test_no_answer_is_printed_as_a_command(text: str) -> None:
    printed = answer(text)
    assert parse_log(printed) == parse_log(seen(printed)) == []
    assert not any(re.match(r"\s*::", line) or "##[" in line for line in seen(printed).splitlines())


@many
@given(texts)
def test_an_answer_is_printed_without_control_characters_but_line_ends_and_tabs(text: str) -> None:
    printed = answer(text)
    assert {sign for sign in printed if unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp")} <= {"\n", "\t"}


def test_a_harmless_answer_is_printed_as_it_is() -> None:
    text = "# Head\n\n\tindented :: and ünïcode 🪙\n- item"
    assert answer(text) == text + "\n"


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_no_hostile_text_is_printed_as_a_command(text: str) -> None:
    for printed in (printable(text), answer(text)):
        assert parse_log(printed) == parse_log(seen(printed)) == []
        printed.encode()


def test_of_a_line_without_an_end_only_the_beginning_is_printed() -> None:
    line = printable(huge())
    assert (len(line), line[-1], parse_log(line)) == (MAX_LINE, "…", [])


# -- annotations ------------------------------------------------------------------------------------------------------


def finding(message: str, level: str = "error", line: int = 3) -> Finding:
    return Finding(message, Location("flows/w.yaml", line, 7), level)  # type: ignore[arg-type]


def test_a_finding_is_put_on_its_line() -> None:
    (found,) = parse_log("\n".join(annotate([finding("unknown key")], "Invalid workflow")))
    assert found.name == "error"
    assert found.data == "unknown key"
    assert found.properties == {"title": "Invalid workflow", "file": "flows/w.yaml", "line": "3", "col": "7"}


def test_a_finding_is_one_line_in_which_everything_is_seen() -> None:
    (found,) = parse_log("\n".join(annotate([finding("a\u202eb\r\nc\x1bd")], "t")))
    assert found.data == "a⟨U+202E⟩b c d"


def test_a_finding_behind_a_line_that_somebody_began_is_no_other_command() -> None:
    (line,) = annotate([Finding("##[add-mask]a", Location("##[add-mask]b.yaml", 1, 1))], "t")
    assert parse_log(f"no end of a line {line}") == []


def test_a_finding_about_no_file_is_on_no_line() -> None:
    (found,) = parse_log("\n".join(annotate([Finding("no key", Location(""))], "Invalid input")))
    assert found.properties == {"title": "Invalid input"}


def test_a_finding_about_a_whole_file_is_on_the_file() -> None:
    (found,) = parse_log("\n".join(annotate([Finding("missing", Location("a.yaml"))], "File problem")))
    assert found.properties == {"title": "File problem", "file": "a.yaml"}


@many
@given(texts, texts, texts)
def test_no_finding_says_more_than_one_command(message: str, file: str, title: str) -> None:
    lines = annotate([Finding(message, Location(file, 1, 2))], title)
    found = parse_log("\n".join(lines))
    assert [one.name for one in found] == ["error"]
    assert set(found[0].properties) <= {"title", "file", "line", "col"}


@pytest.mark.parametrize("sign", ["%", ":", ",", "a%0Ab", "::", "ü", "a=b,c=d"])
def test_a_message_and_a_file_are_read_back_as_they_were(sign: str) -> None:
    (found,) = parse_log("\n".join(annotate([Finding(sign, Location(f"{sign}.yaml", 1, 1))], sign)))
    assert (found.data, found.properties["file"], found.properties["title"]) == (sign, f"{sign}.yaml", sign)


def test_errors_come_before_warnings() -> None:
    lines = annotate(iter([finding("w", "warning"), finding("e")]), "t")
    assert [found.name for found in parse_log("\n".join(lines))] == ["error", "warning"]


def test_no_more_than_the_host_shows_are_said_and_the_rest_is_counted() -> None:
    lines = annotate([finding(f"number {index}") for index in range(25)], "t")
    found = parse_log("\n".join(lines))
    assert len(found) == MAX_ANNOTATIONS
    assert [one.data for one in found[:-1]] == [f"number {index}" for index in range(9)]
    assert found[-1].data == "number 9 (and 15 more, listed in the job summary)"


def test_exactly_as_many_as_the_host_shows_need_no_count() -> None:
    lines = annotate([finding("x")] * MAX_ANNOTATIONS + [finding("y", "warning")] * MAX_ANNOTATIONS, "t")
    assert [one.data for one in parse_log("\n".join(lines))] == ["x"] * 10 + ["y"] * 10


def test_a_long_message_is_cut_before_its_count() -> None:
    lines = annotate([finding("a" * 9_000)] * 11, "t")
    *_, last = parse_log("\n".join(lines))
    assert len(last.data) == MAX_MESSAGE
    assert last.data.endswith("a (and 1 more, listed in the job summary)")


@many
@given(texts)
def test_a_group_is_opened_under_any_title(title: str) -> None:
    (found,) = parse_log(command("group", printable(title)))
    assert found.name == "group"
    assert found.data == printable(title).replace("##[", "## [")


# -- outputs ----------------------------------------------------------------------------------------------------------


def as_read(text: str) -> str:
    """A text as it can be written at all: no lone surrogates, and lines that end as the host's do."""
    return text.encode("utf-8", "replace").decode().replace("\r\n", "\n").replace("\r", "\n")


@many
@given(st.dictionaries(st.from_regex(r"[A-Za-z0-9._:-]{1,10}", fullmatch=True), st.text() | texts, max_size=4))
def test_any_outputs_are_read_back(outputs: dict[str, str]) -> None:
    assert parse_file_command(output_file(outputs)) == {name: as_read(value) for name, value in outputs.items()}


@pytest.mark.parametrize("value", [*TEXTS.values(), "a<<b", "\n\n"], ids=[*TEXTS, "a heading", "line ends"])
def test_no_value_sets_another_output(value: str) -> None:
    assert parse_file_command(output_file({"response": value, "last": "1"})) == {
        "response": as_read(value),
        "last": "1",
    }


def test_a_value_without_an_end_is_read_back() -> None:
    value = huge() + "\nEOF\nstatus=success"
    assert parse_file_command(output_file({"response": value})) == {"response": value}


def test_the_end_of_a_value_cannot_be_guessed() -> None:
    one, other = (output_file({"a": "b"}) for _ in range(2))
    assert one != other


# -- masks ------------------------------------------------------------------------------------------------------------


@many
@given(texts)
def test_a_mask_is_one_command_a_line_and_nothing_else(text: str) -> None:
    for line in masks([text]):
        assert [one.name for one in parse_log(line + "\n")] == ["add-mask"]


def test_a_value_is_masked_line_by_line_each_once_and_never_a_short_one() -> None:
    assert masks(["first line\r\nabc\nfirst line\n  second %\n", "a##[bcde"]) == [
        "::add-mask::first line", "::add-mask::second %25", "::add-mask::bcde",
    ]  # fmt: skip


@pytest.mark.parametrize("word", ["e", "abc", "true", "False", "NULL", "test", "main", "1234", "10000", "-1.5", "    "])
def test_what_stands_in_any_log_is_not_masked(word: str) -> None:
    assert masks([word]) == []


@pytest.mark.parametrize("secret", ["hunter2", "truely", "123456", "p4ss", "test-1"])
def test_any_other_secret_is_masked(secret: str) -> None:
    assert masks([secret]) == [f"::add-mask::{secret}"]
