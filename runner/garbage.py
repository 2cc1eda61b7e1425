"""How often the interpreter looks for circles of objects that nobody has any more, while a run goes on.

As it is set by default it does so after every 700 objects, and now and then among all of them, the SDK's modules too:
half a second of a run of 1,000 calls goes that way by the time its tape is written, an eighth of all work.
"""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

THRESHOLDS: Final = (20_000, 20, 20)
"""New objects after which the young ones are looked through, some 2 MB of them, and how often until the older are."""

WHILE_STARTING: Final = 200_000
"""The same until a run begins: what is imported and planned by then stays."""


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Leave out what there is by now, which stays, and look through the rest less often; afterwards as it was, but no
    less often than meanwhile: of what is made of a report nothing stays."""
    before = gc.get_threshold()
    gc.set_threshold(*THRESHOLDS)
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(min(before[0], THRESHOLDS[0]), *before[1:])
