"""The command line of the fuzzers: exits 1 where something was found, with the input to paste into a test."""

from __future__ import annotations

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path

from tests.fuzz.engine import fuzz, instrumented
from tests.fuzz.target import NAMES

SHOWN = 4000
"""Characters of the end of a log."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="target", help=f"of {', '.join(NAMES)}; default all")
    parser.add_argument("--seconds", type=float, default=600, help="for each target")
    parser.add_argument("--runs", type=int, default=-1, help="inputs that are enough")
    parser.add_argument("--home", type=Path, default=Path(".fuzz"), help="where what led somewhere is kept")
    parser.add_argument("--seed", type=int, default=0, help="for the same inputs again")
    given = parser.parse_args()
    if unknown := sorted({*given.targets} - {*NAMES}):
        parser.error(f"there is no target '{unknown[0]}'; choose from {', '.join(NAMES)}")
    if find_spec("atheris") is None:
        parser.exit(2, "nothing was fuzzed: atheris is not installed; it runs on Linux on x86-64, Python before 3.14\n")

    failed = False
    for outcome in fuzz(instrumented(given.targets or NAMES), given.seconds, given.home, given.seed, given.runs):
        print(outcome, flush=True)
        if outcome.failed:
            failed = True
            print(outcome.log[-SHOWN:])
            for crash in outcome.crashes:
                print(f"\n{outcome.name} stumbled over: one({crash!r})", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
