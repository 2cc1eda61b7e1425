"""Outputs of a run that ended early: what names only finished answers is told, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from runner.plan.partial import partial_outputs
from tests.build import chain, dag, graph, parallel, plan_of, result, skipped, way, workflow


def told(pattern: dict[str, Any], *steps: Any, **templates: str) -> dict[str, str]:
    plan = plan_of(workflow(pattern=pattern, outputs={"step_outputs": templates}))
    return {name: one for name, one in partial_outputs(plan, steps, {"name": "test"}).items() if one}


def test_a_chain_tells_what_is_done_from_its_beginning_on() -> None:
    done = (result("steps[0]", response="one"), result("steps[1]", status="failed", response=""))
    found = told(chain("a", "b"), *done, a="{{ steps[0].response }}", b="{{ steps[1].response }}")
    assert found == {"a": "one"}


def test_a_branch_is_told_when_all_of_it_is_done() -> None:
    pattern = parallel({"id": "a", "steps": ["x", "y"]}, {"id": "b", "steps": ["x", "y"]})
    done = [result(f"branches.{one}", response=one) for one in ("a.steps[0]", "b.steps[0]", "b.steps[1]")]
    found = told(pattern, *done, a="{{ branches.a.response }}", b="{{ branches.b.response }}")
    assert found == {"b": "b.steps[1]"}


def test_the_answer_of_a_branch_is_that_of_its_last_step_which_was_not_skipped() -> None:
    done = (result("branches.a.steps[0]", response="one"), skipped("branches.a.steps[1]"))
    pattern = parallel({"id": "a", "steps": ["x", "y"]})
    assert told(pattern, *done, a="{{ branches.a.response }}") == {"a": "one"}


def test_tasks_are_told_one_by_one() -> None:
    found = told(
        dag({"id": "a"}, {"id": "b"}),
        result("tasks.b", response="two"),
        **{one: f"{{{{ tasks.{one}.response }}}}" for one in "ab"},
    )
    assert found == {"b": "two"}


def test_a_node_is_told_as_it_was_taken_last() -> None:
    pattern = graph("a b", way("a", "b"), way("b", "a"))
    done = [result("nodes.a", response="once"), result("nodes.b"), result("nodes.a#2", response="twice")]
    assert told(pattern, *done, a="{{ nodes.a.response }}") == {"a": "twice"}


def test_a_branch_whose_next_step_was_refused_is_not_done() -> None:
    done = (
        result("branches.a.steps[0]", response="one"),
        skipped("branches.a.steps[1]", error="3 of 3 steps are spent"),
    )
    assert told(parallel({"id": "a", "steps": ["x", "y"]}), *done, a="{{ branches.a.response }}") == {}


@pytest.mark.parametrize(
    "template",
    ["{{ steps[-1].response }}", "{{ steps | length }}", "{% for one in steps %}{{ one.response }}{% endfor %}"],
)
def test_what_names_no_place_is_not_told(template: str) -> None:
    assert told(chain("a", "b"), result("steps[0]"), out=template) == {}


@pytest.mark.parametrize("template", ["reviewed", "{{ last_response }}", "{{ name }}", "{{ steps[1].response }}"])
def test_what_names_no_finished_answer_is_not_told(template: str) -> None:
    assert told(chain("a", "b"), result("steps[0]"), out=template) == {}
