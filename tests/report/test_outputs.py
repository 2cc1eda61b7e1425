"""The step outputs and results.json: all of them, always, valid, and within the host's limits."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.errors import Finding, Location
from runner.report.outputs import MAX_RESPONSE, MAX_TOTAL, Paths, cut, outputs, results_json
from runner.report.results import (
    OUTPUTS,
    BudgetStatistics,
    CacheStatistics,
    ClientStatistics,
    Failure,
    RunReport,
    Shard,
    Trust,
)
from tests.build import NOON, report, result, skipped

HERE = Paths("out/results.json", "out/trace.json")


def unrun(**changes: Any) -> RunReport:
    """A run that was refused."""
    return RunReport("test", "invalid", 2, "live", NOON, 0, **changes)


# -- outputs ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ended", [report(), unrun(), report(result(status="failed"), status="failed")])
def test_every_output_is_written_whatever_happened(ended: RunReport) -> None:
    assert set(outputs(ended, Paths())) == set(OUTPUTS)


def test_the_outputs_say_what_the_report_says() -> None:
    ended = report(
        result("steps[0]", tokens=(100, 20)),
        result("steps[1]", tokens=(10, 2), status="failed"),
        skipped("steps[2]"),
        status="failed",
        response="the end",
        data={"ü": [1]},
        cache=CacheStatistics(1, 9),
        clients=ClientStatistics(1, 9),
        budget=BudgetStatistics(tokens=132, max_tokens=200),
        duration_ms=1234,
        config_hash="abc",
        tape="out/tape",
        trust=Trust(False, "the pull request is from a fork"),
    )
    assert outputs(ended, HERE) == {
        "status": "failed",
        "response": "the end",
        "structured": '{"ü": [1]}',
        "results-path": "out/results.json",
        "trace-path": "out/trace.json",
        "review-path": "",
        "junit-path": "",
        "tests-passed": "",
        "tests-failed": "",
        "tape-path": "out/tape",
        "post-plan-path": "",
        "posted-url": "",
        "input-tokens": "110",
        "output-tokens": "22",
        "total-tokens": "132",
        "cost-usd": "",
        "steps-run": "2",
        "steps-replayed": "0",
        "steps-resumed": "0",
        "steps-failed": "1",
        "cache-builds": "1",
        "cache-hits": "9",
        "cache-hit-rate": "90",
        "clients-created": "1",
        "client-hits": "9",
        "budget-used-percent": "66",
        "duration-ms": "1234",
        "config-hash": "abc",
        "trust": "untrusted",
        "matrix": "",
    }


def test_steps_are_counted_by_where_their_answers_came_from() -> None:
    ended = report(result("a"), result("b", source="tape"), result("c", source="resumed"), result("d", source="tape"))
    found = outputs(ended, HERE)
    assert [found[f"steps-{how}"] for how in ("run", "replayed", "resumed")] == ["4", "2", "1"]


def test_a_plan_has_its_matrix_and_a_shard_says_which_it_is() -> None:
    assert outputs(unrun(matrix='{"shard": ["1/1"]}'), Paths())["matrix"] == '{"shard": ["1/1"]}'
    assert json.loads("".join(results_json(report(shard=Shard(2, 5, 3, 11, 5)))))["shard"] == "2/5"
    assert json.loads("".join(results_json(report())))["shard"] is None


def test_what_is_not_known_is_empty_and_never_zero() -> None:
    found = outputs(report(), Paths())
    assert [found[name] for name in ("cost-usd", "structured", "budget-used-percent")] == ["", "", ""]


@pytest.mark.parametrize("data", [False, 0, "", [], {}])
def test_data_that_is_empty_is_data(data: Any) -> None:
    assert json.loads(outputs(report(data=data), HERE)["structured"]) == data


def test_the_files_own_outputs_are_added() -> None:
    found = outputs(report(step_outputs={"headline": "News"}), HERE)
    assert found["headline"] == "News"
    assert set(found) == {*OUTPUTS, "headline"}


def test_the_actions_own_outputs_cannot_be_replaced() -> None:
    assert outputs(report(step_outputs={"status": "splendid"}), HERE)["status"] == "success"


@pytest.mark.parametrize(
    ("builds", "hits", "rate"), [(0, 0, 0), (1, 9, 90), (3, 2, 40), (1, 0, 0), (1, 2, 67), (1, 999, 99)]
)
def test_the_hit_rate_is_in_whole_percent(builds: int, hits: int, rate: int) -> None:
    assert outputs(report(cache=CacheStatistics(builds, hits)), HERE)["cache-hit-rate"] == str(rate)


@pytest.mark.parametrize(
    ("budget", "percent"),
    [
        (BudgetStatistics(), ""),
        (BudgetStatistics(tokens=50, max_tokens=200), "25"),
        (BudgetStatistics(tokens=50, max_tokens=200, steps=3, max_steps=4), "75"),
        (BudgetStatistics(tokens=201, max_tokens=200), "100"),
        (BudgetStatistics(tokens=50, steps=3), ""),
    ],
)
def test_the_budget_used_is_that_of_the_tightest_limit(budget: BudgetStatistics, percent: str) -> None:
    assert outputs(report(budget=budget), HERE)["budget-used-percent"] == percent


# -- long answers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", ["a", "ü", "€", "🪙"])
@pytest.mark.parametrize("before", ["", "a", "ab", "abc"])
def test_a_long_answer_is_cut_between_two_signs(sign: str, before: str) -> None:
    found = cut(before + sign * (MAX_RESPONSE + 1), "out/results.json")
    kept, marker = found.split("\n")
    assert len(found.encode()) <= MAX_RESPONSE
    assert kept == before + sign * (len(kept) - len(before))
    assert len((found + sign).encode()) > MAX_RESPONSE
    assert marker.endswith("is in out/results.json]")


def test_an_answer_up_to_the_limit_is_whole() -> None:
    assert cut("a" * MAX_RESPONSE, "") == "a" * MAX_RESPONSE
    assert cut("a" * (MAX_RESPONSE + 1), "").startswith("aaa")
    assert "[cut here; the whole answer of 262,145 bytes is in results.json]" in cut("a" * (MAX_RESPONSE + 1), "")


def test_half_a_surrogate_pair_does_not_end_the_run() -> None:
    assert cut("a\ud83d", "") == "a\ud83d"
    assert len(cut("\ud83d" * MAX_RESPONSE * 2, "").encode(errors="replace")) <= MAX_RESPONSE


# -- all outputs together ---------------------------------------------------------------------------------------------

HOSTS_LIMIT = 1_000_000


def size(text: str) -> int:
    """As the host counts it."""
    return len(text.encode("utf-16-le", errors="replace"))


def test_what_the_host_has_room_for_is_whole() -> None:
    long = "a" * 100_000
    found = outputs(report(response=long, data=[long], step_outputs={"one": long, "two": long}), HERE)
    assert (found["response"], found["one"], found["two"]) == (long, long, long)
    assert json.loads(found["structured"]) == [long]


@pytest.mark.parametrize("sign", ["a", "ü", "€", "🪙"])
def test_all_outputs_together_stay_below_the_hosts_limit(sign: str) -> None:
    long = sign * 600_000
    found = outputs(report(response=long, data=[long], step_outputs={"one": long, "two": long}), HERE)
    assert sum(map(size, found.values())) < HOSTS_LIMIT
    assert found["response"].startswith(sign)
    assert found["structured"].startswith(f'["{sign}')
    for name in ("response", "structured", "one", "two"):
        assert found[name].endswith("bytes is in out/results.json]")


def test_only_what_is_long_is_cut_and_each_long_one_has_its_share() -> None:
    written = {"first": "a" * MAX_TOTAL, "short": "b", "second": "c" * MAX_TOTAL}
    found = outputs(report(response="short too", step_outputs=written), HERE)
    assert (found["response"], found["short"]) == ("short too", "b")
    assert "[cut here; the whole answer of 480,000 bytes is in out/results.json]" in found["first"]
    assert MAX_TOTAL // 2 - 1000 < len(found["first"]) <= len(found["second"]) < MAX_TOTAL // 2


# -- results.json -----------------------------------------------------------------------------------------------------


def test_results_hold_the_whole_report() -> None:
    wrong = Finding("bad", Location("w.yaml", 3, 4))
    ended = report(
        result(
            "steps[0]",
            id="draft",
            response="one",
            data={"a": 1},
            tokens=(7, 3, 2, 1),
            attempts=2,
            turns=3,
            tools=("lookup",),
            model="openai/m",
        ),
        result("steps[1]", status="failed", error="no answer", response=""),
        skipped("steps[2]"),
        status="failed",
        exit_code=10,
        failure=Failure("Step failed", "no answer", "steps[1]", (wrong,)),
        warnings=(Finding("hm", Location("w.yaml", 1, 1), "warning"),),
        step_outputs={"headline": "News"},
    )
    found = json.loads("".join(results_json(ended)))
    assert (found["status"], found["exit_code"]) == ("failed", 10)
    assert found["started"] == "2026-01-02T12:00:00.000+00:00"
    assert [step["status"] for step in found["steps"]] == ["success", "failed", "skipped"]
    assert found["steps"][0] == {
        "path": "steps[0]",
        "id": "draft",
        "agent": "writer",
        "status": "success",
        "response": "one",
        "data": {"a": 1},
        "error": None,
        "question": None,
        "answered_by": None,
        "usage": {
            "input_tokens": 7,
            "output_tokens": 3,
            "total_tokens": 10,
            "cache_read_tokens": 2,
            "cache_write_tokens": 1,
            "uncounted_turns": 0,
        },
        "cost_usd": None,
        "attempts": 2,
        "turns": 3,
        "tools": ["lookup"],
        "source": "live",
        "model": "openai/m",
        "config_hash": "c0ffee" * 10,
        "started": "2026-01-02T12:00:00.000+00:00",
        "duration_ms": 40,
    }
    assert found["steps"][2]["started"] is None
    assert found["usage"]["total_tokens"] == 20
    assert found["failure"] == {
        "title": "Step failed",
        "message": "no answer",
        "path": "steps[1]",
        "findings": [{"message": "bad", "at": "w.yaml:3:4", "level": "error"}],
    }
    assert found["warnings"] == [{"message": "hm", "at": "w.yaml:1:1"}]
    assert found["step_outputs"] == {"headline": "News"}


def test_a_long_answer_is_whole_in_the_results() -> None:
    answer = "ü" * MAX_RESPONSE * 2
    assert json.loads("".join(results_json(report(result(response=answer)))))["steps"][0]["response"] == answer


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.text(), st.text(alphabet=st.characters(categories=["Cs", "Cc", "Po"])))
def test_results_are_json_whatever_was_answered(answer: str, error: str) -> None:
    found = json.loads("".join(results_json(report(result(response=answer, error=error)))))
    assert (found["steps"][0]["response"], found["steps"][0]["error"]) == (answer, error)


def test_results_of_a_run_that_was_refused_are_there_too() -> None:
    found = json.loads("".join(results_json(unrun(failure=Failure("Invalid input", "no")))))
    assert (found["status"], found["steps"], found["failure"]["message"]) == ("invalid", [], "no")
