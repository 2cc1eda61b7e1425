"""routing: one route is taken, the one that the router named."""

from __future__ import annotations

from typing import Any

import pytest

from runner.errors import StepFailed
from tests.build import dag, parallel, routing
from tests.patterns.actor import Actor, plan, run

NAMES = ["billing", "technical", "__class__", "a.b", "0"]


def choosing(name: str) -> Any:
    """A router that names a route; everybody else answers with their path."""
    return lambda path: {"route": name} if path == "router" else path


@pytest.mark.parametrize("name", NAMES)
def test_the_route_that_was_named_is_the_only_one_taken(name: str):
    actor = Actor(choosing(name))
    scope = actor.play(plan(routing(**{route: ["one", "two"] for route in NAMES})))

    assert actor.asked == ["router", f"routes.{name}.steps[0]", f"routes.{name}.steps[1]"]
    assert scope.response == f"routes.{name}.steps[1]"


def test_the_first_step_of_a_route_without_an_input_is_asked_what_the_router_was_asked():
    actor = Actor(choosing("a"))
    actor.play(plan(routing(a=[{}, {}])))

    assert actor.questions["routes.a.steps[0]"] == "Which?"
    assert actor.questions["routes.a.steps[1]"] == "routes.a.steps[0]"


def test_a_route_knows_which_it_is_and_what_the_router_said():
    actor = Actor(choosing("a"))
    scope = actor.play(plan(routing(a=["{{ chosen_route }} {{ router.chosen_route }} {{ router.response }}"], b=["x"])))

    assert actor.questions["routes.a.steps[0]"] == 'a a {"route": "a"}'
    assert scope.names["chosen_route"] == "a"


def test_the_routers_answer_is_nobodys_latest_answer():
    actor = Actor(choosing("a"))
    actor.play(plan(routing(a=["{{ last_response | default('nothing') }}"])))

    assert actor.questions["routes.a.steps[0]"] == "nothing"


def test_the_steps_of_a_route_are_counted_from_its_own_first():
    scope = run(plan(routing(a=["x", {"id": "end"}])), choosing("a"))

    assert [step.path for step in scope.steps] == ["routes.a.steps[0]", "routes.a.steps[1]"]


def test_a_route_all_of_whose_steps_are_skipped_has_no_answer():
    scope = run(plan(routing(a=["x", "y"])), lambda path: {"route": "a"} if path == "router" else None)

    assert scope.response == ""
    assert [step.status for step in scope.steps] == ["skipped", "skipped"]


def test_a_router_that_fails_takes_no_route():
    def refuse(path: str) -> str:
        raise StepFailed("no", path=path)

    actor = Actor(refuse)
    with pytest.raises(StepFailed):
        actor.play(plan(routing(a=["x"])))
    assert actor.asked == ["router"]


# -- steps that are skipped, in the patterns that run several at once -------------------------------------------------


def test_a_branch_whose_last_step_is_skipped_answers_with_the_one_before():
    pattern = parallel({"id": "a", "steps": ["x", "y"]}, {"id": "b", "steps": ["z"]})
    scope = run(plan(pattern), lambda path: None if path == "branches.a.steps[1]" else path)

    assert scope.response == "branches.a.steps[0]\n\nbranches.b.steps[0]"


def test_a_branch_that_was_skipped_is_seen_by_reduce_and_left_out_of_the_answer():
    actor = Actor(lambda path: None if "a" in path.split(".") else path)
    actor.play(
        plan(parallel(a="x", b="y", reduce="{{ branches.a.status }} {{ branches.b.status }} {{ last_response }}"))
    )

    assert actor.questions["reduce"] == "skipped success branches.b.steps[0]"


def test_a_reduce_step_that_is_skipped_leaves_the_answers_of_the_branches():
    scope = run(plan(parallel(a="x", b="y", reduce="z")), lambda path: None if path == "reduce" else path)

    assert scope.response == "branches.a.steps[0]\n\nbranches.b.steps[0]"
    assert scope.names["reduce_response"] == ""


def test_a_task_is_told_to_skip_where_what_it_waits_for_was_skipped_unless_it_has_a_say_itself():
    told: dict[str, str | None] = {}

    class Noting(Actor):
        async def __call__(self, step: Any, scope: Any, path: str) -> Any:
            told[path] = step.when
            return await super().__call__(step, scope, path)

    rows = [{"id": "a"}, {"id": "b", "deps": ["a"]}, {"id": "c", "deps": ["a"], "when": "tasks.a.status == 'skipped'"}]
    Noting(lambda path: None if path == "tasks.a" else path).play(plan(dag(*rows)))

    assert told == {"tasks.a": None, "tasks.b": "false", "tasks.c": "tasks.a.status == 'skipped'"}
