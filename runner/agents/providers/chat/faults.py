"""What a server says is wrong, with a status or inside a stream that had begun well."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from strands.types.exceptions import ContextWindowOverflowException

from runner.agents.providers.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Mapping


class Failed(Exception):
    """A request that came to nothing."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


def read_fault(error: BaseException) -> Fault | None:
    return error.fault if isinstance(error, Failed) else None


def refused(status: int, headers: Mapping[str, str], body: str) -> Exception:
    """An answer whose status says that it is none."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    error = document.get("error", document) if isinstance(document, dict) else None
    told, code = _told(error) or body, error.get("code") if isinstance(error, dict) else None
    if status != 429 and _too_long(f"{told} {code}"):
        return ContextWindowOverflowException(told)
    # A quota that is used up is a 429, like throttling.
    return Failed(Fault(told, status, headers=headers, used_up=code == "insufficient_quota"))


def told_inside(error: Any) -> Exception:
    """An error that came as an event of a stream, or in its place; so without a status."""
    told = _told(error) or "it does not say why"
    kind, code = (error.get("type"), error.get("code")) if isinstance(error, dict) else (None, None)
    words = f"{kind} {code} {told}".lower()
    passing, throttled = (any(word in words for word in some) for some in (_PASSING, _THROTTLING))
    if not throttled and _too_long(words):
        return ContextWindowOverflowException(told)
    return Failed(Fault(f"the provider failed: {told}", transient=passing, throttled=throttled))


_THROTTLING: Final = ("rate_limit", "rate limit", "overloaded", "429", "529")
_PASSING: Final = ("server", "unavailable", "timeout", "500", "502", "503", *_THROTTLING)

_too_long: Final = re.compile(
    r"context[ _]length|max_model_len|input is too long|too many (total text bytes|tokens)|"
    r"exceed\w* (the available context|(customer )?model maximum|context limit)",
    re.IGNORECASE,
).search
"""How servers say that a prompt does not fit."""


def _told(error: Any) -> str:
    """The server's own sentence, out of the JSON around it; empty where there is none."""
    told = error.get("message") if isinstance(error, dict) else error
    return told if isinstance(told, str) else ""
