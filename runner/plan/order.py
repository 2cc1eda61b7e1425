"""Whether a DAG is one."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def circle(deps: Mapping[str, Sequence[str]]) -> list[str]:
    """Ids that wait for each other, the first repeated at the end; empty when there is no circle."""
    try:
        TopologicalSorter(deps).prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return found[::-1]  # graphlib tells who is needed by whom; a reader follows who needs whom
    return []
