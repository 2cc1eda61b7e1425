"""A model's Markdown as HTML of few kinds, so that people read it as it was meant and nothing in it acts. Pure.

It is parsed, and written anew from what was understood: one line of HTML, which Markdown leaves alone up to the next
empty line. No image is loaded, and where a link goes to is said beside it.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final

from markdown_it import MarkdownIt
from markdown_it.rules_block import table

from runner.invisible import shown
from runner.report.markdown import MAX_ANSWER, beginning, cut, escaped, fenced, left_out, quiet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from markdown_it.rules_block import StateBlock
    from markdown_it.token import Token

MOST_NESTED: Final = 16
"""What is nested more deeply is not parsed: it would take the product of depth and lines."""

_BLOCKS: Final = frozenset("p h1 h2 h3 h4 h5 h6 ul ol li blockquote table thead tbody tr th td".split())
_SPANS: Final = {"strong": "strong", "em": "em", "s": "del"}
_LINK: Final = re.compile(r"https?://([a-z0-9.-]+)(?::\d+)?(?:[/?#]|$)|mailto:([^\s@?]+@[a-z0-9.-]+)$", re.IGNORECASE)
_REFERENCE: Final = re.compile(
    r"^https?://(?:www\.)?github\.com/(?=[^/]+/[^/]+/(?:issues|pull|discussions|commit)/)", re.IGNORECASE
)
"""The beginning of a link that is told where it leads: there the host would say that this page speaks of it."""

_UNTOLD: Final = "https://redirect.github.com/"
"""Leads to the same, and is not told.
https://docs.github.com/get-started/writing-on-github/working-with-advanced-formatting/autolinked-references-and-urls"""

_LANGUAGE: Final = re.compile(r"[A-Za-z0-9+-]{1,20}(?=\s|$)")
_DRAWN: Final = frozenset({"mermaid", "geojson", "topojson", "stl", "math", "suggestion"})
"""Code that the host would not show but act on, https://docs.github.com/get-started/writing-on-github."""


def rendered(markdown: str, most: int = MAX_ANSWER, rest: str = "results.json") -> str:
    """Markdown as one line of HTML, or as a code block where it says nothing or is nested too deeply. Of a text of more
    than `most` bytes, or of as much HTML, it is the beginning, and says that the `rest` has all of it."""
    text, whole = beginning(markdown, most)
    page = _Page(most, whole=whole)
    tokens = _parser().parse(text)
    if all(one.level < MOST_NESTED - 1 for token in tokens for one in (token, *(token.children or ()))):
        page.write(tokens)
    if not page.html:
        return fenced(markdown, most, rest)
    return page.html + ("" if page.whole else f"<p><em>{left_out(rest)}</em></p>")


@cache
def _parser() -> MarkdownIt:
    """CommonMark and tables, without HTML; definitions of links stay text, for a reader would not see them."""
    made = MarkdownIt("commonmark", {"html": False, "maxNesting": MOST_NESTED})
    made.block.ruler.at("table", _table, {"alt": ["paragraph", "reference"]})
    return made.enable(["table", "strikethrough"]).disable(["html_block", "html_inline", "reference"])


def _table(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """A table, unless it would have more cells than the text has characters: rows need not have all of theirs."""
    columns = state.src.count("|", state.bMarks[start], state.eMarks[start])
    return columns * (end - start) <= len(state.src) and table(state, start, end, silent)


class _Page:
    """Blocks, written while there is room for them; what is open where that ends is closed."""

    def __init__(self, room: int, *, whole: bool) -> None:
        self.html, self.whole = "", whole
        self._room = room
        self._open: list[str] = []

    def write(self, tokens: Iterable[Token]) -> None:
        for token in tokens:
            if token.nesting < 0:
                if not token.hidden:
                    self.html += self._open.pop()
            elif not self._write(token):
                self.whole = False
                break
        self.html += "".join(reversed(self._open))

    def _write(self, token: Token) -> bool:
        """Whether there was room for all of it."""
        before, inside, after = _parts(token)
        self._room -= _bytes(before + after)
        if self._room < 0:
            return False
        fits = _bytes(inside) <= self._room
        if not fits:
            inside = re.sub(r"&[^;]*$", "", cut(_source(token), self._room))
        self._room -= _bytes(inside)
        self.html += before + inside
        if token.nesting:
            self._open += [after] if after else []
        else:
            self.html += after
        return fits


def _bytes(html: str) -> int:
    return len(html.encode())


# -- blocks -----------------------------------------------------------------------------------------------------------


def _parts(token: Token) -> tuple[str, str, str]:
    """A block as its opening tags, what is in it, and its closing tags."""
    match token.type:
        case "inline":
            return "", _quiet("".join(_spans(token.children or []))), ""
        case "fence" | "code_block":
            return f"<pre{_language(token)}><code>", _text(token.content.rstrip("\n")), "</code></pre>"
        case "hr":
            return "", "<hr>", ""
    if token.hidden or token.tag not in _BLOCKS:
        return "", _text(token.content), ""
    tag = _lowered(token.tag)
    return f"<{tag}{_attribute(token)}>", "", f"</{tag}>"


def _source(token: Token) -> str:
    """What is in a block, as it was written."""
    text = _text(token.content)
    return quiet(text) if token.type == "inline" else text


def _lowered(tag: str) -> str:
    """A heading below ours; any other tag as it is."""
    return f"h{min(6, int(tag[1]) + 3)}" if re.fullmatch("h[1-6]", tag) else tag


def _attribute(token: Token) -> str:
    if token.tag == "ol" and isinstance(start := token.attrGet("start"), int):
        return f' start="{start}"'
    aligned = re.fullmatch("text-align:(left|center|right)", str(token.attrGet("style")))
    return f' align="{aligned[1]}"' if aligned else ""


def _language(token: Token) -> str:
    named = _LANGUAGE.match(token.info.strip())
    return f' lang="{named[0]}"' if named and named[0].lower() not in _DRAWN else ""


# -- in a line --------------------------------------------------------------------------------------------------------


def _spans(tokens: list[Token]) -> Iterator[str]:
    said: list[str] = []  # of the link that is open; links hold no links
    target = ""
    for token in tokens:
        said.append(token.content)
        match token.type:
            case "softbreak" | "hardbreak":  # who chats ends lines where they should end
                yield "<br>"
            case "code_inline":
                yield f"<code>{_text(token.content)}</code>"
            case "image":
                yield f"{_text(token.content)} (<code>{_text(str(token.attrGet('src')))}</code>)"
            case "link_open":
                said, target = [], str(token.attrGet("href"))
                href = _attribute_text(_REFERENCE.sub(_UNTOLD, target))
                yield f'<a href="{href}">' if _LINK.match(target) else ""
            case "link_close":
                yield _ended(target, "".join(said))
            case _ if token.tag in _SPANS:
                yield f"<{'/' if token.nesting < 0 else ''}{_SPANS[token.tag]}>"
            case _:
                yield _text(token.content)


def _ended(target: str, said: str) -> str:
    """The end of a link, and where it goes unless it says so itself."""
    found = _LINK.match(target)
    if found is None:
        return f" (<code>{_text(target)}</code>)"
    return "</a>" if said in (target, found[2]) else f"</a> ({_text(found[1] or found[2])})"


def _text(text: str) -> str:
    """Text for HTML, in one line whatever is in it."""
    return escaped(shown(text)).replace("\n", "&#10;")


def _attribute_text(text: str) -> str:
    return _text(text).replace('"', "&quot;")


def _quiet(html: str) -> str:
    """HTML of ours in whose text nobody is mentioned. What stands in code and in tags is left."""
    return re.sub(r"<code>[^<]*</code>|<[^>]*>|[^<]+", lambda one: one[0] if one[0][0] == "<" else quiet(one[0]), html)
