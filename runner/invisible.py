"""Characters that a text holds and nobody sees: controls, directions, joiners, tags, half a surrogate pair.

They make a line read other than it is, and carry orders to a model past whoever looks at it
(https://trojansource.codes). A joiner between signs of other scripts and a variation selector behind one are spelling,
and stay: emoji and many languages are written with them.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

_SIGNS: Final = (
    r"\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    r"\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff\U0001bca0-\U0001bca3"
    r"\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_OTHER_SCRIPT: Final = rf"(?![{_SIGNS}])[^\x00-\x7f]"
_SPELLING: Final = (
    rf"(?:(?<=[0-9#*])|(?<=(?=[^\x00-\x7f])[^{_SIGNS}]))(?:[\ufe0e\ufe0f]\u200d(?={_OTHER_SCRIPT})|[\ufe0e\ufe0f])"
    rf"|(?<=(?=[^\x00-\x7f])[^{_SIGNS}])[\u200c\u200d](?={_OTHER_SCRIPT})"
)
_FOUND: Final = rf"(?P<spelling>{_SPELLING})|[{_SIGNS}]"
_RUN: Final = rf"(?P<spelling>{_SPELLING})|[{_SIGNS}](?:(?!{_SPELLING})[{_SIGNS}])*"


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """It takes a while to compile, and most texts do not need it."""
    return re.compile(pattern)


def shown(text: str) -> str:
    """The text with what nobody sees written out, such as ⟨U+202E⟩; of several in a row the first, and how many. Line
    ends become those of the system, and tabs stay."""
    if _plain(text):
        return text
    return _compiled(_RUN).sub(lambda found: found[0] if found["spelling"] else _written(found[0]), _lines(text))


def stripped(text: str) -> str:
    """The text without what nobody sees."""
    if _plain(text):
        return text
    return _compiled(_FOUND).sub(lambda found: found["spelling"] or "", _lines(text))


def _plain(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _written(signs: str) -> str:
    more = f" and {len(signs) - 1:,} more" if len(signs) > 1 else ""
    return f"⟨U+{ord(signs[0]):04X}{more}⟩"


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
