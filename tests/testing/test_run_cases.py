"""Cases are gone through in order: one that cannot be run ends no other, and what never ran is no success."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner.errors import Finding, Location, RecordingProblem, RunCancelled, RunnerError, SpecError, UsageError
from runner.report.results import Failure, RunReport
from runner.report.tested import CaseResult
from runner.testing.cases import Case
from runner.testing.run_cases import cases_of, run_cases
from tests.build import as_text, report, result, workflow
from tests.testing.writing import FILE, expected, write

STALE = RecordingProblem("the recording of steps[0] is stale")
GOOD = report(result(response="a bug", tokens=(7, 3)))
BAD = report(result(response="a feature", tokens=(7, 3)))


def case(name: str = "a case", **changes: Any) -> Case:
    """A case that expects 'bug' in the response; `repeat` makes it live."""
    if "repeat" in changes:
        changes = {"live": True, "min_passes": changes["repeat"], **changes}
    defaults = {"at": Location(FILE, 3, 5), "workflow": "triage.yaml", "expected": expected(contains="bug")}
    return Case(FILE, name, **{**defaults, **changes})


def running(*outcomes: RunReport | RunnerError) -> Any:
    """A `run` that ends so, one time after the other."""
    return running_on(iter(outcomes))


def running_on(rest: Iterator[RunReport | RunnerError]) -> Any:

    def run(_: Case) -> RunReport:
        outcome = next(rest)
        if isinstance(outcome, RunnerError):
            raise outcome
        return outcome

    return run


def became(one: Case, *outcomes: RunReport | RunnerError) -> CaseResult:
    """What became of a case; as many outcomes as it has runs, neither more nor fewer."""
    rest = iter(outcomes)
    [found] = run_cases([one], running_on(rest)).cases
    assert [*rest] == []
    return found


# -- one case ---------------------------------------------------------------------------------------------------------


def test_a_case_passes_where_its_run_is_as_expected() -> None:
    found = became(case("it works"), GOOD)
    assert (found.status, found.name, found.file, found.at.line) == ("passed", "it works", FILE, 3)
    assert (found.tokens, found.duration_ms, found.source, found.problems) == (10, 100, "recorded", ())


def test_a_case_fails_with_everything_that_is_not_as_expected() -> None:
    found = became(case(expected=expected(contains=["bug", "down"])), BAD)
    assert found.status == "failed"
    assert [one.at.line for one in found.failures] == [5, 6]
    assert [one.run for one in found.failures] == [None, None]


def test_a_run_that_is_none_is_an_error_with_its_sentence() -> None:
    found = became(case(), STALE)
    assert (found.status, found.error, found.exit_code) == ("error", STALE.message, 14)
    assert found.failures == ()


FOUND = tuple(Finding(f"{path} is stale", Location("triage.yaml", line, 7)) for path, line in (("a", 3), ("b", 4)))


@pytest.mark.parametrize(
    "outcome",
    [
        RecordingProblem("a is stale; record it anew", FOUND),
        replace(GOOD, status="invalid", exit_code=14, failure=Failure("x", "a is stale; record it anew", None, FOUND)),
    ],
)
def test_an_error_is_told_with_all_that_was_found(outcome: RunReport | RunnerError) -> None:
    assert became(case(), outcome).error == "a is stale; record it anew; triage.yaml:4:7: b is stale"


def test_an_invalid_workflow_is_told_with_its_places() -> None:
    assert became(case(), SpecError(FOUND)).error == (
        "triage.yaml:3:7: a is stale (and 1 more); triage.yaml:4:7: b is stale"
    )


@pytest.mark.parametrize(
    ("status", "code"), [("invalid", 14), ("invalid", 2), ("invalid", 12), ("failed", RunnerError.exit_code)]
)
def test_a_report_of_a_run_that_never_began_is_an_error_too(status: Any, code: int) -> None:
    run = replace(GOOD, status=status, exit_code=code, failure=Failure("Recording problem", "it is stale"))
    found = became(case(expected=expected(status="failed")), run)
    assert (found.status, found.error, found.exit_code) == ("error", "it is stale", code)


def test_a_run_that_failed_may_be_what_is_expected() -> None:
    found = became(case(expected=expected(status="failed")), replace(BAD, status="failed", exit_code=10))
    assert (found.status, found.exit_code) == ("passed", 0)


def test_the_cost_is_judged_and_told() -> None:
    one = case(expected=expected(max_cost_usd=0.01))
    [found] = run_cases([one], running(GOOD), cost=lambda run: run.usage.total / 100).cases
    assert (found.status, found.cost_usd) == ("failed", 0.1)
    [found] = run_cases([one], running(GOOD)).cases
    assert (found.status, found.cost_usd) == ("failed", None)
    assert "is not known" in found.failures[0].message


# -- live ones --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("min_passes", "runs", "status", "flaky"),
    [
        (3, [GOOD, GOOD, GOOD], "passed", False),
        (2, [GOOD, BAD, GOOD], "passed", True),
        (3, [GOOD, BAD, GOOD], "failed", False),
        (1, [BAD, BAD, GOOD], "passed", True),
        (1, [BAD, BAD, BAD], "failed", False),
    ],
)
def test_a_live_case_runs_as_often_as_it_says_and_passes_often_enough(
    min_passes: int, runs: list[RunReport], status: str, *, flaky: bool
) -> None:
    found = became(case(repeat=3, min_passes=min_passes), *runs)
    assert (found.status, found.flaky) == (status, flaky)
    assert (found.runs, found.passes, found.tokens, found.duration_ms) == (3, runs.count(GOOD), 30, 300)
    assert [one.run for one in found.failures] == [number for number, run in enumerate(runs, 1) if run is BAD]


def test_an_error_ends_the_runs_of_its_case() -> None:
    found = became(case(repeat=5, min_passes=1), GOOD, BAD, UsageError("there is no key"))
    assert (found.status, found.error, found.exit_code) == ("error", "there is no key", 2)
    assert (found.runs, found.passes, len(found.failures)) == (2, 1, 1)


def test_a_cost_is_known_where_that_of_every_run_is() -> None:
    costs = iter([0.1, None, 0.2, 0.2])
    found = run_cases([case(repeat=2), case(repeat=2)], lambda _: GOOD, cost=lambda _: next(costs)).cases
    assert [one.cost_usd for one in found] == [None, 0.4]


# -- all of them ------------------------------------------------------------------------------------------------------


def test_cases_run_in_order_and_each_is_told_when_it_is_done() -> None:
    asked: list[str] = []

    def run(one: Case) -> RunReport:
        asked.append(f"run {one.name}")
        return GOOD

    run_cases([case("a"), case("b")], run, tell=lambda one: asked.append(f"told {one.name}"))
    assert asked == ["run a", "told a", "run b", "told b"]


def test_one_that_cannot_be_run_ends_no_other() -> None:
    session = run_cases([case("a"), case("b"), case("c")], running(STALE, BAD, GOOD))
    assert [one.status for one in session.cases] == ["error", "failed", "passed"]
    assert (session.status, session.exit_code) == ("failed", 14)


@pytest.mark.parametrize("stop", [RunCancelled("asked to stop"), replace(GOOD, status="cancelled", exit_code=130)])
def test_a_wish_to_stop_ends_all(stop: RunReport | RunnerError) -> None:
    session = run_cases([case("a"), case("b", repeat=3), case("c"), case("d")], running(GOOD, GOOD, stop))
    assert [one.status for one in session.cases] == ["passed", "error"]
    assert (session.status, session.exit_code, session.unrun) == ("cancelled", 130, 2)


def test_a_bug_is_not_caught() -> None:
    def run(_: Case) -> RunReport:
        raise KeyError("oops")

    with pytest.raises(KeyError):
        run_cases([case()], run)


def test_nothing_tested_is_no_success() -> None:
    with pytest.raises(UsageError, match="there is no case to test"):
        run_cases([], lambda _: GOOD)


# -- from files -------------------------------------------------------------------------------------------------------


def test_the_cases_of_all_that_is_named_are_run(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write(tmp_path, f"{name}.yaml", as_text(workflow()))
        write(tmp_path, f"{name}.test.yaml", f"cases: [{{name: of {name}}}, {{name: more}}]")
    session = run_cases(cases_of(["."], tmp_path), lambda _: GOOD)
    assert [one.name for one in session.cases] == ["of one", "more", "of two", "more"]


def test_where_a_file_is_wrong_nothing_is_run(tmp_path: Path) -> None:
    write(tmp_path, "one.yaml", as_text(workflow()))
    write(tmp_path, "one.test.yaml", "cases: [{name: a}]")
    write(tmp_path, "two.test.yaml", "cases: [{nam: a}]")
    with pytest.raises(SpecError, match="did you mean 'name'"):
        cases_of(["."], tmp_path)
