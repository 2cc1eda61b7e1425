"""Servers that fail by a seeded script: every run ends in time and tells the truth, and nothing is left behind.

`STRANDS_SOAK=1` makes 500 runs of it, a sample otherwise. A complaint names its seed: `SEED=17` runs that one alone.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from runner.plan.telemetry import Telemetry
from runner.report.events import Event, unheard
from runner.report.outputs import document
from runner.report.results import RunReport
from runner.run import Surroundings, execute
from runner.telemetry import Tracing
from tests.build import plan_of
from tests.chaos.judge import complaints
from tests.chaos.storm import BLOWS, SILENT, Storm
from tests.chaos.workflows import PROVIDERS, Case, case_of
from tests.contract.test_reuse import KEYS
from tests.servers import SERVERS, Answer, Request
from tests.workspace import Workspace

if TYPE_CHECKING:
    from runner.report.events import Emit

SOAK = bool(os.environ.get("STRANDS_SOAK"))
ONE = [int(os.environ["SEED"])] if os.environ.get("SEED") else []
INSIDE = ONE or range(450 if SOAK else 42)
THROUGH_THE_DOOR = ONE or range(1000, 1050 if SOAK else 1005)
AT_ONCE = 10
TRIES = 5

pytestmark = [
    pytest.mark.timeout(1200 if SOAK else 120),
    pytest.mark.filterwarnings(
        "ignore:Pydantic serializer warnings"
    ),  # of counts that are words, by anthropic's package
]


@dataclass
class Sky:
    """The servers of all runs, and the storm that each run is in, by the model that it asks."""

    hosts: dict[str, str] = field(default_factory=dict)
    storms: dict[str, Storm] = field(default_factory=dict)
    servers: list[Any] = field(default_factory=list)

    def storm(self, seed: int, model: str, strength: float) -> Storm:
        self.storms[model] = Storm(seed, strength)
        return self.storms[model]

    def reply(self, provider: str, request: Request) -> Answer:
        return self.storms[request.model.removesuffix("-b")].reply(provider, request)


@contextmanager
def sky() -> Iterator[Sky]:
    above = Sky()
    with ExitStack() as stack:
        for name in PROVIDERS:
            server = stack.enter_context(SERVERS[name](reply=partial(above.reply, name)))
            above.hosts[name] = server.url
            above.servers.append(server)
        yield above


def strength_of(seed: int) -> float:
    return Random(f"strength {seed}").choice([0.1, 0.3, 0.3, 0.6, 0.9])


# -- what is left behind ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Belongings:
    """What this process has: threads, open files and sockets, children."""

    threads: Counter[str]
    files: Counter[str]
    children: frozenset[str]

    @staticmethod
    def now() -> Belongings:
        gc.collect()
        tasks = [*Path("/proc/self/task").iterdir()]
        children = " ".join((task / "children").read_text() for task in tasks).split()
        return Belongings(
            Counter(one.name for one in threading.enumerate()), Counter(_open_files()), frozenset(children)
        )

    def more_than(self, before: Belongings) -> list[str]:
        return [
            *(f"thread {name}" for name in (self.threads - before.threads)),
            *(f"open {name}" for name in (self.files - before.files)),
            *(f"child {pid}" for pid in self.children - before.children),
        ]


def _open_files() -> Iterator[str]:
    for one in Path("/proc/self/fd").iterdir():
        try:
            yield one.readlink().as_posix().split(":")[0]
        except FileNotFoundError:  # the one that the directory was read by
            continue


# -- runs -------------------------------------------------------------------------------------------------------------


async def run_of(case: Case, timeout_s: float, root: Path, emit: Emit = unheard) -> dict[str, Any]:
    """The results of a run in the loop in hand."""
    plan = plan_of(case.content)
    plan = replace(plan, limits=replace(plan.limits, timeout_s=timeout_s))
    around = Surroundings(
        environ=KEYS,
        workspace=root,
        artifacts=root / "out",
        emit=emit,
        now=lambda: datetime.now(UTC),
        span=Tracing({}, Telemetry(), enabled=False).span,
        random=Random(case.seed),
    )
    report: RunReport = await execute(plan, around)
    found: dict[str, Any] = json.loads(json.dumps(document(report)))
    return found


def calm_of(seed: int, above: Sky) -> Case:
    """The same workflow, undisturbed, and with all the time that reading a provider's package takes."""
    above.storm(seed, f"calm{seed}", 0)
    return case_of(seed, above.hosts, f"calm{seed}", step_s=60)


async def disturbed(seed: int, calm: dict[str, Any], above: Sky, root: Path, tally: Counter[str]) -> list[str]:
    """All that is wrong with the run of a seed, by the measure of the same run undisturbed."""
    assert calm["status"] == "success", calm["failure"]
    case = case_of(seed, above.hosts, f"m{seed}")
    for _ in range(TRIES):
        storm, told = above.storm(seed, f"m{seed}", strength_of(seed)), list[Event]()
        before = time.monotonic()
        results = await run_of(case, case.timeout_s, root, told.append)
        took_s = time.monotonic() - before
        if not deafened(storm, str(told)):
            note(tally, storm, results)
            return complaints(case, storm, calm, results, took_s)
    tally["run: deafened"] += 1
    return []


def deafened(storm: Storm, told: str) -> bool:
    """Whether models were found silent that had spoken: this machine had too much to do to listen, and a run on it says
    nothing. Most do the next time."""
    return len(re.findall(SILENT, told)) > sum(one.effect == "late" for one in storm.asked)


def note(tally: Counter[str], storm: Storm, results: Mapping[str, Any]) -> None:
    tally[f"run: {results['status']}"] += 1
    tally.update(f"blow: {one.blow.name} ({one.effect})" for one in storm.asked if one.blow is not None)


async def all_of(seeds: Sequence[int], above: Sky, root: Path, tally: Counter[str]) -> list[str]:
    """The complaints about all runs, so many at once, and about what they leave in their loop."""
    loop, lost, slots = asyncio.get_running_loop(), list[str](), asyncio.Semaphore(AT_ONCE)
    loop.set_exception_handler(lambda _, context: lost.append(f"{context['message']}: {context.get('exception')!r}"))
    loop.set_default_executor(ThreadPoolExecutor(60))

    async def first(seed: int) -> dict[str, Any]:
        async with slots:
            return await run_of(calm_of(seed, above), 60, root)

    async def then(seed: int, calm: dict[str, Any]) -> list[str]:
        async with slots:
            return await disturbed(seed, calm, above, root, tally)

    calms = await asyncio.gather(*map(first, seeds))
    told = await asyncio.gather(*map(then, seeds, calms))
    gc.collect()
    await asyncio.sleep(0.1)
    left = [f"a task is left: {task}" for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    return [*(one for each in told for one in each), *lost, *left]


def test_runs_in_a_storm_end_in_time_tell_the_truth_and_leave_nothing_behind(tmp_path: Path):
    tally: Counter[str] = Counter()
    before = Belongings.now()
    with sky() as above:
        told = asyncio.run(all_of(INSIDE, above, tmp_path, tally))
        for server in above.servers:
            server.until(lambda server=server: server.sockets == server.in_flight == 0)
    print(json.dumps(dict(sorted(tally.items())), indent=1))

    assert not told, "\n".join(told)
    assert Belongings.now().more_than(before) == []
    assert tally["run: deafened"] <= len(INSIDE) / 10
    if not ONE:  # a storm that nobody survives, or that nobody notices, is none
        assert tally["run: success"] > len(INSIDE) / 4
        assert tally["run: failed"] > len(INSIDE) / 20
    if SOAK and not ONE:
        assert {name for name in BLOWS if not any(one.startswith(f"blow: {name} (") for one in tally)} == set()


def test_runs_through_the_door_write_what_they_did(workspace: Workspace):
    tally: Counter[str] = Counter()
    workspace.environ |= KEYS
    before, told = None, []
    with sky() as above:
        for seed in THROUGH_THE_DOOR:
            calm = workspace.run(calm_of(seed, above).content)
            case, storm = case_of(seed, above.hosts, f"m{seed}"), above.storm(seed, f"m{seed}", strength_of(seed))
            began = time.monotonic()
            outcome = workspace.run(case.content, timeout=str(case.timeout_s))
            took = time.monotonic() - began
            for server in above.servers:
                server.until(lambda server=server: server.sockets == server.in_flight == 0)
            results = outcome.results
            note(tally, storm, results)
            told += [] if deafened(storm, outcome.log) else complaints(case, storm, calm.results, results, took)
            assert (outcome.exit_code, outcome.outputs["status"]) == (results["exit_code"], results["status"])
            assert outcome.outputs["response"] == results["response"]
            assert results["status"] in outcome.summary.lower() or results["status"] == "success"
            assert all(one["path"] in str(outcome.trace) for one in results["steps"] if one["status"] != "skipped")
            assert "Traceback" not in outcome.log
            before = before or Belongings.now()
            assert Belongings.now().more_than(before) == []

    assert not told, "\n".join(told)
