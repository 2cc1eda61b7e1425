"""How many calls a provider is asked at once: additive increase, multiplicative decrease.

Nothing here waits or knows a call. A lane tells what became of each, by the number under which it began, and reads
`limit`.
"""

from __future__ import annotations

from typing import Final

START: Final = 10
"""The width of the first round, so that no run of up to ten calls at once is ever held back before a refusal."""

QUIET_S: Final = 0.5
"""How long nobody was refused before the width doubles. A refusal is told in less, also behind a TLS handshake."""

MOST_PATIENCE: Final = 64
"""Rounds, at most, before a width that was refused is tried again."""


class Window:
    """Until the first refusal it doubles, with every round that was served and every moment that was quiet. From then
    on it falls to what is being served, and grows by one a round.

    The width that was refused last is tried again only after `patience` rounds. They double with a try that is refused,
    so that a server of four is not sent a fifth call in every round, and halve with one that goes well.
    """

    def __init__(self, most: int) -> None:
        self.limit = min(most, START)
        self._most = most
        self._served = 0
        self._ever_refused = False
        self._too_wide: int | None = None
        self._patience = 1
        self._fell_at = 0

    @property
    def is_opening(self) -> bool:
        return not self._ever_refused and self.limit < self._most

    def quiet(self) -> None:
        """Nobody was refused for QUIET_S."""
        if self.is_opening:
            self._resize(2 * self.limit)

    def served(self, in_flight: int) -> None:
        """A call was answered, one of so many in flight. Where more had been let in, it tells nothing of the width."""
        if in_flight < self.limit:
            return
        self._served += 1
        rounds = self._patience if self._too_wide == self.limit + 1 else 1
        if self._served < rounds * self.limit:
            return
        if self._too_wide == self.limit:  # it is not any more
            self._too_wide, self._patience = None, max(1, self._patience // 2)
        self._resize(self.limit + 1 if self._ever_refused else 2 * self.limit)

    def refused(self, number: int, newest: int, others: int) -> bool:
        """Call `number` was refused while `others` were in flight, and `newest` was the last to begin. Whether the
        width fell below what was known to be served.

        Those others were let in when this one was not, so they are what is served. A call that began before the last
        fall has nothing to say but that. The first one after it gives up a try, or halves a width that was no try:
        then less is served than before, or it is calls in a time that are counted and not calls at once.
        """
        before, trying = self.limit, self._too_wide == self.limit or not self._ever_refused
        self._ever_refused = True
        if number > self._fell_at:
            self._fell_at = newest
            self._resize(self.limit - 1 if trying else self.limit // 2)
            if trying or others == 0:
                self._patience = min(MOST_PATIENCE, 2 * self._patience)
            self._too_wide = max(2, others + 1)
        self._resize(min(self.limit, others))
        self._too_wide = max(2, min(self._too_wide or before, others + 1))
        return self.limit < before - trying

    def _resize(self, limit: int) -> None:
        self.limit, self._served = max(1, min(self._most, limit)), 0
