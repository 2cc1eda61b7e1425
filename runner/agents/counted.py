"""A provider's count of tokens, as long as it is one.

Servers that only speak a provider's protocol tell null, words or less than nothing. The SDK adds up whatever is told,
and so do the ledger and the bill: what is no count is taken out before any of them sees it, and such a turn costs
what one without a count does.
"""

from __future__ import annotations

from typing import Any, Final

MOST: Final = 10**9
"""Tokens that one turn may have; no model's context has a hundredth of that."""

_NONE: Final = {"inputTokens": 0, "outputTokens": 0, "totalTokens": 0}


def counted(event: Any) -> Any:
    """An event of a stream, with a count that can be added up."""
    told = event.get("metadata", {}).get("usage")
    if told is None or all(_is_count(value) for value in told.values()):
        return event
    return {**event, "metadata": {**event["metadata"], "usage": dict(_NONE)}}


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST
