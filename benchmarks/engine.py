"""One measured run of the engine, in a process of its own that has imported everything and made a call before."""

from __future__ import annotations

import json
import random
import resource
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from runner.plan.make import make_plan
from runner.plan.plan import Plan
from runner.plan.telemetry import Telemetry
from runner.report.results import RunReport
from runner.run import Surroundings, run_plan
from runner.spec.load import parse, to_spec
from runner.tape.deck import Deck
from runner.telemetry import Tracing


def tasks(count: int, *, wide: bool) -> dict[str, Any]:
    """A DAG of `count` tasks: none waiting for another, or each for the one before it."""
    rows: list[dict[str, Any]] = [{"id": f"t{i}", "agent": "writer", "input": f"task {i}"} for i in range(count)]
    if not wide:
        for earlier, row in pairwise(rows):
            row["deps"] = [earlier["id"]]
    return {"type": "workflow", "config": {"tasks": rows}}


def spec(host: str, pattern: dict[str, Any], **runtime: Any) -> str:
    """A workflow file as JSON, which is YAML too."""
    return json.dumps(
        {
            "version": 1,
            "name": "bench",
            "runtime": {"provider": "openai", "model_id": "m", "host": host, **runtime},
            "agents": {"writer": {"prompt": "You write."}},
            "pattern": pattern,
        }
    )


def run(text: str, deck: Callable[[Plan], Deck] = Deck) -> RunReport:
    """A run of this file; what `deck` makes for its plan are its recordings, which nobody keeps."""
    document = parse(text, "bench")
    plan = make_plan(to_spec(document), document)
    span = Tracing({}, Telemetry(), enabled=False).span
    with TemporaryDirectory() as workspace:
        around = Surroundings(
            environ={},
            workspace=Path(workspace),
            artifacts=Path(workspace, "artifacts"),
            emit=lambda event: None,
            now=lambda: datetime.now(UTC),
            span=span,
            random=random.Random(1),
            deck=deck(plan),
        )
        return run_plan(plan, around)


if __name__ == "__main__":
    url, count, width, shape = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    run(spec(url, tasks(1, wide=True)))
    text = spec(url, tasks(count, wide=shape == "wide"), max_parallel=width)
    before, cpu = time.perf_counter(), time.process_time()
    report = run(text)
    measured = {
        "status": report.status,
        "seconds": time.perf_counter() - before,
        "cpu_ms_a_call": 1000 * (time.process_time() - cpu) / count,
        "builds": report.cache.builds,
        "clients": report.clients.created,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    print(json.dumps(measured))
