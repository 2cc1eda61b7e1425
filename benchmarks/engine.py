"""Measured runs of the engine, in a process of its own that has imported everything and made a call before. The
workflow file comes on stdin; arguments are the server's address and how many runs."""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.measure import peak_mib
from benchmarks.specs import WARM_UP, chain, spec
from runner.plan.make import make_plan
from runner.plan.plan import Plan
from runner.plan.telemetry import Telemetry
from runner.report.results import RunReport
from runner.run import Surroundings, run_plan
from runner.spec.load import parse, to_spec
from runner.tape.deck import Deck
from runner.telemetry import Tracing


def run(text: str, deck: Callable[[Plan], Deck] = Deck) -> RunReport:
    """A run of this file; what `deck` makes for its plan are its recordings, which nobody keeps."""
    return executed(planned(text), deck)


def planned(text: str) -> Plan:
    document = parse(text, "bench")
    return make_plan(to_spec(document), document)


def executed(plan: Plan, deck: Callable[[Plan], Deck] = Deck) -> RunReport:
    with TemporaryDirectory() as workspace:
        return run_plan(plan, around(Path(workspace), deck(plan)))


def around(workspace: Path, deck: Deck) -> Surroundings:
    return Surroundings(
        environ={},
        workspace=workspace,
        artifacts=workspace / "artifacts",
        emit=lambda event: None,
        now=lambda: datetime.now(UTC),
        span=Tracing({}, Telemetry(), enabled=False).span,
        random=random.Random(1),
        deck=deck,
    )


def measured(text: str, url: str, runs: int) -> dict[str, Any]:
    """What this many runs of the file took once it was planned, and what the last of them counted."""
    run(spec(url, chain([WARM_UP])))
    plan = planned(text)
    seconds, cpu_s = list[float](), list[float]()
    for _ in range(runs):
        with TemporaryDirectory() as workspace:
            surroundings = around(Path(workspace), Deck(plan))
            before, cpu = time.perf_counter(), time.process_time()
            report = run_plan(plan, surroundings)
            seconds.append(time.perf_counter() - before)
            cpu_s.append(time.process_time() - cpu)
        assert report.status == "success", report.failure
    counts = {"builds": report.cache.builds, "hits": report.cache.hits, "hit_rate": report.cache.hit_rate}
    counts |= {"clients": report.clients.created, "client_hits": report.clients.hits}
    return {"seconds": seconds, "cpu_s": cpu_s, "peak_mib": peak_mib(), **counts}


def main(url: str, runs: str) -> None:
    print(json.dumps(measured(sys.stdin.read(), url, int(runs))))


if __name__ == "__main__":
    main(*sys.argv[1:])
