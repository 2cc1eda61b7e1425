"""Texts made safe to stand in Markdown and in HTML, whoever wrote them. Pure.

GitHub looks for mentions and issues in what it has rendered, so no escape keeps it from them; a space of no width
behind the sign does (https://github.com/github/markup/issues/1168).
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Final

from runner.invisible import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAX_NAME: Final = 200
"""Characters of an identifier that are shown."""

MAX_LINE: Final = 4_000
"""Characters of a message that are shown."""

MAX_ANSWER: Final = 40_000
"""Bytes of an answer that are shown."""

MOST_ROWS: Final = 200
MAX_TABLE: Final = 150_000  # bytes

_LIVE: Final = re.compile(
    r"((?<!(?-i:[0-9A-Za-z_]))@(?=\w)|(?<!&)#(?=\d)|(?<!(?-i:[0-9A-Za-z_]))gh-(?=\d))", re.IGNORECASE
)
"""What makes a mention or a link to an issue of what follows; not the sign in an address or a version, nor `&#`, which
begins a sign that was escaped."""

_MARKUP: Final = re.compile(r"[\\`*~$|!]|\](?=[(\[:])|_(?![^\W_])")
"""What Markdown acts on inside of a line; of `_` those that can end an emphasis."""


def duration(milliseconds: int) -> str:
    """A duration as people read it: `85 ms`, `1.2 s`, `3 min 05 s`."""
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    if milliseconds < 60_000:
        return f"{milliseconds / 1000:.1f} s"
    minutes, seconds = divmod(round(milliseconds / 1000), 60)
    return f"{minutes} min {seconds:02d} s"


def fenced(text: str, most: int = MAX_ANSWER, rest: str = "results.json") -> str:
    """A text, or its beginning in at most so many bytes, as a code block that nothing in it can close."""
    safe, whole = beginning(text, most)
    safe += "" if whole else f"\n{left_out(rest)}"
    longest = max((len(run) for run in re.findall(r"`+", safe)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{safe}\n{fence}"


def left_out(rest: str) -> str:
    """What stands where a text was cut."""
    return f"[cut here; {rest} has all of it]"


def plain(text: str, most: int = MAX_LINE) -> str:
    """A text of at most so many characters inside a line or a table cell, with nothing in it that Markdown, HTML or
    the host would act on."""
    flat = re.sub(r"([\\`*_\[\]|#!~$])", r"\\\1", quiet(escaped(_line(text, most))))
    return re.sub(r"^(\d{0,9})([-+.)])(?=[-\s]|$)", r"\1\\\2", flat)  # what would begin a list


def code(text: str) -> str:
    """An identifier as inline code, safe in a table cell and in HTML."""
    return f"<code>{_harmless(_line(text, MAX_NAME))}</code>"


def html(text: str) -> str:
    """A name in a line of HTML, or of Markdown."""
    return quiet(_harmless(_line(text, MAX_NAME)))


def escaped(text: str) -> str:
    """A text that HTML takes for text."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def quiet(safe: str) -> str:
    """Escaped text in which nobody is mentioned and no issue linked."""
    return _LIVE.sub("\\1\u200b", safe)


def table(
    head: Sequence[str], rows: Iterable[str], total: int, rest: str, *, most: int = MOST_ROWS, room: int = MAX_TABLE
) -> str:
    """The first of `total` rows, at most so many and in so many bytes, and below how many more there are."""
    lines = list(head)
    room -= sum(map(size, lines))
    for row in islice(rows, most):
        room -= size(row)
        if room < 0:
            break
        lines.append(row)
    missing = total + len(head) - len(lines)
    return "\n".join([*lines, *([f"\n_and {missing:,} more, in {rest}_"] if missing else [])])


def size(text: str) -> int:
    """Bytes of a text in a file, with the ends of a line or two."""
    return len(text.encode(errors="replace")) + 2


def beginning(text: str, most: int) -> tuple[str, bool]:
    """What is seen of a text, up to the end of a character and so many bytes, and whether that is all of it."""
    seen = shown(text[:most])
    found = cut(seen, most)
    return found, len(text) <= most and found == seen


def cut(text: str, most: int) -> str:
    """The beginning of a text in at most so many bytes, up to the end of a character."""
    return text[:most].encode()[:most].decode(errors="ignore")


def _line(text: str, most: int) -> str:
    """What is seen of a text, in one line."""
    beginning = text if len(text) <= most else text[:most] + "…"
    return " ".join(shown(beginning).split())


def _harmless(line: str) -> str:
    """As text in HTML, and in Markdown that stands around it."""
    return _MARKUP.sub(lambda sign: f"&#{ord(sign[0])};", escaped(line))
