"""The code as data: the modules of a tree, what they import and what is in them, read from their syntax.

`tests/test_house.py` holds them to the rules, `docs/write_figures.py` counts and draws them. Nothing is imported to be
read.
"""

from __future__ import annotations

import ast
import io
import subprocess
import tarfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[1]
TREES = {"runner": ("entrypoint.py", "runner"), "tests": ("tests",)}
"""What is one tree, and where it lies."""


@dataclass(frozen=True)
class Import:
    """One import: by whom, of what, in which line; for types only, or inside of a function, which is later."""

    by: str
    of: str
    line: int
    for_types: bool = False
    later: bool = False

    @property
    def rooms(self) -> tuple[str, str]:
        return room(self.by), room(self.of)

    def __str__(self) -> str:
        return f"{self.by}:{self.line} imports {self.of}"


@dataclass(frozen=True)
class Module:
    """A module: its dotted name and its text."""

    name: str
    text: str

    @cached_property
    def syntax(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def lines(self) -> list[str]:
        """Those that are not empty, without what they are indented by."""
        return [line.strip() for line in self.text.splitlines() if line.strip()]

    @property
    def code(self) -> list[str]:
        """Those lines, without what is imported."""
        kinds = ast.Import | ast.ImportFrom
        found = [node for node in ast.walk(self.syntax) if isinstance(node, kinds)]
        left_out = {line for one in found for line in range(one.lineno, (one.end_lineno or one.lineno) + 1)}
        lines = enumerate(self.text.splitlines(), 1)
        return [line.strip() for number, line in lines if line.strip() and number not in left_out]

    @property
    def functions(self) -> dict[str, int]:
        """The lines of every function by its name and place, inner ones too, from `def` to the end."""
        kinds = ast.FunctionDef | ast.AsyncFunctionDef
        found = (node for node in ast.walk(self.syntax) if isinstance(node, kinds))
        return {f"{one.name}:{one.lineno}": (one.end_lineno or one.lineno) - one.lineno + 1 for one in found}


def room(module: str) -> str:
    """The part of the house a module belongs to: `runner.spec.load` to `spec`."""
    return module.split(".")[1] if module.startswith("runner.") else module


def modules(tree: str, revision: str = "") -> dict[str, Module]:
    """A tree's modules by their names, as they lie there or as they were at a revision."""
    places = TREES[tree]
    texts = _at(revision, places) if revision else _here(places)
    return {_name(path): Module(_name(path), text) for path, text in sorted(texts)}


def _here(places: Iterable[str]) -> Iterator[tuple[Path, str]]:
    for place in places:
        whole = ROOT / place
        for path in whole.rglob("*.py") if whole.is_dir() else [whole]:
            yield path.relative_to(ROOT), path.read_text(encoding="utf-8")


def _at(revision: str, places: Iterable[str]) -> Iterator[tuple[Path, str]]:
    command = ["git", "archive", "--format=tar", revision, *places]
    packed = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.name.endswith(".py") else None
            if content is not None:
                yield Path(member.name), content.read().decode()


def _name(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(found: Mapping[str, Module]) -> Iterator[Import]:
    """Every import of every module, wherever in it. Raises ValueError for a relative one."""
    for module in found.values():
        yield from _imports(found, module.name, module.syntax, for_types=False, later=False)


def _imports(known: Collection[str], by: str, node: ast.AST, *, for_types: bool, later: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.Import(names=names):
                yield from (Import(by, alias.name, child.lineno, for_types, later) for alias in names)
            case ast.ImportFrom(module=module, names=names, level=0):
                for alias in names:
                    whole = f"{module}.{alias.name}"
                    yield Import(by, whole if whole in known else str(module), child.lineno, for_types, later)
            case ast.ImportFrom(names=names):
                if by.startswith("runner"):
                    raise ValueError(f"{by}:{child.lineno} imports relatively; the rules could not be read")
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                yield from _imports(known, by, child, for_types=True, later=later)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield from _imports(known, by, child, for_types=for_types, later=True)
            case _:
                yield from _imports(known, by, child, for_types=for_types, later=later)


# -- graphs -----------------------------------------------------------------------------------------------------------

Graph = Mapping[str, set[str]]
"""Who needs whom."""


def graph(edges: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    """Of edges from one to another; nobody needs itself."""
    made: dict[str, set[str]] = {}
    for here, there in edges:
        made.setdefault(there, set())
        if here != there:
            made.setdefault(here, set()).add(there)
    return made


def reached(whole: Graph, start: str) -> set[str]:
    """What is needed by one, and by what it needs; itself only where that is a circle."""
    seen: set[str] = set()
    todo = [*whole.get(start, ())]
    while todo:
        one = todo.pop()
        if one not in seen:
            seen.add(one)
            todo += whole.get(one, ())
    return seen


def circles(whole: Graph) -> list[tuple[str, ...]]:
    """Those that need each other, one for each circle."""
    far = {one: reached(whole, one) for one in whole}
    return sorted({tuple(sorted(two for two in far[one] if one in far[two])) for one in whole if one in far[one]})


def reduced(whole: Graph) -> set[tuple[str, str]]:
    """The edges that say something: those to what is needed by nothing else that is needed. For graphs without
    circles."""
    far = {one: reached(whole, one) for one in whole}
    return {(one, to) for one in whole for to in whole[one] if not any(to in far[by] for by in whole[one])}
