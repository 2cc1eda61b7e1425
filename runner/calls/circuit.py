"""Whether a provider that keeps failing is asked at all. Nothing here waits or knows a call, as in `window`."""

from __future__ import annotations

from typing import Final

OPENS_AFTER: Final = 5
"""Failures in a row. Calls that were under way when one of them was counted are part of it: one blip is one failure,
however many it hits."""

COOL_DOWN_S: Final = 30.0
"""How long nobody is asked then, unless the longest pause that the file allows is shorter."""


class Circuit:
    """Closed while a provider answers. Open it lets nobody through until its cool-down is over, and then one call,
    whose end decides. Times are the loop's; calls are known by the numbers under which they began."""

    def __init__(self, wait_max: float) -> None:
        self.cool_down_s = min(COOL_DOWN_S, wait_max)
        self.failures = 0
        self._counted = 0
        self._open_until: float | None = None
        self._probe: int | None = None

    @property
    def is_open(self) -> bool:
        return self._open_until is not None

    @property
    def is_probed(self) -> bool:
        """Whether a call is under way that will decide."""
        return self._probe is not None

    def left(self, now: float) -> float:
        """Seconds in which nobody is let through."""
        return 0.0 if self._open_until is None else max(0.0, self._open_until - now)

    def began(self, number: int) -> None:
        if self.is_open:
            self._probe = number

    def ended(self, number: int) -> None:
        """A call is over, whatever came of it: another one may be the probe."""
        if self._probe == number:
            self._probe = None

    def answered(self) -> None:
        self.failures, self._open_until = 0, None

    def failed(self, number: int, newest: int, now: float) -> bool:
        """Call `number` failed when `newest` was the last to begin. Whether that opens a circuit that was closed."""
        if number <= self._counted:
            return False
        self._counted = newest
        self.failures += 1
        if self.failures < OPENS_AFTER:
            return False
        was_closed = not self.is_open
        self._open_until = now + self.cool_down_s
        return was_closed
