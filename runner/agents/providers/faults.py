"""What went wrong between us and a provider, in plain words, and whether asking again may help."""

from __future__ import annotations

import email.utils
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from runner.errors import ModelProblem

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime


@dataclass(frozen=True)
class Fault:
    """A provider's error. `status` is that of the HTTP answer, when there was one; `transient` goes before what the
    status says of that, and so do `throttled` and `unauthorized`, as `retry_after` (seconds) before the headers. A
    quota that is `used_up` does not come back by waiting. A request that is `lost` may have been worked on."""

    message: str
    status: int | None = None
    transient: bool | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    retry_after: float | None = None
    used_up: bool = False
    throttled: bool | None = None
    unauthorized: bool | None = None
    lost: bool = False


_MEANING: Final = {
    400: "the provider refused the request",
    401: "the provider refused the credentials",
    402: "the provider's credit is used up",
    403: "the provider does not allow this with these credentials",
    404: "the provider knows no such model or address",
    408: "the provider timed out",
    413: "the request is too large for the provider",
    429: "the provider is throttling",
}
_TRANSIENT: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_THROTTLED: Final = frozenset({429, 529})


def explain(error: BaseException, read: Callable[[BaseException], Fault | None], now: datetime) -> ModelProblem | None:
    """The first error of a chain of causes that the provider knows, as a problem; None when it knows none."""
    fault = next((fault for link in chain_of(error) if (fault := read(link))), None)
    if fault is None:
        return None
    status = fault.status
    message = _said(fault.message)
    if status is not None:
        refused = "the provider failed" if status >= 500 else "the provider refused the request"
        message = f"{_MEANING.get(status, refused)} (HTTP {status}): {message}"
    transient = status in _TRANSIENT if fault.transient is None else fault.transient
    return ModelProblem(
        message,
        transient=transient and not fault.used_up,
        retry_after=retry_after(fault.headers, now) if fault.retry_after is None else fault.retry_after,
        used_up=fault.used_up or status == 402,
        throttled=not fault.used_up and (status in _THROTTLED if fault.throttled is None else fault.throttled),
        unauthorized=status == 401 if fault.unauthorized is None else fault.unauthorized,
        lost=fault.lost,
    )


def broke_off() -> ModelProblem:
    """The problem of a stream that ended well by the rules of HTTP, and without an end of its own."""
    return ModelProblem("the stream ended in the middle of the answer", transient=True, lost=True)


def unreadable(error: BaseException, where: str) -> ModelProblem:
    """The problem of an answer that its client stumbled over, in words that repeat nothing of it. What is broken on
    its way is whole the next time."""
    match error:
        case json.JSONDecodeError():
            what = "is not JSON"
        case UnicodeDecodeError():
            what = "is not UTF-8"
        case _:
            what = f"has a form that no answer has ({type(error).__name__})"
    return ModelProblem(f"the answer of {where} cannot be read: a part of it {what}", transient=True, lost=True)


def _said(message: str) -> str:
    """What a server said, unless it is a page for people: those come from what lies between."""
    if not message.strip():
        return "it does not say why"
    if message.lstrip().startswith("<") or "<html" in message.lower():
        return "it sent a page of HTML, as a proxy or a gateway does; look at the host and what leads there"
    return one_line(message)


def chain_of(error: BaseException) -> Iterator[BaseException]:
    """An error and what it was raised from; the SDK wraps what fails in a later turn."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = getattr(seen, "original_exception", None) or seen.__cause__ or seen.__context__


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Retry-After in seconds, from either of its forms; https://www.rfc-editor.org/rfc/rfc9110#field.retry-after.

    OpenAI, Azure and Anthropic may tell it in milliseconds too, which is no standard but more precise: their own
    clients read it first.
    """
    told = {name.lower(): value.strip() for name, value in headers.items()}
    in_ms, text = seconds(told.get("retry-after-ms", "")), told.get("retry-after", "")
    if in_ms is not None:
        return in_ms / 1000
    if (in_s := seconds(text)) is not None:
        return in_s
    try:
        return max(0.0, (email.utils.parsedate_to_datetime(text) - now).total_seconds())
    except (ValueError, TypeError):
        return None


def seconds(text: str) -> float | None:
    """A duration that somebody else wrote as a number; None for what is none that can be waited for."""
    try:
        number = float(text)
    except ValueError:
        return None
    return max(0.0, number) if math.isfinite(number) else None


def one_line(text: str, limit: int = 300) -> str:
    """A message on one line, cut where it grows too long to help."""
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"
