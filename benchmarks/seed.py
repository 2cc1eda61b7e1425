"""The three tables of benchmarks that this project began with, and the statistics they told, measured anew. What they
compare with is measured too: the SDK by hand, as one writes it who caches nothing, and as their mechanism does it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from benchmarks.children import CALL_S, Done, Job, bare, engine
from benchmarks.measure import in_turns
from benchmarks.row import Figure, Limit, Row
from benchmarks.specs import chain, orchestrator, wide

STEPS: Final = 10
MODELS: Final = 5
WORKERS: Final = 20
COUNTED: Final = ("builds", "hits", "clients", "connections", "ms CPU a call")


def caching(rounds: int = 3, wait_s: float = CALL_S) -> Iterator[Row]:
    """A chain of ten steps by one agent."""
    job = Job(chain(f"step {number}" for number in range(STEPS)), STEPS, 1, wait_s)
    yield from _table(
        "caching",
        rounds,
        STEPS * wait_s,
        {
            "fresh": ("no caching", lambda: bare("fresh", STEPS, 1, delay_s=wait_s)),
            "cached": ("agents kept", lambda: bare("cached", STEPS, 1, delay_s=wait_s)),
            "ours": ("ours, agents and clients kept", lambda: engine(job)),
        },
        Limit("=", 1),
    )


def pooling(rounds: int = 2, tasks: int = 100, wait_s: float = CALL_S) -> Iterator[Row]:
    """Tasks by agents on five models, ten at once."""
    names = [f"a{number}" for number in range(MODELS)]
    agents = {name: {"prompt": "You write.", "model_id": f"m{number}"} for number, name in enumerate(names)}
    job = Job(wide(tasks, names), tasks, 10, wait_s, agents)
    yield from _table(
        "pooling",
        rounds,
        tasks / 10 * wait_s,
        {
            "fresh": ("no pooling", lambda: bare("fresh", tasks, 10, delay_s=wait_s, models=MODELS)),
            "cached": ("models kept", lambda: bare("cached", tasks, 10, delay_s=wait_s, models=MODELS)),
            "ours": ("ours, clients kept", lambda: engine(job)),
        },
        Limit("≤", MODELS),
    )


Works = Mapping[str, tuple[str, Callable[[], Done]]]


def _table(case: str, rounds: int, ideal_s: float, works: Works, most: Limit) -> Iterator[Row]:
    """A row for each way, against what the calls alone must take, and how many clients the last of them made."""
    found = in_turns(rounds, {name: work for name, (_, work) in works.items()})
    ideal = Figure("the calls alone", (ideal_s,))
    for name, (told, _) in works.items():
        seconds = Figure(told, tuple(second for one in found[name] for second in one.seconds))
        yield Row(f"{case}-{name}", case, seconds, ideal, by="difference", counted=found[name][-1].counted(*COUNTED))
    clients, theirs = (
        Figure(f"clients, {works[name][0]}", tuple(one.counts["clients"] for one in found[name]), "")
        for name in ("ours", "fresh")
    )
    yield Row(f"{case}-clients", case, clients, theirs, by="value", limit=most)


def statistics() -> Iterator[Row]:
    """What a run tells of its cache and its clients, beside what the tables said."""
    roles = ("researcher", "analyst", "researcher", "analyst", "writer")
    agents = {name: {"prompt": f"You are the {name}."} for name in roles}
    same = engine(Job(chain(f"step {number}" for number in range(STEPS)), STEPS, delay_s=0))
    asked = [f"step {number}" for number in range(len(roles))]
    three = engine(Job(chain(asked, roles), len(roles), delay_s=0, agents=agents))
    yield from _told("chain", f"chain of {STEPS} steps, one agent", same, builds=1, hits=9, hit_rate=90)
    yield from _told("roles", "chain of five steps, three agents", three, builds=3, hits=2, hit_rate=40)
    yield from _told("workers", f"orchestrator and {WORKERS} workers", _workers(), requests=WORKERS + 1, clients=1)


def _workers() -> Done:
    made = json.dumps({"tasks": [{"task": f"part {number}"} for number in range(WORKERS)]})
    agents = {"lead": {"prompt": "You split.", "model_id": "lead"}, "writer": {"prompt": "You write."}}
    return engine(Job(orchestrator(), WORKERS + 1, 10, 0, agents, said={"lead": made}))


def _told(name: str, told: str, done: Done, **claimed: float) -> Iterator[Row]:
    for what, number in claimed.items():
        words = what.replace("_", " ")
        unit: Any = "%" if what == "hit_rate" else ""
        figure = Figure(f"{told}: {words}", (done.counts[what],), unit)
        yield Row(f"{name}-{what}", "statistics", figure, by="value", limit=Limit("=", number, unit))
