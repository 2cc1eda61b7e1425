"""The job summary: complete, small enough, and nothing that a model wrote can act in it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.errors import Finding, Location, Status
from runner.prices import of_limit
from runner.report.markdown import code, duration, fenced, plain
from runner.report.results import BudgetStatistics, CacheStatistics, ClientStatistics, Failure, Shard, Usage
from runner.report.summary import MAX_ANSWER, MAX_BYTES, Detail, summary
from tests.build import report, result, skipped


@dataclass
class Reading:
    """A summary as a Markdown reader sees it: what stands inside code blocks, and the lines outside."""

    blocks: list[tuple[str, str]] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)

    @property
    def answers(self) -> list[str]:
        return [text for kind, text in self.blocks if kind == "text"]

    @property
    def text(self) -> str:
        return "\n".join(self.outside)


def read(markdown: str) -> Reading:
    """CommonMark's rules for fenced code blocks, https://spec.commonmark.org/0.31.2/#fenced-code-blocks."""
    found, lines = Reading(), iter(re.split("\r\n|\r|\n", markdown))
    for line in lines:
        opening = re.fullmatch(r" {0,3}(`{3,}|~{3,})\s*([^`]*)", line)
        if not opening:
            found.outside.append(line)
            continue
        fence, inside = opening[1], []
        for part in lines:
            if re.fullmatch(rf" {{0,3}}{fence[0]}{{{len(fence)},}}[ \t]*", part):
                break
            inside.append(part)
        else:
            raise AssertionError("a code block has no end")
        found.blocks.append((opening[2], "\n".join(inside)))
    return found


HOSTILE = [
    "```\n# ESCAPED\n```",
    "````text\nout\n````",
    "`" * 50 + "\nout",
    "~~~\nout\n~~~",
    "   ```\nout",
    "\r```\rout\r",
    "a\u2028```\u2029out",
    "a\x85```\x0b```\x0c```\x1c```",
    "</details></details>\n\n<script>ESCAPED()</script>",
    "<!-- ESCAPED",
    "| a | b |\n|---|---|",
    "@everyone #1 owner/name#2",
    "[link](javascript:ESCAPED) ![image](http://ESCAPED)",
    "::error::ESCAPED\n##[error]ESCAPED",
    "\x1b[31mred\x1b[0m\x00\x07",
    "$$ESCAPED$$ $`ESCAPED`$",
    "<details><summary>",
    "",
    "\n\n\n",
]


def hostile_lines(reading: Reading) -> list[str]:
    """Lines outside of code blocks in which something is left that Markdown or HTML would act on."""
    ours = re.sub(r"<code>[^<]*</code>|</?(details|summary)>", "", reading.text)
    return [
        line
        for line in ours.split("\n")
        if re.search(r"<[a-zA-Z!/?]|(?<!\\)[`\[\]@]", line) and not line.startswith(("### ", "| step |"))
    ]


# -- nothing breaks out -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", HOSTILE)
def test_an_answer_stays_inside_its_block(answer: str) -> None:
    reading = read(summary(report(result(response="before\n" + answer), result("steps[1]", response="sound")), "full"))
    assert len(reading.answers) == 2
    assert reading.answers[1] == "sound"
    assert "ESCAPED" not in reading.text
    assert reading.text.count("<details>") == reading.text.count("</details>") == 3


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.text(alphabet=st.sampled_from("`~\n\r\u2028\x85\x0b ab<>|") | st.characters(), max_size=60))
def test_no_text_can_close_its_code_block(text: str) -> None:
    reading = read(fenced(text))
    assert len(reading.blocks) == 1
    assert reading.outside == []


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.text(alphabet=st.characters(categories=["L", "N", "P", "S", "Zs"]), max_size=60))
def test_an_ordinary_text_is_shown_as_it_is(text: str) -> None:
    shown = re.sub(r"\s", " ", text)
    assert read(fenced(text)).blocks == [("text", shown)]


@pytest.mark.parametrize("text", [*HOSTILE, "a | b", "# head", "- item", "> quote", "1. one", "*a* _b_ ~c~"])
def test_a_message_in_a_line_has_nothing_that_acts(text: str) -> None:
    line = plain("x " + text)
    assert "\n" not in line
    assert not re.search(r"(?<!\\)[`*_\[\]|#@!~]", line)
    assert not re.search(r"[<>]", line)


@pytest.mark.parametrize("text", HOSTILE)
def test_an_identifier_in_a_cell_stays_in_its_cell(text: str) -> None:
    cell = code(text)
    assert re.fullmatch(r"<code>[^<>|\n]*</code>", cell)


@pytest.mark.parametrize("text", HOSTILE)
def test_no_part_of_a_report_can_act_in_the_summary(text: str) -> None:
    wrong = Finding(f"a {text}", Location(f"dir/{text}.yaml", 1, 2))
    ended = report(
        result(error=text, response=""),
        name=f"a {text}",
        status="failed",
        failure=Failure("Step failed", f"a {text}", "steps[0]", (wrong,)),
        warnings=(Finding(f"hm {text}", Location("w.yaml", 1, 1), "warning"),),
    )
    reading = read(summary(ended, "full"))
    assert hostile_lines(reading) == []
    table = [line for line in reading.outside if line.startswith("|")]
    assert [len(re.findall(r"(?<!\\)\|", line)) for line in table] == [4] * 4 + [10] * 3


def test_a_message_can_still_be_read() -> None:
    assert plain("agent 'a_b' <x> | *y*\nnext") == r"agent 'a\_b' &lt;x&gt; \| \*y\* next"


# -- size -------------------------------------------------------------------------------------------------------------

LEFT_OUT = "_The rest is left out here to stay below the host's limit; results.json has all of it._"


def test_ten_thousand_steps_fit() -> None:
    steps = [result(f"steps[{number}]", response="an answer " * 50) for number in range(10_000)]
    text = summary(report(*steps), "full")
    assert len(text.encode()) <= MAX_BYTES + 200
    assert "_and 9,800 more, in results.json_" in text
    assert text.endswith(LEFT_OUT + "\n")
    read(text)


@pytest.mark.parametrize("sign", ["a", "€", "`", "\n", "🪙"])
def test_answers_of_ten_megabytes_fit(sign: str) -> None:
    answer = sign * (10_000_000 // len(sign.encode()))
    text = summary(report(*[result(f"steps[{number}]", response=answer) for number in range(20)]), "full")
    assert len(text.encode()) <= MAX_BYTES + 200
    read(text)


def test_a_long_answer_is_cut_with_a_marker() -> None:
    (answer,) = read(summary(report(result(response="a" * (MAX_ANSWER + 1))), "full")).answers
    assert answer == "a" * MAX_ANSWER + "\n[cut here; results.json has all of it]"


def test_thousands_of_findings_fit() -> None:
    wrong = tuple(Finding("something is wrong " * 10, Location("w.yaml", line, 1)) for line in range(5_000))
    text = summary(report(status="invalid", failure=Failure("Invalid workflow", "no", None, wrong)), "full")
    assert len(text.encode()) <= MAX_BYTES + 200
    assert "_and 4,800 more, in results.json_" in text


def test_half_a_surrogate_pair_does_not_end_the_run() -> None:
    assert summary(report(result(response="a\ud83d")), "full").encode(errors="replace")


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
    assert len(read(summary(report(), detail)).blocks) == count


def test_a_run_without_steps_has_a_summary() -> None:
    text = summary(report(steps=(), status="invalid", failure=Failure("Invalid input", "no spec")), "full")
    assert "no spec" in text
    assert "|" not in text


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0, "0 ms"),
        (999, "999 ms"),
        (1000, "1.0 s"),
        (1249, "1.2 s"),
        (60_000, "1 min 00 s"),
        (185_400, "3 min 05 s"),
        (7_200_000, "120 min 00 s"),
    ],
)
def test_a_duration_is_told_as_people_do(milliseconds: int, text: str) -> None:
    assert duration(milliseconds) == text


def test_the_same_report_gives_the_same_summary() -> None:
    changes: dict[str, Any] = {"step_outputs": {"b": "1", "a": "2"}}
    assert summary(report(**changes), "full") == summary(report(**changes), "full")
