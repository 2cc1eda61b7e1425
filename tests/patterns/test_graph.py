"""graph: one node at a time, by the first way that is open, and no node more often than is allowed."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.errors import PolicyFailed, StepFailed, TemplateProblem
from tests.build import graph, way
from tests.patterns.actor import Actor, plan, run

NODES = "abcde"


def test_it_begins_at_the_first_node_and_ends_where_no_way_goes_on():
    actor = Actor(lambda path: path)
    scope = actor.play(plan(graph("first second third", way("first", "third"))))

    assert actor.asked == ["nodes.first", "nodes.third"]
    assert scope.response == "nodes.third"
    assert (scope.names["terminal_node"], scope.names["total_steps"]) == ("third", 2)


def test_the_first_way_that_is_open_is_taken():
    actor = Actor(lambda path: "go")
    actor.play(plan(graph("a b c d", way("a", b="last_response == 'stay'", c="last_response == 'go'", d="else"))))

    assert actor.asked == ["nodes.a", "nodes.c"]


def test_else_is_open_when_nothing_else_is():
    actor = Actor(lambda path: "what?")
    actor.play(plan(graph("a b c", way("a", b="last_response == 'go'", c="else"))))

    assert actor.asked == ["nodes.a", "nodes.c"]


def test_several_edges_of_a_node_are_asked_in_the_order_they_are_written():
    edges = [way("a", b="iteration > 1"), way("a", a="iteration < 2"), way("a", c="else")]
    actor = Actor(lambda path: path)
    actor.play(plan(graph("a b c", *edges)))

    assert actor.asked == ["nodes.a", "nodes.a#2", "nodes.b"]


@pytest.mark.parametrize("asked", ["nodes.b", "nodes.b is defined", "nodes.b and nodes.b.response", "not not nodes.b"])
def test_a_node_that_was_not_taken_has_no_answer(asked: str):
    told = f"{{{{ 'yes' if {asked} else 'no' }}}}{{{{ nodes.b | default(', none') }}}}"
    actor = Actor(lambda path: path)
    actor.play(plan(graph({"a": told, "b": "x"}, way("a", b=asked, a="iteration < 2"))))

    assert actor.questions == {"nodes.a": "no, none", "nodes.a#2": "no, none"}


def test_to_look_into_an_answer_that_is_not_there_yet_is_told_by_its_name():
    with pytest.raises(TemplateProblem, match="there is no answer 'b' yet"):
        run(plan(graph({"a": "{{ nodes.b.response }}", "b": "x"})), str)


def test_where_no_condition_holds_it_ends_or_fails_as_the_file_says():
    stuck = way("a", b="false")
    assert run(plan(graph("a b", stuck)), lambda path: "here").response == "here"

    with pytest.raises(PolicyFailed, match="no edge from node 'a' holds") as failed:
        run(plan(graph("a b", stuck, on_no_match="fail")), lambda path: "here")
    assert (failed.value.path, failed.value.response) == ("nodes.a", "here")


def test_a_node_without_edges_is_an_end_also_where_no_match_is_a_failure():
    assert run(plan(graph("a", on_no_match="fail")), lambda path: "done").response == "done"


@pytest.mark.parametrize("most", [1, 2, 5])
def test_a_node_that_leads_to_itself_is_taken_as_often_as_is_allowed(most: int):
    around = way("a", "a")
    actor = Actor(lambda path: path)
    with pytest.raises(PolicyFailed, match=f"more than {most} times") as failed:
        actor.play(plan(graph("a", around, max_iterations=most)))
    assert len(actor.asked) == most
    assert failed.value.response == actor.asked[-1]

    ended = run(plan(graph("a", around, max_iterations=most, on_max_iterations="end")), lambda path: path)
    assert ended.response == actor.asked[-1]
    assert ended.names["terminal_node"] == "a"


def test_a_node_sees_the_latest_answers_of_all_and_how_often_it_was_taken():
    texts = iter("xyz")
    nodes = {"a": "{{ iteration }} {{ nodes.b.response if nodes.b else '-' }}", "b": "{{ nodes.a.response }}"}
    actor = Actor(lambda path: next(texts, "end"))
    actor.play(plan(graph(nodes, way("a", "b"), way("b", a="nodes.a.response == 'x'"))))

    assert list(actor.questions.values()) == ["1 -", "x", "2 y", "z"]


def test_nodes_are_listed_in_the_order_they_were_first_taken():
    actor = Actor(lambda path: path)
    scope = actor.play(plan(graph("a b c", way("a", "c"), way("c", "b"), way("b", a="total_steps < 4"))))

    assert [one["response"] for one in scope.names["nodes"]] == ["nodes.a#2", "nodes.c#2", "nodes.b#2"]


def test_an_id_with_a_dot_is_an_id():
    nodes = {"a.b": "x", "c:d": "{{ nodes['a.b'].response }}"}
    actor = Actor(lambda path: path)
    actor.play(plan(graph(nodes, way("a.b", "c:d"))))

    assert actor.questions == {"nodes.a.b": "x", "nodes.c:d": "nodes.a.b"}


def test_a_condition_that_cannot_be_told_fails_at_its_node():
    with pytest.raises(StepFailed, match="whether to go from node 'a' to 'b' cannot be told: there is no") as failed:
        run(plan(graph("a b", way("a", b="nodes.b.response == 'x'"))), lambda path: path)
    assert failed.value.path == "nodes.a"


def test_a_condition_reads_data_and_not_only_text():
    actor = Actor(lambda path: {"score": 9} if path == "nodes.a" else "end")
    actor.play(plan(graph("a b c", way("a", b="nodes.a.data.score >= 8", c="else"))))

    assert actor.asked == ["nodes.a", "nodes.b"]


@st.composite
def mazes(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Edges between any nodes, with conditions that change as the graph goes along."""
    conditions = st.sampled_from(["total_steps % 2 == 0", "total_steps % 3 == 1", "iteration > 1", "nodes.e", "false"])
    edges = []
    for node in draw(st.sets(st.sampled_from(NODES))):
        choices = draw(st.lists(st.tuples(conditions, st.sampled_from(NODES)), max_size=3))
        rest = [("else", draw(st.sampled_from(NODES)))] if not choices or draw(st.booleans()) else []
        edges.append({"from": node, "choose": [{"when": when, "to": to} for when, to in [*choices, *rest]]})
    return edges


@settings(max_examples=60, deadline=None, derandomize=True)
@given(mazes(), st.integers(1, 4), st.sampled_from(["end", "fail"]))
def test_no_maze_takes_a_node_more_often_than_is_allowed(edges: list[dict[str, Any]], most: int, policy: str):
    pattern = graph(" ".join(NODES), *edges, max_iterations=most, on_max_iterations=policy)
    actor = Actor(lambda path: path)
    try:
        answer = actor.play(plan(pattern)).response
    except PolicyFailed as failed:
        assert policy == "fail"
        answer = failed.response
    assert answer == actor.asked[-1]
    taken = Counter(path.split("#")[0] for path in actor.asked)
    assert max(taken.values()) <= most
    ways = {edge["from"]: {choice["to"] for choice in edge["choose"]} for edge in edges}
    visited = [path.removeprefix("nodes.").split("#")[0] for path in actor.asked]
    assert visited[0] == "a"
    assert all(there in ways[here] for here, there in pairwise(visited))
