"""Dataclasses of which every method is compiled when it is called for the first time.

Python's own has all of them compiled where the class stands, a third of a millisecond for each class. A file is checked
with some eighty, half of which nobody makes one of, and hardly any of which is compared or shown: 16 ms of 240.
"""

from __future__ import annotations

import dataclasses
from dataclasses import FrozenInstanceError, fields, make_dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from dataclasses import dataclass
else:

    def dataclass(cls: type | None = None, /, *, frozen: bool = False, slots: bool = False, **which: bool) -> Any:
        """As `dataclasses.dataclass`, of whose parameters it takes `init`, `repr`, `eq` and `order` as well."""
        if cls is None:
            return partial(dataclass, frozen=frozen, slots=slots, **which)
        cls.__doc__ = cls.__doc__ or cls.__name__  # or else it would be the signature, which takes a while to tell
        missing = [name for name, key in _METHODS.items() if which.get(key, key != "order") and name not in vars(cls)]
        made = dataclasses.dataclass(cls, init=False, repr=False, eq=False, slots=slots)
        for name in missing:
            setattr(made, name, _first(made, name, frozen=frozen))
        if frozen:
            made.__setattr__ = made.__delattr__ = _unchanged
            made.__getstate__, made.__setstate__ = _state, _restore  # a copy is made without that
        elif "__hash__" in missing:
            made.__hash__ = None  # as of all that is compared by what it holds, and may come to hold something else
        return made


__all__ = ["dataclass"]

_METHODS: Final = {
    "__init__": "init",
    "__repr__": "repr",
    "__eq__": "eq",
    "__hash__": "eq",
    **dict.fromkeys(("__lt__", "__le__", "__gt__", "__ge__"), "order"),
}
"""The methods of a dataclass, each with the parameter that decides about it."""


def _first(made: type, name: str, *, frozen: bool) -> Callable[..., Any]:
    """What stands for a method until it is called."""

    def method(self: Any, *positional: Any, **named: Any) -> Any:
        compiled = _compiled(made, name, frozen=frozen)
        setattr(made, name, compiled)
        return compiled(self, *positional, **named)

    return method


def _compiled(made: type, name: str, *, frozen: bool) -> Callable[..., Any]:
    """A method of a dataclass: that of a twin, which has the same fields and no other method."""
    also = {one: getattr(made, one) for one in ("__doc__", "__post_init__") if hasattr(made, one)}
    only: dict[str, Any] = {key: key == _METHODS[name] for key in ("init", "repr", "order")}
    only["eq"] = _METHODS[name] in ("eq", "order")
    told = [(one.name, one.type, one) for one in fields(made)]
    method: Callable[..., Any] = vars(make_dataclass(made.__name__, told, namespace=also, frozen=frozen, **only))[name]
    method.__qualname__ = f"{made.__qualname__}.{name}"
    return method


def _unchanged(self: object, name: str, value: object = None) -> NoReturn:
    raise FrozenInstanceError(f"cannot change field {name!r}")


def _state(self: Any) -> Mapping[str, Any]:
    return {one.name: getattr(self, one.name) for one in fields(self)}


def _restore(self: Any, state: Mapping[str, Any]) -> None:
    for name, value in state.items():
        object.__setattr__(self, name, value)
