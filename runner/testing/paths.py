"""Paths into a run, as test cases write them: `data.labels[0]`, `steps.triage.response`, `data["odd key"]`.

What they lead through is what results.json holds. A step is found by its path or its id, as templates find it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from runner.spec.nearest import nearest

if TYPE_CHECKING:
    from runner.report.results import RunReport, StepResult

Part: TypeAlias = str | int

_PART: Final = re.compile(r'\.?(?P<key>[^.\[\]"]+)|\[(?P<index>-?[0-9]{1,9})\]|\[(?P<quoted>"(?:[^"\\]|\\.)*")\]')


class NoSuchPath(LookupError):
    """A path leads nowhere; says what is there instead."""


def parts(path: str) -> tuple[Part, ...]:
    """The parts of a path. Raises ValueError for what is none."""
    found: list[Part] = []
    at = 0
    while at < len(path):
        match = _PART.match(path, at)
        if match is None or (match["key"] and (path[at] == ".") != bool(found)):
            raise ValueError(f"'{path}' is no path like data.labels[0] from character {at + 1} on")
        found.append(int(match["index"]) if match["index"] else _key(match))
        at = match.end()
    return tuple(found)


def _key(match: re.Match[str]) -> str:
    return str(json.loads(match["quoted"], strict=False)) if match["quoted"] else match["key"]


def written(path: Sequence[Part]) -> str:
    """A path as it is written."""
    return "".join(_written(part, first=not number) for number, part in enumerate(path))


def _written(part: Part, *, first: bool) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    if re.fullmatch(r'[^.\[\]"]+', part):
        return part if first else f".{part}"
    return f"[{json.dumps(part, ensure_ascii=False)}]"


def look_up(tree: Any, path: Sequence[Part], before: str = "") -> Any:
    """What stands in a tree at a path. `before` is how messages call the tree. Raises NoSuchPath."""
    for number, part in enumerate(path):
        tree = _child(tree, part, called(before, path[:number]))
    return tree


def called(before: str, path: Sequence[Part]) -> str:
    """How messages call what stands at a path behind another one."""
    return before + "".join(_written(part, first=False) for part in path) if before else written(path)


def _child(tree: Any, part: Part, here: str) -> Any:
    here = here or "the run"
    match tree:
        case dict():
            if part in tree:
                return tree[part]
            raise NoSuchPath(f"{here} has no '{part}'; {nearest(str(part), [*tree])}")
        case list() if isinstance(part, int):
            if -len(tree) <= part < len(tree):
                return tree[part]
            raise NoSuchPath(f"{here} has {len(tree)} elements")
        case list():
            raise NoSuchPath(f"{here} is a list, whose elements are [0], [1] and so on")
        case _:
            told = "null" if tree is None else f"a {_KINDS.get(type(tree), 'value')}"
            raise NoSuchPath(f"{here} is {told} and has nothing below it")


_KINDS: Final[Mapping[type, str]] = {str: "text", bool: "truth value", int: "number", float: "number"}


def step_named(name: str, report: RunReport) -> StepResult | None:
    """The step with a path or an id. Of a step that was taken several times, its id and its path with nothing behind
    it are the last one and the first, as in templates and in the report."""
    by_path = {step.path: step for step in report.steps}
    by_id = {step.id: step for step in report.steps if step.id is not None}
    short = name.removeprefix("steps.")
    return by_path.get(name) or by_id.get(name) or by_id.get(short) or by_path.get(short)


def step_names(report: RunReport) -> tuple[str, ...]:
    """Every name that some step can be found by."""
    return tuple(dict.fromkeys([name for step in report.steps for name in (step.id, step.path) if name is not None]))


def step_at(path: str, report: RunReport) -> tuple[StepResult, str, tuple[Part, ...]] | None:
    """The step that a path leads into, how the path calls it, and the rest; None where it leads into no step. An id
    alone is no path: what has the name of a key of the run is that key."""
    for name in sorted(_leading(report), key=len, reverse=True):
        rest = path.removeprefix(name)
        if path.startswith(name) and (not rest or rest[0] in ".["):
            step = step_named(name, report)
            return (step, name, parts(rest.removeprefix("."))) if step is not None else None
    return None


def _leading(report: RunReport) -> Iterator[str]:
    for step in report.steps:
        yield from (step.path, f"steps.{step.path}")
        if step.id is not None:
            yield f"steps.{step.id}"
