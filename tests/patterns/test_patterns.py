"""Patterns are control flow alone: tested with a model that answers at once, or when it is told to."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from functools import partial
from typing import Any

import pytest

from runner.errors import StepFailed
from runner.patterns import together
from tests.build import chain, dag, parallel
from tests.patterns.actor import plan, run


def test_a_chain_asks_in_order_and_answers_with_the_last():
    asked: list[str] = []
    scope = run(plan(chain("a", "b", "c")), lambda path: asked.append(path) or path)

    assert asked == ["steps[0]", "steps[1]", "steps[2]"]
    assert scope.response == "steps[2]"


def test_branches_are_joined_in_the_order_they_are_written_whatever_finishes_first():
    async def slowest_first(path: str) -> str:
        await asyncio.sleep(0.02 if "first" in path else 0)
        return path

    scope = run(plan(parallel(first="x", second="y")), slowest_first)

    assert scope.response == "branches.first.steps[0]\n\nbranches.second.steps[0]"


def test_branches_run_at_once():
    running = asyncio.Barrier(3)

    async def all_three(path: str) -> str:
        await asyncio.wait_for(running.wait(), 1)
        return path

    run(plan(parallel(a="x", b="y", c="z")), all_three)


def test_a_reduce_step_sees_every_branch_and_gives_the_answer():
    scope = run(plan(parallel(a="x", b="y", reduce="merge {{ branches.a.response }}")), lambda path: path)

    assert scope.response == "reduce"
    assert scope.names["reduce_response"] == "reduce"


def test_a_task_waits_for_its_own_needs_and_no_others():
    ended: list[str] = []
    release = asyncio.Event()

    async def answer(path: str) -> str:
        if path == "tasks.slow":
            await asyncio.wait_for(release.wait(), 1)
        if path == "tasks.last":
            release.set()  # reached only if nothing on its way waits for the slow one
        ended.append(path)
        return path

    run(plan(dag({"id": "slow"}, {"id": "a"}, {"id": "b", "deps": ["a"]}, {"id": "last", "deps": ["b"]})), answer)

    assert ended[-1] == "tasks.slow"


def test_the_answer_of_a_dag_is_that_of_the_tasks_nobody_waits_for():
    pattern = dag({"id": "end1", "deps": ["start"]}, {"id": "start"}, {"id": "end2", "deps": ["start"]})
    scope = run(plan(pattern), lambda path: path)

    assert scope.response == "tasks.end1\n\ntasks.end2"


def test_a_failure_cancels_the_others_and_is_raised_as_itself():
    cancelled: list[str] = []

    async def answer(path: str) -> str:
        if "bad" in path:
            raise StepFailed("no", path=path)
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            cancelled.append(path)
            raise
        return path

    with pytest.raises(StepFailed, match="no"):
        run(plan(parallel(bad="x", good="y", fine="z")), answer)
    assert sorted(cancelled) == ["branches.fine.steps[0]", "branches.good.steps[0]"]


def test_with_continue_the_others_finish_before_the_failure_is_raised():
    finished: list[str] = []

    async def answer(path: str) -> str:
        if "bad" in path:
            raise StepFailed("no", path=path)
        await asyncio.sleep(0.01)
        finished.append(path)
        return path

    keep_going = {"failure_policy": {"on_failure": "continue"}}
    with pytest.raises(StepFailed):
        run(plan(dag({"id": "bad"}, {"id": "after", "deps": ["bad"]}, {"id": "good"}), **keep_going), answer)
    assert finished == ["tasks.good"]


def test_a_bug_is_not_kept_waiting_by_continue():
    async def answer(path: str) -> str:
        if "bad" in path:
            raise ZeroDivisionError
        await asyncio.sleep(5)
        return path

    with pytest.raises(ZeroDivisionError):
        run(plan(parallel(bad="x", good="y"), failure_policy={"on_failure": "continue"}), answer)


def test_ten_thousand_tasks_in_a_row_are_no_trouble():
    rows = [{"id": f"t{i}", "deps": [f"t{i - 1}"] if i else [], "agent": "writer"} for i in range(10_000)]
    scope = run(plan({"type": "workflow", "config": {"tasks": rows}}), lambda path: path)

    assert scope.response == "tasks.t9999"


# -- what waits --------------------------------------------------------------------------------------------------------


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> int:
    """At most so many pieces of work under way, where there is room for a thousand."""
    monkeypatch.setattr(together, "AT_ONCE", 8)
    return 8


WIDE = {
    "parallel": parallel(**{f"b{number}": "x" for number in range(50)}),
    "workflow": dag(*({"id": f"t{number}", "agent": "writer", "input": "x"} for number in range(50))),
}


@pytest.mark.parametrize("pattern", WIDE.values(), ids=WIDE)
def test_what_has_not_begun_is_no_task(pattern: dict[str, Any], few: int) -> None:
    alive: list[int] = []

    async def answer(path: str) -> str:
        alive.append(len(asyncio.all_tasks()) - 1)
        await asyncio.sleep(0)
        return path

    run(plan(pattern), answer)

    assert (max(alive), len(alive)) == (few, 50)


def test_tasks_begin_in_the_order_in_which_they_have_what_they_need(few: int) -> None:
    wide = [{"id": f"t{number}", "agent": "writer", "input": "x"} for number in range(20)]
    behind = [{**one, "id": f"behind_{one['id']}", "deps": [one["id"]]} for one in wide]
    begun: list[str] = []

    async def answer(path: str) -> str:
        begun.append(path.removeprefix("tasks."))
        await asyncio.sleep(0)
        return path

    run(plan(dag(*behind, *wide)), answer)

    assert begun == [f"t{number}" for number in range(20)] + [f"behind_t{number}" for number in range(20)]


def test_nothing_begins_behind_a_failure(few: int) -> None:
    begun: list[str] = []

    async def answer(path: str) -> str:
        begun.append(path)
        await asyncio.sleep(0)
        raise StepFailed(path, path=path)

    with pytest.raises(StepFailed, match="b0"):
        run(plan(WIDE["parallel"]), answer)

    assert len(begun) == few


def test_what_is_begun_when_another_ends_has_nothing_of_its_context(few: int) -> None:
    """A span that one left open would be taken for what the next is in."""
    inside = ContextVar("inside", default="nothing")

    async def work(number: int) -> str:
        found = inside.get()
        inside.set(f"that of {number}")
        await asyncio.sleep(0)
        return found

    found = asyncio.run(together.together([partial(work, number) for number in range(50)], keep_going=False))

    assert found == ["nothing"] * 50


def test_nothing_begins_once_all_was_cancelled_even_where_a_piece_ends_well_all_the_same(few: int) -> None:
    begun: list[int] = []

    async def work(number: int) -> None:
        begun.append(number)
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return

    async def main() -> None:
        async with asyncio.timeout(0.01):
            await together.together([partial(work, number) for number in range(50)], keep_going=True)

    with pytest.raises(TimeoutError):
        asyncio.run(main())

    assert len(begun) == few
