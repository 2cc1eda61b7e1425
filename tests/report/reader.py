"""What a reader's browser is given: a Markdown page as GitHub renders it, and a judge of what HTML may be in it.

The judge knows nothing of what wrote the page. It follows https://github.github.com/gfm, and for mentions and issues
https://docs.github.com/get-started/writing-on-github/working-with-advanced-formatting/autolinked-references-and-urls.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from urllib.parse import urlsplit

from markdown_it import MarkdownIt

VOID = {"br", "hr"}
LINES = {"p", "summary", "h3", "h4", "h5", "h6", "th", "td"}
"""What holds text and spans only: a browser ends it where a block begins."""

SPANS = {"strong", "em", "del", "code", "a", "br", "sub"}
BLOCKS = {"ul", "ol", "li", "blockquote", "pre", "table", "thead", "tbody", "tr", "hr", "details"}
ATTRIBUTES = {
    "a": {"href"},
    "details": {"open"},
    "pre": {"lang"},
    "ol": {"start"},
    "th": {"align"},
    "td": {"align"},
    "code": {"class"},  # what a fence of Markdown is rendered as
}
LIVE = re.compile(r"(?:^|(?-i:[^0-9A-Za-z_]))@[0-9A-Za-z]|#[0-9]|(?:^|[^0-9A-Za-z_])GH-[0-9]", re.IGNORECASE)
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")


@dataclass
class Page(HTMLParser):
    """HTML as it was read. What may not be in it fails the test."""

    open: list[str] = field(default_factory=list)
    tags: list[tuple[str, ...]] = field(default_factory=list)
    """Every element, behind those that it is in."""
    texts: list[tuple[str, str]] = field(default_factory=list)
    """Every text, and the element it is in."""

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in LINES | SPANS | BLOCKS, f"<{tag}> may not be there"
        assert tag in SPANS or not (LINES | SPANS) & set(self.open), f"<{tag}> in {self.open}"
        assert tag != "a" or "a" not in self.open
        for name, value in attrs:
            assert name in ATTRIBUTES.get(tag, ()), f"<{tag} {name}> may not be there"
            self.attribute(name, value or "")
        self.tags.append((*self.open, tag))
        if tag not in VOID:
            self.open.append(tag)

    def attribute(self, name: str, value: str) -> None:
        assert "\n" not in value
        match name:
            case "href":
                assert urlsplit(value).scheme in ("http", "https", "mailto"), value
            case "lang":
                assert re.fullmatch("[A-Za-z0-9+-]{1,20}", value)
                assert value.lower() not in ("mermaid", "math", "geojson", "topojson", "stl", "suggestion")
            case "open":
                assert value == ""
            case "start":
                assert value.isdecimal()
            case "align":
                assert value in ("left", "center", "right")
            case _:
                assert value in ("language-text", "language-mermaid")

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open, f"</{tag}> was not open"
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        assert not UNSEEN.search(data), ascii(data)
        inside = self.open[-1] if self.open else ""
        if not {"code", "pre"} & set(self.open):
            assert not LIVE.search(data), f"somebody is mentioned or an issue linked: {data!r}"
            assert "\u200b" not in re.sub("([@#]|GH-)\u200b", "", data, flags=re.IGNORECASE)
        self.texts.append((data, inside))

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data!r}")

    handle_decl = handle_pi = unknown_decl = handle_comment

    @property
    def shown(self) -> str:
        return "".join(text for text, _ in self.texts).replace("\u200b", "")

    def count(self, tag: str) -> int:
        return sum(path[-1] == tag for path in self.tags)


def page(html: str) -> Page:
    """HTML as it was read. Fails for what may not be in it."""
    found = Page()
    found.feed(html)
    found.close()
    assert found.open == [], f"never closed: {found.open}"
    assert found.rawdata == "", "it ends within a tag"
    return found


def on_github(markdown: str) -> Page:
    """A whole summary or comment as it is read there."""
    return page(re.sub(r' style="text-align:(\w+)"', r' align="\1"', _github().render(markdown)))


@cache
def _github() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
