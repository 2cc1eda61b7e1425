"""How programs read a text: without what escapes it, and without its line ends. A value that was escaped or broken over
lines stands in one of these readings as it is, and each knows which part of the text that is.
"""

from __future__ import annotations

import re
import sys
from bisect import bisect_right
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEPTH: Final = 3
"""How often a text may have been escaped: JSON in JSON is twice, and a model may quote that."""

_HEX: Final = "[0-9A-Fa-f]"


def _utf8(sign: str) -> str:
    """The bytes of one character, each behind a sign."""
    more = rf"{sign}[89ABab]{_HEX}"
    lead = {0: f"{sign}[0-7]{_HEX}", 1: f"{sign}[CDcd]{_HEX}", 2: f"{sign}[Ee]{_HEX}", 3: f"{sign}[Ff][0-7]"}
    return "|".join(f"{first}(?:{more}){{{count}}}" if count else first for count, first in lead.items())


_IN_URLS, _IN_BYTES = _utf8("%"), _utf8(r"\\x")
_ESCAPE: Final = re.compile(
    rf"{_IN_URLS}"
    rf"|&(?:\#[0-9]{{1,7}}|\#[xX]{_HEX}{{1,6}}|[A-Za-z][A-Za-z0-9]{{1,31}});"
    rf"|\\(?:u[dD][89ABab]{_HEX}{{2}}\\u[dD][C-Fc-f]{_HEX}{{2}}|u{_HEX}{{4}}|u\{{{_HEX}{{1,6}}\}}|U{_HEX}{{8}}"
    rf"|[0-3][0-7]{{2}}|[nrtbfv]|[^A-Za-z0-9])"
    rf"|{_IN_BYTES}|\\x{_HEX}{{2}}"
)
"""One escaped character: in a URL, in HTML, in JSON or a string of a program, in a shell, in Markdown."""

_CONTROL: Final = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "v": "\v"}

_WHITE: Final = bytes(number for number in range(128) if chr(number).isspace())
_SPACE: Final = re.compile(r"\s+")
_QUOTED: Final = (
    re.compile(r"[\r\n][ \t]*(?:[>|+#-]|\*(?!\*)|//)[ \t]?"),
    re.compile(r"[\r\n](?:[ \t]*>){2,}[ \t]?"),
)
"""What stands before each line of a quotation, a difference or a comment, and before one that is quoted again. One sign
is no more than that: what comes behind may be the value's own."""

_PLUS: Final = re.compile(r"\+")
_LINE_END_IN_URL: Final = re.compile(r"%0[AaDd]")


class Reading:
    """A text as it is, or one reading of another: what `pattern` finds there is read as something else."""

    def __init__(
        self,
        text: str,
        of: Reading | None = None,
        pattern: re.Pattern[str] = _SPACE,
        read: Callable[[str], str] = lambda found: "",
    ) -> None:
        self.text = text
        self._of, self._pattern, self._read = of, pattern, read

    def origin(self, start: int, end: int) -> tuple[int, int]:
        """Where in the text as it is that stands which stands here from `start` to `end`."""
        if self._of is None:
            return start, end
        first, last = self._piece(start), self._piece(end - 1)
        begin = first.start + start - first.at if first.as_it_is else first.start
        finish = last.start + end - last.at if last.as_it_is else last.end
        return self._of.origin(begin, finish)

    def _piece(self, at: int) -> Piece:
        """The piece that holds a place in this reading."""
        starts, pieces = self._pieces
        return pieces[bisect_right(starts, at) - 1]

    @cached_property
    def _pieces(self) -> tuple[list[int], list[Piece]]:
        """Made only where something was found."""
        assert self._of is not None
        pieces, at, upto, text = [], 0, 0, self._of.text
        for found in self._pattern.finditer(text):
            if found.start() > upto:
                pieces.append(Piece(at, upto, found.start(), as_it_is=True))
                at += found.start() - upto
            if length := len(self._read(found[0])):
                pieces.append(Piece(at, found.start(), found.end(), as_it_is=False))
                at += length
            upto = found.end()
        if upto < len(text):
            pieces.append(Piece(at, upto, len(text), as_it_is=True))
        return [one.at for one in pieces], pieces


class Piece(NamedTuple):
    """What stands `at` a place in a reading is from `start` to `end` in what was read."""

    at: int
    start: int
    end: int
    as_it_is: bool


def readings(text: str) -> Iterator[Reading]:
    """Every reading of a text in which a value may stand, none of them with any white space in it."""
    whole = Reading(text)
    yield from _unescaped(whole)
    if "+" in text and _LINE_END_IN_URL.search(text):  # lines in a query, where a space is written so
        yield from _unescaped(Reading(text.replace("+", " "), whole, _PLUS, lambda found: " "))


def _unescaped(reading: Reading) -> Iterator[Reading]:
    """The readings of a text as it is, unescaped, unescaped again and so on."""
    for depth in range(DEPTH + 1):
        yield Reading(squeezed(reading.text), reading)
        for quoted in _QUOTED:
            if quoted.search(reading.text):
                unquoted = Reading(quoted.sub("", reading.text), reading, quoted)
                yield Reading(squeezed(unquoted.text), unquoted)
        plain = unescaped(reading.text) if depth < DEPTH else reading.text
        if plain == reading.text:
            return
        reading = Reading(plain, reading, _ESCAPE, _meant)


def squeezed(text: str) -> str:
    """A text without white space, and so without line ends and what lines are indented with."""
    # Most of what is white is ASCII, which `translate` takes out of bytes in a fifth of the time that `split` takes.
    few = text.encode(errors="surrogatepass").translate(None, _WHITE).decode(errors="surrogatepass")
    return few if text.isascii() else "".join(few.split())


def unescaped(text: str) -> str:
    """A text with what is escaped in it as it is meant."""
    if not any(sign in text for sign in "\\%&"):
        return text
    return _ESCAPE.sub(lambda found: _meant(found[0]), text)


@lru_cache(4096)
def _meant(found: str) -> str:
    """The character that is written as an escape."""
    kind, rest = found[:2], found[2:]
    if found[0] == "&":
        import html  # its table of names is large, and few texts have one

        return html.unescape(found)
    if found[0] == "%":
        return bytes.fromhex(found.replace("%", "")).decode("utf-8", "replace")
    if kind == r"\x":
        written = bytes.fromhex(found.replace(kind, ""))
        return written.decode("utf-8" if len(written) > 1 else "latin-1", "replace")
    if kind == r"\u" and len(rest) == len(r"d83d\ude00"):
        return bytes.fromhex(found.replace(kind, "")).decode("utf-16-be", "replace")
    if kind in (r"\u", r"\U"):
        number = int(rest.strip("{}"), 16)
        return chr(number) if number <= sys.maxunicode else found
    return chr(int(found[1:], 8)) if len(found) == len(r"\101") else _CONTROL.get(found[1], found[1])
