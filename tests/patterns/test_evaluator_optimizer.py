"""evaluator_optimizer: the best draft is never lost, and no more are written than is allowed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.errors import PolicyFailed, StepFailed
from tests.build import optimizer
from tests.patterns.actor import Actor, plan, run


def scoring(*scores: float, **remarks: Any) -> Any:
    """An evaluator that gives these scores in turn; drafts are the paths of their steps."""
    left = iter(scores)
    return lambda path: {"score": next(left), **remarks} if path.startswith("evaluator") else path


def drafts(actor: Actor) -> list[str]:
    return [path for path in actor.asked if not path.startswith("evaluator")]


def test_a_draft_that_is_good_enough_is_the_answer():
    actor = Actor(scoring(8))
    scope = actor.play(plan(optimizer(min_score=8)))

    assert actor.asked == ["producer", "evaluator"]
    assert scope.response == "producer"
    assert scope.names["iteration"] == 1


def test_a_draft_that_is_not_is_revised_until_it_is():
    actor = Actor(scoring(3, 5, 9))
    scope = actor.play(plan(optimizer(max_iters=5)))

    assert actor.asked == ["producer", "evaluator", "reviser", "evaluator#2", "reviser#2", "evaluator#3"]
    assert scope.response == "reviser#2"
    assert scope.names["evaluation"]["score"] == 9


@pytest.mark.parametrize(
    ("policy", "answer", "score"), [("accept_best", "reviser", 7), ("accept_last", "reviser#2", 2)]
)
def test_when_the_iterations_are_used_up_the_policy_says_which_draft_it_is(policy: str, answer: str, score: int):
    scope = run(plan(optimizer(max_iters=3, on_exhausted=policy)), scoring(1, 7, 2))

    assert scope.response == answer
    assert (scope.names["draft"], scope.names["evaluation"]["score"]) == (answer, score)


def test_a_failure_for_want_of_a_good_draft_keeps_the_best():
    with pytest.raises(PolicyFailed, match=r"no draft of 3 reached min_score 8; the best has 7\.5") as failed:
        run(plan(optimizer(max_iters=3, on_exhausted="fail")), scoring(1, 7.5, 2))
    assert failed.value.response == "reviser"


def test_of_equals_the_first_is_the_best():
    assert run(plan(optimizer(max_iters=3)), scoring(5, 5, 5)).response == "producer"


def test_with_one_iteration_nothing_is_revised():
    actor = Actor(scoring(1))
    assert actor.play(plan(optimizer(max_iters=1))).response == "producer"
    assert [step.path for step in plan(optimizer(max_iters=1)).steps()] == ["producer", "evaluator"]


def test_the_evaluator_sees_the_draft_and_the_reviser_what_was_said_of_it():
    actor = Actor(scoring(1, 9, issues=["too long"], fixes=["cut it"]))
    actor.play(plan(optimizer()))

    assert actor.questions["evaluator"] == "Score: producer"
    assert actor.questions["evaluator#2"] == "Score: reviser"
    for told in ("producer", "score 1", "Issue: too long", "Fix: cut it"):
        assert told in actor.questions["reviser"]


def test_a_prompt_of_the_files_own_stands_in_for_ours():
    actor = Actor(scoring(1, 9, issues=["dull"]))
    told = "{{ iteration }} {{ draft }} {{ evaluation.score }} {{ evaluation.issues | join }} {{ last_response }}"
    actor.play(plan(optimizer(revise_prompt=told)))

    assert actor.questions["reviser"] == "2 producer 1 dull producer"


def test_remarks_that_were_not_made_are_empty():
    actor = Actor(scoring(1, 9))
    actor.play(plan(optimizer(revise_prompt="{{ evaluation.issues | length }}{{ evaluation.fixes | length }}")))

    assert actor.questions["reviser"] == "00"


def test_a_step_that_fails_fails_the_run():
    def answer(path: str) -> Any:
        if path == "reviser":
            raise StepFailed("no", path=path)
        return {"score": 1} if path == "evaluator" else path

    with pytest.raises(StepFailed, match="no"):
        run(plan(optimizer()), answer)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**9), 10**9), min_size=6, max_size=6),
    st.floats(-100, 100),
    st.integers(1, 6),
    st.sampled_from(["accept_best", "accept_last", "fail"]),
)
def test_whatever_the_scores_the_policy_holds(scores: list[float], wanted: float, most: int, policy: str):
    actor, best = Actor(scoring(*scores)), None
    try:
        best = actor.play(plan(optimizer(min_score=wanted, max_iters=most, on_exhausted=policy))).response
    except PolicyFailed as failed:
        assert policy == "fail"
        best, policy = failed.response, "accept_best"
    written = drafts(actor)
    given = dict(zip(written, scores, strict=False))
    assert len(written) <= most
    assert all(given[draft] < wanted for draft in written[:-1])
    if given[written[-1]] >= wanted or policy == "accept_last":
        assert best == written[-1]
    else:
        assert len(written) == most
        assert given[best] == max(given.values())
