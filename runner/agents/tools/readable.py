"""A web page as text to read: what a browser would show, and where its links lead.

Not the standard library's `html.parser`: its time grows with the square of what it is given, and 80 KB of unfinished
tags keep it busy for twenty seconds. This one goes through a page once, and mends nothing.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_TAG: Final = 1000
"""Characters in which the end of a tag is looked for with care for its quotes."""

_KEPT: Final = "\0"
"""Stands for a space that is to be kept, until the end."""

_TAG_END: Final = re.compile(r"""(?:[^>"']|"[^"]*+"|'[^']*+')*+>""")
_ATTRIBUTE: Final = re.compile(r"""([^\s=/"'<>]+)(?:\s*=\s*("[^"]*"|'[^']*'|[^\s"'>]+))?""")
_HIDING: Final = re.compile(r"(?:display\s*:\s*none|visibility\s*:\s*hidden)", re.IGNORECASE)
_LONG_NUMBER: Final = re.compile(r"&#[xX]?[0-9a-fA-F]{9,};?")
"""No character; and Python refuses to read it as a number when it is longer than some thousand digits."""

_RAW: Final = {name: re.compile(rf"</{name}\b", re.IGNORECASE) for name in ("script", "style", "noscript", "iframe")}
"""Elements that hold no elements, and nothing to read."""

_UNSEEN: Final = frozenset("template svg canvas object select datalist dialog".split())
_VOID: Final = frozenset("area base br col embed hr img input link meta source track wbr".split())
_BLOCKS: Final = frozenset(
    "address article aside blockquote body dd details div dl dt fieldset figcaption figure footer form head header "
    "hr html legend main nav ol p pre section summary table title tr ul".split()
)
_HEADINGS: Final = {f"h{level}": level for level in range(1, 7)}


@dataclass(frozen=True)
class _Tag:
    name: str
    ends: bool
    attributes: dict[str, str]

    @property
    def is_hidden(self) -> bool:
        found = self.attributes
        return (
            self.name in _UNSEEN
            or "hidden" in found
            or found.get("aria-hidden", "").lower() == "true"
            or _HIDING.search(found.get("style", "")) is not None
        )


def readable(page: str, base: str, *, markdown: bool = False) -> str:
    """The text of a page, links as `text (url)`, or as markdown. `base` is where the page is."""
    writer = _Writer(base, markdown)
    for one in _parts(page.replace(_KEPT, " ")):
        if isinstance(one, str):
            writer.text(one)
        else:
            writer.tag(one)
    return writer.whole()


@dataclass
class _Writer:
    base: str
    markdown: bool
    pieces: list[str] = field(default_factory=list)
    hidden: str = ""
    depth: int = 0
    """How many elements of the name `hidden` are open, the hidden one included."""
    verbatim: int = 0
    links: list[tuple[str, int]] = field(default_factory=list)

    def text(self, text: str) -> None:
        if not self.hidden:
            text = html.unescape(_LONG_NUMBER.sub("\ufffd", text)).replace("\xad", "")  # where a word may be broken
            self.pieces.append(text.replace(" ", _KEPT) if self.verbatim else re.sub(r"\s+", " ", text))

    def tag(self, tag: _Tag) -> None:
        if self.hidden:
            if tag.name == self.hidden:
                self.depth += -1 if tag.ends else 1
                self.hidden = self.hidden if self.depth else ""
        elif not tag.ends and tag.is_hidden:
            self.hidden, self.depth = ("", 0) if tag.name in _VOID else (tag.name, 1)
        elif tag.name == "a":
            self._link(tag)
        else:
            self._mark(tag)

    def whole(self) -> str:
        text = re.sub(r" ?\n ?", "\n", re.sub(r" {2,}", " ", "".join(self.pieces)))
        return re.sub(r"\n{3,}", "\n\n", text).strip().replace(_KEPT, " ")

    def _mark(self, tag: _Tag) -> None:
        name = tag.name
        if name == "pre":
            self.verbatim = max(0, self.verbatim + (-1 if tag.ends else 1))
        if name in _HEADINGS:
            self.pieces.append("\n\n" + ("#" * _HEADINGS[name] + " ") * (self.markdown and not tag.ends))
        elif name == "pre" and self.markdown:
            self.pieces.append("\n```\n")
        elif name == "code" and self.markdown and not self.verbatim:
            self.pieces.append("`")
        elif name == "li":
            self.pieces.append("" if tag.ends else "\n- ")
        elif name == "br":
            self.pieces.append("\n")
        elif name in ("td", "th"):
            self.pieces.append(" ")
        elif name in _BLOCKS:
            self.pieces.append("\n\n" if name == "p" else "\n")

    def _link(self, tag: _Tag) -> None:
        if not tag.ends:
            self.links = [(tag.attributes.get("href", ""), len(self.pieces))]  # links do not stand in links
        elif self.links:
            href, start = self.links.pop()
            said = "".join(self.pieces[start:]).strip()
            where = _absolute(self.base, href)
            if said and where:
                self.pieces[start:] = [f"[{said}]({where})" if self.markdown else f"{said} ({where})"]


def _parts(page: str) -> Iterator[str | _Tag]:
    """Texts and tags in their order. What is not finished at the end is left out."""
    at = 0
    while (start := page.find("<", at)) >= 0:
        if start > at:
            yield page[at:start]
        if page.startswith("<!--", start):
            end = page.find("-->", start + 4)
            at = end + 3
        elif re.match(r"[A-Za-z/!?]", page[start + 1 : start + 2]):
            careful = _TAG_END.match(page, start + 1, start + 1 + MAX_TAG)
            end = careful.end() - 1 if careful else page.find(">", start)
            at = end + 1
            if end > 0 and (tag := _tag(page[start + 1 : end])) is not None:
                yield tag
                if not tag.ends and (closing := _RAW.get(tag.name)) is not None:
                    found = closing.search(page, at)
                    end = at = found.start() if found else -1
        else:
            yield "<"
            end, at = start, start + 1
        if end < 0:
            return
    yield page[at:]


def _tag(inside: str) -> _Tag | None:
    name = re.match(r"/?([A-Za-z][A-Za-z0-9:-]{0,50})", inside)
    if name is None:
        return None
    found: dict[str, str] = {}
    for key, value in _ATTRIBUTE.findall(inside[name.end() : name.end() + MAX_TAG]):
        found.setdefault(key.lower(), html.unescape(value.strip("\"'")))
    return _Tag(name[1].lower(), inside.startswith("/"), found)


def _absolute(base: str, href: str) -> str:
    """Where a link leads; nothing when it leads nowhere that can be asked."""
    try:
        found = urljoin(base, href.strip())
    except ValueError:
        return ""
    wanted = found.startswith(("http://", "https://")) and not href.startswith("#")
    return re.sub(r"\s", "%20", found) if wanted else ""
