"""What a run costs beyond its model, each case beside its floor in the same minutes: `make bench`.

Times are medians of several runs; ratios say more than times, and counts more than both. Ends with 1 when a limit does
not hold.
"""

from __future__ import annotations

import json
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.calls import answers, calls, throttled
from benchmarks.environment import environment
from benchmarks.image import image
from benchmarks.job import job
from benchmarks.measure import progress
from benchmarks.page import NUMBERS, PAGE, page
from benchmarks.parallel import parallel
from benchmarks.recordings import recordings
from benchmarks.row import Row, table
from benchmarks.scale import branches, large, scale
from benchmarks.seed import caching, pooling, statistics
from benchmarks.start import start

Case = Callable[[], Iterator[Row]]

CASES: Final[Mapping[str, Case]] = {
    one.__name__: one
    for one in (
        start,
        job,
        calls,
        answers,
        scale,
        branches,
        parallel,
        caching,
        pooling,
        statistics,
        throttled,
        recordings,
        image,
    )
}
EXTRA: Final[Mapping[str, Case]] = {"large": large}
"""Measured where they are asked for by name: they take many minutes."""


def main(arguments: list[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    known = {**CASES, **EXTRA}
    if unknown := [name for name in given.cases if name not in known]:
        progress(f"no such case: {', '.join(unknown)}; there are: {', '.join(known)}")
        return 2
    if given.cases and given.write:
        progress("a page has all cases: --write goes without names of some")
        return 2
    cases = {name: known[name] for name in given.cases or [*CASES, *(EXTRA if given.large else ())]}
    found = measured(cases)
    rows = found.pop("rows")
    print(table(rows))
    written = json.dumps({**found, "rows": [row.as_json() for row in rows]}, indent=1) + "\n"
    if given.json:
        given.json.write_text(written)
    if given.write:
        NUMBERS.write_text(written)
        PAGE.write_text(page(json.loads(written)))
    return judged(rows)


def _parser() -> ArgumentParser:
    parser = ArgumentParser("benchmarks", description=__doc__)
    parser.add_argument(
        "cases", nargs="*", metavar="CASE", help=f"{', '.join(CASES)} (all of these); or {', '.join(EXTRA)}"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows here, with every sample")
    parser.add_argument("--large", action="store_true", help="these too")
    parser.add_argument("--write", action="store_true", help="docs/benchmarks.md and the JSON beside it")
    return parser


def measured(cases: Mapping[str, Case]) -> dict[str, Any]:
    """The rows of these cases, and where and how long they were measured."""
    before, where = time.monotonic(), environment()
    rows: list[Row] = []
    for name, case in cases.items():
        for row in case():
            rows.append(row)
            progress(f"{name}: {row.name} {row.told} {row.limit or ''} {row.verdict}")
    return {"environment": where, "took_s": round(time.monotonic() - before), "rows": rows}


def judged(rows: Iterable[Row]) -> int:
    """The exit code: 1 when a limit does not hold."""
    failed = [row for row in rows if row.verdict == "FAILS"]
    for row in failed:
        progress(f"{row.name}: {row.told} is not {row.limit}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
