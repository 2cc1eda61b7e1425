"""A plan can be shown before anything runs: to people, to programs, in a job summary."""

from __future__ import annotations

import json

from runner.plan.shards import shard_of
from runner.report.planned import as_json, as_markdown, as_matrix, as_text
from tests.build import dag, plan_of, workflow

PLAN = plan_of(
    workflow(
        name="nightly",
        runtime={"budgets": {"tokens": 10_000}, "max_parallel": 3},
        agents={"critic": {"prompt": "You judge."}},
        pattern=dag({"id": "a"}, {"id": "b", "agent": "critic", "deps": ["a"], "timeout_s": 5}),
    )
)


def test_people_see_a_row_a_step() -> None:
    head, limits, estimate, _, *rows = as_text(PLAN).splitlines()
    assert head == f"nightly: workflow, 2 steps, config {PLAN.config_hash[:12]}"
    assert limits == "limits: at most 3 calls at once, 10,000 tokens"
    assert estimate == "estimate: 2 calls, about 6 tokens of written prompts, answers without a limit (max_tokens)"
    assert [row.split()[:4] for row in rows] == [
        ["step", "agent", "model", "waits"],
        ["tasks.a", "writer", "openai/m", "-"],
        ["tasks.b", "critic", "openai/m", "tasks.a"],
    ]


def test_programs_see_whole_hashes_limits_and_needs() -> None:
    found = json.loads(as_json(PLAN))
    assert found["config_hash"] == PLAN.config_hash
    limits = {"max_parallel": 3, "max_tokens": 10_000, "max_cost_usd": None, "max_steps": None, "timeout_s": None}
    assert found["limits"] == {**limits, "connect_s": 10, "first_token_s": 300, "between_tokens_s": 120}
    assert [(step["path"], step["needs"], step["timeout_s"]) for step in found["steps"]] == [
        ("tasks.a", [], None),
        ("tasks.b", ["tasks.a"], 5.0),
    ]
    assert [step["config_hash"] for step in found["steps"]] == [step.config_hash for step in PLAN.steps()]


def test_the_summary_of_a_plan_has_table_and_picture() -> None:
    text = as_markdown(PLAN)
    assert "| <code>tasks.b</code> | critic | <code>m</code> | <code>tasks.a</code> |" in text
    assert "```mermaid\nflowchart LR" in text
    assert "s0 --> s1" in text


def test_a_hostile_name_stays_in_its_line() -> None:
    text = as_markdown(plan_of(workflow(name="a\n# b <script> `x`")))
    assert text.splitlines()[0] == r"### 📋 a \# b &lt;script&gt; \`x\`: plan"


def test_a_shard_is_shown_with_its_own_steps_and_the_hash_of_the_whole() -> None:
    whole = plan_of(workflow(pattern=dag({"id": "a"}, {"id": "b"}, {"id": "both", "deps": ["a", "b"]})))
    shard = shard_of(whole, 2, 2)
    told = "shard 2/2: 1 of 3 steps; the rest is left to the job that resumes"

    head, second, *_ = as_text(shard).splitlines()
    assert (head, second) == (f"test: workflow, 1 steps, config {whole.config_hash[:12]}", told)
    assert told in as_markdown(shard).splitlines()
    found = json.loads(as_json(shard))
    assert (found["shard"], [step["path"] for step in found["steps"]]) == ("2/2", ["tasks.b"])
    assert json.loads(as_json(whole))["shard"] is None


def test_an_empty_shard_has_no_picture() -> None:
    shard = shard_of(plan_of(workflow(pattern=dag({"id": "a"}))), 2, 2)
    assert "mermaid" not in as_markdown(shard)
    assert "shard 2/2: nothing is left for it" in as_text(shard)


def test_a_matrix_is_one_line_that_the_host_reads() -> None:
    assert as_matrix(["1/2", "2/2"]) == '{"shard": ["1/2", "2/2"]}\n'
