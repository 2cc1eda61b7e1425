"""The house in figures, and its picture: `make figures` prints how it stands beside a revision (`BASE=…`), and with
`WRITE=1` writes both into docs/architecture.md."""

from __future__ import annotations

import argparse
import re
import subprocess
from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from statistics import median

from docs.house import ROOT, TREES, Graph, Import, Module, circles, graph, imports, modules, reached, reduced
from tests.test_house import ALLOWED, LEAVES

PAGE = ROOT / "docs/architecture.md"
SAME = 6
"""Lines one below the other that make a run: as many that stand twice are told."""

DRAWN = {path.name for path in (ROOT / "runner").iterdir() if path.is_dir()} | {"run", "errors"}
"""Rooms in the picture: those that have several modules, what wires a run, and what all rest on."""


def figures(found: Mapping[str, Module]) -> dict[str, str]:
    """What is counted of a tree, by its name."""
    sizes = {name: len(module.lines) for name, module in found.items()}
    functions = {f"{name}.{key}": size for name, module in found.items() for key, size in module.functions.items()}
    edges = ((one.by, one.of) for one in imports(found) if not one.for_types and one.of in found)
    return {
        "modules": f"{len(found):,}",
        "lines, empty ones not counted": f"{sum(sizes.values()):,}",
        "lines of a module: median, most": f"{median(sizes.values()):.0f}, {_most(sizes)}",
        "functions": f"{len(functions):,}",
        "lines of a function: median, most": f"{median(functions.values()):.0f}, {_most(functions)}",
        f"runs of {SAME} lines and more that stand twice": f"{repeated(found):,}",
        "circles of imports": f"{len(circles(graph(edges)))}",
    }


def _most(sizes: Mapping[str, int]) -> str:
    name = max(sizes, key=lambda one: sizes[one])
    return f"{sizes[name]} (`{name.partition(':')[0].removeprefix('runner.').removeprefix('tests.')}`)"


def repeated(found: Mapping[str, Module]) -> int:
    """How many runs of lines stand somewhere else too, word for word; what is imported is no line here."""
    runs = {name: _runs(module) for name, module in found.items()}
    known = Counter(run for every in runs.values() for run in every)
    twice = [[known[run] > 1 for run in every] for every in runs.values()]
    return sum(now and not before for every in twice for before, now in pairwise([False, *every]))


def _runs(module: Module) -> list[tuple[str, ...]]:
    code = module.code
    return [tuple(code[at : at + SAME]) for at in range(len(code) - SAME + 1)]


def beside(base: str) -> str:
    """The table: every tree at a revision and as it is."""
    rows = [f"| | `{base}` | now |", "|---|--:|--:|"]
    for tree in TREES:
        before, now = figures(modules(tree, base)), figures(modules(tree))
        rows += [f"| **{tree}** | | |", *(f"| {name} | {before[name]} | {now[name]} |" for name in now)]
    return "\n".join(rows)


def ours(one: Import) -> bool:
    """Whether an import is one that a picture tells of: of plain data and by exception everybody may import."""
    return (
        one.of.startswith("runner.") and not one.for_types and one.of not in LEAVES and (one.by, one.of) not in ALLOWED
    )


def needs(found: Mapping[str, Module]) -> Graph:
    """The rooms of the picture, each with those that it imports, or what it imports does."""
    whole = graph(one.rooms for one in imports(found) if ours(one))
    return {here: reached(whole, here) & DRAWN for here in DRAWN & whole.keys()}


def picture() -> str:
    """The rooms as Mermaid: who imports whom, but for what follows from the rest."""
    edges = sorted(reduced(needs(modules("runner"))))
    return "\n".join(["```mermaid", "flowchart TD", *(f"    {here} --> {there}" for here, there in edges), "```"])


def between(page: str, name: str, text: str) -> str:
    """A page with this between the marks of a name. Raises ValueError where there are none."""
    changed, times = re.subn(
        rf"(<!-- {name} -->\n).*?(\n<!-- /{name} -->)", lambda at: at[1] + text + at[2], page, flags=re.DOTALL
    )
    if times != 1:
        raise ValueError(f"the page has not one place for {name}, but {times}")
    return changed


def main() -> None:
    parser = argparse.ArgumentParser(prog="make figures", description="The house in figures, beside a revision.")
    parser.add_argument("--base", required=True, help="the revision to stand beside")
    parser.add_argument("--write", action="store_true", help="into docs/architecture.md")
    given = parser.parse_args()
    base = subprocess.run(
        ["git", "rev-parse", "--short", given.base], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.strip()
    table = beside(base)
    print(table)
    if given.write:
        written = between(between(PAGE.read_text(), "figures", table), "rooms", picture())
        Path(PAGE).write_text(written)


if __name__ == "__main__":
    main()
