"""What is never printed: values, in the forms that other programs give them on the way. How a text is read so that
they are found, whatever escaped it or broke its lines, is in `readings`."""

from __future__ import annotations

import json
import re
from base64 import b32encode, b64encode, urlsafe_b64encode
from typing import TYPE_CHECKING, Final

from runner.credentials.readings import readings, squeezed, unescaped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

SHORTEST: Final = 8
"""Characters; what was not declared to be a secret and is shorter is a word that would be blotted out everywhere."""

SHORTEST_SECRET: Final = 4
"""Characters of a declared secret; none is shorter."""

LONGEST_CUT: Final = 512
"""Characters of a form that are looked for where a text was cut."""

_CUT: Final = re.compile(r"…|\.\.\.|\[(?:…|cut)")
"""How a text says that it was cut; where it ends it may have been as well."""

LONGEST_NAME: Final = 80
"""Characters of a text that is remembered with what it came to: of what a large run tells most are the names of models,
agents and attributes, over and over."""

MOST_NAMES: Final = 2048

MARKS: Final = ("***", "•••", "███")
"""What stands for a secret: the first that no secret could begin or end with."""


class Scrubber:
    """Takes secrets out of texts: those it was made with, and those it has learned since. What it gives holds none, so
    that doing it again changes nothing."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._short: tuple[str, ...] = ()
        self._forms: tuple[str, ...] = ()
        self._roots: tuple[str, ...] = ()
        self._pieces: frozenset[str] = frozenset()
        self._mark = MARKS[0]
        self._names: dict[str, str] = {}
        self.learn(values, shortest=SHORTEST)

    def learn(self, values: Iterable[str], *, shortest: int = SHORTEST_SECRET) -> None:
        """Take these values out from now on, and lines of them; those of SHORTEST characters in other forms too.

        As JSON writes it is not another form: what holds a value in quotes holds the value."""
        short, forms = {*self._short}, {*self._forms}
        for value in values:
            short |= {form for form in _short_forms(value) if len(form) >= shortest}
            forms |= {form for form in map(squeezed, _forms(value)) if len(form) >= SHORTEST}
        # Whole tuples in one go: other threads are looking for what is in them.
        self._roots = tuple(_roots(forms | {*self._roots}))
        self._short, self._forms = tuple(sorted(short)), tuple(sorted(forms))
        self._pieces = frozenset(
            form[at : at + SHORTEST] for form in self._forms for at in range(min(len(form), LONGEST_CUT) - SHORTEST)
        )
        self._mark = next((mark for mark in MARKS if not _joins(mark, short | forms)), MARKS[-1])
        self._names = {}

    def __call__(self, text: str) -> str:
        if len(text) > LONGEST_NAME:
            return self._cleaned(text)
        names = self._names  # those of now: who is learning meanwhile begins another
        if (clean := names.get(text)) is None:
            if len(names) >= MOST_NAMES:
                names.clear()
            clean = names[text] = self._cleaned(text)
        return clean

    def _cleaned(self, text: str) -> str:
        # What is left may read otherwise than it did: a sign that was escaped may now escape another. Each round makes
        # the text shorter.
        while spans := self._found(text):
            text = _without(text, spans, self._mark)
        return text

    def _found(self, text: str) -> list[tuple[int, int]]:
        """From where to where there is a secret in a text, in any order."""
        spans = [span for form in self._short for span in _places(form, text)]
        for reading in readings(text) if self._forms else ():
            # All at once first: most texts have none, and every one of them comes by here.
            there = self._forms if any(root in reading.text for root in self._roots) else ()
            spans += [reading.origin(*span) for form in there for span in _places(form, reading.text)]
            spans += [reading.origin(*span) for span in self._cut_off(reading.text)]
        return spans

    def _cut_off(self, text: str) -> Iterator[tuple[int, int]]:
        """The beginnings of secrets that somebody cut before they came by here."""
        for end in (*(cut.start() for cut in _CUT.finditer(text)), len(text)):
            if text[end - SHORTEST : end] in self._pieces:
                long = max((_shared(form, text, end) for form in self._forms), default=0)
                if long:
                    yield end - long, end


def _roots(forms: Iterable[str]) -> Iterator[str]:
    """Forms of which every other has one in it: where none of these is, there is none."""
    found: list[str] = []
    for form in sorted(forms, key=len):
        if not any(root in form for root in found):
            found.append(form)
            yield form


def _places(form: str, text: str) -> Iterator[tuple[int, int]]:
    start = text.find(form)
    while start >= 0:
        yield start, start + len(form)
        start = text.find(form, start + len(form))


def _shared(form: str, text: str, end: int) -> int:
    """How much of the beginning of a form stands before a place in a text."""
    longest = min(len(form), LONGEST_CUT)
    return next((length for length in range(longest, SHORTEST - 1, -1) if text.endswith(form[:length], 0, end)), 0)


def _without(text: str, spans: list[tuple[int, int]], mark: str) -> str:
    """The text with a mark for each secret, and one for those that overlap."""
    parts, upto = [], 0
    for start, end in sorted(spans):
        if start >= upto:
            parts += [text[upto:start], mark]
        upto = max(upto, end)
    return "".join([*parts, text[upto:]])


def _joins(mark: str, forms: Iterable[str]) -> bool:
    """Whether a mark and what stands beside it could be a secret again."""
    return any(form[0] == mark[0] or form[-1] == mark[0] or mark in form for form in forms)


def _short_forms(value: str) -> Iterator[str]:
    """A value that is too short to be looked for in other forms, and as JSON writes it."""
    if len(squeezed(value)) >= SHORTEST:
        return
    for whole in (value, value.strip()):
        yield whole
        yield from _as_json(whole)
        # A model that answers in JSON quotes what a tool gave it as JSON.
        yield from (twice for once in _as_json(whole) for twice in _as_json(once))


def _as_json(value: str) -> list[str]:
    return [json.dumps(value, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False)]


_QUOTES: Final = (r"'\''", "'''", "'\"'\"'", "''")
"""How a quotation mark is written in a shell, such a one read by another program, and in YAML and SQL."""


def _forms(value: str) -> Iterator[str]:
    """What a value may look like in a reading of a text: as it is, in lines, in base64 and the like."""
    if len(squeezed(value)) < SHORTEST:
        return
    value = value.strip()
    yield from (value, *value.splitlines())
    # What looks like an escape in a value is read as one in a text that is read once more.
    yield from (unescaped(value), unescaped(unescaped(value)))
    yield value.replace(" ", "+")  # in a query
    yield value.replace('"', "'")  # in our own log
    yield from (value.replace("'", quote) for quote in _QUOTES)
    for written in {value, *_as_json(value)}:
        encoded = written.encode(errors="replace")
        yield from (encoded.hex(), encoded.hex().upper())
        for encode, bits, group in ((b64encode, 6, 3), (urlsafe_b64encode, 6, 3), (b32encode, 5, 5)):
            yield from (encode(encoded).decode(), encode(encoded).decode().rstrip("="))
            yield from _in_the_midst(encoded, encode, bits, group)


def _in_the_midst(encoded: bytes, encode: Callable[[bytes], bytes], bits: int, group: int) -> Iterator[str]:
    """A value inside of something longer, such as `user:password`: it begins at any of the bytes of a group, and what
    it shares a character with is not known."""
    for before in range(group):
        whole = encode(b"\0" * before + encoded).decode()
        yield whole[-(-8 * before // bits) : 8 * (before + len(encoded)) // bits]
