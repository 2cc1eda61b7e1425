"""What a template looks up, as it is known without running it; of a path at once, of all else from its `trees`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from runner.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class References:
    """What a template names: `names` that must be defined, `guarded` ones it can do without (by `default`, or asked
    whether they are `defined`), and `parts` like ("tasks", "fetch") or ("steps", 0)."""

    names: frozenset[str]
    guarded: frozenset[str]
    parts: frozenset[tuple[str, str | int]]
    fields: frozenset[tuple[str, str]]
    """("steps", "response"): what is asked of an answer, by the name that it is found below."""
    inputs: frozenset[str] = frozenset()
    """Names below `inputs.values` that must be defined."""
    guarded_inputs: frozenset[str] = frozenset()
    below: frozenset[tuple[str, str, str]] = frozenset()
    """("pr", "head", "sha"): what is asked of a part that has a name."""
    whole: frozenset[str] = frozenset()
    """Names that are taken as they are, and not for a part that can be told from the template."""


class Lookups(NamedTuple):
    """What one piece of a template looks up, by itself: what another piece guards may stand in this one."""

    names: frozenset[str] = frozenset()
    needed: frozenset[str] = frozenset()
    """Those of the names that stand somewhere without a default."""
    tested: frozenset[str] = frozenset()
    """Names that are asked whether they are there."""
    parts: frozenset[tuple[str, str | int]] = frozenset()
    below: frozenset[tuple[str, str | int, str]] = frozenset()
    whole: frozenset[str] = frozenset()
    inputs: frozenset[str] = frozenset()
    """Names below `inputs.values`; the next two are as for names."""
    needed_inputs: frozenset[str] = frozenset()
    tested_inputs: frozenset[str] = frozenset()

    @property
    def references(self) -> References:
        """These, of a template that has nothing else in it."""
        needed, needed_inputs = self.needed - self.tested, self.needed_inputs - self.tested_inputs
        return References(
            needed,
            self.names - needed,
            self.parts,
            frozenset([(root, field) for root, _, field in self.below]),
            needed_inputs,
            self.inputs - needed_inputs,
            below=frozenset([(root, part, field) for root, part, field in self.below if isinstance(part, str)]),
            whole=self.whole,
        )


def together(pieces: Sequence[Lookups]) -> Lookups:
    """What several pieces look up."""
    return (
        pieces[0] if len(pieces) == 1 else Lookups(*(frozenset().union(*field) for field in zip(*pieces, strict=True)))
    )


def of_path(path: Sequence[str]) -> Lookups:
    """What `root.first.second` looks up, a path of a template's."""
    root, first, second = (*path, "", "")[:3]
    names = frozenset([root])
    inputs = frozenset([second] if (root, first) == ("inputs", "values") and second else ())
    return Lookups(
        names=names,
        needed=names,
        parts=frozenset([(root, first)] if first else ()),
        below=frozenset([(root, first, second)] if second else ()),
        whole=frozenset() if first else names,
        inputs=inputs,
        needed_inputs=inputs,
    )
