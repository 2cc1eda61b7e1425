"""Where a gate has its answer from: this run's input, an earlier run, its default; and what is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from runner.calls.gates import GateRecord, Gates
from runner.errors import RunPaused, StepFailed, UsageError
from runner.plan.plan import Gate
from tests.build import NOON, gate

GO_ON, PRINT = gate("steps[1]"), gate("steps[3]", prompt="Print?")
LATER = NOON + timedelta(hours=1)


def asked(one: Gate = GO_ON, path: str | None = None, **changes: Any) -> GateRecord:
    """What was asked at noon, as it was rendered."""
    path = path or one.path
    return replace(GateRecord(path, one.config_hash, one.prompt, "", NOON), **changes)


class Run:
    """A run an hour after noon: what it is told, and what it keeps."""

    def __init__(
        self,
        response: str | None = None,
        *earlier: GateRecord,
        gates: tuple[Gate, ...] = (GO_ON, PRINT),
        at: datetime = LATER,
    ) -> None:
        self.kept: list[GateRecord] = []
        self.gates = Gates(response, {one.path: one for one in earlier}, lambda: at, self.kept.append)
        self.gates.expect(gates)

    def ask(self, one: Gate = GO_ON, path: str | None = None, prompt: str | None = None, context: str = "") -> str:
        record = self.gates.ask(one, path or one.path, one.prompt if prompt is None else prompt, context)
        assert record.answer is not None
        return record.answer

    def waits(self, one: Gate = GO_ON, **changes: Any) -> bool:
        try:
            self.ask(one, **changes)
        except RunPaused:
            return True
        return False

    @property
    def remarks(self) -> list[str]:
        return [*self.gates.remarks()]


# -- questions --------------------------------------------------------------------------------------------------------


def test_a_question_without_an_answer_ends_the_run_and_is_kept():
    run = Run()
    with pytest.raises(RunPaused) as pause:
        run.ask(gate("steps[1]", default="yes", timeout_s=60), context="a draft")

    [question] = pause.value.questions
    assert (question.path, question.prompt, question.context) == ("steps[1]", "Go on?", "a draft")
    assert (question.default, question.until) == ("yes", LATER + timedelta(minutes=1))
    assert [(one.path, one.asked, one.answer) for one in run.kept] == [("steps[1]", LATER, None)]
    assert (pause.value.exit_code, pause.value.status, pause.value.message) == (19, "paused", "steps[1]: Go on?")


def test_a_question_that_waits_keeps_the_time_at_which_it_was_asked_first():
    run = Run(None, asked())

    assert run.waits()
    assert run.kept == [asked()]


def test_what_is_answered_is_kept_before_and_after():
    run = Run("fine")

    assert run.ask() == "fine"
    assert run.kept == [asked(asked=LATER), asked(asked=LATER, answer="fine", answered_by="response")]


# -- a text -----------------------------------------------------------------------------------------------------------


def test_a_text_answers_the_first_gate_of_a_first_run_and_no_other():
    run = Run("fine")

    assert run.ask() == "fine"
    assert run.waits(PRINT)
    assert run.remarks == []


def test_a_text_answers_the_gate_that_is_open_and_not_one_that_comes_before():
    run = Run("fine", asked(PRINT))

    assert run.waits(GO_ON)
    assert run.ask(PRINT) == "fine"


def test_where_every_earlier_question_was_answered_a_text_answers_the_next_one():
    run = Run("fine", asked(answer="yes", answered_by="response"))

    assert run.ask(GO_ON) == "yes"
    assert run.ask(PRINT) == "fine"


def test_a_text_is_refused_where_several_questions_are_open():
    with pytest.raises(UsageError) as refused:
        Run("fine", asked(), asked(PRINT))

    assert "2 questions are open" in refused.value.message
    assert "(steps[1]: Go on?; steps[3]: Print?)" in refused.value.message


def test_a_question_of_a_gate_that_is_no_more_or_is_another_is_not_open():
    gone, changed = asked(path="steps[9]"), asked(PRINT, config_hash="another")

    assert Run("fine", asked(), gone, changed).ask() == "fine"


def test_a_question_whose_time_is_up_is_not_open():
    timed = gate("steps[3]", prompt="Print?", timeout_s=60, default="no")
    run = Run("fine", asked(), asked(timed), gates=(GO_ON, timed))

    assert run.ask() == "fine"
    assert run.ask(timed) == "no"
    assert run.remarks == []


@pytest.mark.parametrize("text", ["Note: please shorten it", "- a\n- b", '{"a": 1', "[]", "a: b: c", "12", "no"])
def test_an_answer_that_looks_like_yaml_is_still_a_text(text: str):
    assert Run(text).ask() == text


def test_an_answer_that_no_gate_takes_is_told():
    assert Run("fine").remarks == ["no gate took the answer in 'hitl-response'"]
    assert Run("fine", asked()).remarks == ["no gate took the answer to steps[1] in 'hitl-response'"]
    assert Run(None, asked()).remarks == []


# -- a map ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["steps[1]: fine\nsteps[3]: 'no'", '{"steps[1]": "fine", "steps[3]": "no"}'])
def test_a_map_answers_each_gate_by_its_path(text: str):
    run = Run(text, asked(), asked(PRINT))

    assert (run.ask(), run.ask(PRINT), run.remarks) == ("fine", "no", [])


def test_a_gate_that_is_asked_again_has_an_answer_of_its_own():
    review = gate("review")
    run = Run("review#2: stop", gates=(review,))

    assert run.waits(review)
    assert run.ask(review, path="review#2") == "stop"


def test_what_is_no_text_in_a_map_is_its_json():
    run = Run('{"steps[1]": [{"task": "Read."}], "steps[3]": true}')

    assert (run.ask(), run.ask(PRINT)) == ('[{"task": "Read."}]', "true")


def test_a_map_that_names_no_gate_of_the_plan_is_refused():
    for text in ("steps[2]: fine", "steps[1]: fine\nsteps[2]: no", "{review#2: stop}", "tasks.rview: ok", "nodes.a: x"):
        with pytest.raises(UsageError, match="which is no gate"):
            Run(text)


@pytest.mark.parametrize("text", ["steps[1]: fine\nsteps[1]: no", "{steps[1]: fine}"])
def test_a_map_that_cannot_be_read_is_no_text(text: str):
    with pytest.raises(UsageError, match="names a gate and is no map"):
        Run(text)


def test_an_answer_in_a_map_that_no_gate_takes_is_told():
    run = Run('{"steps[1]": "fine", "steps[3]": "no"}')

    run.ask()
    assert run.remarks == ["no gate took the answer to steps[3] in 'hitl-response'"]


# -- earlier answers --------------------------------------------------------------------------------------------------

YES = asked(answer="yes", answered_by="response")


def test_what_was_answered_is_not_asked_again():
    run = Run(None, YES)

    assert run.ask() == "yes"
    assert run.kept == [YES]
    assert run.gates.source(run.kept[0]) == "resumed"


@pytest.mark.parametrize(
    "changes", [{"config_hash": "another"}, {"question": "Go on with another draft?"}, {"context": "another draft"}]
)
@pytest.mark.parametrize("response", [None, "fine", "steps[1]: fine"])
def test_an_answer_to_another_question_counts_for_nothing(changes: dict[str, str], response: str | None):
    """Neither one that was given, nor one that is given now by somebody who saw that question."""
    for earlier in (YES, asked()):
        run = Run(response, replace(earlier, **changes))
        assert run.waits()
        assert run.kept == [asked(asked=LATER)]
        assert len(run.remarks) == (response is not None)


def test_an_answer_given_is_not_changed_by_one_that_comes_later():
    run = Run("steps[1]: no", YES)

    assert run.ask() == "yes"
    assert run.remarks == ["no gate took the answer to steps[1] in 'hitl-response'"]


def test_what_must_not_be_kept_is_not_and_the_question_is_known_again():
    kept: list[GateRecord] = []
    for response in ("the key is hunter2", None):
        gates = Gates(response, {one.path: one for one in kept}, lambda: NOON, kept.append, clean)
        gates.expect([GO_ON])
        assert gates.ask(GO_ON, "steps[1]", "Is it hunter2?", "hunter2").answer == "the key is ***"

    assert {(one.question, one.context) for one in kept} == {("Is it ***?", "***")}


def clean(text: str) -> str:
    return text.replace("hunter2", "***")


# -- time and defaults ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "waits"), [(3601, True), (3600, False), (1, False), (1e300, True), (None, True)])
def test_a_default_is_the_answer_once_the_time_is_up(seconds: float | None, waits: bool):
    one = gate("steps[1]", default="no", timeout_s=seconds)
    run = Run(None, asked(one), gates=(one,))

    assert run.waits(one) == waits
    if not waits:
        assert run.kept[-1] == asked(one, answer="no", answered_by="default")


def test_an_answer_that_comes_too_late_leaves_the_default():
    one = gate("steps[1]", default="no", timeout_s=60)
    run = Run("yes", asked(one), gates=(one,))

    assert run.ask(one) == "no"
    assert run.remarks == ["the answer to steps[1] came too late (timeout_seconds); its default stands"]


def test_a_default_that_was_the_answer_stays_it():
    one = gate("steps[1]", default="no", timeout_s=60)
    by_default = asked(one, answer="no", answered_by="default")

    assert Run("yes", by_default, gates=(one,)).ask(one) == "no"


@pytest.mark.parametrize("response", [None, "yes"])
def test_without_a_default_the_gate_has_failed(response: str | None):
    one = gate("steps[1]", timeout_s=60)
    with pytest.raises(StepFailed) as failed:
        Run(response, asked(one), gates=(one,)).ask(one)

    told = "steps[1]: nobody answered within 60 s (timeout_seconds), and the gate has no default"
    assert (failed.value.message, failed.value.path) == (told, "steps[1]")


@pytest.mark.parametrize("response", ["", "  ", "steps[1]:"])
def test_an_empty_answer_is_the_default(response: str):
    one = gate("steps[1]", default="yes")
    run = Run(response, gates=(one,))

    assert run.ask(one) == "yes"
    assert run.kept[-1].answered_by == "default"
    with pytest.raises(StepFailed, match="its answer is empty, and the gate has no default"):
        Run(response).ask()


# -- reviews ----------------------------------------------------------------------------------------------------------

ROUTER = gate("router.review", reviews="route", routes=("billing", "Bugs", "yes"))
TASKS = gate("orchestrator.review", reviews="tasks", max_tasks=2)


@pytest.mark.parametrize(
    ("one", "answer", "said"),
    [
        (
            ROUTER,
            "bilding",
            "neither approves the route nor names one; say 'approved', or 'route:' and one of: billing, ",
        ),
        (ROUTER, "route:", "neither approves the route nor names one"),
        (ROUTER, "route:approved", "neither approves the route nor names one"),
        (ROUTER, "yes", "could mean several things; say 'route:yes'"),
        (TASKS, "[", "begins as a list of tasks and is no JSON"),
        (TASKS, "[]", "is no list of tasks"),
        (TASKS, '{"tasks": [{"job": "x"}]}', "is no list of tasks"),
        (TASKS, '["a", "b", "c"]', "is no list of tasks"),
    ],
)
def test_an_answer_that_decides_nothing_is_refused_and_not_kept(one: Gate, answer: str, said: str):
    run = Run(answer, gates=(one,))
    with pytest.raises(UsageError) as refused:
        run.ask(one)

    assert f"the answer '{answer}' to {one.path} {said}" in refused.value.message
    assert [record.answer for record in run.kept] == [None]


@pytest.mark.parametrize(
    "answer", ["approved", " Approve ", "OK", "billing", "route:billing", "Route: bugs", "route:yes"]
)
def test_an_answer_that_decides_is_taken(answer: str):
    assert Run(answer, gates=(ROUTER,)).ask(ROUTER) == answer
