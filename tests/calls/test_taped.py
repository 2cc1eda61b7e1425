"""Recordings in the place of calls: they wait for nothing, and leave the loop its turns."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runner.calls import taped
from runner.plan.flows import nth
from runner.run import Surroundings, execute
from runner.tape.deck import Deck, Mode
from runner.tape.recording import Prompt, Recording, Turn
from runner.tape.shelf import Shelf
from tests.build import graph, plan_of, way, workflow

STEPS = 40


def turns(root: Path, mode: Mode) -> int:
    """How often the loop turns while a graph goes round, all of it on tape."""
    pattern = graph("a", way("a", "a"), max_iterations=STEPS, on_max_iterations="end")
    plan = plan_of(workflow(pattern=pattern))
    (step,) = plan.steps()
    said, seen = Turn("openai/m", content=({"text": "ok"},), stop="end_turn"), 0
    first = Recording(step.path, step.config_hash, Deck(plan).asked(step), Prompt("a", "You write."), turns=(said,))
    others = [replace(first, path=nth(step.path, number)) for number in range(2, STEPS + 1)]
    deck = Deck(plan, mode, Shelf.of([first, *others]))
    around = Surroundings({}, root, None, lambda event: None, lambda: datetime.now(UTC), deck=deck)

    async def ticking() -> None:
        nonlocal seen
        while True:
            seen += 1
            await asyncio.sleep(0)

    async def both() -> None:
        ticks = asyncio.create_task(ticking())
        report = await execute(plan, around)
        ticks.cancel()
        assert (report.status, report.count("success"), report.failure) == ("success", STEPS, None)

    asyncio.run(both())
    return seen


@pytest.mark.parametrize("mode", ["replay", "resume"])
def test_the_loop_turns_while_recordings_are_answered_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: Mode
) -> None:
    seldom = turns(tmp_path, mode)
    monkeypatch.setattr(taped, "TURN_S", 0.0)
    assert turns(tmp_path, mode) - seldom > STEPS / 2
