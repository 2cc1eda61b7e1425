"""What a file that is not valid most likely means, so that the rest of it can be checked in the same pass.

A misspelled key is taken for the one it resembles, a number for the text that it should be; a value that cannot stand
where it does is left away. What comes of it is checked and never run.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from runner.spec.models import Spec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pydantic_core import ErrorDetails

    Known = dict[int, tuple[str, ...]]
    Rename = Callable[[Sequence[str | int], str], None]

MOST_PASSES = 4
"""A mended key brings what stands below it to light."""

_LEANED_ON_BY_NOTHING = ("int", "float", "bool", "finite", "less", "greater", "literal")
"""Kinds of wrong values, all numbers and choices, that no other part of a file names."""

_STAND_INS: Mapping[str, Any] = {"version": 1, "name": "unnamed"}


def mended(data: dict[str, Any], known: Known, rename: Rename) -> tuple[Spec | None, list[ErrorDetails]]:
    """What is most likely meant, None where nobody can say; and what is wrong below keys that were misspelled.

    The data is mended in place, so that what `known` says of its parts (the keys that may stand in each, by its id)
    stays good. `rename` is told of every key that is taken for another, by its path.
    """
    found: list[ErrorDetails] = []
    mender = _Mender(data, known, rename)
    for number in range(MOST_PASSES):
        try:
            source = Spec.model_validate(data, context=known)
        except ValidationError as error:
            wrong = mender.not_of_its_own_making(error.errors(include_url=False))
        else:
            return None if mender.lost else source, found
        if number:
            found += wrong
        if sum(mender.mend(one) for one in wrong) == 0:
            break
    return None, found


class _Mender:
    """Changes data in place, and remembers what it left away."""

    def __init__(self, data: dict[str, Any], known: Known, rename: Rename) -> None:
        self._data, self._known, self._rename = data, known, rename
        self._dropped: set[tuple[int, str]] = set()
        self.lost = False
        """Whether something was left away that the rest of the file may lean on."""

    def not_of_its_own_making(self, wrong: Sequence[ErrorDetails]) -> list[ErrorDetails]:
        """Without what is missing because it was left away here: a key, or what a shape as a whole needs."""
        cut = {parent for parent, _ in self._dropped}
        places = [(one, *self._place(one["loc"])) for one in wrong]
        return [
            one
            for one, parent, key in places
            if (id(parent), key) not in self._dropped
            and not (one["type"] == "value_error" and id(self._place((*one["loc"], ""))[0]) in cut)
        ]

    def mend(self, wrong: ErrorDetails) -> bool:
        """Mend one thing, where that is possible."""
        parent, key = self._place(wrong["loc"])
        if not isinstance(parent, dict) or not isinstance(key, str):
            return False
        if wrong["type"] == "missing":
            parent |= {key: _STAND_INS[key]} if key in _STAND_INS else {}
            return key in parent
        if key not in parent or (isinstance(parent[key], dict | list) and wrong["type"] != "extra_forbidden"):
            return False
        if wrong["type"] == "string_type" and isinstance(parent[key], int | float):
            parent[key] = str(parent[key])
            return True
        value = parent.pop(key)
        stranger = wrong["type"] == "extra_forbidden"
        meant = resembled(key, self._known.get(id(parent), ())) if stranger else None
        if meant is not None and meant not in parent:
            parent[meant] = value
            self._rename(wrong["loc"], meant)
            return True
        self._dropped.add((id(parent), key))
        if not stranger:
            self.lost |= not wrong["type"].startswith(_LEANED_ON_BY_NOTHING)
        elif wrong["loc"][0] in ("pattern", "inputs") or (len(wrong["loc"]) == 1 and meant is None):
            self.lost = True
        return True

    def _place(self, path: Sequence[str | int]) -> tuple[Any, str | int | None]:
        """What holds the thing that a validation path leads to, and under which key; the tags of unions are passed
        over."""
        parent: Any = self._data
        for part in path[:-1]:
            keys = parent if isinstance(parent, dict) else range(len(parent)) if isinstance(parent, list) else ()
            if part in keys:
                parent = parent[part]
        return parent, path[-1] if path else None


def resembled(key: str, choices: Sequence[str]) -> str | None:
    """The one of several keys that a stranger resembles; None when there is none, or it is no stranger."""
    close = difflib.get_close_matches(key, choices, n=1, cutoff=0.6) if key not in choices else []
    return close[0] if close else None
