"""Asking the host again, when that may help and as long as somebody waits: limits are waited out, failures tried anew.

What was to change something and may have is never asked again here: whoever asked looks at what is there, and goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from runner.ci.refusal import Limited, NoAnswer, Passing

Answer = TypeVar("Answer")

MINUTE: Final = 60.0
"""What a limit is waited for where the host does not say how long; it doubles from one time to the next.
https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#exceeding-the-rate-limit
"""

MOST_LIMITS: Final = 10
"""How often one request waits for a limit: a host that always says 'in a second' is not asked for ever."""

SHORTEST: Final = 1.0


@dataclass(frozen=True)
class Patience:
    """How long the host is waited for: until `until`, in seconds of `clock`, and never longer than `longest` at once.

    `tell` hears of every wait before it begins. A `sleep` in the first thread ends with the KeyboardInterrupt of a
    signal.
    """

    until: float = float("inf")
    longest: float = 0.0
    pauses: tuple[float, ...] = (0.0,)
    """Before each further attempt at what failed, in seconds."""
    tell: Callable[[str], object] = lambda told: None
    sleep: Callable[[float], object] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def left(self) -> float:
        """Seconds. Raises NoAnswer where there are none."""
        left = self.until - self.clock()
        if left <= 0:
            raise NoAnswer("the time for asking the host is over")
        return left

    def through(self, what: str, attempt: Callable[[], Answer], *, again: bool) -> Answer:
        """What an attempt gives. With `again` it is made anew when it fails; limits, behind which nothing was done, are
        waited for in any case. Raises NoAnswer."""
        limits = failures = 0
        while True:
            try:
                return attempt()
            except Limited as problem:
                self._wait_out(problem, what, limits)
                limits += 1
            except Passing as problem:
                if not again or failures == len(self.pauses):
                    raise
                self._pause(problem, what, self.pauses[failures])
                failures += 1

    def _wait_out(self, problem: Limited, what: str, earlier: int) -> None:
        seconds = MINUTE * 2**earlier if problem.after is None else max(SHORTEST, problem.after)
        if earlier == MOST_LIMITS or not self._has(seconds):
            told = f"{problem}, and to wait {seconds:.0f} s for {what} is more than there is time for"
            raise NoAnswer(told, status=problem.status, kinds=problem.kinds) from None
        self._wait(problem, what, seconds)

    def _pause(self, problem: Passing, what: str, seconds: float) -> None:
        seconds = max(seconds, problem.after or 0.0)
        if seconds:
            if not self._has(seconds):
                raise problem from None
            self._wait(problem, what, seconds)

    def _has(self, seconds: float) -> bool:
        return seconds <= self.longest and self.clock() + seconds < self.until

    def _wait(self, problem: NoAnswer, what: str, seconds: float) -> None:
        self.tell(f"{problem}; waiting {seconds:.0f} s before {what} is asked again")
        self.sleep(seconds)


def patient(
    seconds: float,
    tell: Callable[[str], object],
    *,
    sleep: Callable[[float], object] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Patience:
    """As patient as whoever has so many seconds for all that will be asked."""
    return Patience(clock() + seconds, seconds, (1.0, 4.0, 15.0), tell, sleep, clock)
