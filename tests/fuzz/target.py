"""What a target is: bytes are given to it, and whatever it does not expect of them it raises."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

NAMES: Final = ("spec", "template", "commands", "markdown", "tape")
"""Each is a module beside this one, with a `TARGET`."""

_BETWEEN: Final = b"\xff\xff"  # no UTF-8 text has it, not even half a one


@dataclass(frozen=True)
class Target:
    """`one` takes any bytes; `seeds` are some that lead far into the code, `words` what it looks for in them. No input
    takes more than `longest_s` seconds of the processor."""

    one: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]
    words: tuple[str, ...] = ()
    longest_s: float = 5


class TooSlow(BaseException):
    """An input took too long. Not an Exception, so that nothing on the way takes it for a failure of its own."""


def target(name: str) -> Target:
    """A target by its name. What it is about is imported now."""
    found: Target = import_module(f"tests.fuzz.{name}").TARGET
    return found


def fields(data: bytes) -> list[str]:
    """Bytes as texts. What is not UTF-8 becomes half a surrogate pair, which every reader must stand as well."""
    return [part.decode("utf-8", "surrogateescape") for part in data.split(_BETWEEN)]


def joined(*parts: str) -> bytes:
    """The bytes that `fields` makes these texts of; of half a surrogate pair it makes others."""
    return _BETWEEN.join(part.encode("utf-8", "surrogatepass") for part in parts)


@contextmanager
def in_time(seconds: float) -> Iterator[None]:
    """Raises TooSlow when what happens inside takes so many seconds of the processor, so that a busy machine is no
    reason to."""

    def ring(*_: Any) -> None:
        raise TooSlow(f"one input takes more than {seconds:g} s")

    signal.signal(signal.SIGVTALRM, ring)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
