"""Budgets against a real server: what it counts never passes the limit, and a run that ends there says who spent it."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from runner.prices import cost_usd
from runner.report.results import Usage
from tests.agents.test_compaction import CALCULATES, asks_for_a_summary, calculating, policy
from tests.build import dag
from tests.servers import Answer, AnthropicServer, AzureServer, OpenAIServer, Request
from tests.servers.http import ModelServer
from tests.workspace import Outcome, Workspace, chain, parallel, workflow

WIDE = {f"b{number}": [f"Question {number}."] for number in range(50)}
MAX_TOKENS = 400
QUICK = {"failure_policy": {"retries": 0}}
PRICED = {"AZURE_OPENAI_API_KEY": "k"}


class Teller:
    """Answers with a usage of its own, drawn for each question: a prompt of some length, and any answer that its
    `max_tokens` allow. Remembers what it has told."""

    def __init__(self, seed: int, unbounded: int = 3000) -> None:
        self._seed, self._unbounded = seed, unbounded
        self.told: list[Usage] = []

    def __call__(self, request: Request) -> Answer:
        draw = Random(f"{self._seed} {request.user_texts[-1]}")
        allowed = request.body.get("max_tokens") or request.body.get("max_completion_tokens") or self._unbounded
        usage = Usage(draw.randint(1, 20), draw.randint(0, allowed))
        self.told.append(usage)
        return Answer("ok", delay=draw.random() / 100, usage=(usage.input, usage.output))

    @property
    def total(self) -> int:
        return sum(one.total for one in self.told)


def run(workspace: Workspace, server: ModelServer, pattern: dict[str, Any], **runtime: Any) -> Outcome:
    return workspace.run(workflow(server.url, pattern, runtime={**QUICK, **runtime}))


# -- tokens -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [*range(40, 12_000, 330), 100_000])
def test_fifty_steps_at_once_never_spend_more_than_the_limit(workspace: Workspace, limit: int) -> None:
    teller = Teller(limit)
    with OpenAIServer(reply=teller) as server:
        outcome = run(workspace, server, parallel(**WIDE), max_parallel=20, max_tokens=MAX_TOKENS,
                      budgets={"max_tokens": limit})  # fmt: skip

    budget, ended = outcome.results["budget"], outcome.outputs["status"]
    assert teller.total <= limit
    assert budget["tokens"] == teller.total
    assert (ended, outcome.exit_code) == (("success", 0) if len(teller.told) == 50 else ("budget", 20))
    finished = [step for step in outcome.results["steps"] if step["status"] == "success"]
    assert len(finished) == len(teller.told), "what was paid for is there"


def test_calls_without_a_limit_overshoot_by_one_turn_a_slot_at_most_and_the_report_says_so(
    workspace: Workspace,
) -> None:
    teller, limit, slots = Teller(7), 9000, 6
    with OpenAIServer(reply=teller) as server:
        outcome = run(workspace, server, parallel(**WIDE), max_parallel=slots, budgets={"max_tokens": limit})

    assert limit < teller.total <= limit + slots * 3020
    assert outcome.exit_code == 20
    assert outcome.results["budget"]["tokens"] == teller.total
    assert f"{teller.total:,} of {limit:,} tokens" in outcome.summary


def test_an_overshoot_at_the_very_end_is_told_and_its_answers_are_kept(workspace: Workspace) -> None:
    with OpenAIServer(reply=Answer("whole", usage=(10, 500))) as server:
        outcome = run(workspace, server, chain("go"), budgets={"max_tokens": 100})

    assert (outcome.exit_code, outcome.outputs["response"]) == (20, "whole")
    assert "510 of 100 tokens were spent: calls without max_tokens may answer more than is left" in outcome.log


def test_an_answer_is_cut_to_what_is_left_of_the_budget(workspace: Workspace) -> None:
    answers = [Answer("one", usage=(10, 500)), Answer("two", usage=(10, 50))]
    with OpenAIServer(reply=answers) as server:
        outcome = run(workspace, server, chain("a", "b"), max_tokens=600, budgets={"max_tokens": 1000})

    first, second = (request.body["max_tokens"] for request in server.requests)
    assert (first, outcome.exit_code) == (600, 0)
    assert 256 <= second < 490


def test_an_answer_that_the_budget_cut_off_ends_the_run_as_one_out_of_budget(workspace: Workspace) -> None:
    answers = [Answer("one", usage=(10, 500)), Answer("half of", usage=(10, 400), finish="length")]
    with OpenAIServer(reply=answers) as server:
        outcome = run(workspace, server, chain("a", "b"), max_tokens=600, budgets={"max_tokens": 1000})

    assert (outcome.exit_code, outcome.outputs["status"]) == (20, "budget")
    assert "all that the budget had left" in outcome.log
    assert [step["status"] for step in outcome.results["steps"]] == ["success", "failed"]
    assert outcome.results["budget"]["tokens"] == 920


def test_params_of_a_provider_do_not_go_past_what_is_left(workspace: Workspace) -> None:
    answers = [Answer("one", usage=(10, 500)), Answer("two", usage=(10, 50))]
    with OpenAIServer(reply=answers) as server:
        run(workspace, server, chain("a", "b"), params={"max_tokens": 600}, budgets={"max_tokens": 1000})

    assert [request.body["max_tokens"] < 600 for request in server.requests] == [False, True]


def test_a_limit_is_cut_under_the_name_that_it_has(workspace: Workspace) -> None:
    answers = [Answer("one", usage=(10, 500)), Answer("two", usage=(10, 50))]
    with OpenAIServer(reply=answers) as server:
        params = {"max_completion_tokens": 600}
        run(workspace, server, chain("a", "b"), params=params, budgets={"max_tokens": 1000})

    assert all("max_tokens" not in request.body for request in server.requests)
    assert [request.body["max_completion_tokens"] < 600 for request in server.requests] == [False, True]


def test_an_answer_is_not_cut_to_less_than_its_model_thinks(workspace: Workspace) -> None:
    workspace.environ |= {"ANTHROPIC_API_KEY": "k"}
    with AnthropicServer(reply=Answer("ok", usage=(10, 3000))) as server:
        runtime = {
            **QUICK,
            "model_id": "claude-sonnet-4-5",
            "params": {"thinking": {"type": "enabled", "budget_tokens": 2048}},
            "budgets": {"max_tokens": 5000},
        }
        outcome = workspace.run(workflow(server.url, chain("a", "b"), provider="anthropic", runtime=runtime))

    assert (outcome.outputs["status"], len(server.requests)) == ("budget", 1)


def test_what_came_of_an_answer_that_broke_off_is_weighed_by_its_words(workspace: Workspace) -> None:
    answers = [Answer("word " * 200, chunks=200, reset="during"), Answer("whole", usage=(10, 5))]
    policy = {"failure_policy": {"retries": 1, "wait_min": 0.01}}
    with OpenAIServer(reply=answers) as server:
        outcome = run(workspace, server, chain("go"), budgets={"max_tokens": 5000}, **policy)

    assert outcome.results["budget"]["tokens"] < 15 + 300


def test_nothing_is_estimated_without_a_budget(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def estimated(*_: Any) -> int:
        raise AssertionError("nobody needs to know")

    monkeypatch.setattr("runner.agents.metered.tokens", estimated)
    monkeypatch.setattr("runner.agents.metered.tokens_sent", estimated)
    with OpenAIServer() as server:
        assert run(workspace, server, chain("go")).exit_code == 0


def test_every_turn_of_tools_and_of_answers_asked_for_again_is_in_the_budget(workspace: Workspace) -> None:
    """At many places: a limit that ends in the midst of a step is kept as well."""
    agents = {
        "writer": {"prompt": "w", "tools": ["calculator"]},
        "judge": {"prompt": "j", "tools": [], "output_schema": {"type": "object", "required": ["ok"]}},
    }

    def reply(request: Request) -> Answer:
        usage = (15, 100)
        if request.body.get("tools") and len(request.messages) < 8:
            return Answer("", tool_calls=[("calculator", {"expression": "1+1"})], usage=usage)
        if not request.body.get("tools"):
            return Answer("no" if request.user_texts == ["b"] else json.dumps({"ok": 1}), usage=usage)
        return Answer("done", usage=usage)

    pattern = dag({"id": "a"}, {"id": "b", "agent": "judge", "input": "b"}, {"id": "c", "deps": ["a", "b"]})
    for limit in (300, 900, 3000):
        with OpenAIServer(reply=reply) as server:
            runtime = {**QUICK, "max_tokens": 100, "budgets": {"max_tokens": limit}}
            outcome = workspace.run(workflow(server.url, pattern, agents=agents, runtime=runtime))
            assert 115 * len(server.requests) <= limit
            assert outcome.results["budget"]["tokens"] == 115 * len(server.requests)
            assert outcome.exit_code == (20 if limit < 3000 else 0)


# -- what nobody counted ----------------------------------------------------------------------------------------------


def test_what_a_failed_attempt_cost_counts_where_it_is_known(workspace: Workspace) -> None:
    answers = [Answer("cut", usage=(10, 90), finish="length"), Answer("whole", usage=(10, 5))]
    with OpenAIServer(reply=answers) as server:
        outcome = run(workspace, server, chain("go"))

    assert outcome.exit_code == 10
    assert outcome.outputs["total-tokens"] == "100"
    assert "at least" not in outcome.summary


def test_an_attempt_that_broke_off_uncounted_makes_the_report_say_at_least(workspace: Workspace) -> None:
    answers = [Answer("half of it", reset="during"), Answer("whole", usage=(10, 5))]
    policy = {"failure_policy": {"retries": 1, "wait_min": 0.01}}
    with OpenAIServer(reply=answers) as server:
        outcome = run(workspace, server, chain("go"), max_tokens=50, budgets={"max_tokens": 5000}, **policy)

    assert outcome.outputs["response"] == "whole"
    assert outcome.results["usage"]["uncounted_turns"] == 1
    assert "(1 turn was never counted) at least 10 in, 5 out" in outcome.summary
    assert outcome.results["budget"]["tokens"] > 15 + 50, "the budget counts what it may have cost"


def test_an_attempt_that_was_refused_costs_nothing(workspace: Workspace) -> None:
    answers = [Answer(status=503), Answer("whole", usage=(10, 5))]
    policy = {"failure_policy": {"retries": 1, "wait_min": 0.01}}
    with OpenAIServer(reply=answers) as server:
        outcome = run(workspace, server, chain("go"), budgets={"max_tokens": 5000}, **policy)

    assert outcome.results["budget"]["tokens"] == 15
    assert "at least" not in outcome.summary


# -- money ------------------------------------------------------------------------------------------------------------


def in_money(
    workspace: Workspace, server: ModelServer, limit: float, pattern: dict[str, Any], **runtime: Any
) -> Outcome:
    workspace.environ |= PRICED
    given = {**QUICK, "model_id": "gpt-4o", "budgets": {"max_cost_usd": limit}, **runtime}
    return workspace.run(workflow(server.url, pattern, provider="azure_openai", runtime=given))


@pytest.mark.parametrize("limit", [0.0005, 0.004, 0.02, 0.05, 1.0])
def test_a_budget_in_money_is_never_passed(workspace: Workspace, limit: float) -> None:
    teller = Teller(1)
    with AzureServer(reply=teller) as server:
        outcome = in_money(workspace, server, limit, parallel(**WIDE), max_parallel=20, max_tokens=MAX_TOKENS)

    spent = sum(cost_usd(one, "azure_openai/gpt-4o") or 0 for one in teller.told)
    assert spent <= limit
    assert outcome.results["budget"]["cost_usd"] == pytest.approx(spent)
    assert outcome.exit_code == (0 if len(teller.told) == 50 else 20)


def test_the_end_of_the_money_is_told_in_dollars(workspace: Workspace) -> None:
    with AzureServer(reply=Answer("ok", usage=(10, 390))) as server:
        outcome = in_money(workspace, server, 0.008, chain("a", "b", "c", "d"), max_tokens=MAX_TOKENS)

    assert outcome.outputs["status"] == "budget"
    assert "$0.0078 of $0.0080 are spent" in outcome.log
    assert r"(budgets.max\_cost\_usd)" in outcome.summary
    assert "budget_exceeded usage=0.00785 limit=0.008 what=dollars" in outcome.log
    assert outcome.outputs["cost-usd"] == "0.00785"


def test_money_cannot_be_kept_for_a_model_without_a_price_and_nothing_runs(workspace: Workspace) -> None:
    with OpenAIServer() as server:
        outcome = run(workspace, server, chain("go"), model_id="gpt-4o", budgets={"max_cost_usd": 1})

    assert outcome.exit_code == 3
    assert (
        "max_cost_usd cannot be kept: no price for openai/gpt-4o at a host of its own (agent 'writer')" in outcome.log
    )
    assert server.requests == []


def test_the_input_goes_over_the_files_limit_in_money(workspace: Workspace) -> None:
    workspace.environ |= PRICED
    with AzureServer(reply=Answer("ok", usage=(10, 390))) as server:
        runtime = {"model_id": "gpt-4o", "max_tokens": MAX_TOKENS, "budgets": {"max_cost_usd": 1}}
        written = workflow(server.url, chain("a", "b"), provider="azure_openai", runtime=runtime)
        outcome = workspace.run(written, max_cost_usd="0.005")

    assert (outcome.outputs["status"], len(server.requests)) == ("budget", 1)


# -- who spent it -----------------------------------------------------------------------------------------------------


def test_the_summary_tells_each_steps_share(workspace: Workspace) -> None:
    def reply(request: Request) -> Answer:
        return Answer("ok", usage=(10, 90) if request.user_texts == ["dear"] else (10, 10))

    with OpenAIServer(reply=reply) as server:
        outcome = run(workspace, server, parallel(**{name: [name] for name in ("dear", "a", "b", "c", "d")}))

    row = next(line for line in outcome.summary.splitlines() if "branches.dear" in line)
    assert "| 10 | 90 | 56 % |" in row


# -- replays ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [700, 2600, 5000])
def test_a_run_that_its_budget_ended_replays_as_one(workspace: Workspace, limit: int) -> None:
    budgets = {"max_parallel": 5, "max_tokens": MAX_TOKENS, "budgets": {"max_tokens": limit}}
    with OpenAIServer(reply=Teller(3)) as server:
        written = workflow(server.url, parallel(**WIDE), runtime={**QUICK, **budgets})
        lived = workspace.run(written, mode="record")
    played = workspace.run(written, mode="replay")

    assert (lived.exit_code, played.exit_code) == (20, 20)
    assert played.results["failure"] == lived.results["failure"]
    assert played.results["budget"] == lived.results["budget"]


def test_a_budget_that_ended_amid_the_turns_of_a_step_replays_as_it_was(workspace: Workspace) -> None:
    agents = {"writer": {"prompt": "w", "tools": ["calculator"]}}
    uses = Answer("", tool_calls=[("calculator", {"expression": "1+1"})], usage=(10, 90))
    with OpenAIServer(reply=lambda _: uses) as server:
        runtime = {**QUICK, "max_tokens": 100, "budgets": {"max_tokens": 750}}
        written = workflow(server.url, chain("go"), agents=agents, runtime=runtime)
        lived = workspace.run(written, mode="record")
        asked = len(server.requests)
    played = workspace.run(written, mode="replay")

    assert 1 < asked < 8
    assert (lived.exit_code, played.exit_code) == (20, 20)
    assert played.results["steps"][0]["turns"] == asked
    assert played.results["failure"] == lived.results["failure"]
    assert played.results["budget"] == lived.results["budget"]


@pytest.mark.parametrize("pattern", [chain("a", "b", "c", "d"), parallel(**{name: [name] for name in "abcdef"})])
def test_a_run_that_overshot_replays_as_one(workspace: Workspace, pattern: dict[str, Any]) -> None:
    with OpenAIServer(reply=Answer("ok", usage=(10, 500), delay=0.02)) as server:
        runtime = {**QUICK, "max_parallel": 3, "budgets": {"max_tokens": 600}}
        lived = workspace.run(workflow(server.url, pattern, runtime=runtime), mode="record")
        played = workspace.run(workflow(server.url, pattern, runtime=runtime), mode="replay")

    assert (lived.exit_code, played.exit_code) == (20, 20)
    assert lived.results["budget"]["tokens"] > 600
    assert played.results["failure"] == lived.results["failure"]
    assert played.results["budget"] == lived.results["budget"]
    assert [one["status"] for one in played.results["steps"]] == [one["status"] for one in lived.results["steps"]]


def test_a_replay_pays_for_summaries_by_the_model_that_wrote_them(workspace: Workspace) -> None:
    workspace.environ |= PRICED
    compaction = policy(summarization_model="gpt-4o")
    runtime = {**QUICK, "model_id": "gpt-4o-mini", "max_tokens": 100, "budgets": {"max_cost_usd": 1}}
    with AzureServer(reply=calculating(30)) as server:
        written = workflow(server.url, chain("go"), provider="azure_openai", agents=CALCULATES, runtime=runtime,
                           context_policy=compaction)  # fmt: skip
        lived = workspace.run(written, mode="record")
        assert any(asks_for_a_summary(request) for request in server.requests)
    played = workspace.run(written, mode="replay")

    assert (lived.exit_code, played.exit_code) == (0, 0)
    assert played.results["budget"] == lived.results["budget"]


def test_a_smaller_budget_ends_a_replay_as_out_of_budget(workspace: Workspace) -> None:
    with OpenAIServer(reply=Answer("ok", usage=(10, 90))) as server:
        host = server.url
        workspace.run(workflow(host, chain("a", "b", "c"), runtime=QUICK), mode="record")
    played = workspace.run(workflow(host, chain("a", "b", "c"), runtime=QUICK), mode="replay", max_tokens_budget="250")

    assert (played.exit_code, played.outputs["status"]) == (20, "budget")
    assert played.results["budget"]["tokens"] == 300


# -- what was paid for ------------------------------------------------------------------------------------------------


def at_the_calculator(spent: int) -> Callable[[Request], Answer]:
    """`slow` uses a tool and then answers; the others spend so many tokens at once."""

    def reply(request: Request) -> Answer:
        if request.user_texts[-1] != "slow":
            return Answer("quick", usage=(10, spent))
        if len(request.messages) > 2:
            return Answer("slow", usage=(10, 10))
        return Answer("", tool_calls=[("python_exec", {"code": "import time; time.sleep(0.5)"})], usage=(10, 10))

    return reply


def test_a_refusal_waits_for_steps_that_are_between_two_turns_and_they_replay(workspace: Workspace) -> None:
    """Their next turn is refused as well, but what they had come to is counted and recorded."""
    agents = {"writer": {"prompt": "w", "tools": ["python_exec"]}}
    pattern = parallel(slow=["slow"], quick=["one", "two", "three"])
    with OpenAIServer(reply=at_the_calculator(spent=190)) as server:
        runtime = {**QUICK, "max_tokens": 200, "budgets": {"max_tokens": 700}}
        allowed = {"guardrails": {"allow_tools": ["python_exec"]}}
        written = workflow(server.url, pattern, agents=agents, runtime=runtime, security=allowed)
        lived = workspace.run(written, mode="record")
    played = workspace.run(written, mode="replay")

    assert (lived.exit_code, played.exit_code) == (20, 20), lived.log
    slow = {step["path"]: step for step in lived.results["steps"]}["branches.slow.steps[0]"]
    assert (slow["status"], slow["tools"], slow["usage"]["total_tokens"]) == ("failed", ["python_exec"], 20)
    assert played.results["usage"] == lived.results["usage"]
    assert played.results["failure"] == lived.results["failure"]


@pytest.mark.parametrize("headers", [{}, {"retry-after": "30"}], ids=["of a step", "of a lane"])
def test_a_refusal_waits_for_no_pause(workspace: Workspace, headers: dict[str, str]) -> None:
    """Whoever waits to ask again would be refused as well."""

    def reply(request: Request) -> Answer:
        if request.user_texts[-1] == "slow":
            return Answer(status=429 if headers else 503, headers=headers)
        return Answer("quick", usage=(10, 190), delay=0.1)

    policy = {"wait_min": 30, "wait_max": 60}
    runtime = {"max_tokens": 300, "budgets": {"max_tokens": 700}, "failure_policy": policy}
    agents = {"writer": {"prompt": "w"}, "other": {"prompt": "w", "model_id": "other"}}
    slow, quick = {"agent": "other", "input": "slow"}, {"agent": "writer", "input": "quick"}
    rows = {"slow": [slow], "late": [quick, slow], "quick": [quick] * 4}
    branches = [{"id": name, "steps": steps} for name, steps in rows.items()]
    pattern = {"type": "parallel", "config": {"branches": branches}}
    with OpenAIServer(reply=reply) as server:
        written = workflow(server.url, pattern, agents=agents, runtime=runtime)
        lived = workspace.run(written, mode="record")
    played = workspace.run(written, mode="replay")

    assert (lived.exit_code, played.exit_code) == (20, 20), lived.log
    assert int(lived.outputs["duration-ms"]) < 10_000
    assert played.results["failure"] == lived.results["failure"]


def test_a_run_that_goes_on_still_says_at_least_of_what_it_takes_over(workspace: Workspace) -> None:
    policy = {"failure_policy": {"retries": 1, "wait_min": 0.01}}
    with OpenAIServer(reply=[Answer("half of it", reset="during"), Answer("whole", usage=(10, 5))]) as server:
        written = workflow(server.url, chain("go"), runtime=policy)
        lived = workspace.run(written)
        resumed = workspace.run(written, mode="resume")

    assert resumed.outputs["steps-resumed"] == "1"
    assert [one.results["usage"]["uncounted_turns"] for one in (lived, resumed)] == [1, 1]
    assert "(1 turn was never counted) at least 10 in, 5 out" in resumed.summary
