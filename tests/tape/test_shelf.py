"""Recordings by path: looked through when a run begins, read when their step comes, and let go."""

from __future__ import annotations

import gc
import tracemalloc
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from runner.plan.plan import Plan
from runner.spill import Spill
from runner.tape import shelf as shelves
from runner.tape.deck import MOST_NAMED, Deck
from runner.tape.recording import Answer, Recording, dump
from runner.tape.shelf import Shelf
from runner.tape.store import read
from tests.build import dag, plan_of, workflow
from tests.contract.replaying import record
from tests.tape.test_store import ONE, put
from tests.workspace import Workspace

MANY = 40


def recordings(plan: Plan, **changes: object) -> list[Recording]:
    asked = Deck(plan).asked
    return [Recording(one.path, one.config_hash, asked(one), answer=Answer(response="ok")) for one in plan.steps()]


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each recording is read back."""
    found = Counter[str]()

    def restored(content: bytes) -> Recording:
        recording = original(content)
        found[recording.path] += 1
        return recording

    original = shelves.restored
    monkeypatch.setattr(shelves, "restored", restored)
    return found


def test_it_holds_none_of_them_in_memory(tmp_path: Path) -> None:
    found = read(
        put(tmp_path, *(replace(ONE, path=f"steps[{number}]") for number in range(MANY))), "fixtures", Spill(0)
    )
    gc.collect()
    assert [one for one in gc.get_objects() if isinstance(one, Recording) and one.path == "steps[7]"] == []
    assert found["steps[7]"] == replace(ONE, path="steps[7]")


def test_a_replay_reads_back_each_step_once(workspace: Workspace, looks: Counter[str]) -> None:
    ran, _, spec = record(workspace, dag(*({"id": f"t{number}"} for number in range(MANY))), "ok")
    looks.clear()
    assert workspace.run(spec, mode="replay").exit_code == 0
    assert looks == {step["path"]: 1 for step in ran.results["steps"]}


def test_what_is_asked_of_all_at_once_reads_back_none(looks: Counter[str]) -> None:
    plan = plan_of(workflow(pattern=dag(*({"id": f"t{number}"} for number in range(MANY)))))
    deck = Deck(plan, "replay", Shelf.of(recordings(plan)))
    deck.check()
    deck.used.update([*deck.earlier][:-1])
    deck.audit()

    assert (deck.unused, [*deck.standing]) == (["tasks.t39"], sorted(deck.used))
    assert looks == {}


def test_what_is_played_is_what_was_there_when_the_run_began(tmp_path: Path) -> None:
    found = read(put(tmp_path, ONE), "fixtures")
    put(tmp_path, replace(ONE, answer=Answer(response="written over")))
    assert found["steps[0]"].response == "ok"


def test_the_recordings_that_nothing_asked_for_are_told_in_a_sentence_of_some_length() -> None:
    plan = plan_of(workflow())
    told = Deck(plan).named([f"steps[{number}]" for number in range(1000)])
    assert told.startswith("steps[0], steps[1], ")
    assert told.endswith(f"steps[{MOST_NAMED - 1}], and {1000 - MOST_NAMED} more")


def test_how_steps_are_asked_is_not_kept_for_all_of_them() -> None:
    """A step that is taken once is recorded once; there may be 10,000."""
    plan = plan_of(workflow(pattern=dag(*({"id": f"t{number}", "input": f"task {number}"} for number in range(600)))))
    deck, steps = Deck(plan), plan.steps()
    tracemalloc.start()
    try:
        for step in steps[:300]:
            deck.asked(step)
        before, _ = tracemalloc.get_traced_memory()
        for step in steps[300:]:
            deck.asked(step)
        assert tracemalloc.get_traced_memory()[0] - before < 300 * 100
    finally:
        tracemalloc.stop()


def test_a_recording_is_read_back_as_it_was_written() -> None:
    texts = ["half", "two\nlines", "ü", "\x00"]
    made = [replace(ONE, path=f"steps[{number}]", answer=Answer(response=text)) for number, text in enumerate(texts)]
    assert [*Shelf.of(made).values()] == made == [shelves.restored(dump(one).encode()) for one in made]
