"""orchestrator_workers: every task to a worker of its own, at most so many at once and in at most so many rounds."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.errors import PolicyFailed, StepFailed
from tests.build import workers
from tests.patterns.actor import Actor, plan, run


def making(*rounds: list[str]) -> Any:
    """An orchestrator that makes these tasks in turn, and then none; everybody else answers with their path."""
    left = iter(rounds)

    def answer(path: str) -> Any:
        if path.startswith("orchestrator"):
            return {"tasks": [{"task": task} for task in next(left, [])]}
        return path

    return answer


def test_each_task_is_asked_of_a_worker():
    actor = Actor(making(["read", "write"]))
    scope = actor.play(plan(workers()))

    assert actor.questions == {"orchestrator": "Plan.", "workers[0]": "read", "workers[1]": "write"}
    assert scope.response == "workers[0]\n\nworkers[1]"


def test_answers_are_in_the_order_of_the_tasks_whatever_finishes_first():
    make = making(["slow", "fast"])

    async def slowest_first(path: str) -> Any:
        await asyncio.sleep(0.02 if path == "workers[0]" else 0)
        return make(path)

    assert run(plan(workers()), slowest_first).response == "workers[0]\n\nworkers[1]"


def test_what_a_task_says_is_text_and_no_template():
    actor = Actor(making(["{{ 7 * 7 }}{% raw %}"]))
    actor.play(plan(workers()))

    assert actor.questions["workers[0]"] == "{{ 7 * 7 }}{% raw %}"


def test_what_else_an_orchestrator_says_of_a_task_is_of_no_account():
    told = {"tasks": [{"task": "read", "agent": "root", "path": "../../etc"}]}
    actor = Actor(lambda path: told if path == "orchestrator" else path)
    actor.play(plan(workers()))

    assert actor.questions["workers[0]"] == "read"


def test_reduce_sees_every_worker_and_writeup_what_reduce_made_of_them():
    actor = Actor(making(["a", "b"]))
    reduce = "{{ num_workers }} {{ round_count }} {{ workers[1].response }} {{ workers | length }} {{ last_response }}"
    scope = actor.play(plan(workers(reduce=reduce, writeup="{{ reduce_response }} of {{ num_workers }}")))

    assert actor.questions["reduce"] == "2 1 workers[1] 2 workers[0]\n\nworkers[1]"
    assert actor.questions["writeup"] == "reduce of 2"
    assert scope.response == "writeup"


def test_each_answer_stands_beside_the_task_that_it_is_for():
    actor = Actor(making(["a", "b"], ["c"]))
    told = "{% for worker in workers %}{{ worker.task }}: {{ worker.response }}, {% endfor %}{{ workers[-1].task }}"
    scope = actor.play(plan(workers(limits={"max_rounds": 2}, reduce=told)))

    assert actor.questions["reduce"] == "a: workers[0], b: workers[1], c: workers[2], c"
    assert [worker["task"] for worker in scope.names["workers"]] == ["a", "b", "c"]


def test_a_writeup_without_a_reduce_sees_the_workers():
    actor = Actor(making(["a"]))
    actor.play(plan(workers(writeup="{{ workers[0].response }}")))

    assert actor.questions["writeup"] == "workers[0]"


def test_without_more_rounds_the_orchestrator_is_asked_once():
    actor = Actor(making(["a"], ["b"]))
    actor.play(plan(workers()))

    assert actor.asked == ["orchestrator", "workers[0]"]


def test_a_later_round_sees_the_answers_so_far_and_workers_are_numbered_on():
    actor = Actor(making(["a", "b"], ["c"]))
    scope = actor.play(plan(workers(limits={"max_rounds": 5})))

    assert actor.asked == [
        "orchestrator", "workers[0]", "workers[1]", "orchestrator.again", "workers[2]", "orchestrator.again#2"
    ]  # fmt: skip
    assert "1. workers[0]\n2. workers[1]\n" in actor.questions["orchestrator.again"]
    assert actor.questions["orchestrator.again"].startswith("Plan.\n")
    assert scope.response == "workers[0]\n\nworkers[1]\n\nworkers[2]"
    assert (scope.names["num_workers"], scope.names["round_count"]) == (3, 2)


def test_when_the_rounds_are_used_up_what_there_is_is_accepted():
    actor = Actor(making(["a"], ["b"], ["c"]))
    scope = actor.play(plan(workers(limits={"max_rounds": 2})))

    assert actor.asked[-1] == "workers[1]"
    assert scope.response == "workers[0]\n\nworkers[1]"


@pytest.mark.parametrize("rounds", [1, 2])
def test_or_it_is_asked_whether_anything_is_left_and_fails_if_so(rounds: int):
    pattern = workers(limits={"max_rounds": rounds, "on_exhausted": "fail"})
    with pytest.raises(PolicyFailed, match=f"after {rounds} rounds there is still work to do") as failed:
        run(plan(pattern), making(*[["a"]] * 3))
    assert failed.value.response == "\n\n".join(f"workers[{number}]" for number in range(rounds))

    assert run(plan(pattern), making(*[["a"]] * rounds)).response == failed.value.response


def test_one_worker_that_fails_ends_the_others_or_lets_them_finish_as_the_file_says():
    make, finished = making(["a", "bad", "c"]), list[str]()

    async def answer(path: str) -> Any:
        if path == "workers[1]":
            raise StepFailed("no", path=path)
        await asyncio.sleep(0.01)
        finished.append(path)
        return make(path)

    with pytest.raises(StepFailed, match="no"):
        run(plan(workers(reduce="x")), answer)
    assert finished == ["orchestrator"]

    make, finished = making(["a", "bad", "c"]), list[str]()
    with pytest.raises(StepFailed, match="no"):
        run(plan(workers(reduce="x"), failure_policy={"on_failure": "continue"}), answer)
    assert finished == ["orchestrator", "workers[0]", "workers[2]"]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.lists(st.lists(st.integers(1, 3), min_size=1, max_size=8), min_size=1, max_size=4),
    st.integers(1, 4),
    st.integers(1, 5),
    st.sampled_from(["accept", "fail"]),
)
def test_whatever_the_tasks_no_limit_is_passed(rounds: list[list[int]], at_once: int, most: int, policy: str):
    make = making(*([str(pauses) for pauses in tasks] for tasks in rounds))
    running = peak = 0
    limits = {"max_workers": at_once, "max_rounds": most, "on_exhausted": policy}

    async def answer(path: str) -> Any:
        nonlocal running, peak
        if path.startswith("workers"):
            running += 1
            peak = max(peak, running)
            for _ in range(int(actor.questions[path])):
                await asyncio.sleep(0)
            running -= 1
        return make(path)

    actor = Actor(answer)
    try:
        actor.play(plan(workers(limits=limits)))
    except PolicyFailed:
        assert policy == "fail"
        assert len(rounds) > most
    done = [path for path in actor.asked if path.startswith("workers")]
    assert done == [f"workers[{number}]" for number in range(sum(map(len, rounds[:most])))]
    assert peak <= at_once
    assert peak == min(at_once, max(map(len, rounds[:most])))
