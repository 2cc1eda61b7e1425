"""How bad a finding is, in the words that models and people use: which comes first, and by what sign it is seen."""

from __future__ import annotations

from typing import Final

_RANKS: Final = {
    **dict.fromkeys(("critical", "blocker", "fatal"), 4),
    **dict.fromkeys(("high", "major", "error", "severe"), 3),
    **dict.fromkeys(("medium", "moderate", "warning", "normal"), 2),
    **dict.fromkeys(("low", "minor", "info", "note", "nit", "trivial", "style", "suggestion"), 1),
}
_UNKNOWN: Final = 2
_SIGNS: Final = {4: "🔴", 3: "🔴", 2: "🟠", 1: "🔵"}


def rank(severity: str) -> int:
    """The higher the worse; a word that nobody knows, or none, is in the middle."""
    return _RANKS.get(severity.strip().lower(), _UNKNOWN)


def sign(severity: str) -> str:
    """A sign for it; none for no severity."""
    return _SIGNS[rank(severity)] if severity.strip() else ""
