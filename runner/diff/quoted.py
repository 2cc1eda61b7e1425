"""Names as git writes them in diffs and reads them in its files: in quotes, with escapes, where they are not plain."""

from __future__ import annotations

import re
from typing import Final

QUOTED: Final = re.compile(r'"([^"\\]*+(?:\\.[^"\\]*+)*+)"', re.DOTALL)
_ESCAPE: Final = re.compile(r"((?:\\[0-3][0-7][0-7])+)|\\(.)", re.DOTALL)
_SIGNS: Final = {"a": "\a", "b": "\b", "t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r"}


def unquoted(text: str) -> str:
    """The name itself. Bytes that are not UTF-8 are replaced: there is no other way to say them to anybody."""
    found = QUOTED.fullmatch(text)
    return _ESCAPE.sub(_sign, found[1]) if found else text


def _sign(escape: re.Match[str]) -> str:
    if escape[1]:
        return bytes(int(one, 8) for one in escape[1].split("\\")[1:]).decode(errors="replace")
    return _SIGNS.get(escape[2], escape[2])
