"""Shards: every part in exactly one of them, none that needs another, paths and hashes those of the whole plan."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.errors import UsageError
from runner.patterns.registry import PATTERNS
from runner.plan.flows import Branch, ParallelFlow, Task, WorkflowFlow
from runner.plan.shards import MOST_JOBS, Part, jobs, parts, shard_of
from tests.build import chain, dag, graph, hitl, optimizer, parallel, plan_of, routing, step, way, workers, workflow

if TYPE_CHECKING:
    from runner.plan.plan import Plan

some = settings(max_examples=120, deadline=None, derandomize=True)
EMPTY = plan_of(workflow())

FLOWS = {
    "chain": chain("a"),
    "parallel": parallel(a="a", b="b", reduce="c"),
    "workflow": dag({"id": "a"}, {"id": "b", "deps": ["a"]}),
    "routing": routing(a=["a"], b=["b"]),
    "graph": graph("a b", way("a", "b")),
    "evaluator_optimizer": optimizer(),
    "orchestrator_workers": workers(),
}


def ids(plan: Plan) -> list[tuple[str, ...]]:
    return [part.ids for part in parts(plan)]


def paths(plan: Plan) -> list[str]:
    return [one.path for one in plan.steps()]


def tasks(*written: dict[str, Any]) -> Plan:
    return plan_of(workflow(pattern=dag(*written)))


def all_shards(plan: Plan, of: int) -> list[Plan]:
    return [shard_of(plan, number, of) for number in range(1, of + 1)]


SESSIONS = st.none() | st.sampled_from(["s", "t"])


@st.composite
def dags(draw: st.DrawFn) -> Plan:
    """Plans of tasks without a circle, written in any order, some of which share a conversation."""
    names = [f"t{number}" for number in range(draw(st.integers(1, 14)))]
    found = [
        Task(
            name,
            step(f"tasks.{name}", session=draw(SESSIONS) if draw(st.booleans()) else None),
            tuple(draw(st.lists(st.sampled_from(names[:index]), max_size=3))) if index else (),
        )
        for index, name in enumerate(names)
    ]
    return replace(EMPTY, flow=WorkflowFlow(tuple(draw(st.permutations(found)))))


@st.composite
def branches(draw: st.DrawFn) -> Plan:
    """Plans of branches of several lengths, with and without a reduce, some of which share a conversation."""
    found = [
        Branch(
            f"b{index}",
            tuple(
                step(f"branches.b{index}.steps[{number}]", session=draw(SESSIONS) if draw(st.booleans()) else None)
                for number in range(draw(st.integers(1, 5)))
            ),
        )
        for index in range(draw(st.integers(1, 9)))
    ]
    return replace(EMPTY, flow=ParallelFlow(tuple(found), draw(st.none() | st.just(step("reduce")))))


PLANS = st.one_of(dags(), branches())
COUNTS = st.integers(1, 12)


# -- what always holds ------------------------------------------------------------------------------------------------


@some
@given(PLANS, COUNTS)
def test_every_part_is_in_exactly_one_shard(plan: Plan, of: int) -> None:
    shared = [path for shard in all_shards(plan, of) for path in paths(shard)]
    assert len(shared) == len(set(shared))
    assert set(shared) == set(paths(shard_of(plan, 1, 1)))
    assert len(shared) == sum(part.steps for part in parts(plan))
    for part in parts(plan):
        assert sum(set(part.ids) <= _members(shard) for shard in all_shards(plan, of)) == 1


@some
@given(PLANS, COUNTS)
def test_no_shard_has_a_step_that_needs_one_outside(plan: Plan, of: int) -> None:
    needs = plan.needs()
    for shard in all_shards(plan, of):
        here = set(paths(shard))
        assert shard.needs() == {path: needs[path] for path in paths(shard)}
        assert all(before in here for path in here for before in needs[path])


@some
@given(dags())
def test_a_task_is_left_to_the_last_job_when_it_comes_from_several_parts(plan: Plan) -> None:
    needs = plan.needs()
    part = {f"tasks.{one}": part for part in parts(plan) for one in part.ids}
    for path in paths(plan):
        roots = {one for one in {path, *_upstream(path, needs)} if not needs[one]}
        found = {part[root] for root in roots}
        assert part.get(path) == (found.pop() if len(found) == 1 else None)


@some
@given(PLANS, COUNTS)
def test_no_conversation_is_held_in_two_shards(plan: Plan, of: int) -> None:
    heard = [{one.session for one in shard.steps() if one.session} for shard in all_shards(plan, of)]
    assert sum(map(len, heard)) == len(set[str | None]().union(*heard))


@some
@given(PLANS, COUNTS)
def test_steps_are_those_of_the_whole_plan_in_its_order(plan: Plan, of: int) -> None:
    whole = {one.path: (index, one) for index, one in enumerate(plan.steps())}
    for shard in all_shards(plan, of):
        found = [whole[path] for path in paths(shard)]
        assert [one for _, one in found] == [*shard.steps()]
        assert [index for index, _ in found] == sorted(index for index, _ in found)
        assert shard.config_hash == plan.config_hash


@some
@given(PLANS, COUNTS)
def test_shards_are_balanced_and_the_empty_ones_come_last(plan: Plan, of: int) -> None:
    sizes = [len(shard.steps()) for shard in all_shards(plan, of)]
    assert max(sizes) - min(sizes) <= max(part.steps for part in parts(plan))
    assert [size > 0 for size in sizes] == [number < len(parts(plan)) for number in range(of)]


@some
@given(PLANS, COUNTS)
def test_a_matrix_has_no_empty_shard_and_no_more_than_asked_for(plan: Plan, most: int) -> None:
    found = jobs(plan, most)
    assert len(found) == min(most, len(parts(plan)))
    assert all(shard_of(plan, *map(int, one.split("/"))).steps() for one in found)


def _members(plan: Plan) -> set[str]:
    match plan.flow:
        case ParallelFlow(found):
            return {one.id for one in found}
        case WorkflowFlow(tasks=found):
            return {one.id for one in found}
    raise AssertionError(plan.flow.type)


def _upstream(path: str, needs: dict[str, tuple[str, ...]]) -> set[str]:
    return set(needs[path]).union(*(_upstream(before, needs) for before in needs[path]))


# -- the parts --------------------------------------------------------------------------------------------------------


def test_each_branch_is_a_part_and_the_reduce_is_left() -> None:
    plan = plan_of(
        workflow(pattern=parallel({"id": "a", "steps": ["x", "y"]}, {"id": "b", "steps": ["z"]}, reduce="r"))
    )
    assert parts(plan) == (Part(("a",), 2), Part(("b",), 1))
    assert paths(shard_of(plan, 1, 1)) == ["branches.a.steps[0]", "branches.a.steps[1]", "branches.b.steps[0]"]


def test_a_task_goes_with_the_one_part_it_waits_for() -> None:
    plan = tasks({"id": "b2", "deps": ["b1", "b"]}, {"id": "a"}, {"id": "b"}, {"id": "b1", "deps": ["b"]})
    assert ids(plan) == [("b2", "b", "b1"), ("a",)]


def test_a_task_that_joins_parts_and_what_follows_it_are_left() -> None:
    plan = tasks(
        {"id": "a"}, {"id": "b"}, {"id": "both", "deps": ["a", "b"]}, {"id": "after", "deps": ["both"]},
        {"id": "again", "deps": ["a", "after"]}, {"id": "a1", "deps": ["a"]},
    )  # fmt: skip
    assert ids(plan) == [("a", "a1"), ("b",)]


def test_parts_that_share_a_conversation_are_one_and_so_is_what_joins_them() -> None:
    plan = tasks(
        {"id": "a", "session": "s"}, {"id": "b", "session": "s"}, {"id": "c"},
        {"id": "ab", "deps": ["a", "b"], "session": "t"}, {"id": "d", "session": "t"}, {"id": "cd", "deps": ["c", "d"]},
    )  # fmt: skip
    assert ids(plan) == [("a", "b", "ab", "d"), ("c",)]


def test_gates_and_what_is_behind_them_are_left() -> None:
    plan = tasks({"id": "a"}, hitl(id="ask", deps=["a"]), {"id": "after", "deps": ["ask"]}, {"id": "b"}, hitl(id="c"))
    assert ids(plan) == [("a",), ("b",)]

    rows = {"a": ["x", "y", hitl(), "z"], "b": [hitl(), "x"], "c": ["x"]}
    plan = plan_of(
        workflow(pattern=parallel(*({"id": name, "steps": steps} for name, steps in rows.items()), reduce=hitl()))
    )
    assert parts(plan) == (Part(("a",), 2), Part(("c",), 1))
    assert [[row.path for row in shard.rows()] for shard in all_shards(plan, 2)] == [
        ["branches.a.steps[0]", "branches.a.steps[1]"], ["branches.c.steps[0]"],
    ]  # fmt: skip


def test_the_largest_parts_are_shared_out_first() -> None:
    row = {name: ["x"] * count for name, count in {"a": 1, "b": 2, "c": 4, "d": 2}.items()}
    plan = plan_of(workflow(pattern=parallel(*({"id": name, "steps": steps} for name, steps in row.items()))))
    assert [_members(shard) for shard in all_shards(plan, 2)] == [{"a", "c"}, {"b", "d"}]


def test_a_shard_has_no_templates_of_outputs_and_the_tools_of_its_own_steps() -> None:
    reader = {"reader": {"prompt": "You read.", "tools": ["file_read"]}}
    outputs = {"step_outputs": {"x": "{{ branches.b.response }}"}, "artifacts": [{"path": "a.md", "from": "x"}]}
    pattern = parallel({"id": "a", "steps": [{"agent": "reader", "input": "x"}]}, b="y")
    plan = plan_of(workflow(agents={"writer": {"tools": []}, **reader}, outputs=outputs, pattern=pattern))
    first, second = all_shards(plan, 2)
    assert (first.step_outputs, first.artifacts, [*first.tools]) == ({}, (), ["file_read"])
    assert (second.step_outputs, second.artifacts, [*second.tools]) == ({}, (), [])


def test_a_shard_says_which_it_is() -> None:
    pattern = dag({"id": "a"}, {"id": "a1", "deps": ["a"]}, {"id": "b"}, {"id": "ab", "deps": ["a", "b"]})
    plan = plan_of(workflow(pattern=pattern))
    assert [str(shard.shard) for shard in all_shards(plan, 3)] == ["1/3", "2/3", "3/3"]
    assert [shard.shard.told for shard in all_shards(plan, 3) if shard.shard] == [
        "shard 1/3: 2 of 4 steps; the rest is left to the job that resumes",
        "shard 2/3: 1 of 4 steps; the rest is left to the job that resumes",
        "shard 3/3: nothing is left for it; the plan has no more than 2 independent parts",
    ]


def test_a_shard_that_is_everything_leaves_no_rest() -> None:
    shard = shard_of(plan_of(workflow(pattern=parallel(a="x", b="y"))), 1, 1)
    assert shard.shard is not None
    assert shard.shard.told == "shard 1/1: 2 of 2 steps"


# -- what has none ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pattern", PATTERNS)
def test_of_every_pattern_it_is_known_whether_it_has_parts(pattern: str) -> None:
    plan = plan_of(workflow(pattern=FLOWS[pattern]))
    if pattern in ("parallel", "workflow"):
        assert parts(plan)
        return
    for ask in (parts, jobs, lambda one: shard_of(one, 1, 2)):
        with pytest.raises(UsageError, match=f"a plan of the pattern '{pattern}' cannot be sharded: .+; parallel and"):
            ask(plan)


@pytest.mark.parametrize("pattern", [dag(hitl(id="a")), parallel({"id": "a", "steps": [hitl(), "x"]})])
def test_what_begins_with_a_human_has_nothing_to_share_out(pattern: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="all of it waits for a human"):
        parts(plan_of(workflow(pattern=pattern)))


def test_steps_that_read_each_others_notes_are_not_independent() -> None:
    notes = {"notes": {"file": "notes.md"}}
    with pytest.raises(UsageError, match="a plan with notes cannot be sharded"):
        parts(plan_of(workflow(pattern=FLOWS["parallel"], context_policy=notes)))


# -- the matrix -------------------------------------------------------------------------------------------------------


def test_a_matrix_is_never_larger_than_the_host_takes() -> None:
    plan = replace(EMPTY, flow=WorkflowFlow(tuple(Task(f"t{n}", step(f"tasks.t{n}")) for n in range(MOST_JOBS + 44))))
    assert [len(jobs(plan)), len(jobs(plan, 1000)), len(jobs(plan, 7))] == [256, 256, 7]
    assert jobs(plan)[-1] == "256/256"


def test_thousands_of_tasks_are_shared_out_at_once() -> None:
    rows = [[f"t{row}.{n}" for n in range(50)] for row in range(100)]
    deps = {name: (row[n - 1],) if n else () for row in rows for n, name in enumerate(row)}
    session = {row[7]: f"s{index // 2}" for index, row in enumerate(rows)}
    flow = WorkflowFlow(
        tuple(Task(name, step(f"tasks.{name}", session=session.get(name)), deps[name]) for name in deps)
    )
    plan = replace(EMPTY, flow=flow)
    assert [part.steps for part in parts(plan)] == [100] * 50
    assert [len(shard.steps()) for shard in all_shards(plan, 4)] == [1300, 1300, 1200, 1200]


SHARED_OUT = """
import json, sys
from runner.plan.shards import shard_of
from tests.build import dag, plan_of, workflow
deps = json.loads(sys.argv[1])
plan = plan_of(workflow(pattern=dag(*({"id": name, "deps": needs} for name, needs in deps.items()))))
print(json.dumps([[step.path for step in shard_of(plan, number, 3).steps()] for number in (1, 2, 3)]))
"""


def test_every_process_shares_out_alike() -> None:
    """The jobs of a matrix each make the plan by themselves."""
    deps = {f"t{n}": [f"t{n - 4}"] if n % 3 and n > 4 else [] for n in range(20)}
    deps["end"] = ["t3", "t9"]
    found = [
        subprocess.run(
            [sys.executable, "-c", SHARED_OUT, json.dumps(deps)],
            cwd=Path(__file__).parents[2],
            env={"PYTHONPATH": ".", "PATH": "", "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "2")
    ]
    assert len(set(found)) == 1
    assert sum(map(len, json.loads(found[0]))) == 20
