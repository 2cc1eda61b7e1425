"""What is shown of a session: a table in the job summary, annotations, a line of the log for each case."""

from __future__ import annotations

import re

import pytest

from runner.errors import Location
from runner.report.cases import counted, findings, last_line, line, summary
from runner.report.markdown import MOST_ROWS
from runner.report.summary import MAX_BYTES
from runner.report.tested import CaseResult, Session
from tests.testing.writing import FILE, failed, result

FAILED = result("an outage", failures=(failed(), failed("status", expected="be success", actual="is failed")))
STALE = result("a stale one", error="the recording of steps[0] is stale", exit_code=14)
FLAKY = result("flaky", source="live", passes=2, runs=3, status="passed", failures=(failed(run=2),), tokens=1234)


def session(*cases: CaseResult, **changes: object) -> Session:
    return Session(cases, **changes)  # type: ignore[arg-type]


def rows(text: str) -> list[list[str]]:
    lines = [one for one in text.splitlines() if one.startswith("| ")]
    cells = [re.split(r"(?<!\\)\|", one)[1:-1] for one in lines]
    return [[re.sub(r"<.*>", "", cell).strip() for cell in row] for row in cells]


# -- the session ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cases", "status", "code"),
    [
        ([result()], "success", 0),
        ([FLAKY], "success", 0),
        ([result(), FAILED], "failed", 10),
        ([STALE, result()], "failed", 14),
        ([FAILED, STALE], "failed", 14),
    ],
)
def test_a_session_succeeds_where_every_case_passed(cases: list[CaseResult], status: str, code: int) -> None:
    assert (session(*cases).status, session(*cases).exit_code) == (status, code)


def test_a_session_that_was_stopped_is_cancelled_whatever_passed() -> None:
    stopped = session(result(), cancelled=True, unrun=2)
    assert (stopped.status, stopped.exit_code) == ("cancelled", 130)


@pytest.mark.parametrize(
    ("passes", "runs", "rate", "flaky"),
    [(5, 5, 100, False), (4, 5, 80, True), (199, 200, 99, True), (0, 0, 0, False)],
)
def test_flaky_is_what_passed_and_not_always(passes: int, runs: int, rate: int, *, flaky: bool) -> None:
    case = result(source="live", passes=passes, runs=runs, status="passed")
    assert (case.pass_rate, case.flaky) == (rate, flaky)


def test_what_failed_is_not_flaky() -> None:
    assert not result(source="live", passes=2, runs=5, failures=(failed(),)).flaky


@pytest.mark.parametrize(
    ("cases", "told"),
    [
        ([result(), result()], "2 passed"),
        ([FAILED, STALE, FLAKY, result()], "1 failed, 1 error, 2 passed (1 flaky)"),
        ([FAILED], "1 failed"),
        ([], "nothing tested"),
    ],
)
def test_a_session_is_counted(cases: list[CaseResult], told: str) -> None:
    assert counted(session(*cases)) == told
    assert counted(session(*cases, cancelled=True, unrun=3)) == f"{told}, 3 not run"


# -- the job summary --------------------------------------------------------------------------------------------------


def test_the_table_has_a_row_for_each_case() -> None:
    assert rows(summary(session(result("fine"), FAILED, STALE))) == [
        ["case", "result", "tokens", "time"],
        ["fine", "✅ passed", "10", "40 ms"],
        ["an outage", "❌ failed", "10", "40 ms"],
        ["a stale one", "⛔ error", "10", "40 ms"],
    ]


def test_where_a_case_is_live_the_table_says_how_often_each_passed() -> None:
    assert rows(summary(session(result("fine"), FLAKY))) == [
        ["case", "result", "runs passed", "tokens", "time"],
        ["fine", "✅ passed", "", "10", "40 ms"],
        ["flaky", "✅ passed ⚠️ flaky", "2 of 3 (66 %)", "1,234", "40 ms"],
    ]


def test_what_is_wrong_is_folded_below_the_table() -> None:
    text = summary(session(result("fine"), FAILED, STALE, FLAKY))
    folded = re.findall(r"<details><summary>(.*?)</summary>\n\n(.*?)\n\n</details>", text, re.DOTALL)
    assert [title for title, _ in folded] == ["❌ an outage", "⛔ a stale one", "✅ flaky"]
    assert folded[0][1].splitlines() == [
        f"- <code>{FILE}:7:9</code> response should contain 'bug', but is 'a feature'",
        f"- <code>{FILE}:7:9</code> status should be success, but is failed",
    ]
    assert folded[1][1] == r"- the recording of steps\[0\] is stale"
    assert "run 2: response" in folded[2][1]


@pytest.mark.parametrize(
    ("one", "head"),
    [
        (session(result()), "### ✅ Tests: 1 passed"),
        (session(FAILED), "### ❌ Tests: 1 failed"),
        (session(result(), cancelled=True, unrun=1), "### 🛑 Tests: 1 passed, 1 not run"),
    ],
)
def test_the_headline_says_how_it_ended(one: Session, head: str) -> None:
    assert summary(one).splitlines()[0] == head


@pytest.mark.parametrize("hostile", ["| x |", "</details>", "<b>", "`x`", "a\nb", "[x](y)", "::error::x"])
def test_nothing_in_names_or_answers_acts_in_the_summary(hostile: str) -> None:
    case = result(hostile, failures=(failed(actual=f"is {hostile}"),), error=hostile)
    harmless = summary(session(result("x", failures=(failed(actual="is x"),), error="x")))
    text = summary(session(case))
    assert len(text.splitlines()) == len(harmless.splitlines())
    for mark in ("<details>", "</details>", "<b>"):
        assert text.count(mark) == harmless.count(mark)
    assert [len(row) for row in rows(text)] == [len(row) for row in rows(harmless)]


def test_many_cases_stay_below_the_hosts_limit() -> None:
    long = failed(actual="x" * 20_000)
    text = summary(session(*(result(f"case {number}", failures=(long,) * 20) for number in range(MOST_ROWS + 50))))
    assert len(text.encode()) <= MAX_BYTES + 200
    assert "_and 50 more, in junit.xml_" in text
    assert text.rstrip().endswith("junit.xml has all of it._")


def test_many_problems_of_one_case_are_counted() -> None:
    assert "_and 5 more, in junit.xml_" in summary(session(result(failures=(failed(),) * 25)))


# -- annotations and log ----------------------------------------------------------------------------------------------


def test_there_is_an_annotation_at_each_case_that_did_not_pass() -> None:
    found = findings(session(result("fine"), FAILED, STALE, FLAKY))
    assert [(one.level, one.message) for one in found] == [
        (
            "error",
            "an outage: response should contain 'bug', but is 'a feature'; status should be success, but is failed",
        ),
        ("error", "a stale one: the recording of steps[0] is stale"),
        ("warning", "flaky: flaky, passed 2 of 3 (66 %): run 2: response should contain 'bug', but is 'a feature'"),
    ]
    assert {one.at for one in found} == {Location(FILE, 3, 5)}


@pytest.mark.parametrize(
    ("case", "level", "told"),
    [
        (result("fine"), "INFO", "passed triage.test.yaml:3 fine (10 tokens, 40 ms)"),
        (STALE, "ERROR", "error triage.test.yaml:3 a stale one (10 tokens, 40 ms): the recording of steps[0] is stale"),
        (
            result("no", failures=(failed(),)),
            "ERROR",
            "failed triage.test.yaml:3 no (10 tokens, 40 ms): response should contain 'bug', but is 'a feature'",
        ),
        (
            FLAKY,
            "WARNING",
            (
                "passed triage.test.yaml:3 flaky (1,234 tokens, 40 ms), live: 2 of 3 (66 %): "
                "run 2: response should contain 'bug', but is 'a feature'"
            ),
        ),
    ],
)
def test_each_case_has_a_line(case: CaseResult, level: str, told: str) -> None:
    assert (line(case).level, line(case).text) == (level, told)


def test_the_last_line_counts() -> None:
    assert last_line(session(result(), FLAKY)).text == "Tests: 2 passed (1 flaky); 1,244 tokens, 80 ms"
    assert last_line(session(result())).level == "INFO"
    assert last_line(session(FAILED)).level == "ERROR"
