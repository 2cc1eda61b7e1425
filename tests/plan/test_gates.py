"""Human gates before anything runs: what is refused, which names they see and give, and how a plan shows them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runner.plan.estimate import estimate
from runner.report.planned import as_json, as_markdown, as_mermaid, as_text
from tests.build import (
    chain,
    dag,
    findings_of,
    graph,
    hitl,
    optimizer,
    parallel,
    plan_of,
    routing,
    warnings_of,
    way,
    workers,
    workflow,
)


def said(pattern: dict[str, Any], **changes: Any) -> list[str]:
    """What is said of a pattern, without the places."""
    return [line.split(": ", 1)[1] for line in findings_of(workflow(pattern=pattern, **changes))]


# -- what is refused --------------------------------------------------------------------------------------------------


def test_a_default_that_decides_nothing_is_refused_with_its_place():
    pattern = routing({"review_router": hitl(default="route:bilding")}, billing=["x"])
    told = "neither approves the route nor names one; say 'approved', or 'route:' and one of: billing"
    assert findings_of(workflow(pattern=pattern)) == [f"workflow.yaml:18:18: the default 'route:bilding' {told}"]


def test_a_default_that_decides_is_not():
    reviewed = workers(decomposition_review=hitl(default='["Sing."]'))
    assert said(routing({"review_router": hitl(default="route:a")}, a=["x"])) == said(reviewed) == []


def test_a_review_of_what_there_is_not_is_refused():
    assert said(workers(reduce_review=hitl())) == ["reduce_review is asked before 'reduce', and there is none"]


def test_a_time_of_zero_is_no_limit():
    plan = plan_of(workflow(pattern=chain(hitl(timeout_seconds=0), hitl(timeout_seconds=1))))
    assert [gate.timeout_s for gate in plan.gates()] == [None, 1]


def test_gates_have_no_keys_of_steps():
    told = "unknown key 'agent'"
    assert said(chain({**hitl(), "agent": "writer"}))[0].startswith(told)
    assert said(dag({"id": "a", **hitl(), "agent": "writer"}))[0].startswith(told)
    assert said(graph({"a": {**hitl(), "agent": "writer"}}))[0].startswith(told)
    assert said(dag({"id": "a", **hitl(), "description": "x"}))[0].startswith("unknown key 'description'")


def test_a_task_that_is_a_gate_has_an_id_and_needs_that_are_there():
    assert said(dag(hitl("Go on?", id="a"), {"id": "a"})) == ["task id 'a' stands here again"]
    assert said(dag({"id": "a"}, hitl(id="b", deps=["x"]))) == ["task 'b' needs unknown task 'x'; choose one of: a, b"]
    assert said(dag(hitl(id="a", deps=["b"]), hitl(id="b", deps=["a"])))[0].startswith("tasks wait for each other")
    assert said(dag(hitl()))[0].endswith("tasks[0] needs the key 'id'")


# -- names ------------------------------------------------------------------------------------------------------------

COUNTED = "{{ num_workers }} {{ round_count }} {{ workers | length }}"

THERE: dict[str, dict[str, Any]] = {
    "a gate sees what comes before": chain("a", hitl("{{ steps[0].response }}", context_display="{{ last_response }}")),
    "what comes behind sees its answer": chain("a", hitl(), "{{ steps[1].response }} {{ hitl_response }}"),
    "a gate sees the answer of one before": chain(hitl(), hitl("{{ hitl_response }}")),
    "a branch sees its own": parallel({"id": "a", "steps": [hitl(), "{{ hitl_response }}"]}),
    "a gate and what waits for it are tasks as others": dag(
        {"id": "a"},
        hitl("{{ tasks.a.response }}", id="b", depends_on=["a"], context_display="{{ last_response }}"),
        {"id": "c", "deps": ["b"], "input": "{{ tasks.b.response }} {{ tasks.a.response }} {{ hitl_response }}"},
        {"id": "d", "deps": ["c"], "input": "{{ hitl_response }} {{ tasks.b.response }}"},
    ),
    "a gate is a node as others": graph(
        {"a": "{{ hitl_response | default('') }}", "b": hitl("{{ last_response }}{{ nodes.a.response }}"),
         "c": "{{ nodes.b.response }} {{ hitl_response }}"},
        way("a", "b"), way("b", c="hitl_response == nodes.b.response", a="else"),
    ),
    "a gate that reduces sees the branches": parallel(
        a="x", reduce=hitl("{{ branches.a.response }}", context_display="{{ last_response }}")
    ),
    "a writeup sees the answer of a gate that reduces": workers(
        reduce=hitl("{{ workers[0].task }} {{ num_workers }}"), writeup="{{ hitl_response }} {{ reduce_response }}"
    ),
    "a router's review sees the route": routing(
        {"review_router": hitl("{{ router.chosen_route }} {{ chosen_route }} {{ router.response }}")},
        a=["{{ hitl_response }}"],
    ),
    "a review of drafts sees them all": optimizer(
        review_gate=hitl(
            "{{ iterations[-1].score }} {{ iteration_index }} {{ current_draft }} {{ current_evaluation.score }}",
            context_display="{{ draft }} {{ iteration }} {{ evaluation.score }} {{ last_response }}",
        ),
        revise_prompt="{{ hitl_response }}",
    ),
    "a review of tasks sees them": workers(
        decomposition_review=hitl("{{ subtasks[0].task }} {{ task_count }} {{ orchestrator_response }}" + COUNTED),
        limits={"max_rounds": 2},
        reduce="{{ hitl_response }}",
        writeup="{{ hitl_response }}",
    ),
    "a review of answers sees them": workers(
        reduce_review=hitl("{{ worker_count }} {{ last_response }}" + COUNTED), reduce="{{ hitl_response }}"
    ),
}  # fmt: skip


@pytest.mark.parametrize("pattern", THERE.values(), ids=THERE)
def test_it_is_there(pattern: dict[str, Any]) -> None:
    assert said(pattern) == []


NOT_THERE = [
    (chain("a", hitl("{{ steps[1].response }}")), "steps[1] does not exist here: 1 steps come before it"),
    (chain(hitl("{{ last_response }}")), "undefined name 'last_response'"),
    (chain(hitl(context_display="{{ hitl_response }}")), "undefined name 'hitl_response'"),
    (chain("{{ hitl_response }}"), "undefined name 'hitl_response'"),
    (parallel({"id": "a", "steps": [hitl()]}, reduce="{{ hitl_response }}"), "undefined name 'hitl_response'"),
    (routing({"input": "{{ hitl_response }}", "review_router": hitl()}, a=["x"]), "undefined name 'hitl_response'"),
    (workers(decomposition_review=hitl("{{ worker_count }}")), "undefined name 'worker_count'"),
    (dag(hitl(id="a"), {"id": "b", "input": "{{ hitl_response }}"}), "undefined name 'hitl_response'"),
    (dag({"id": "b"}, hitl("{{ tasks.b.response }}", id="a")), "tasks.b cannot be seen here"),
    (dag(hitl("{{ last_response }}", id="a")), "undefined name 'last_response'"),
    (graph({"a": "{{ hitl_response }}", "b": hitl()}, way("a", "b"), way("b", "a")), "undefined name 'hitl_response'"),
    (
        graph({"a": "x", "b": "{{ hitl_response }}", "c": hitl()}, way("a", "b"), way("b", "c")),
        "undefined name 'hitl_response'",
    ),
    (graph({"a": "x", "b": hitl()}, way("a", b="hitl_response == 'no'")), "undefined name 'hitl_response'"),
    (parallel(a="x", reduce=hitl("{{ reduce_response }}")), "undefined name 'reduce_response'"),
]


@pytest.mark.parametrize(("pattern", "wrong"), NOT_THERE, ids=lambda one: one if isinstance(one, str) else "")
def test_it_is_not_there(pattern: dict[str, Any], wrong: str) -> None:
    assert [line.split(";")[0] for line in said(pattern)] == [wrong]


def test_a_gate_that_is_no_template_is_refused_at_its_key():
    found = findings_of(workflow(pattern=chain("a", hitl("{{", context_display="{% x %}"))))
    assert [line.split(": ")[0] for line in found] == ["workflow.yaml:16:15", "workflow.yaml:17:24"]


def test_outputs_see_the_latest_answer_where_there_must_be_one():
    ending = {"step_outputs": {"told": "{{ hitl_response }}"}}
    assert said(chain("a", hitl()), outputs=ending) == []
    assert said(routing({"review_router": hitl()}, a=["x"]), outputs=ending) == []
    assert said(workers(reduce_review=hitl(), reduce="x"), outputs=ending) == []
    assert said(dag({"id": "a"}, hitl(id="b")), outputs=ending) == []
    assert said(graph({"a": "x", "b": hitl()}), outputs=ending) == []
    assert said(parallel(a="x", reduce=hitl()), outputs=ending) == []
    assert said(workers(writeup=hitl()), outputs=ending) == []
    assert "undefined name 'hitl_response'" in said(optimizer(review_gate=hitl()), outputs=ending)[0]


def test_an_input_keeps_its_name_at_a_review_and_cannot_have_that_of_answers():
    given = {"inputs": {"values": {"task_count": "many"}}}
    assert said(workers(decomposition_review=hitl("{{ task_count }}")), **given) == []
    assert "an input cannot be named 'hitl_response'" in said(chain("a"), inputs={"values": {"hitl_response": "x"}})[0]


def test_what_only_a_gate_asks_for_is_used():
    file = workflow(inputs={"values": {"topic": "tea"}}, pattern=chain("a", hitl(context_display="{{ topic }}")))
    assert warnings_of(file) == []


# -- advice -----------------------------------------------------------------------------------------------------------


def test_a_review_that_is_never_asked_is_told():
    [advice] = warnings_of(workflow(pattern=optimizer(review_gate=hitl(), max_iters=1)))
    assert "review_gate is never asked: there is one draft" in advice


def test_a_step_behind_a_gate_waits_for_a_human_and_not_for_nothing():
    independent = workflow(pattern=chain("a", "b", hitl(), "c"))
    assert [line.split(": ")[1].split(" ")[0] for line in warnings_of(independent)] == ["steps[1]"]


def test_tasks_of_a_session_wait_for_each_other_also_through_a_gate():
    rows = [{"id": "a", "session": "s"}, hitl(id="ask", deps=["a"]), {"id": "b", "session": "s", "deps": ["ask"]}]
    assert warnings_of(workflow(pattern=dag(*rows))) == []
    [advice] = warnings_of(workflow(pattern=dag(*rows[:2], {"id": "b", "session": "s"})))
    assert "session 's' is shared by steps that may run at once" in advice


def test_gates_take_no_part_of_a_budget_for_calls_at_once():
    bounds = {"max_tokens": 100, "budgets": {"max_tokens": 150}}
    assert warnings_of(workflow(pattern=dag({"id": "a"}, hitl(id="b")), runtime=bounds)) == []


def test_a_node_behind_a_gate_is_reached():
    assert warnings_of(workflow(pattern=graph({"a": hitl(), "b": "x"}, way("a", "b")))) == []


# -- what is planned --------------------------------------------------------------------------------------------------


def needs(pattern: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    return plan_of(workflow(pattern=pattern)).needs()


def test_what_comes_behind_a_gate_waits_for_it():
    assert needs(chain("a", hitl(), "b"))["steps[2]"] == ("steps[1]",)
    assert needs(routing({"review_router": hitl()}, a=["x"])) == {
        "router": (),
        "router.review": ("router",),
        "routes.a.steps[0]": ("router.review",),
    }
    assert needs(dag({"id": "a"}, hitl(id="b", deps=["a"])))["tasks.b"] == ("tasks.a",)
    assert needs(graph({"a": "x", "b": hitl()}, way("a", "b"), way("b", "a")))["nodes.a"] == ("nodes.b",)
    assert needs(parallel(a="x", reduce=hitl()))["reduce"] == ("branches.a.steps[0]",)
    assert needs(optimizer(review_gate=hitl())) == {
        "producer": (),
        "evaluator": ("producer", "reviser"),
        "review": ("evaluator",),
        "reviser": ("review",),
    }
    assert needs(workers(decomposition_review=hitl(), reduce_review=hitl(), reduce="x", limits={"max_rounds": 2})) == {
        "orchestrator": (),
        "orchestrator.review": ("orchestrator", "orchestrator.again", "orchestrator.revised"),
        "orchestrator.revised": ("orchestrator.review",),
        "workers": ("orchestrator.review",),
        "orchestrator.again": ("workers",),
        "reduce.review": ("workers",),
        "reduce": ("reduce.review",),
    }


@pytest.mark.parametrize(
    "pattern",
    [chain("a", hitl()), routing({"review_router": hitl()}, a=["x"]), optimizer(review_gate=hitl()),
     workers(decomposition_review=hitl(), reduce_review=hitl(), reduce="x"), workers(reduce=hitl(), writeup=hitl()),
     dag({"id": "a"}, hitl(id="b")), graph({"a": "x", "b": hitl()}), parallel(a="x", reduce=hitl())],
)  # fmt: skip
def test_every_row_has_its_needs_and_every_gate_a_hash(pattern: dict[str, Any]):
    plan = plan_of(workflow(pattern=pattern))

    assert {row.path for row in plan.rows()} == plan.needs().keys()
    assert {row.path for row in plan.rows()} == {one.path for one in (*plan.steps(), *plan.gates())}
    assert all(gate.config_hash for gate in plan.gates())


def test_gates_cost_nothing():
    def calls(pattern: dict[str, Any]) -> tuple[int, int]:
        found = estimate(plan_of(workflow(pattern=pattern)).flow)
        return found.calls_least, found.calls_most

    assert calls(chain("a", hitl())) == calls(chain("a")) == (1, 1)
    assert calls(parallel({"id": "a", "steps": ["x", hitl()]})) == (1, 1)
    for reviewed, plain in (
        (routing({"review_router": hitl()}, a=["x", hitl()]), routing(a=["x"])),
        (optimizer(review_gate=hitl()), optimizer()),
        (dag({"id": "a"}, hitl(id="b"), {"id": "c", "deps": ["b"]}), dag({"id": "a"}, {"id": "c", "deps": ["a"]})),
        (graph({"a": "x", "b": hitl()}), graph("a")),
        (parallel(a="x", reduce=hitl()), parallel(a="x")),
        (workers(reduce=hitl(), writeup=hitl()), workers()),
        (workers(decomposition_review=hitl(), reduce_review=hitl(), reduce="x"), workers(reduce="x")),
    ):
        assert calls(reviewed) == calls(plain)


PLAN = plan_of(workflow(name="nightly", pattern=chain("a", hitl("Go on?", default="yes", timeout_seconds=60))))


def test_people_see_who_is_asked():
    head, *_, row = as_text(PLAN).splitlines()
    assert head.startswith("nightly: chain, 2 steps")
    assert row.split() == ["steps[1]", "a", "human", "-", "steps[0]", PLAN.gates()[0].config_hash[:12]]
    assert "| <code>steps[1]</code> | a human | <code>-</code> | <code>steps[0]</code> |" in as_markdown(PLAN)
    assert 's1["steps 1<br/>a human"]' in as_mermaid(PLAN)


def test_programs_see_gates_beside_the_steps():
    found = json.loads(as_json(PLAN))
    assert [step["path"] for step in found["steps"]] == ["steps[0]"]
    assert found["gates"] == [
        {
            "path": "steps[1]",
            "prompt": "Go on?",
            "context_display": None,
            "default": "yes",
            "timeout_seconds": 60.0,
            "needs": ["steps[0]"],
            "config_hash": PLAN.gates()[0].config_hash,
        }
    ]
