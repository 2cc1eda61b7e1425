"""The workflow files that are measured. JSON, which is YAML too; as YAML in blocks, as people write it, where reading
it is what is measured.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

WARM_UP = "warm up"
"""What is asked before anything is measured; the server does not count it."""


def spec(host: str, pattern: dict[str, Any], agents: dict[str, Any] | None = None, **runtime: Any) -> str:
    return json.dumps(
        {
            "version": 1,
            "name": "bench",
            "inputs": {"values": {"goal": "speed"}},
            "runtime": {"provider": "openai", "model_id": "m", "host": host, **runtime},
            "agents": agents or {"writer": {"prompt": "You write."}},
            "pattern": pattern,
        }
    )


def chain(asked: Iterable[str], agents: Iterable[str] = ("writer",)) -> dict[str, Any]:
    """Steps one after the other, by these agents in turn."""
    names = [*agents]
    steps = [{"agent": names[number % len(names)], "input": words} for number, words in enumerate(asked)]
    return {"type": "chain", "config": {"steps": steps}}


def wide(count: int, agents: Iterable[str] = ("writer",)) -> dict[str, Any]:
    """Tasks of which none waits for another."""
    names = [*agents]
    rows = [
        {"id": f"t{number}", "agent": names[number % len(names)], "input": f"task {number} of {{{{ goal }}}}"}
        for number in range(count)
    ]
    return {"type": "workflow", "config": {"tasks": rows}}


def dag(count: int, width: int) -> dict[str, Any]:
    """`width` rows of tasks side by side, each for the answer of the one before it."""
    rows: list[dict[str, Any]] = []
    for number in range(count):
        row: dict[str, Any] = {"id": f"t{number}", "agent": "writer", "input": f"task {number}"}
        if number >= width:
            row["deps"] = [f"t{number - width}"]
            row["input"] = f"task {number} after {{{{ tasks.t{number - width}.response }}}}"
        rows.append(row)
    return {"type": "workflow", "config": {"tasks": rows}}


def branches(count: int) -> dict[str, Any]:
    """Branches of one step each."""
    rows = [
        {"id": f"b{number}", "steps": [{"agent": "writer", "input": f"branch {number}"}]} for number in range(count)
    ]
    return {"type": "parallel", "config": {"branches": rows}}


def orchestrator() -> dict[str, Any]:
    """One that makes tasks, and a worker for each."""
    config = {"orchestrator": {"agent": "lead", "input": "Split it."}, "worker_template": {"agent": "writer"}}
    return {"type": "orchestrator_workers", "config": config}


def in_blocks(text: str) -> str:
    """A file of tasks as YAML that people would write, a line for each key."""
    spec = json.loads(text)
    tasks = spec["pattern"]["config"].pop("tasks")
    lines = [f"{key}: {json.dumps(value)}" for key, value in spec.items() if key != "pattern"]
    lines += ["pattern:", f"  type: {spec['pattern']['type']}", "  config:", "    tasks:"]
    for task in tasks:
        mark = "      - "
        for key, value in task.items():
            lines.append(f"{mark}{key}: {json.dumps(value)}")
            mark = "        "
    return "\n".join([*lines, ""])
