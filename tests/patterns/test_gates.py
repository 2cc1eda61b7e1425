"""Human gates: what is done without the answer, and what an answer decides."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from runner.errors import Rejected, RunPaused, StepFailed
from tests.build import chain, dag, graph, hitl, optimizer, parallel, routing, way, workers
from tests.patterns.actor import Actor, plan

KEEP_GOING = {"failure_policy": {"on_failure": "continue"}}


def saying(answers: dict[str, Any]) -> Actor:
    """Who answers these paths so, and others with their path. Gates that are left out nobody answers."""
    return Actor(lambda path: answers.get(path, None if "review" in path or "gate" in path else path))


def stopped(actor: Actor, pattern: dict[str, Any], **runtime: Any) -> RunPaused:
    """The pause that a pattern ends with."""
    with pytest.raises(RunPaused) as pause:
        actor.play(plan(pattern, **runtime))
    return pause.value


def open_at(pause: RunPaused) -> list[str]:
    return [question.path for question in pause.questions]


# -- in the place of a step -------------------------------------------------------------------------------------------


def test_a_chain_stops_at_a_gate_without_an_answer():
    actor = Actor(lambda path: None if path == "steps[1]" else path)
    pause = stopped(
        actor, chain("a", hitl("Print {{ steps[0].response }}?", context_display="{{ last_response }}"), "b")
    )

    assert open_at(pause) == ["steps[1]"]
    assert actor.questions == {"steps[0]": "a", "steps[1]": "Print steps[0]? | steps[0]"}


def test_the_answer_of_a_gate_is_one_of_the_answers():
    told = "{{ steps[1].response }} {{ hitl_response }} {{ last_response }} {{ steps[0].response }}"
    actor = saying({"steps[1]": "fine"})
    scope = actor.play(plan(chain("a", hitl(), told, {})))

    assert actor.questions["steps[2]"] == "fine fine fine steps[0]"
    assert [step.response for step in scope.steps] == ["steps[0]", "fine", "steps[2]", "steps[3]"]


def test_hitl_response_is_the_latest_answer_of_a_gate():
    actor = saying({"steps[0]": "one", "steps[2]": "two"})
    actor.play(plan(chain(hitl(), "{{ hitl_response }}", hitl("And {{ hitl_response }}?"), "{{ hitl_response }}")))

    assert [*actor.questions.values()] == ["Go on?", "one", "And one?", "two"]


@pytest.mark.parametrize("runtime", [{}, KEEP_GOING], ids=["fail_fast", "continue"])
def test_other_branches_run_to_their_end_before_the_run_pauses(runtime: dict[str, Any]):
    ended: list[str] = []

    async def slowly(path: str) -> str:
        await asyncio.sleep(0.01)
        ended.append(path)
        return path

    branches = [
        {"id": name, "steps": [*steps, "x"]} for name, steps in {"a": [hitl()], "b": ["y"], "c": [hitl()]}.items()
    ]
    actor = Actor(lambda path: None if path in ("branches.a.steps[0]", "branches.c.steps[0]") else slowly(path))
    pause = stopped(actor, parallel(*branches, reduce="z"), **runtime)

    assert ended == ["branches.b.steps[0]", "branches.b.steps[1]"]
    assert open_at(pause) == ["branches.a.steps[0]", "branches.c.steps[0]"]


@pytest.mark.parametrize("runtime", [{}, KEEP_GOING], ids=["fail_fast", "continue"])
def test_a_failure_goes_before_a_pause(runtime: dict[str, Any]):
    def answer(path: str) -> None:
        if "bad" in path:
            raise StepFailed("no", path=path)

    with pytest.raises(StepFailed, match="no"):
        Actor(answer).play(plan(parallel({"id": "a", "steps": [hitl()]}, {"id": "bad", "steps": ["x"]}), **runtime))


def test_branches_do_not_see_each_others_humans():
    asks = {"steps": [hitl(), "{{ hitl_response }}"]}
    actor = saying({"branches.a.steps[0]": "one", "branches.b.steps[0]": "two"})
    actor.play(
        plan(parallel({"id": "a", **asks}, {"id": "b", **asks}, reduce="{{ hitl_response | default('nobody') }}"))
    )

    assert actor.questions["branches.a.steps[1]"] == "one"
    assert actor.questions["branches.b.steps[1]"] == "two"
    assert actor.questions["reduce"] == "nobody"


# -- tasks ------------------------------------------------------------------------------------------------------------

REVIEWED = dag(
    {"id": "research"},
    hitl("Good?", id="gate1", deps=["research"], context_display="{{ tasks.research.response }}"),
    {"id": "report", "deps": ["gate1"], "input": "{{ tasks.gate1.response }} {{ last_response }} {{ hitl_response }}"},
    {"id": "other"},
    {"id": "more", "deps": ["other", "research"]},
)


@pytest.mark.parametrize("runtime", [{}, KEEP_GOING], ids=["fail_fast", "continue"])
def test_tasks_that_do_not_wait_for_the_gate_are_done_before_the_run_pauses(runtime: dict[str, Any]):
    ended: list[str] = []

    async def slowly(path: str) -> str:
        await asyncio.sleep(0.01)
        ended.append(path)
        return path

    actor = Actor(lambda path: None if path == "tasks.gate1" else slowly(path))
    pause = stopped(actor, REVIEWED, **runtime)

    assert open_at(pause) == ["tasks.gate1"]
    assert actor.questions["tasks.gate1"] == "Good? | tasks.research"
    assert sorted(ended) == ["tasks.more", "tasks.other", "tasks.research"]


def test_several_tasks_may_ask_at_once():
    pattern = dag(hitl(id="gate2"), hitl(id="gate1"), {"id": "both", "deps": ["gate1", "gate2"]})

    assert open_at(stopped(saying({}), pattern)) == ["tasks.gate2", "tasks.gate1"]
    assert open_at(stopped(saying({"tasks.gate2": "yes"}), pattern)) == ["tasks.gate1"]


def test_a_task_sees_the_answer_of_the_gate_it_waits_for():
    actor = saying({"tasks.gate1": "yes"})
    scope = actor.play(plan(REVIEWED))

    assert actor.questions["tasks.report"] == "yes yes yes"
    assert scope.response == "tasks.report\n\ntasks.more"
    assert (scope.names["hitl_response"], scope.names["tasks"]["gate1"]["response"]) == ("yes", "yes")


def test_hitl_response_is_the_answer_of_the_last_gate_that_a_task_waits_for_however_the_tasks_are_written():
    actor = saying({"tasks.gate1": "one", "tasks.gate2": "two", "tasks.gate3": "three"})
    ask = "{{ hitl_response }}"
    scope = actor.play(
        plan(
            dag(
                {"id": "end", "deps": ["middle", "gate2"], "input": ask},
                hitl(id="gate2", deps=["middle"]),
                {"id": "middle", "deps": ["gate1"], "input": ask},
                hitl(id="gate1"),
                hitl(id="gate3"),
            )
        )
    )

    assert (actor.questions["tasks.middle"], actor.questions["tasks.end"]) == ("one", "two")
    assert scope.names["hitl_response"] == "two"


# -- nodes ------------------------------------------------------------------------------------------------------------

UNTIL_APPROVED = graph(
    {
        "draft": "Write.",
        "gate": hitl("Good?", context_display="{{ nodes.draft.response }} {{ iteration }}"),
        "revise": "{{ nodes.gate.response }} {{ hitl_response }} {{ last_response }}",
        "print": "{{ nodes.draft.response }} {{ hitl_response }}",
    },
    way("draft", "gate"),
    way("gate", print="{{ nodes.gate.response == 'approve' }}", revise="else"),
    way("revise", "gate"),
)


def test_a_graph_stops_at_a_node_that_asks():
    actor = saying({})

    assert open_at(stopped(actor, UNTIL_APPROVED)) == ["nodes.gate"]
    assert actor.asked == ["nodes.draft", "nodes.gate"]


def test_the_answer_decides_the_way_and_a_node_that_is_taken_again_asks_again():
    pause = stopped(saying({"nodes.gate": "Shorter."}), UNTIL_APPROVED)
    actor = saying({"nodes.gate": "Shorter.", "nodes.gate#2": "approve"})
    scope = actor.play(plan(UNTIL_APPROVED))

    assert open_at(pause) == ["nodes.gate#2"]
    assert actor.asked == ["nodes.draft", "nodes.gate", "nodes.revise", "nodes.gate#2", "nodes.print"]
    assert actor.questions["nodes.gate#2"] == "Good? | nodes.draft 2"
    assert actor.questions["nodes.revise"] == "Shorter. Shorter. Shorter."
    assert actor.questions["nodes.print"] == "nodes.draft approve"
    assert (scope.names["terminal_node"], scope.names["total_steps"]) == ("print", 5)


def test_a_graph_may_end_with_a_gate_and_its_answer():
    scope = saying({"nodes.gate": "It is too long."}).play(plan(graph({"a": "x", "gate": hitl()}, way("a", "gate"))))

    assert scope.response == "It is too long."


# -- reduce and writeup -----------------------------------------------------------------------------------------------


def test_a_gate_that_reduces_waits_for_all_branches_and_its_answer_is_that_of_the_run():
    pattern = parallel(a="x", b="y", reduce=hitl(context_display="{{ branches.a.response }} {{ branches.b.response }}"))
    actor = saying({"reduce": "approved"})
    scope = actor.play(plan(pattern))

    assert open_at(stopped(saying({"reduce": None}), pattern)) == ["reduce"]
    assert actor.questions["reduce"] == "Go on? | branches.a.steps[0] branches.b.steps[0]"
    assert (scope.response, scope.names["reduce_response"], scope.names["hitl_response"]) == ("approved",) * 3


def test_nobody_is_asked_to_reduce_before_the_gates_of_the_branches_are_answered():
    pattern = parallel({"id": "gate", "steps": [hitl()]}, reduce=hitl("And?"))

    assert open_at(stopped(saying({}), pattern)) == ["branches.gate.steps[0]"]


def test_humans_bring_together_what_workers_found():
    made = {"orchestrator": {"tasks": [{"task": "Read."}]}}
    pattern = workers(reduce=hitl("{{ workers[0].task }}"), writeup=hitl("{{ reduce_response }}? {{ hitl_response }}?"))
    actor = saying({**made, "reduce": "one", "writeup": "two"})
    scope = actor.play(plan(pattern))

    assert (actor.questions["reduce"], actor.questions["writeup"]) == ("Read.", "one? one?")
    assert (scope.response, scope.names["hitl_response"]) == ("two", "two")


# -- review_router ----------------------------------------------------------------------------------------------------

ROUTED = routing(
    {"review_router": hitl("{{ chosen_route }}?", context_display="{{ router.response }}")},
    a=["{{ chosen_route }} {{ router.chosen_route }} {{ hitl_response }}"],
    b=["{{ chosen_route }}"],
)
CHOSE = {"router": {"route": "a"}}


def test_a_route_is_not_taken_before_it_is_approved():
    actor = saying(CHOSE)

    assert open_at(stopped(actor, ROUTED)) == ["router.review"]
    assert actor.questions["router.review"] == 'a? | {"route": "a"}'


def test_an_approved_route_is_taken():
    actor = saying({**CHOSE, "router.review": "Approved"})
    scope = actor.play(plan(ROUTED))

    assert actor.asked == ["router", "router.review", "routes.a.steps[0]"]
    assert actor.questions["routes.a.steps[0]"] == "a a Approved"
    assert scope.sources == ("routes.a.steps[0]",)


@pytest.mark.parametrize("answer", ["route:b", "route: b ", "b", "Route:B"])
def test_another_route_is_taken_where_it_is_named(answer: str):
    actor = saying({**CHOSE, "router.review": answer})
    scope = actor.play(plan(ROUTED))

    assert actor.asked[-1] == "routes.b.steps[0]"
    assert actor.questions["routes.b.steps[0]"] == "b"
    assert scope.names["chosen_route"] == scope.names["router"]["chosen_route"] == "b"


# -- review_gate ------------------------------------------------------------------------------------------------------

SCORES = {f"evaluator{turn}": {"score": score, "issues": ["dull"]} for turn, score in (("", 3), ("#2", 2), ("#3", 9))}
ASKS = hitl(
    "{{ iteration }} {{ draft }} {{ evaluation.score }} {{ last_response }}",
    context_display="{{ iteration_index }} {{ iterations[-1].score }} {{ iterations | length }} "
    "{{ iterations[0].draft_preview }} {{ iterations[-1].issues[0] }} {{ current_draft }} "
    "{{ current_evaluation.score }}",
)
DRAFTS = optimizer(8, review_gate=ASKS)


def test_a_draft_is_not_revised_before_somebody_has_seen_it():
    actor = saying(SCORES)
    pause = stopped(actor, DRAFTS)

    assert open_at(pause) == ["review"]
    assert actor.questions["review"] == "1 producer 3 producer | 0 3 1 producer dull producer 3"
    assert pause.response == "producer"


def test_to_go_on_revises_the_draft_and_asks_again_before_the_next():
    actor = saying({**SCORES, "review": "continue", "review#2": "yes"})
    scope = actor.play(plan(DRAFTS))

    assert actor.asked == [
        "producer", "evaluator", "review", "reviser", "evaluator#2", "review#2", "reviser#2", "evaluator#3",
    ]  # fmt: skip
    assert actor.questions["review#2"] == "2 reviser 2 reviser | 1 2 2 producer dull reviser 2"
    assert "reviewer" not in actor.questions["reviser"]
    assert scope.response == "reviser#2"


@pytest.mark.parametrize("answer", ["stop", "Abort", " end "])
def test_to_stop_accepts_the_draft_that_was_shown_also_a_worse_one(answer: str):
    scope = saying({**SCORES, "review": "continue", "review#2": answer}).play(plan(DRAFTS))

    assert scope.response == "reviser"
    assert scope.names["evaluation"]["score"] == 2


def test_anything_else_is_told_the_reviser():
    actor = saying({**SCORES, "review": "Be shorter.", "review#2": "stop"})
    actor.play(plan(DRAFTS))

    assert actor.questions["reviser"].endswith("Issue: dull\nA reviewer says: Be shorter.\n")


def test_a_revise_prompt_says_itself_what_it_makes_of_the_answer():
    actor = saying({**SCORES, "review": "Be shorter.", "review#2": "stop"})
    actor.play(plan(optimizer(8, review_gate=hitl(), revise_prompt="Mind: {{ hitl_response }}")))

    assert actor.questions["reviser"] == "Mind: Be shorter."


def test_nobody_is_asked_about_a_draft_that_is_good_enough_or_the_last():
    good = saying({"evaluator": {"score": 8}})
    last = saying(SCORES)
    good.play(plan(DRAFTS))
    last.play(plan(optimizer(8, review_gate=hitl(), max_iters=1)))

    assert good.asked == last.asked == ["producer", "evaluator"]


# -- decomposition_review ---------------------------------------------------------------------------------------------

TASKS = {"orchestrator": {"tasks": [{"task": "Read."}, {"task": "Count."}]}}
SPLIT = hitl("{{ task_count }} tasks?", context_display="{{ subtasks[0].task }} {{ orchestrator_response }}")


def done(actor: Actor) -> list[str]:
    """What the workers were asked."""
    return [question for path, question in actor.questions.items() if path.startswith("workers[")]


def test_no_worker_begins_before_the_tasks_are_approved():
    actor = saying(TASKS)

    assert open_at(stopped(actor, workers(decomposition_review=SPLIT))) == ["orchestrator.review"]
    assert actor.questions["orchestrator.review"].startswith('2 tasks? | Read. [\n  {\n    "task": "Read."')
    assert done(actor) == []


def test_approved_tasks_are_done():
    actor = saying({**TASKS, "orchestrator.review": "approve"})
    actor.play(plan(workers(decomposition_review=SPLIT, reduce="{{ hitl_response }}")))

    assert done(actor) == ["Read.", "Count."]
    assert actor.questions["reduce"] == "approve"


@pytest.mark.parametrize("answer", ['["Sing."]', '[{"task": "Sing."}]', '{"tasks": [{"task": "Sing."}]}'])
def test_tasks_that_are_named_are_done_instead(answer: str):
    actor = saying({**TASKS, "orchestrator.review": answer})
    actor.play(plan(workers(decomposition_review=SPLIT)))

    assert done(actor) == ["Sing."]


def test_anything_else_has_the_orchestrator_make_other_tasks_which_are_reviewed_again():
    answers = {"orchestrator.review": "Sing, too.", "orchestrator.revised": {"tasks": [{"task": "Sing."}]}}
    pause = stopped(saying({**TASKS, **answers}), workers(decomposition_review=SPLIT))
    actor = saying({**TASKS, **answers, "orchestrator.review#2": "yes"})
    actor.play(plan(workers(decomposition_review=SPLIT)))

    assert open_at(pause) == ["orchestrator.review#2"]
    assert actor.questions["orchestrator.revised"].startswith("Plan.\n\nThe tasks so far:\n[\n")
    assert "wants others:\nSing, too.\n" in actor.questions["orchestrator.revised"]
    assert actor.questions["orchestrator.review#2"].startswith("1 tasks? | Sing.")
    assert done(actor) == ["Sing."]


def test_the_tasks_of_every_round_are_reviewed():
    more = {"orchestrator.again": {"tasks": [{"task": "More."}]}}
    actor = saying({**TASKS, **more, "orchestrator.review": "yes", "orchestrator.review#2": "yes"})
    actor.play(plan(workers(decomposition_review=SPLIT, limits={"max_rounds": 2})))

    assert done(actor) == ["Read.", "Count.", "More."]


@pytest.mark.parametrize("answer", ["reject", "No", "stop"])
@pytest.mark.parametrize("review", ["orchestrator.review", "reduce.review"])
def test_who_says_no_ends_the_run(review: str, answer: str):
    actor = saying({**TASKS, "orchestrator.review": "yes", review: answer})
    with pytest.raises(Rejected, match=f"{review} was answered '{answer}'") as rejected:
        actor.play(plan(workers(decomposition_review=SPLIT, reduce_review=hitl(), reduce="Join.")))

    assert rejected.value.path == review
    assert "reduce" not in actor.asked


# -- reduce_review ----------------------------------------------------------------------------------------------------


def test_answers_are_not_reduced_before_somebody_has_seen_them():
    asks = hitl("{{ worker_count }} {{ num_workers }}", context_display="{{ workers[0].response }} {{ last_response }}")
    actor = saying(TASKS)
    pause = stopped(actor, workers(reduce_review=asks, reduce="Join."))

    assert open_at(pause) == ["reduce.review"]
    assert actor.questions["reduce.review"] == "2 2 | workers[0] workers[0]\n\nworkers[1]"


def test_what_is_said_of_the_answers_is_told_who_reduces_them():
    actor = saying({**TASKS, "reduce.review": "Leave out the second."})
    actor.play(
        plan(
            workers(
                reduce_review=hitl(), reduce="{{ hitl_response }} {{ last_response }}", writeup="{{ hitl_response }}"
            )
        )
    )

    assert actor.questions["reduce"] == "Leave out the second. workers[0]\n\nworkers[1]"
    assert actor.questions["writeup"] == "Leave out the second."
