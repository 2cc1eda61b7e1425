"""Texts in Markdown: as they were written, and nothing in them acts, wherever they stand."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.invisible import shown
from runner.report.markdown import MAX_LINE, MAX_NAME, code, duration, fenced, html, plain, table
from tests.hostile import TEXTS
from tests.report.reader import on_github

many = settings(max_examples=100, deadline=None, derandomize=True)
nasty = st.text(alphabet="`~\n\r\t\f\v\x1c\x85\u2028\u200b\u202e\\*_[](){}<>&;!#@:|$^.-+=1aé GH", max_size=40)
texts = nasty | st.text(max_size=30) | st.sampled_from(sorted(TEXTS.values()))


def as_read(text: str, most: int = MAX_LINE) -> str:
    """What a reader sees of a text in one line."""
    return " ".join(shown(text if len(text) <= most else text[:most] + "…").split())


# -- in a line --------------------------------------------------------------------------------------------------------


@many
@given(texts)
def test_a_message_in_a_table_cell_is_read_as_it_was_written(text: str) -> None:
    found = on_github(f"| a | b |\n|---|---|\n| {plain(text)} | next |\n")
    assert found.tags[-2:] == [("table", "tbody", "tr", "td")] * 2
    cells = [part for part, inside in found.texts if inside == "td"]
    assert "".join(cells).replace("\u200b", "") == as_read(text) + "next"


@many
@given(texts)
def test_a_message_is_one_item_of_a_list(text: str) -> None:
    found = on_github(f"- first\n- {plain(text)}\n- next\n")
    assert found.tags == [("ul",), *[("ul", "li")] * 3]
    assert found.shown.split("\n")[1:-2] == ["first", as_read(text), "next"]


@pytest.mark.parametrize("text", ["- a", "-", "+ a", "1. a", "12) a", "---", "# a", "> a", "| a |", "    a", "[ ] a"])
def test_a_message_begins_no_block(text: str) -> None:
    found = on_github(f"- {plain(text)}\n\n{plain(text)}\n")
    assert found.tags == [("ul",), ("ul", "li"), ("p",)]
    assert found.shown.split("\n")[1:-1] == [as_read(text), "", as_read(text)]


@many
@given(texts)
def test_an_identifier_is_code_in_markdown_and_in_html(text: str) -> None:
    for around in ("| a | b |\n|---|---|\n| {} | next |\n", "<details><summary>{}</summary></details>\n", "see {}\n"):
        found = on_github(around.format(code(text)))
        assert [path for path in found.tags if "code" in path][-1:] == [found.tags[-2 if "next" in around else -1]]
        assert "".join(part for part, inside in found.texts if inside == "code") == as_read(text, MAX_NAME)


@many
@given(texts)
def test_a_name_is_text_in_markdown_and_in_html(text: str) -> None:
    for around, tag in (("<details><summary>[{}]</summary></details>\n", "summary"), ("[{}]\n", "p")):
        found = on_github(around.format(html(text)))
        assert found.tags[-1][-1] == tag
        assert found.shown.strip() == f"[{as_read(text, MAX_NAME)}]"


@pytest.mark.parametrize(
    "text", ["@user", "\\@user", "(@user)", "a@user", "@org/team", "é@user", "\u017f@user", "#1", "o/r#1", "gh-1"]
)
def test_nobody_is_mentioned_and_no_issue_linked(text: str) -> None:
    told = on_github(f"{plain(text)}\n\n<p>{html(text)}</p>\n")  # the judge looks for both
    assert told.shown == f"{text}\n\n{text}\n".replace("\n\n", "\n")


@pytest.mark.parametrize("text", ["C#", "# head", "a @ b", "laugh-1", "a|b", "me@a.example", "react@18"])
def test_what_mentions_nobody_has_nothing_put_into_it(text: str) -> None:
    assert "\u200b" not in plain(text) + html(text)


def test_a_message_can_still_be_read() -> None:
    assert plain("agent 'a_b' <x> | *y*\nnext") == r"agent 'a\_b' &lt;x&gt; \| \*y\* next"
    assert plain("a\u202eb") == "a⟨U+202E⟩b"


def test_a_name_can_still_be_read() -> None:
    assert html("a_b[0].c-d (e)") == "a_b[0].c-d (e)"
    assert code("_a_b_ [0][1]") == "<code>_a_b&#95; [0&#93;[1]</code>"


def test_long_ones_are_cut() -> None:
    assert plain("a" * (MAX_LINE + 1)) == "a" * MAX_LINE + "…"
    assert code("a" * (MAX_NAME + 1)) == f"<code>{'a' * MAX_NAME}…</code>"
    assert plain("abc", 2) == "ab…"


# -- code blocks ------------------------------------------------------------------------------------------------------


@many
@given(texts)
def test_no_text_can_close_its_code_block(text: str) -> None:
    found = on_github(f"before\n\n{fenced(text)}\n\nafter\n")
    assert found.tags == [("p",), ("pre",), ("pre", "code"), ("p",)]
    assert "".join(part for part, inside in found.texts if inside == "code") == shown(text) + "\n"


def test_a_long_text_is_cut_where_a_character_ends() -> None:
    assert fenced("€" * 5, 10, "the file") == "```text\n€€€\n[cut here; the file has all of it]\n```"
    assert fenced("abc", 3) == "```text\nabc\n```"


# -- tables -----------------------------------------------------------------------------------------------------------


def test_a_table_ends_at_a_row() -> None:
    rows = [f"| {number} |" for number in range(100)]
    whole = table(["| a |", "|---|"], rows, 100, "the file", room=200)
    assert len(whole.encode()) <= 250
    assert re.fullmatch(r"\| a \|\n\|---\|\n(\| \d+ \|\n)+\n_and \d+ more, in the file_", whole)
    kept = whole.count("\n| ")
    assert f"_and {100 - kept} more" in whole


def test_a_table_has_only_so_many_rows() -> None:
    assert table(["| a |"], ["| 1 |", "| 2 |"], 2, "it", most=1) == "| a |\n| 1 |\n\n_and 1 more, in it_"
    assert table(["| a |"], ["| 1 |"], 1, "it", most=1) == "| a |\n| 1 |"


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0, "0 ms"),
        (999, "999 ms"),
        (1000, "1.0 s"),
        (1249, "1.2 s"),
        (60_000, "1 min 00 s"),
        (185_400, "3 min 05 s"),
        (7_200_000, "120 min 00 s"),
    ],
)
def test_a_duration_is_told_as_people_do(milliseconds: int, text: str) -> None:
    assert duration(milliseconds) == text
