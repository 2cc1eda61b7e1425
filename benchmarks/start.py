"""How soon a process is there, without a model: help, and files that are only checked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.children import command, interpreter, workspace
from benchmarks.measure import Ended, in_turns
from benchmarks.row import Figure, Limit, Row
from benchmarks.specs import dag, in_blocks, spec, wide

NOWHERE: Final = "http://127.0.0.1:1/v1"
BARE: Final = "an interpreter"
PARSERS: Final = "import yaml, pydantic"
SDK: Final = "import strands, OpenAIModel"
PROGRAMS: Final = {
    BARE: "pass",
    PARSERS: "import yaml; from pydantic import BaseModel",
    SDK: "import strands; from strands.models.openai import OpenAIModel",
}
"""Floors, and what they run."""

BROKEN: Final = 20


def start(rounds: int = 4, tasks: int = 1000) -> Iterator[Row]:
    side_by_side, in_rows = f"validate {tasks:,} tasks, side by side", f"validate {tasks:,} tasks, in ten rows"
    broken = f"validate {BROKEN} broken files"
    with workspace() as folder:
        _write_files(folder, tasks)
        works = {
            **{name: partial(interpreter, program) for name, program in PROGRAMS.items()},
            "--help": lambda: command("--help"),
            side_by_side: lambda: command("validate", "wide.yaml", cwd=folder),
            in_rows: lambda: command("validate", "dag.yaml", cwd=folder),
            broken: lambda: command("validate", "broken", cwd=folder, code=3),
        }
        in_turns(1, works)  # once for the files that the system then has in memory, and for compiled modules
        found = in_turns(rounds, works)
    yield Row("interpreter", "start", seconds(found, PARSERS), seconds(found, BARE))
    yield Row("sdk", "start", seconds(found, SDK), seconds(found, BARE))
    limits = {"help": ("--help", PARSERS, Limit("≤", 2)), "validate-wide": (side_by_side, SDK, Limit("≤", 0.25))}
    limits |= {"validate-dag": (in_rows, SDK, Limit("≤", 0.25))}
    for name, (told, floor, limit) in limits.items():
        yield Row(name, "start", seconds(found, told), seconds(found, floor), limit=limit, counted=process(found, told))
    yield Row("validate-broken", "start", seconds(found, broken), seconds(found, SDK), counted=process(found, broken))


def _write_files(folder: Path, tasks: int) -> None:
    (folder / "wide.yaml").write_text(in_blocks(spec(NOWHERE, wide(tasks))))
    (folder / "dag.yaml").write_text(in_blocks(spec(NOWHERE, dag(tasks, 10))))
    (folder / "broken").mkdir()
    for number in range(BROKEN):
        one = json.loads(spec("no-scheme", wide(5)))
        one["pattern"]["type"] = "workflows"
        (folder / f"broken/{number}.yaml").write_text(json.dumps(one))


def seconds(found: Mapping[str, list[Ended]], name: str) -> Figure:
    """The wall-clock time of whole processes."""
    return Figure(name, tuple(one.seconds for one in found[name]))


def peak(found: Mapping[str, list[Ended]], name: str) -> Figure:
    """The most memory that whole processes have had."""
    return Figure(name, tuple(one.peak_mib for one in found[name]), "MiB")


def process(found: Mapping[str, list[Ended]], name: str) -> dict[str, float]:
    """What is told of a whole process beside its time."""
    cpu = Figure(name, tuple(1000 * one.cpu_s for one in found[name]), "ms")
    return {"ms CPU": round(cpu.value, 1), "MiB at the most": round(peak(found, name).value, 1)}
