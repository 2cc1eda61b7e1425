"""What is never printed: values, and the forms that other programs give them on the way."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SHORTEST: Final = 8
"""Characters; what was not declared to be a secret and is shorter is a word that would be blotted out everywhere."""

SHORTEST_SECRET: Final = 4
"""Characters of a declared secret; none is shorter."""


class Scrubber:
    """Takes secrets out of texts: those it was made with, and those it has learned since."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._forms: set[str] = set()
        self._longest_first: list[str] = []
        self.learn(values, shortest=SHORTEST)

    def learn(self, values: Iterable[str], *, shortest: int = SHORTEST_SECRET) -> None:
        """Take these values out from now on, and lines of them; those of SHORTEST characters in other forms too.

        As JSON writes it is not another form: what holds a value in quotes holds the value."""
        for value in values:
            self._forms |= {form for form in (value, value.strip(), *_as_json(value)) if len(form) >= shortest}
            self._forms |= {form for form in _forms(value) if len(form) >= SHORTEST}
        self._longest_first = sorted(self._forms, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for form in self._longest_first:
            text = text.replace(form, "***")
        return text


def _as_json(value: str) -> Iterator[str]:
    written = [json.dumps(value, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False)]
    yield from written
    # A model that answers in JSON quotes what a tool gave it as JSON.
    yield from (json.dumps(once, ensure_ascii=ascii_only)[1:-1] for once in written for ascii_only in (True, False))


def _forms(value: str) -> Iterator[str]:
    """What a value may look like elsewhere: in lines, in a URL, in base64."""
    if len(value) < SHORTEST:
        return
    yield from (line.strip() for line in value.splitlines())
    # As Python writes it in a URL, as JavaScript does, and as our own requests do in a query.
    yield from (quote(value, safe=safe, errors="replace") for safe in ("", "/", "!'()*", "!$'()*,/:?@"))
    yield quote_plus(value, errors="replace")
    encoded = value.encode(errors="replace")
    for encode in (b64encode, urlsafe_b64encode):
        yield encode(encoded).decode()
        # In the midst of something longer, as in `user:password`, it begins at one of three places in a group.
        for shift, skip in ((0, 0), (1, 2), (2, 3)):
            yield encode(b"\0" * shift + encoded).decode()[skip : 8 * (shift + len(encoded)) // 6]
