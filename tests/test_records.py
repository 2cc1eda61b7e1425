"""What `runner.records` makes is a dataclass like any other, but for when its methods are compiled."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from dataclasses import FrozenInstanceError, field, fields, replace
from typing import TYPE_CHECKING, Any

import pytest

from runner import records

if TYPE_CHECKING:
    from collections.abc import Callable


class Point:
    x: int
    y: int = 0
    more: list[int] = field(default_factory=list, compare=False)


KINDS: list[dict[str, bool]] = [
    {},
    {"frozen": True},
    {"frozen": True, "slots": True},
    {"slots": True},
    {"eq": False},
    {"frozen": True, "repr": False},
    {"frozen": True, "slots": True, "order": True},
]

ASKED: list[Callable[[Any], object]] = [
    lambda of: of(1),
    lambda of: of(1, y=2, more=[3]),
    lambda of: of(1) == of(1, more=[3]),
    lambda of: of(1) != of(2),
    lambda of: of(1) == (1, 0),
    lambda of: len(set(map(hash, [of(1), of(1, more=[3])]))),  # both at once: an address may serve twice
    lambda of: len({of(1), of(1), of(2)}),
    lambda of: [of(2), of(1)] == sorted([of(1), of(2)], reverse=True),
    lambda of: of(1) <= of(1, 1),
    lambda of: replace(of(1), y=2),
    lambda of: copy.deepcopy(of(1, 2, [3])),
    lambda of: pickle.loads(pickle.dumps(of(1, 2, [3]))),
    lambda of: [(one.name, one.default) for one in fields(of)],
    lambda of: of.__match_args__,
    lambda of: dataclasses.asdict(of(1)),
    lambda of: of(),
    lambda of: setattr(of(1), "x", 2),
    lambda of: delattr(of(1), "x"),
    lambda of: hasattr(of(1), "__dict__"),
]


def made(by: Callable[..., Any], how: dict[str, bool]) -> Any:
    """A class of its own, under a name where a copy of what it makes finds it."""
    global Point  # noqa: PLW0603 - as pickle does
    Point = by(**how)(type("Point", (), dict(Written)))
    return Point


Written = {name: value for name, value in vars(Point).items() if name not in ("__dict__", "__weakref__")}


def told(work: Callable[[Any], object], of: Any, *, shown: bool) -> object:
    """What comes of it, or which error."""
    try:
        found = work(of)
    except (TypeError, AttributeError) as error:
        return type(error)
    if not isinstance(found, of):
        return found
    return repr(found) if shown else [getattr(found, one.name) for one in fields(found)]


@pytest.mark.parametrize("how", KINDS, ids=lambda how: " ".join(how) or "plain")
def test_it_does_what_pythons_own_does(how: dict[str, bool]) -> None:
    shown = how.get("repr", True)
    for work in ASKED:
        expected = told(work, made(dataclasses.dataclass, how), shown=shown)
        assert told(work, made(records.dataclass, how), shown=shown) == expected


def test_nothing_is_compiled_that_nobody_calls() -> None:
    of = made(records.dataclass, {"frozen": True})
    waiting = {name: vars(of)[name] for name in ("__init__", "__repr__", "__eq__", "__hash__")}
    of(1)
    assert [name for name, method in waiting.items() if vars(of)[name] is not method] == ["__init__"]


def test_what_is_done_behind_the_making_is_done() -> None:
    @records.dataclass
    class Twice:
        one: int
        two: int = field(init=False)

        def __post_init__(self) -> None:
            self.two = 2 * self.one

    assert Twice(3).two == 6


def test_what_is_frozen_says_what_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError, match="cannot change field 'x'"):
        made(records.dataclass, {"frozen": True})(1).x = 2
