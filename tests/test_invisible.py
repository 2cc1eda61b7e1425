"""What nobody sees is written out or taken out, and nothing else is touched."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.invisible import shown, stripped

many = settings(max_examples=200, deadline=None, derandomize=True)

TAGS = "".join(chr(0xE0000 + ord(sign)) for sign in "obey")


@pytest.mark.parametrize(
    ("text", "seen", "left"),
    [
        ("a\u202eb", "a⟨U+202E⟩b", "ab"),
        ("a\u200bb", "a⟨U+200B⟩b", "ab"),
        (f"a{TAGS}b", "a⟨U+E006F and 3 more⟩b", "ab"),
        ("\ufeffa", "⟨U+FEFF⟩a", "a"),
        ("a\x1b[31m", "a⟨U+001B⟩[31m", "a[31m"),
        ("a\x00b", "a⟨U+0000⟩b", "ab"),
        ("a\ud800b", "a⟨U+D800⟩b", "ab"),
        ("soft\xadhyphen", "soft⟨U+00AD⟩hyphen", "softhyphen"),
        ("a\u200db", "a⟨U+200D⟩b", "ab"),
        ("👍\ufe0f\ufe0f", "👍\ufe0f⟨U+FE0F⟩", "👍\ufe0f"),
        ("a\U000e0100", "a⟨U+E0100⟩", "a"),
        ("a\u2028b", "a⟨U+2028⟩b", "ab"),
    ],
)
def test_what_nobody_sees_is_written_out_or_taken_out(text: str, seen: str, left: str) -> None:
    assert (shown(text), stripped(text)) == (seen, left)


@pytest.mark.parametrize(
    "text",
    [
        "plain, with\ttabs\nand lines",
        "ünïcödé 漢字 العربية",
        "👩\u200d💻 ❤\ufe0f\u200d🔥 1\ufe0f\u20e3",
        "می\u200cخواهم",  # noqa: RUF001 - Persian
        "क्\u200dष",
        "",
    ],
)
def test_what_is_only_spelling_stays(text: str) -> None:
    assert (shown(text), stripped(text)) == (text, text)


def test_line_ends_become_those_of_the_system() -> None:
    assert shown("a\r\nb\rc\n") == stripped("a\r\nb\rc\n") == "a\nb\nc\n"


@many
@given(st.text() | st.text(alphabet="a1👍é\u200d\u200c\ufe0f\u202e\ud800\U000e0041\n\r\t"))
def test_nothing_is_left_to_write_out(text: str) -> None:
    for done in (shown(text), stripped(text)):
        assert shown(done) == done
        done.encode()
        assert {sign for sign in done if unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp")} <= {"\n", "\t"}
