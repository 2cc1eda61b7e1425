"""Which names the templates of each pattern may use where; a wrong one is found before the first token."""

from __future__ import annotations

from typing import Any

import pytest

from tests.build import chain, dag, findings_of, graph, optimizer, parallel, routing, way, workers, workflow

INPUT = {"values": {"topic": "tea"}}


def said(pattern: dict[str, Any], **changes: Any) -> list[str]:
    """What is said of a pattern, without the places."""
    return [line.split(": ", 1)[1] for line in findings_of(workflow(pattern=pattern, **changes))]


def ending(template: str) -> dict[str, Any]:
    return {"step_outputs": {"told": template}}


# -- what is there ----------------------------------------------------------------------------------------------------

THERE: dict[str, dict[str, Any]] = {
    "a route knows itself, the router and the steps before": routing(
        a=[
            "{{ chosen_route }} {{ router.response }} {{ router.chosen_route }}",
            "{{ steps[0].response }} {{ last_response }}",
        ]
    ),
    "a node sees every node, itself included": graph("a b", way("a", b="nodes.a.response == 'x'", a="nodes.b")),
    "the first node may be come back to": graph(
        {"a": "{{ nodes.b.response if nodes.b else '' }} {{ last_response | default('') }} {{ iteration }}", "b": "x"},
        way("a", "b"),
        way("b", "a"),
    ),
    "a later node sees the latest answer": graph(
        {"a": "x", "b": "{{ last_response }} {{ terminal_node }} {{ total_steps }}"}
    ),
    "an evaluator sees the draft": optimizer(evaluator={"input": "{{ draft }} {{ iteration }} {{ last_response }}"}),
    "a reviser sees what was said": optimizer(
        revise_prompt="{{ draft }} {{ evaluation.score }} {{ evaluation.issues }}"
    ),
    "a merger sees the workers": workers(
        reduce="{{ workers[0].response }} {{ num_workers }} {{ round_count }} {{ last_response }}",
        writeup="{{ reduce_response }} {{ workers | length }}",
    ),
}


@pytest.mark.parametrize("pattern", THERE.values(), ids=THERE)
def test_it_is_there(pattern: dict[str, Any]) -> None:
    assert said(pattern) == []


@pytest.mark.parametrize(
    ("pattern", "template"),
    [
        (routing(a=["x", {"id": "s"}], b=["y"]),
         "{{ chosen_route }} {{ router.response }} {{ steps[1] }} {{ steps.s }}"),
        (graph("a b"), "{{ nodes.a.response }} {{ terminal_node }} {{ total_steps }} {{ iteration }}"),
        (optimizer(), "{{ draft }} {{ evaluation.score }} {{ iteration }}"),
        (workers(), "{{ workers[0].response }} {{ num_workers }} {{ round_count }}"),
        (workers(reduce="x"), "{{ reduce_response }}"),
    ],
)  # fmt: skip
def test_outputs_see_all_of_it(pattern: dict[str, Any], template: str) -> None:
    assert said(pattern, outputs=ending(template + "{{ last_response }}")) == []


# -- what is not ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "wrong"),
    [
        (routing({"input": "{{ chosen_route }}"}, a=["x"]), "undefined name 'chosen_route'"),
        (routing(a=["{{ last_response }}"]), "undefined name 'last_response'"),
        (routing(a=["x"], b=["{{ steps[0] }}"]), "steps[0] does not exist here: no steps come before it"),
        (routing(a=["{{ nodes.a }}"]), "undefined name 'nodes'"),
        (graph({"a": "{{ nodes.c.response }}", "b": "x"}), "nodes.c cannot be seen here"),
        (graph({"a": "{{ nodes.b.text }}", "b": "x"}), "an answer has no 'text'"),
        (graph({"a": "{{ last_response }}"}), "undefined name 'last_response'"),
        (optimizer(evaluator={"input": "{{ evaluation.score }}"}), "undefined name 'evaluation'"),
        (optimizer(revise_prompt="{{ drafts }}"), "undefined name 'drafts'; did you mean 'draft'?"),
        (workers(orchestrator={"input": "{{ task }}"}), "undefined name 'task'"),
        (workers(reduce="{{ reduce_response }}"), "undefined name 'reduce_response'"),
        (workers(writeup="{{ reduce_response }}"), "undefined name 'reduce_response'"),
        (workers(reduce="{{ task }}"), "undefined name 'task'"),
        (chain("{{ draft }}"), "undefined name 'draft'"),
        (dag({"id": "a", "input": "{{ iteration }}"}), "undefined name 'iteration'"),
    ],
)
def test_what_is_not_there_is_told(pattern: dict[str, Any], wrong: str) -> None:
    (found,) = said(pattern)
    assert found.startswith(wrong)


@pytest.mark.parametrize(
    ("pattern", "template", "wrong"),
    [
        (routing(a=["x"], b=["y", "z"]), "{{ steps[2] }}", "steps[2] does not exist here"),
        (routing(a=["x"]), "{{ steps.s }}", "steps.s cannot be seen here"),
        (graph("a b"), "{{ nodes.c }}", "nodes.c cannot be seen here"),
        (workers(), "{{ reduce_response }}", "undefined name 'reduce_response'"),
        (optimizer(), "{{ workers }}", "undefined name 'workers'"),
    ],
)
def test_outputs_see_nothing_else(pattern: dict[str, Any], template: str, wrong: str) -> None:
    (found,) = said(pattern, outputs=ending(template))
    assert found.startswith(wrong)


def test_the_prompt_of_an_agent_is_asked_for_the_names_of_every_step_it_has() -> None:
    agents = {"writer": {"prompt": "You write."}, "judge": {"prompt": "Judge {{ draft }}."}}
    assert said(optimizer(evaluator={"agent": "judge"}), agents=agents) == []
    (found,) = said(optimizer(), agents={"writer": {"prompt": "Write like {{ draft }}."}})
    assert found.startswith("undefined name 'draft'")


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        (routing(a=["x"]), "chosen_route"),
        (graph("a"), "nodes"),
        (graph("a"), "iteration"),
        (optimizer(), "draft"),
        (workers(), "workers"),
        (workers(), "task"),
    ],
)
def test_a_name_of_the_patterns_own_cannot_be_an_inputs(pattern: dict[str, Any], name: str) -> None:
    (found,) = said(pattern, inputs={"values": {name: "x"}})
    assert found == f"an input cannot be named '{name}': that is what templates call answers"
    assert said(chain(f"{{{{ {name} }}}}"), inputs={"values": {name: "x"}}) == []


def test_nor_a_variable_of_a_steps() -> None:
    (found,) = said(routing(a=[{"input": "x", "vars": {"router": 1}}]))
    assert found == "a variable cannot be named 'router': that is what templates call answers"


# -- where it is told -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "place"),
    [
        (routing({"input": "{{ nope }}"}, a=["x"]), ("input", 1)),
        (routing(a=["x", "{{ nope }}"]), ("input", 3)),
        (graph({"a": "x", "b": "{{ nope }}"}), ("input", 2)),
        (graph("a b", way("a", b="nope")), ("when", 1)),
        (optimizer(evaluator={"input": "{{ nope }}"}), ("input", 1)),
        (optimizer(revise_prompt="{{ nope }}"), ("revise_prompt", 1)),
        (workers(orchestrator={"input": "{{ nope }}"}), ("input", 1)),
        (workers(reduce="{{ nope }}"), ("input", 2)),
        (workers(writeup="{{ nope }}"), ("input", 2)),
        (chain({"input": "x", "when": "nope"}), ("when", 1)),
    ],
)
def test_it_is_told_where_the_template_is_written(pattern: dict[str, Any], place: tuple[str, int]) -> None:
    from tests.build import as_text

    key, number = place
    whole = workflow(pattern=pattern)
    lines = [at for at, line in enumerate(as_text(whole).splitlines(), 1) if line.lstrip("- ").startswith(f"{key}:")]
    (found,) = findings_of(whole)
    assert found.startswith(f"workflow.yaml:{lines[number - 1]}:")
    assert ": undefined name 'nope'" in found


# -- conditions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "when", ["topic == 'tea'", "{{ topic == 'tea' }}", "{% if topic %}yes{% endif %}", "not topic"]
)
def test_a_condition_is_an_expression_or_a_template(when: str) -> None:
    assert said(chain({"input": "x", "when": when}), inputs=INPUT) == []


@pytest.mark.parametrize("when", ["topic ==", "{{ topic", "{% if %}", "", "a b c"])
def test_one_that_cannot_be_read_is_told(when: str) -> None:
    (found,) = said(
        chain({"input": "x", "when": when}), inputs=INPUT | {"values": {"topic": "t", "a": 1, "b": 1, "c": 1}}
    )
    assert found.startswith("not a valid template: ")


@pytest.mark.parametrize(
    "pattern",
    [
        chain({"input": "x", "when": "nope"}),
        dag({"id": "a", "when": "tasks.b.status"}, {"id": "b"}),
        parallel({"id": "a", "steps": [{"input": "x", "when": "branches.b.status"}]}, {"id": "b", "steps": ["y"]}),
        parallel(a="x", reduce={"input": "x", "when": "branches.c.status"}),
        routing(a=[{"input": "x", "when": "steps[0].status"}]),
        graph("a b", way("a", b="nodes.c.status")),
        workers(reduce={"input": "x", "when": "reduce_response"}),
    ],
)
def test_a_condition_sees_what_its_step_sees(pattern: dict[str, Any]) -> None:
    assert len(said(pattern)) == 1


def test_a_condition_on_the_way_from_a_node_sees_its_answer() -> None:
    assert said(graph("a b", way("a", b="last_response == terminal_node and total_steps > iteration"))) == []


def test_else_is_a_word_and_no_condition() -> None:
    assert said(graph("a b", way("a", b=" else "))) == []


# -- the shape of graphs and routes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "wrong"),
    [
        (graph("a b", way("a", "c")), "unknown node 'c'; choose one of: a, b"),
        (graph("first", way("frist", "first")), "unknown node 'frist'; did you mean 'first'?"),
        (graph("a b", way("a", c="else")), "unknown node 'c'; choose one of: a, b"),
        (graph("a b c", {"from": "a", "to": ["b", "c"]}), "a graph is at one node at a time"),
        (graph("a b c", way("a", "b"), way("a", "c")), "the last way on from node 'a' is never taken"),
        (graph("a b c", way("a", b="else", c="true")), "the last way on from node 'a' is never taken"),
        (graph("a b", {"from": "a"}), "an edge has either 'to' or 'choose'"),
        (graph("a b", {"from": "a", "to": []}), "an edge has either 'to' or 'choose'"),
        (graph("a b", {"from": "a", "choose": []}), "an edge has either 'to' or 'choose'"),
        (optimizer() | {"config": optimizer()["config"] | {"producer": "writr"}}, "unknown agent 'writr'"),
        (routing({"fallback": "bilding"}, billing=["x"]),
         "fallback 'bilding' is not one of the routes; did you mean 'billing'?"),
        (routing(a=[{"id": "s"}, {"id": "s"}]), "step id 's' stands here again"),
    ],
)  # fmt: skip
def test_a_way_that_leads_nowhere_is_told(pattern: dict[str, Any], wrong: str) -> None:
    (found,) = said(pattern)
    assert wrong in found


@pytest.mark.parametrize("key", ["route", "score", "tasks"])
def test_an_agent_whose_answer_cannot_hold_what_the_pattern_needs_is_told(key: str) -> None:
    agents = {"writer": {"prompt": "w"}, "judge": {"prompt": "j", "output_schema": {"properties": {"other": {}}}}}
    pattern = {
        "route": routing({"agent": "judge"}, a=["x"]),
        "score": optimizer(evaluator={"agent": "judge"}),
        "tasks": workers(orchestrator={"agent": "judge"}),
    }[key]
    (found,) = said(pattern, agents=agents)
    assert found == f"the pattern needs '{key}' in this agent's answer, and its output_schema has no such property"
