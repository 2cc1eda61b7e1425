"""What a host does that has a bad day: limits, errors, connections that end, each before or after what was asked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Fault:
    """What becomes of a request, `after` it has had its effect or before; `seconds` are how long a limit holds, or an
    answer takes."""

    kind: Literal["primary", "secondary", "broken", "dropped", "slow", "stale"]
    after: bool = False
    seconds: float = 0
    status: int = 0


def primary(seconds: float = 1) -> Fault:
    """The hourly limit is used up, for all that follows too, until `x-ratelimit-reset`."""
    return Fault("primary", seconds=seconds)


def secondary(seconds: float | None = 1) -> Fault:
    """Too much at once, for all that follows too, until so many seconds have gone by, which `retry-after` tells in
    whole ones; with None the host does not say how long, and only this request is refused."""
    return Fault("secondary", seconds=seconds or 0)


def broken(status: int = 502, *, after: bool = False) -> Fault:
    """An error of the host's own."""
    return Fault("broken", after, status=status)


def dropped(*, after: bool = True) -> Fault:
    """The connection ends without an answer."""
    return Fault("dropped", after)


def slow(seconds: float) -> Fault:
    """The answer is late."""
    return Fault("slow", after=True, seconds=seconds)


def stale() -> Fault:
    """What is read is what there was before the last write: the host has copies that lag behind."""
    return Fault("stale", after=True)


@dataclass(frozen=True)
class Limit:
    """A limit that holds until a moment of the wall clock."""

    kind: str
    until: float

    @classmethod
    def of(cls, fault: Fault, now: float) -> Limit:
        """The host tells the end of the hourly one in whole seconds."""
        until = now + fault.seconds
        return cls(fault.kind, math.ceil(until) if fault.kind == "primary" else until)

    @property
    def message(self) -> str:
        if self.kind == "primary":
            return "API rate limit exceeded for installation ID 1."
        return "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."

    def headers(self, now: float) -> dict[str, str]:
        if self.kind == "primary":
            return {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(math.ceil(self.until))}
        return {"retry-after": str(math.ceil(self.until - now))} if self.until > now else {}
