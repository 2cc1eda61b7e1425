"""The order of a DAG: every task behind its needs, otherwise as written, always the same; circles are named."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from runner.plan.order import circle, topological
from tests.build import dag, findings_of, plan_of, workflow

HOME = Path(__file__).parents[2]

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
def test_every_task_follows_what_it_needs(deps: dict[str, tuple[str, ...]]) -> None:
    place = {name: index for index, name in enumerate(topological(deps))}
    assert all(place[need] < place[name] for name, needs in deps.items() for need in needs)


@some
@given(graphs())
def test_every_task_stands_in_the_order_once(deps: dict[str, tuple[str, ...]]) -> None:
    assert sorted(topological(deps)) == sorted(deps)


@some
@given(graphs())
def test_where_there_is_a_choice_the_order_is_the_files(deps: dict[str, tuple[str, ...]]) -> None:
    """Of two tasks that stand side by side, the later one is written later or needs the other."""
    written = list(deps)
    for one, other in pairwise(topological(deps)):
        assert written.index(one) < written.index(other) or one in deps[other]


@some
@given(graphs())
def test_a_graph_without_a_circle_has_none(deps: dict[str, tuple[str, ...]]) -> None:
    assert circle(deps) == []


@some
@given(graphs(), st.data())
def test_a_circle_is_found_and_each_link_is_a_need(deps: dict[str, tuple[str, ...]], data: st.DataObject) -> None:
    first, *_, last = topological(deps)[0], *topological(deps)
    around = {**deps, first: (last,), last: (*deps[last], first)}
    found = circle(around)
    assert found[0] == found[-1]
    assert all(need in around[one] for one, need in pairwise(found))


def test_the_order_is_the_same_whatever_the_hash_seed() -> None:
    source = (
        "from runner.plan.order import topological, circle\n"
        "deps = {f't{n}': (f't{n % 3}',) if n > 2 else () for n in range(30)}\n"
        "print(topological(deps), circle({'a': ('b',), 'b': ('c',), 'c': ('a',)}))"
    )
    command = [sys.executable, "-c", source]
    found = {
        subprocess.run(
            command, env={"PYTHONHASHSEED": seed}, cwd=HOME, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "77")
    }
    assert len(found) == 1


def test_a_planned_workflow_runs_in_that_order_and_keeps_the_needs() -> None:
    pattern = dag({"id": "last", "deps": ["first", "second"]}, {"id": "second"}, {"id": "first"})
    plan = plan_of(workflow(pattern=pattern))
    assert [step.path for step in plan.steps()] == ["tasks.second", "tasks.first", "tasks.last"]
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
