"""What a plan may cost is told before anything of it is known: calls, and tokens."""

from __future__ import annotations

from typing import Any

import pytest

from runner.plan.estimate import Estimate, estimate
from tests.build import chain, dag, parallel, plan_of, workflow
from tests.plan.test_config_hash import accepting, graph, limited, routing, workers

ASKED = {"agent": "writer"}


def estimated(file: dict[str, Any]) -> Estimate:
    return estimate(plan_of(file).flow)


def calls(file: dict[str, Any]) -> tuple[int, int]:
    found = estimated(file)
    return found.calls_least, found.calls_most


@pytest.mark.parametrize(
    ("pattern", "count"),
    [(chain("a", "b"), 2), (parallel(a="x", b="y", reduce="z"), 3), (dag({"id": "a"}, {"id": "b", "deps": ["a"]}), 2)],
)
def test_every_step_is_asked_once(pattern: dict[str, Any], count: int) -> None:
    assert calls(workflow(pattern=pattern)) == (count, count)


def test_a_condition_may_skip_its_step() -> None:
    assert calls(workflow(pattern=chain("a", {"when": "{{ true }}"}))) == (1, 2)


def test_data_may_be_asked_for_again() -> None:
    assert calls(workflow(pattern=chain({"output_schema": {"type": "object"}}))) == (1, 2)


def test_one_route_is_taken_and_nobody_knows_which() -> None:
    routes = {"short": {"then": [ASKED]}, "long": {"then": [ASKED, ASKED, ASKED]}}
    assert calls(routing(router={**ASKED, "max_retries": 2}, routes=routes)) == (1 + 1, 3 + 3)


def test_the_route_with_the_longest_answers_need_not_be_that_with_the_most_calls() -> None:
    agents = {"writer": {"prompt": "w"}, "poet": {"prompt": "p", "inference": {"max_tokens": 5_000}}}
    routes = {"many": {"then": [ASKED, ASKED]}, "long": {"then": [{"agent": "poet"}]}}

    def most(**runtime: int) -> int | None:
        config = {"router": {**ASKED, "max_retries": 0}, "routes": routes}
        file = workflow(agents=agents, runtime=runtime, pattern={"type": "routing", "config": config})
        return estimated(file).answer_tokens_most

    assert most(max_tokens=100) == 100 + 5_000
    assert most() is None


def test_what_waits_for_a_task_that_may_be_skipped_may_be_skipped_too() -> None:
    tasks = {"id": "a", "when": "true"}, {"id": "b", "deps": ["a"]}, {"id": "c", "deps": ["b"]}, {"id": "d"}
    assert calls(workflow(pattern=dag(*tasks))) == (1, 4)


def test_a_graph_takes_its_first_node_and_each_at_most_so_many_times() -> None:
    assert calls(graph(max_iterations=4)) == (1, 8)


def test_drafts_are_judged_until_the_iterations_are_used_up() -> None:
    assert calls(accepting(max_iters=3)) == (2, 3 + 3 * 2)  # each of three judgements may be asked for again


def test_there_are_as_many_workers_as_the_orchestrator_may_make_tasks() -> None:
    assert calls(limited(max_tasks=10)) == (2, 2 + 10)
    assert calls(limited(max_tasks=10, max_rounds=3)) == (3, 2 + 30 + 2 * 2)
    assert calls(limited(max_tasks=10, max_rounds=3, on_exhausted="fail")) == (3, 2 + 30 + 3 * 2)
    assert calls(workers(reduce=ASKED, writeup=ASKED))[0] == 4


def test_answers_are_bounded_where_every_call_is() -> None:
    assert estimated(workflow(runtime={"max_tokens": 100}, pattern=chain("a", "b"))).answer_tokens_most == 200
    assert estimated(workflow(pattern=chain("a", "b"))).answer_tokens_most is None


def test_prompts_are_counted_as_they_are_written() -> None:
    file = workflow(agents={"writer": {"prompt": "x" * 400}}, pattern=chain("y" * 40))
    assert estimated(file).prompt_tokens_least == 110
