"""What tokens cost: list prices as they ship with the package, and nothing where they are not known."""

from __future__ import annotations

import json
import socket
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.prices import _SELLERS, FREE, cost_of, cost_usd, dollars, exact
from runner.report.costs import run_cost, why_unknown
from runner.report.outputs import Paths, outputs, results_json
from runner.report.results import Bill, StepResult, Usage
from runner.report.summary import summary
from runner.spec.providers import PROVIDERS
from tests.agents.test_compaction import CALCULATES, asks_for_a_summary, calculating, policy
from tests.build import report, result, skipped
from tests.contract.test_reuse import KEYS
from tests.servers import Answer, AzureServer, OllamaServer, OpenAIServer
from tests.workspace import Workspace, chain, workflow

MILLION = Usage(1_000_000, 0)
LISTED = "openai/gpt-4o"
"""A dollar price that has not moved since 2024: 2.50 for a million tokens sent, 10 for a million received, 1.25 for a
million read from the cache."""


def billed(*bills: Bill, **changes: Any) -> StepResult:
    """A step that was billed so."""
    usage = sum((bill.usage for bill in bills), Usage())
    return result(usage=usage, bills=bills, model=bills[-1].model if bills else "", **changes)


def told(*steps: StepResult) -> dict[str, str]:
    return outputs(report(*steps), Paths())


# -- a turn -----------------------------------------------------------------------------------------------------------


def test_tokens_sent_and_received_have_their_own_prices() -> None:
    assert cost_usd(Usage(1_000_000, 100_000), LISTED) == pytest.approx(2.50 + 1.00)


def test_tokens_from_the_cache_are_among_those_sent_and_cost_less() -> None:
    assert cost_usd(Usage(1_000_000, 0, cache_read=400_000), LISTED) == pytest.approx(0.6 * 2.50 + 0.4 * 1.25)


def test_writing_to_the_cache_costs_more_where_the_provider_takes_more() -> None:
    plain = cost_usd(Usage(1000, 0), "anthropic/claude-haiku-4-5")
    written = cost_usd(Usage(1000, 0, cache_write=1000), "anthropic/claude-haiku-4-5")
    assert plain is not None
    assert written == pytest.approx(1.25 * plain)


@pytest.mark.parametrize(
    "model",
    [
        "openai/gpt-4o-mini",
        "anthropic/claude-sonnet-4-5",
        "gemini/gemini-2.5-flash",
        "azure_openai/gpt-4o",
        "bedrock/amazon.nova-lite-v1:0",
        "bedrock/us.anthropic.claude-sonnet-4-20250514-v1:0",
        "bedrock/eu.anthropic.claude-3-haiku-20240307-v1:0",
        "bedrock/apac.amazon.nova-lite-v1:0",
        "bedrock/global.anthropic.claude-sonnet-4-5-20250929-v1:0",
    ],
)
def test_a_model_of_every_provider_is_found_by_the_name_that_a_file_gives_it(model: str) -> None:
    cost = cost_usd(MILLION, model)
    assert cost is not None
    assert 0.01 < cost < 100


def test_every_provider_is_billed_or_free() -> None:
    assert FREE | set(_SELLERS) == set(PROVIDERS)
    assert not FREE & set(_SELLERS)


@pytest.mark.parametrize("model", ["ollama/llama3.2", "local/smollm2", "ollama/gpt-4o"])
def test_a_model_of_ones_own_has_no_bill(model: str) -> None:
    assert cost_usd(MILLION, model) == 0.0


@pytest.mark.parametrize(
    "model",
    [
        "openai/m",
        "openai/gpt-4o-of-my-own",
        "openai/claude-sonnet-4-5",
        "azure_openai/my-deployment",
        "bedrock/arn:aws:bedrock:us-east-1:1:application-inference-profile/abc",
        "groq/llama-3.1-8b-instant",
        "gpt-4o",
        "",
        "openai/",
    ],
)
def test_what_is_not_listed_has_no_price_and_none_is_guessed(model: str) -> None:
    assert cost_usd(MILLION, model) is None


@pytest.mark.parametrize("model", ["openai/whisper-1", "openai/text-embedding-3-small", "gemini/gemma-3"])
def test_a_model_that_is_listed_without_a_price_of_its_tokens_is_not_free(model: str) -> None:
    assert cost_usd(Usage(1000, 10), model) is None


def test_counts_that_contradict_each_other_have_no_price() -> None:
    assert cost_usd(Usage(10, 1, cache_read=20), LISTED) is None


def test_a_price_is_that_of_its_time() -> None:
    old, new = (cost_usd(Usage(1_000_000, 0), "openai/o3", at) for at in (datetime(2025, 5, 1, tzinfo=UTC),
                                                                         datetime(2025, 7, 1, tzinfo=UTC)))  # fmt: skip
    assert (old, new) == (10.0, 2.0)


def test_no_price_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(*_: Any) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", connect)
    assert cost_usd(MILLION, LISTED) == 2.5


def test_a_price_that_rises_with_the_prompt_is_asked_for_each_turn_alone() -> None:
    """gemini-2.5-pro takes twice as much for prompts above 200,000 tokens."""
    turns = [("gemini/gemini-2.5-pro", Usage(150_000, 0))] * 2
    once = cost_usd(Usage(150_000, 0), "gemini/gemini-2.5-pro")
    together = cost_usd(Usage(300_000, 0), "gemini/gemini-2.5-pro")
    assert once is not None
    assert together is not None
    assert cost_of(turns) == pytest.approx(2 * once)
    assert together == pytest.approx(4 * once)


def test_turns_with_one_unknown_price_have_no_cost_together() -> None:
    assert cost_of([(LISTED, MILLION), ("openai/m", MILLION)]) is None
    assert cost_of([]) == 0.0


# -- a run ------------------------------------------------------------------------------------------------------------


def test_every_turn_is_paid_at_the_price_of_the_model_that_was_asked() -> None:
    step = billed(Bill("openai/gpt-4o", MILLION), Bill("ollama/llama", MILLION), Bill("openai/gpt-4o", MILLION))
    assert told(step, step)["cost-usd"] == "10"


def test_one_unknown_price_makes_the_cost_of_the_run_unknown_and_is_named() -> None:
    ended = report(billed(Bill(LISTED, MILLION)), billed(Bill("openai/m", MILLION)))
    assert outputs(ended, Paths())["cost-usd"] == ""
    assert why_unknown(ended) == ("no price for openai/m",)
    assert "- **Cost** at least about $2.50 at list prices; no price for openai/m\n" in summary(ended, "brief")


def test_nothing_is_told_of_a_cost_of_which_nothing_is_known() -> None:
    assert "- **Cost** unknown: no price for openai/m\n" in summary(report(billed(Bill("openai/m", MILLION))), "brief")


def test_a_turn_that_nobody_counted_makes_the_cost_unknown() -> None:
    ended = report(billed(Bill(LISTED, MILLION), Bill(LISTED)))
    assert run_cost(ended) is None
    assert why_unknown(ended) == (f"no count of tokens from {LISTED}",)


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini"])
def test_at_another_host_nobody_knows_whose_price_it_is(provider: str) -> None:
    model = {"openai": LISTED, "anthropic": "anthropic/claude-haiku-4-5", "gemini": "gemini/gemini-2.5-flash"}[provider]
    assert run_cost(report(billed(Bill(model, MILLION)))) is not None
    ended = report(billed(Bill(model, MILLION, own_host=True)))
    assert run_cost(ended) is None
    assert why_unknown(ended) == (f"no price for {model} at a host of its own",)


@pytest.mark.parametrize("source", ["tape", "resumed"])
def test_what_was_paid_before_costs_nothing_now(source: Any) -> None:
    assert told(result(source=source, tokens=(1000, 100), model="openai/m"))["cost-usd"] == "0"


def test_a_step_that_never_began_costs_nothing() -> None:
    assert told(billed(Bill(LISTED, MILLION)), skipped("steps[1]"))["cost-usd"] == "2.5"


def test_the_results_tell_the_cost_of_each_step_and_of_all() -> None:
    found = json.loads("".join(results_json(report(billed(Bill(LISTED, MILLION)), billed(Bill("ollama/x", MILLION))))))
    assert [step["cost_usd"] for step in found["steps"]] == [2.5, 0.0]
    assert found["cost_usd"] == 2.5
    found = json.loads("".join(results_json(report(billed(Bill(LISTED, MILLION)), billed(Bill("openai/m", MILLION))))))
    assert [step["cost_usd"] for step in found["steps"]] == [2.5, None]
    assert found["cost_usd"] is None


@pytest.mark.parametrize(
    ("bills", "line"),
    [
        ([Bill(LISTED, MILLION)], "about $2.50 at list prices"),
        ([Bill(LISTED, Usage(1000, 100))], "about $0.0035 at list prices"),
        ([Bill("local/m", MILLION)], "nothing that is billed was asked"),
    ],
)
def test_the_summary_says_about_what_it_cost(bills: list[Bill], line: str) -> None:
    assert f"- **Cost** {line}\n" in summary(report(billed(*bills)), "brief")


@pytest.mark.parametrize(
    ("cost", "text"),
    [(0.0, "$0.00"), (0.00004, "less than $0.0001"), (0.0031, "$0.0031"), (0.5, "$0.5000"), (1234.5, "$1,234.50")],
)
def test_people_read_dollars(cost: float, text: str) -> None:
    assert dollars(cost) == text


@given(st.integers(0, 10**12))
def test_programs_read_plain_decimals(nano: int) -> None:
    text = exact(nano / 10**9)
    assert set(text) <= set("0123456789.")
    assert round(float(text) * 10**9) == nano


# -- a whole run ------------------------------------------------------------------------------------------------------


def test_a_run_at_a_provider_with_prices_tells_its_cost(workspace: Workspace) -> None:
    workspace.environ |= KEYS
    with AzureServer(reply=lambda _: Answer("ok", usage=(1000, 100), cached=(400, 0))) as server:
        spec = workflow(server.url, chain("a", "b"), provider="azure_openai", runtime={"model_id": "gpt-4o"})
        outcome = workspace.run(spec)

    turn = cost_usd(Usage(1000, 100, cache_read=400), "azure_openai/gpt-4o")
    assert turn is not None
    assert [step["cost_usd"] for step in outcome.results["steps"]] == pytest.approx([turn, turn])
    assert float(outcome.outputs["cost-usd"]) == pytest.approx(2 * turn)
    assert f"**Cost** about ${2 * turn:.4f} at list prices" in outcome.summary


def test_a_run_on_recordings_costs_nothing(workspace: Workspace) -> None:
    workspace.environ |= KEYS
    with AzureServer() as server:
        spec = workflow(server.url, chain("go"), provider="azure_openai", runtime={"model_id": "gpt-4o"})
        recorded, replayed = (workspace.run(spec, mode=mode) for mode in ("record", "replay"))

    assert float(recorded.outputs["cost-usd"]) == cost_usd(Usage(10, 5), "azure_openai/gpt-4o")
    assert (replayed.outputs["total-tokens"], replayed.outputs["cost-usd"]) == ("15", "0")


def test_a_run_on_a_model_of_ones_own_costs_nothing(workspace: Workspace) -> None:
    with OllamaServer() as server:
        outcome = workspace.run(workflow(server.url, chain("go"), provider="ollama"))

    assert (outcome.outputs["cost-usd"], outcome.results["cost_usd"]) == ("0", 0.0)


def test_a_listed_model_at_another_host_has_no_cost(workspace: Workspace) -> None:
    with OpenAIServer() as server:
        outcome = workspace.run(workflow(server.url, chain("go"), runtime={"model_id": "gpt-4o"}))

    assert (outcome.outputs["cost-usd"], outcome.results["cost_usd"]) == ("", None)
    assert "no price for openai/gpt-4o at a host of its own" in outcome.summary


def test_what_another_model_was_asked_before_it_fell_back_is_paid_at_its_own_price(workspace: Workspace) -> None:
    """The first answers a turn with a tool call, and then is gone."""
    workspace.environ |= KEYS
    first = [Answer("", tool_calls=[("calculator", {"expression": "1"})], usage=(1000, 0)), Answer(status=503)]
    with AzureServer(reply=first) as azure, OllamaServer() as ollama:
        fallback = {"provider": "ollama", "model_id": "llama", "host": ollama.url}
        runtime = {"model_id": "gpt-4o", "fallbacks": [fallback], "failure_policy": {"retries": 0}}
        spec = workflow(azure.url, chain("go"), provider="azure_openai", runtime=runtime, agents=CALCULATES)
        outcome = workspace.run(spec)

    (step,) = outcome.results["steps"]
    assert step["model"] == "ollama/llama"
    assert step["cost_usd"] == cost_usd(Usage(1000, 0), "azure_openai/gpt-4o")


def test_a_summary_is_paid_at_the_price_of_the_model_that_wrote_it(workspace: Workspace) -> None:
    workspace.environ |= KEYS
    with AzureServer(reply=calculating(10, lambda: Answer("SHORT", usage=(1_000_000, 0)))) as server:
        spec = workflow(
            server.url,
            chain("go"),
            provider="azure_openai",
            runtime={"model_id": "gpt-4o"},
            agents=CALCULATES,
            context_policy=policy(summarization_model="gpt-4o-mini"),
        )
        outcome = workspace.run(spec)

    turns = outcome.results["steps"][0]["turns"]
    summaries = sum(asks_for_a_summary(request) for request in server.requests)
    assert 1 <= summaries < turns
    answers = (turns - summaries) * (cost_usd(Usage(10, 5), "azure_openai/gpt-4o") or 0)
    written = summaries * (cost_usd(MILLION, "azure_openai/gpt-4o-mini") or 0)
    assert outcome.results["cost_usd"] == pytest.approx(answers + written)
