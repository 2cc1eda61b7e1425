"""What a test reads of a run."""

from __future__ import annotations

import pytest

from runner.errors import Finding, Location
from runner.report.results import Failure
from runner.testing.view import Report
from tests.build import report, result, skipped

STEPS = (
    result("steps[0]", id="facts", response="it is down", tools=("grep", "grep"), turns=3, tokens=(20, 5)),
    result("steps[1]", response='{"label": "bug"}', data={"label": "bug"}, tools=("search",), turns=2, tokens=(7, 3)),
)
RAN = Report(report(*STEPS, data={"label": "bug"}, step_outputs={"kind": "bug"}, artifacts={"a.md": "# bug"}))


def test_a_run_is_read_by_plain_attributes():
    assert (RAN.status, RAN.response, RAN.data) == ("success", '{"label": "bug"}', {"label": "bug"})
    assert (RAN.outputs, RAN.artifacts) == ({"kind": "bug"}, {"a.md": "# bug"})
    assert (RAN.tools, RAN.turns) == (["grep", "grep", "search"], 5)
    assert (RAN.usage.input, RAN.usage.output, RAN.tokens) == (27, 8, 35)
    assert (RAN.failure, RAN.warnings) == (None, [])


def test_a_step_is_found_by_id_by_path_and_by_number():
    assert RAN.steps["facts"] == RAN.steps["steps[0]"] == RAN.steps[0]
    assert RAN.steps[-1].path == "steps[1]"
    assert [step.id for step in RAN.steps] == ["facts", None]
    assert len(RAN.steps) == 2
    assert "facts" in RAN.steps
    assert "steps[1]" in RAN.steps
    assert "fact" not in RAN.steps


def test_a_step_is_read_by_plain_attributes():
    step = RAN.steps["facts"]
    assert (step.agent, step.status, step.response, step.data) == ("writer", "success", "it is down", None)
    assert (step.tools, step.turns, step.attempts, step.tokens) == (["grep", "grep"], 3, 1, 25)
    assert (step.usage.input, step.error) == (20, None)


def test_an_id_of_a_step_that_was_taken_again_is_the_last_of_them():
    again = Report(report(result("nodes.a", id="a", response="first"), result("nodes.a#2", id="a", response="second")))
    assert again.steps["a"].response == "second"
    assert again.steps["nodes.a"].response == "first"


def test_a_step_that_is_not_there_is_answered_with_those_that_are():
    with pytest.raises(KeyError) as raised:
        RAN.steps["fact"]
    assert str(raised.value) == "there is no step 'fact'; did you mean 'facts'?"
    with pytest.raises(KeyError, match=r"choose one of: facts, steps\[1\]"):
        RAN.steps["verdict"]


def test_what_is_shown_of_a_run_fits_into_one_line():
    long = Report(report(result(response="one\ntwo " + "x" * 500)))
    failed = Report(report(status="failed", failure=Failure("Step failed", "steps[0]: no answer")))
    assert repr(RAN) == """<workflow test success: {"label": "bug"}>"""
    assert repr(failed) == "<workflow test failed: Step failed: steps[0]: no answer>"
    assert repr(RAN.steps["facts"]) == "<step facts (steps[0]) success: it is down>"
    assert repr(RAN.steps) == "<steps facts, steps[1]>"
    for one in (repr(long), repr(long.steps[0])):
        assert "one two" in one
        assert "\n" not in one
        assert len(one) < 150


def test_why_a_run_failed_is_text():
    warned = Finding("nobody reads this", Location("workflow.yaml"), level="warning")
    failed = Report(report(skipped(), status="failed", failure=Failure("Step failed", "no"), warnings=(warned,)))
    assert failed.failure == "Step failed: no"
    assert failed.warnings == ["nobody reads this"]
    assert failed.steps[0].status == "skipped"


def test_a_report_cannot_be_changed():
    with pytest.raises(AttributeError):
        RAN.status = "failed"  # type: ignore[misc]
    RAN.tools.clear()
    assert RAN.tools
