"""A DAG is one, or the circle in it is named; its tasks keep the order of the file."""

from __future__ import annotations

import time
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from runner.plan.order import behind, circle, latest
from tests.build import dag, findings_of, graph, plan_of, way, workflow

some = settings(max_examples=150, deadline=None, derandomize=True)


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, tuple[str, ...]]:
    """Graphs without a circle, their tasks written in any order, some needs written twice."""
    names = [f"t{number}" for number in range(draw(st.integers(1, 12)))]
    deps = {
        name: tuple(draw(st.lists(st.sampled_from(names[:index]), max_size=4))) if index else ()
        for index, name in enumerate(names)
    }
    return {name: deps[name] for name in draw(st.permutations(names))}


@some
@given(graphs())
def test_a_graph_without_a_circle_has_none(deps: dict[str, tuple[str, ...]]) -> None:
    assert circle(deps) == []


@some
@given(graphs(), st.data())
def test_a_circle_is_found_and_each_link_is_a_need(deps: dict[str, tuple[str, ...]], data: st.DataObject) -> None:
    first, last = data.draw(st.sampled_from([*deps])), data.draw(st.sampled_from([*deps]))
    around = {**deps, first: (*deps[first], last)}
    around[last] = (*around[last], first)
    found = circle(around)
    assert found[0] == found[-1]
    assert all(need in around[one] for one, need in pairwise(found))


@some
@given(graphs(), st.data())
def test_the_latest_of_some_is_behind_no_other_of_them_that_comes_before(
    deps: dict[str, tuple[str, ...]], data: st.DataObject
) -> None:
    those = data.draw(st.sets(st.sampled_from([*deps])))
    found = latest(deps, those)
    assert found.keys() == behind(deps, those)
    for one, last in found.items():
        assert last in those
        assert one in behind(deps, [last])
        assert not any(one in behind(deps, [other]) for other in those & behind(deps, [last]))


def test_of_several_that_do_not_wait_for_each_other_the_longest_way_counts_and_then_the_order_of_the_file() -> None:
    deps = {"end": ("b", "a", "far"), "far": ("x",), "a": (), "b": (), "x": ()}
    assert latest(deps, {"a", "b", "far"})["end"] == "far"
    assert latest(deps, {"a", "b"})["end"] == "b"


def test_what_waits_in_a_circle_is_behind_all_of_it() -> None:
    assert behind({"a": ["b"], "b": ["a"], "c": ["b"], "d": []}, ["a"]) == {"a", "b", "c"}


def test_a_plan_keeps_the_order_of_the_file_and_the_needs() -> None:
    pattern = dag({"id": "last", "deps": ["first", "second"]}, {"id": "second"}, {"id": "first"})
    plan = plan_of(workflow(pattern=pattern))
    assert [step.path for step in plan.steps()] == ["tasks.last", "tasks.second", "tasks.first"]
    assert plan.needs()["tasks.last"] == ("tasks.first", "tasks.second")


def test_a_circle_is_told_by_name_at_a_task_in_it() -> None:
    pattern = dag({"id": "a", "deps": ["c"]}, {"id": "b", "deps": ["a"]}, {"id": "c", "deps": ["b"]})
    (found,) = findings_of(workflow(pattern=pattern))
    place, message = found.split(": ", 1)
    *ids, again = message.removeprefix("tasks wait for each other: ").split(" → ")
    assert place.startswith("workflow.yaml:")
    assert sorted(ids) == ["a", "b", "c"]
    assert again == ids[0]


def test_a_task_that_waits_for_itself_is_told() -> None:
    assert findings_of(workflow(pattern=dag({"id": "a", "deps": ["a"]}))) == [
        "workflow.yaml:13:7: tasks wait for each other: a → a"
    ]


def test_a_graph_of_thousands_of_nodes_is_planned_in_seconds() -> None:
    """Comparing each node, or its key in the file, with all others took four times as long."""
    ways = [way(f"n{index}", f"n{index + 1}") for index in range(2_999)]
    file = workflow(pattern=graph({f"n{index}": "go" for index in range(3_000)}, *ways))
    before = time.process_time()
    assert plan_of(file).needs()["nodes.n2999"] == ("nodes.n2998",)
    assert time.process_time() - before < 3
