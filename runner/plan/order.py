"""What comes before what: whether a DAG is one, what lies behind some of its ids, and which of those is the latest."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence


def circle(deps: Mapping[str, Sequence[str]]) -> list[str]:
    """Ids that wait for each other, the first repeated at the end; empty when there is no circle."""
    written = set[str]()
    for one, needs in deps.items():
        if not written.issuperset(needs):
            break
        written.add(one)
    else:
        return []  # each needs what is written before it alone, as in most files
    try:
        TopologicalSorter(deps).prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return found[::-1]  # graphlib tells who is needed by whom; a reader follows who needs whom
    return []


def reached(ways: Mapping[str, Iterable[str]], starts: Iterable[str]) -> set[str]:
    """Every id that some way leads to from one of these, however long it is."""
    pending, found = [*starts], set[str]()
    while pending:
        fresh = {one for one in ways.get(pending.pop(), ()) if one not in found}
        found |= fresh
        pending += fresh
    return found


def behind(deps: Mapping[str, Iterable[str]], those: Iterable[str]) -> set[str]:
    """Every id that waits for one of those, directly or not."""
    ways: dict[str, list[str]] = {}
    for one, needs in deps.items():
        for need in needs:
            ways.setdefault(need, []).append(one)
    return reached(ways, those)


def latest(deps: Mapping[str, Sequence[str]], those: Collection[str]) -> dict[str, str]:
    """For every id behind some of those, in a DAG, which of them is the last: the one with most before it in a row, and
    of equals the one that is written last."""
    place = {one: index for index, one in enumerate(deps)}
    rank: dict[str, tuple[int, int]] = {}
    found: dict[str, str] = {}
    for one in TopologicalSorter(deps).static_order():
        rank[one] = 1 + max((rank[need][0] for need in deps[one]), default=0), place[one]
        heard = [need for need in deps[one] if need in those] + [found[need] for need in deps[one] if need in found]
        if heard:
            found[one] = max(heard, key=rank.__getitem__)
    return found
