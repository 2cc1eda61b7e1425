"""Texts of strangers in Markdown: read by another reader of Markdown, nothing of them is more than text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from markdown_it import MarkdownIt

from runner.report.markdown import fenced, plain
from runner.report.rendered import rendered
from tests import hostile
from tests.fuzz.target import Target, fields, joined
from tests.report.reader import on_github

if TYPE_CHECKING:
    from markdown_it.token import Token

READER: Final = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def one(data: bytes) -> None:
    for text in fields(data):
        _in_a_fence(text)
        _rendered(text)
        _in_a_line(plain(text))
        _in_a_table(plain(text))


def _in_a_fence(text: str) -> None:
    found = [token.type for token in READER.parse(f"Before.\n\n{fenced(text)}\n\nBehind.\n")]
    line = ["paragraph_open", "inline", "paragraph_close"]
    assert found == [*line, "fence", *line], f"a fence was broken out of: {found}"


def _rendered(text: str) -> None:
    """The judge of the tests says what HTML may be in it."""
    page = on_github(f"Before.\n\n{rendered(text)}\n\nBehind.\n")
    assert (page.tags[0], page.tags[-1]) == (("p",), ("p",)), f"HTML was broken out of: {page.tags}"


def _in_a_line(written: str) -> None:
    tokens = READER.parse(f"x {written} y")
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"], written
    _is_text(tokens[1])


def _in_a_table(written: str) -> None:
    tokens = READER.parse(f"| a | b |\n|---|---|\n| {written} | end |\n")
    cells = [token for token in tokens if token.type == "inline"]
    assert len(cells) == 4, f"a cell is several: {written!r}"
    assert cells[3].content == "end", f"a cell is another: {written!r}"
    _is_text(cells[2])


def _is_text(inline: Token) -> None:
    for token in inline.children or ():
        assert token.type in ("text", "text_special"), f"{token.type} in {inline.content!r}"


def seeds() -> list[bytes]:
    return [joined(text) for text in (*hostile.MARKDOWN.values(), *hostile.SIGNS.values())]


WORDS: Final = (
    "```", "~~~", "`", "<!--", "-->", "<img src=", "![", "](", "https://", "www.", "@a", "#1", "|", "\\", "&lt;",
    "&#64;", "*", "_", "~~", "[^1]", "\u202e", "\u200b", "\r", "\n", "<a href=", "<script>", "<![CDATA[", "<?",
    "\u2028", "<details>",
)  # fmt: skip

TARGET: Final = Target(one, seeds, WORDS)
