"""The job summary: complete, small enough, and nothing that a model wrote can act in it."""

from __future__ import annotations

import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from runner.errors import Finding, Location, Question, Status
from runner.prices import of_limit
from runner.report.markdown import MAX_ANSWER
from runner.report.results import (
    BudgetStatistics,
    CacheStatistics,
    ClientStatistics,
    Failure,
    RunReport,
    Shard,
    StepResult,
    Usage,
)
from runner.report.summary import MANY, MAX_BYTES, MOST_RENDERED, Detail, summary
from tests.build import report, result, skipped
from tests.hostile import TEXTS
from tests.report.reader import on_github

HOME = Path(__file__).parents[2]


def paused(path: str = "steps[1]", **question: Any) -> StepResult:
    """A gate whose question nobody has answered."""
    return result(path, agent="", status="paused", response="", question=Question(path, **question))


def answers(text: str) -> list[str]:
    """What is folded away below a title that is none of ours."""
    found = re.findall(r"<details(?: open)?><summary>(.*?)</summary>\n\n(.*?)\n\n</details>", text, re.DOTALL)
    return [told for title, told in found if title != "Time line and flow"]


# -- nothing acts -----------------------------------------------------------------------------------------------------


def said_everywhere(text: str) -> RunReport:
    """A run in which a text is whatever somebody else can say."""
    at = Location(f"dir/{text}.yaml", 1, 2)
    return report(
        result(f"steps[{text}]", agent=text, error=text, response=f"before\n\n{text}"),
        paused(prompt=text, context=text),
        result("steps[2]", response=text, data={"a": text}),
        name=f"a {text}",
        status="failed",
        failure=Failure("Step failed", f"a {text}", "steps[0]", (Finding(f"a {text}", at),)),
        warnings=(Finding(f"hm {text}", at, "warning"),),
    )


def frame(ended: RunReport) -> list[tuple[str, ...]]:
    """The elements of a summary, without those that an answer was written in. Fails for what may not be in it."""
    tags = on_github(summary(ended, "full")).tags
    return [path for path in tags if path[0] != "details" or path[1:] in ((), ("summary",))]


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_no_text_can_change_anything_in_the_summary_but_its_words(name: str) -> None:
    assert frame(said_everywhere(TEXTS[name])) == frame(said_everywhere("words"))


# -- answers ----------------------------------------------------------------------------------------------------------


def test_an_answer_is_read_as_the_markdown_it_was_written_in() -> None:
    text = summary(report(result(response="# Found\n\n- *one*\n- `two`")), "full")
    assert answers(text) == ["<h4>Found</h4><ul><li><em>one</em></li><li><code>two</code></li></ul>"]


def test_the_answer_of_the_run_is_the_one_that_is_open() -> None:
    steps = [result("steps[0]", response="draft"), result("steps[1]", response="final")]
    text = summary(report(*steps, response="final"), "full")
    assert "<details open><summary>steps[1] · writer</summary>\n\n<p>final</p>" in text
    assert "<details><summary>steps[0] · writer</summary>\n\n<p>draft</p>" in text


def test_the_answers_of_many_steps_are_folded_away_together_but_the_runs_own() -> None:
    steps = [result(f"steps[{number}]", response=f"answer {number}") for number in range(MANY + 1)]
    seen, folded = summary(report(*steps, response="answer 3"), "full").split("<details><summary>Answers</summary>")
    assert (answers(seen)[-1], len(answers(folded))) == ("<p>answer 3</p>", MANY)


def test_data_is_shown_as_it_is() -> None:
    assert answers(summary(report(result(response='{"*a*": 1}', data={"*a*": 1})), "full")) == [
        '```text\n{"*a*": 1}\n```'
    ]


def test_what_takes_long_to_read_is_only_begun_with() -> None:
    steps = [result(f"steps[{number}]", response="a " * (MAX_ANSWER // 2)) for number in range(10)]
    begun = [told[:3] for told in answers(summary(report(*steps), "full"))]
    assert begun == ["<p>"] * (MOST_RENDERED // MAX_ANSWER) + ["```"] * (10 - MOST_RENDERED // MAX_ANSWER)


def test_without_answers_nothing_that_reads_markdown_is_loaded() -> None:
    loaded = "import sys, runner.report.summary; print([one for one in sys.modules if one.startswith('markdown_it')])"
    ended = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True, cwd=HOME)
    assert ended.stdout == "[]\n"


# -- size -------------------------------------------------------------------------------------------------------------

LEFT_OUT = "_The rest is left out here to stay below the host's limit; results.json has all of it._"


def test_ten_thousand_steps_fit() -> None:
    steps = [result(f"steps[{number}]", response="an answer " * 50) for number in range(10_000)]
    text = summary(report(*steps), "full")
    assert len(text.encode()) <= MAX_BYTES + 200
    assert "_and 9,800 more, in results.json_" in text
    assert text.endswith(LEFT_OUT + "\n\n</details>\n")
    assert on_github(text).open == []


def test_of_many_steps_those_are_shown_that_somebody_looks_for() -> None:
    steps = [result(f"steps[{number}]") for number in range(10_000)]
    steps[9_000] = result("steps[9000]", status="failed", error="no")
    steps[9_100] = result("steps[9100]", duration_ms=100_000)
    steps[9_200] = result("steps[9200]", tokens=(100_000, 0))
    text = summary(report(*steps), "brief")
    seen, unfolded = text.split("<details><summary>Steps</summary>")
    assert "**10,000 steps:** 9,999 success, 1 failed\n" in seen
    assert re.findall(r"^\| <code>steps\[(\d+)\]", seen, re.MULTILINE) == ["9000"]
    shown = re.findall(r"^\| <code>steps\[(\d+)\]", unfolded, re.MULTILINE)
    assert (shown[:2], shown[-3:], len(shown)) == (["0", "1"], ["9000", "9100", "9200"], 200)
    assert "took longest or spent most" in text


def test_of_many_steps_those_are_named_that_spent_most() -> None:
    steps = [result(f"steps[{number}]") for number in range(1_000)] + [result("steps[1000]", tokens=(90_000, 0))]
    assert " out (most by <code>steps[1000]</code> 90 %)\n" in summary(report(*steps), "brief")


@pytest.mark.parametrize("sign", ["€", "`", "\n", "a\u202e", "@a <", "\ud83d"])
def test_answers_of_ten_megabytes_fit(sign: str) -> None:
    answer = sign * (10_000_000 // len(sign.encode(errors="replace")))
    text = summary(report(*[result(f"steps[{number}]", response=answer) for number in range(20)]), "full")
    assert len(text.encode()) <= MAX_BYTES + 200
    on_github(text)


@pytest.mark.parametrize("sign", ["🪙", "a\u202e"])
def test_names_and_messages_of_a_megabyte_fit_and_hide_nothing_else(sign: str) -> None:
    long = sign * (1_000_000 // len(sign))
    wrong = tuple(Finding(long, Location(long, line, 1)) for line in range(1, 300))
    steps = [result(long, agent=long, response="an answer")] * 300
    ended = report(*steps, paused(prompt=long), name=long, failure=Failure(long[:50], long, None, wrong))
    text = summary(ended, "full")
    assert len(text.encode()) <= MAX_BYTES + 200
    found = on_github(text)
    assert [path[0] for path in found.tags if len(path) == 1 and path[0] != "p"][:4] == ["h3", "pre", "table", "table"]
    assert "**Budget**" in text
    assert "<p>an answer</p>" in text


def test_a_long_answer_is_cut_with_a_marker() -> None:
    (answer,) = answers(summary(report(result(response="a" * (MAX_ANSWER + 1))), "full"))
    assert answer == f"<p>{'a' * (MAX_ANSWER - 7)}</p><p><em>[cut here; results.json has all of it]</em></p>"


def test_thousands_of_findings_fit() -> None:
    wrong = tuple(Finding("something is wrong " * 10, Location("w.yaml", line, 1)) for line in range(5_000))
    text = summary(report(status="invalid", failure=Failure("Invalid workflow", "no", None, wrong)), "full")
    assert len(text.encode()) <= MAX_BYTES + 200
    assert "_and 4,800 more, in results.json_" in text


# -- what stands in it ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "status", ["success", "failed", "budget", "timeout", "cancelled", "paused", "invalid", "skipped"]
)
def test_the_first_line_has_name_and_status(status: Status) -> None:
    head = summary(report(name="nightly", status=status), "brief").splitlines()[0]
    assert re.fullmatch(rf"### \S+ nightly: {status}", head)


def test_a_shard_says_below_the_headline_what_it_leaves() -> None:
    told = summary(report(shard=Shard(2, 5, steps=3, planned=11, parts=6)), "brief").splitlines()
    assert told[2] == "shard 2/5: 3 of 11 steps; the rest is left to the job that resumes"


def test_the_cause_stands_in_plain_words_below() -> None:
    text = summary(report(status="failed", failure=Failure("Step failed", "steps[0]: no answer")), "brief")
    assert r"**Step failed:** steps\[0\]: no answer" in text


def test_a_cause_with_one_place_is_told_once_with_it() -> None:
    at = Location("w.yaml", 3, 5)
    text = summary(report(failure=Failure("Step failed", "no answer", None, (Finding("no answer", at),))), "brief")
    assert "**Step failed:** no answer (<code>w.yaml:3:5</code>)" in text
    assert text.count("no answer") == 1


def test_every_step_has_its_row() -> None:
    text = summary(
        report(
            result("steps[0]", tokens=(1200, 34), attempts=2, duration_ms=1500),
            result("steps[1]", agent="critic", status="failed"),
            skipped("steps[2]"),
        ),
        "brief",
    )
    assert "| <code>steps[0]</code> | writer | ✅ success | 1.5 s | 1,200 | 34 | 99 % | 2 | live |" in text
    assert "| <code>steps[1]</code> | critic | ❌ failed | 40 ms | 7 | 3 | 1 % | 1 | live |" in text
    assert "| <code>steps[2]</code> | writer | ⏭️ not run | | | | | | |" in text


@pytest.mark.parametrize("limit", [0.17, 0.34, 0.68, 1.0])
def test_a_limit_that_is_spent_is_spent_whole(limit: float) -> None:
    assert BudgetStatistics(cost_usd=limit, max_cost_usd=limit).used_percent == 100


def test_seconds_are_told_in_parts() -> None:
    assert of_limit("seconds", Decimal("1.2"), Decimal("1.5")) == "1.2 of 1.5 seconds"
    assert of_limit("seconds", 16_800.0, 21_000) == "16,800 of 21,000 seconds"


def test_cache_clients_and_budget_have_a_line_each() -> None:
    text = summary(
        report(
            cache=CacheStatistics(1, 9),
            clients=ClientStatistics(1, 9),
            budget=BudgetStatistics(tokens=800, max_tokens=1000, steps=1, max_steps=10),
        ),
        "brief",
    )
    assert "- **Agent cache** 1 built, 9 reused (90 %)" in text
    assert "- **Clients** 1 created, 9 reused" in text
    assert "- **Budget** 800 of 1,000 tokens, 1 of 10 steps (80 %)" in text


@pytest.mark.parametrize(
    ("usage", "told"),
    [
        (Usage(100, 5), "**Tokens** 100 in, 5 out"),
        (Usage(1100, 5, cache_read=1000), "**Tokens** 1,100 in (1,000 read from a prompt cache), 5 out"),
        (Usage(1100, 5, 60, 30), "**Tokens** 1,100 in (60 read from a prompt cache, 30 written to one), 5 out"),
    ],
)
def test_what_came_from_a_prompt_cache_is_told_apart(usage: Usage, told: str) -> None:
    assert told in summary(report(result(usage=usage)), "brief")


@pytest.mark.parametrize(("detail", "count"), [("full", 3), ("brief", 0)])
def test_a_brief_summary_has_neither_pictures_nor_answers(detail: Detail, count: int) -> None:
    assert summary(report(), detail).count("```mermaid") + len(answers(summary(report(), detail))) == count


def test_a_run_without_steps_has_a_summary() -> None:
    text = summary(report(steps=(), status="invalid", failure=Failure("Invalid input", "no spec")), "full")
    assert "no spec" in text
    assert "|" not in text


def test_the_same_report_gives_the_same_summary() -> None:
    changes: dict[str, Any] = {"step_outputs": {"b": "1", "a": "2"}}
    assert summary(report(**changes), "full") == summary(report(**changes), "full")
