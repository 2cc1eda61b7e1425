"""The order of a DAG: every task behind what it needs, and otherwise as written, whatever the hash seed."""

from __future__ import annotations

import heapq
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Deps = Mapping[str, Sequence[str]]


def circle(deps: Deps) -> list[str]:
    """Ids that wait for each other, the first repeated at the end; empty when there is no circle."""
    try:
        TopologicalSorter(deps).prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return found[::-1]  # graphlib tells who is needed by whom; a reader follows who needs whom
    return []


def topological(deps: Deps) -> list[str]:
    """All ids, each behind its needs, and in the order they are written wherever that leaves a choice."""
    position = {one: index for index, one in enumerate(deps)}
    names = list(deps)
    waiting = {one: len(set(needs)) for one, needs in deps.items()}
    followers: dict[str, list[str]] = {one: [] for one in deps}
    for one, needs in deps.items():
        for need in set(needs):
            followers[need].append(one)
    ready = [position[one] for one, count in waiting.items() if count == 0]
    heapq.heapify(ready)
    ordered = []
    while ready:
        one = names[heapq.heappop(ready)]
        ordered.append(one)
        for follower in followers[one]:
            waiting[follower] -= 1
            if waiting[follower] == 0:
                heapq.heappush(ready, position[follower])
    return ordered
