"""Advice about files that would run, but not as well as their writers hope."""

from __future__ import annotations

from typing import Any

import pytest

from tests.build import chain, dag, findings_of, parallel, warnings_of, workers, workflow
from tests.plan.test_config_hash import accepting, graph, optimizer

TWINS = {"writer": {"prompt": "You write."}, "author": {"prompt": "You write."}}


def test_a_sound_file_needs_no_advice() -> None:
    assert warnings_of(workflow()) == []


def test_an_agent_nobody_asks_is_told() -> None:
    assert warnings_of(workflow(agents={"critic": {"prompt": "You judge."}})) == [
        "workflow.yaml:9:3: agent 'critic' is used by no step"
    ]


def test_one_configuration_under_two_names_is_told() -> None:
    assert warnings_of(workflow(agents=TWINS, pattern=chain("A.", {"agent": "author"}, {}, {"agent": "author"}))) == [
        "workflow.yaml:9:3: agents 'writer' and 'author' are configured alike; under one id the cache can reuse it"
    ]


def test_agents_that_differ_in_anything_are_no_twins() -> None:
    agents: dict[str, Any] = {**TWINS, "author": {"prompt": "You write.", "inference": {"temperature": 1}}}
    assert warnings_of(workflow(agents=agents, pattern=chain("A.", {"agent": "author"}))) == []


@pytest.mark.parametrize(
    ("provider", "most", "guidance"),
    [("ollama", 5, "3 to 5"), ("openai", 10, "5 to 10"), ("bedrock", 20, "10 to 20"), ("local", 4, "1 to 4")],
)
def test_parallelism_above_the_providers_guidance_is_told(provider: str, most: int, guidance: str) -> None:
    def told(count: int) -> list[str]:
        return warnings_of(workflow(runtime={"provider": provider, "model_id": "m", "max_parallel": count}))

    assert told(most) == []
    assert told(most + 1) == [
        f"workflow.yaml:6:17: max_parallel {most + 1} is above the guidance for {provider} ({guidance})"
    ]


def test_parallelism_that_nobody_wrote_is_no_reason_for_advice() -> None:
    assert warnings_of(workflow(runtime={"provider": "local"})) == []


@pytest.mark.parametrize("provider", ["ollama", "local"])
def test_a_prompt_cache_that_is_not_there_is_told(provider: str) -> None:
    assert warnings_of(workflow(runtime={"provider": provider, "prompt_cache": "auto"})) == [
        f"workflow.yaml:6:17: prompt_cache: auto changes nothing for {provider}, which has no prompt cache to ask for"
    ]


@pytest.mark.parametrize(
    "runtime", [{"provider": "anthropic", "prompt_cache": "auto"}, {"provider": "ollama", "prompt_cache": "off"}]
)
def test_a_prompt_cache_that_is_there_or_not_asked_for_needs_no_advice(runtime: dict[str, str]) -> None:
    assert warnings_of(workflow(runtime=runtime)) == []


@pytest.mark.parametrize("where", ["runtime", "agent"])
def test_a_budget_below_one_call_is_told(where: str) -> None:
    changes: dict[str, Any] = {"runtime": {"budgets": {"tokens": 99}}}
    if where == "runtime":
        changes["runtime"]["max_tokens"] = 100
    else:
        changes["agents"] = {"writer": {"inference": {"max_tokens": 100}}}
    (found,) = warnings_of(workflow(**changes))
    assert found.endswith(": the budget of 99 tokens is smaller than one call's max_tokens (100)")


def test_advice_is_no_error() -> None:
    from tests.build import plan_of

    plan = plan_of(workflow(agents=TWINS))
    assert [warning.level for warning in plan.warnings] == ["warning"]


def said_of_the_pattern(file: dict[str, Any]) -> list[str]:
    """The advice about a file of the table of fields, without that about its other agent."""
    return [line for line in warnings_of(file) if "agent 'critic'" not in line]


# -- what nothing uses ------------------------------------------------------------------------------------------------


def test_a_tool_nobody_has_is_told() -> None:
    file = workflow(tools={"mcp": [{"id": "files", "command": "serve"}]})
    assert warnings_of(file) == ["workflow.yaml:17:9: tool 'files' is given to no agent"]


@pytest.mark.parametrize("kind", ["required", "optional"])
def test_an_input_no_template_names_is_told(kind: str) -> None:
    file = workflow(inputs={kind: {"topic": "string"}})
    assert warnings_of(file, need_values=False) == ["workflow.yaml:17:5: input 'topic' is used by no template"]


def test_a_node_no_way_leads_to_is_told() -> None:
    told = said_of_the_pattern(graph(edges=[]))[-1]
    assert told.endswith("node 'b' is never reached: no way leads there from the first node")


# -- what could be faster or surer ------------------------------------------------------------------------------------


def test_a_step_that_looks_at_nothing_before_it_is_told() -> None:
    (told,) = warnings_of(workflow(pattern=chain("A.", "B.")))
    assert told.endswith("steps[1] looks at no answer before it; as a task of a workflow it could run at the same time")


@pytest.mark.parametrize(
    "step",
    [{}, {"input": "{{ steps[0].response }}"}, {"input": "{{ last_response }}"}, {"input": "B.", "session": "talk"},
     {"input": "B.", "when": "{{ steps[0].data }}"}],
)  # fmt: skip
def test_a_step_that_goes_on_from_another_is_in_its_place(step: dict[str, Any]) -> None:
    assert warnings_of(workflow(pattern=chain({"input": "A.", "session": step.get("session", "x")}, step))) == []


@pytest.mark.parametrize(("score", "told"), [(0.95, True), (9.5, True), (95, True), (7, False), (9, False)])
def test_a_score_that_is_rarely_reached_is_told(score: float, told: bool) -> None:
    found = said_of_the_pattern(accepting(min_score=score, max_iters=5))
    assert [line for line in found if "is rarely reached" in line] == found
    assert bool(found) is told


def test_a_high_score_with_few_iterations_costs_little() -> None:
    assert said_of_the_pattern(optimizer(accept=None, min_score=9.9)) == []


@pytest.mark.parametrize(
    "pattern",
    [dag({"id": "a", "session": "s"}, {"id": "b", "session": "s"}),
     parallel({"id": "a", "steps": [{"session": "s"}]}, {"id": "b", "steps": [{"session": "s"}]})],
)  # fmt: skip
def test_a_session_without_an_order_is_told(pattern: dict[str, Any]) -> None:
    (told,) = warnings_of(workflow(pattern=pattern))
    assert "session 's' is shared by steps that may run at once" in told


def test_a_session_within_one_branch_has_an_order() -> None:
    branch = {"id": "a", "steps": [{"session": "s"}, {"session": "s"}]}
    assert warnings_of(workflow(pattern=parallel(branch))) == []


@pytest.mark.parametrize(
    "pattern",
    [dag({"id": "a", "session": "s"}, {"id": "m", "deps": ["a"]}, {"id": "b", "session": "s", "deps": ["m"]}),
     workers(reduce={"session": "s"}, writeup={"session": "s"})],
)  # fmt: skip
def test_a_session_whose_steps_wait_for_each_other_has_an_order(pattern: dict[str, Any]) -> None:
    assert warnings_of(workflow(pattern=pattern)) == []


def test_a_session_is_told_once_however_many_share_it() -> None:
    tasks = [{"id": name, "session": "s"} for name in "abc"]
    assert len(warnings_of(workflow(pattern=dag(*tasks)))) == 1


def test_steps_that_leave_each_other_notes_are_in_their_place() -> None:
    notes = {"context_policy": {"notes": {"file": "notes.md"}}}
    assert warnings_of(workflow(pattern=chain("A.", "B."), **notes)) == []


# -- limits and secrets -----------------------------------------------------------------------------------------------


def test_calls_at_once_that_the_budget_cannot_hold_are_told() -> None:
    runtime = {"max_tokens": 100, "max_parallel": 5, "budgets": {"tokens": 250}}
    (told,) = warnings_of(workflow(runtime=runtime, pattern=dag({"id": "a"}, {"id": "b"}, {"id": "c"})))
    assert "3 calls at once of 100 max_tokens each are more than the budget of 250" in told


def test_one_answer_that_may_cost_more_than_all_the_money_is_told() -> None:
    runtime = {"model_id": "gpt-4o", "max_tokens": 4000, "budgets": {"max_cost_usd": 0.03}}
    (told,) = warnings_of(workflow(runtime=runtime))
    assert told.endswith("max_tokens 4000 of openai/gpt-4o may cost $0.0400, more than the budget of $0.0300")
    assert warnings_of(workflow(runtime=runtime | {"max_tokens": 3000})) == []


def test_money_needs_the_price_of_every_model_that_may_be_asked() -> None:
    fallbacks = [{"provider": "openai", "model_id": "unheard-of"}]
    runtime = {"model_id": "gpt-4o", "fallbacks": fallbacks, "budgets": {"max_cost_usd": 1}}
    compaction = {"compaction": {"enabled": True, "summarization_model": "no-such"}}
    told = findings_of(workflow(runtime=runtime, context_policy=compaction))
    assert [one.partition("kept: ")[2] for one in told] == [
        "no price for openai/no-such (agent 'writer'); max_tokens can",
        "no price for openai/unheard-of (agent 'writer'); max_tokens can",
    ]


@pytest.mark.parametrize("pattern", [chain("A", "{{ last_response }}", "{{ last_response }}"), parallel(a="x", b="y")])
def test_calls_that_are_never_all_at_once_need_no_room_for_all(pattern: dict[str, Any]) -> None:
    runtime = {"max_tokens": 100, "max_parallel": 5, "budgets": {"tokens": 250}}
    assert warnings_of(workflow(runtime=runtime, pattern=pattern)) == []


SPARE = {"fallbacks": [{"provider": "openai", "model_id": "spare"}]}


@pytest.mark.parametrize(
    ("runtime", "attempts"),
    [({"timeout_s": 900}, "3 attempts of first_token_s (300 s)"),
     ({"timeout_s": 60, "timeouts": {"first_token_s": 20}}, "3 attempts of first_token_s (20 s)"),
     ({"timeout_s": 60, "failure_policy": {"retries": 0}}, "1 attempt of first_token_s (300 s)")],
)  # fmt: skip
def test_a_step_whose_time_a_hanging_model_uses_up_before_its_fallbacks_is_told(
    runtime: dict[str, Any], attempts: str
) -> None:
    (found,) = warnings_of(workflow(runtime={**SPARE, **runtime}, pattern=chain("A.", "{{ last_response }}")))
    told = f"its timeout_s ({runtime['timeout_s']} s) is used up by {attempts}"
    assert found.endswith(f"steps[0] leaves no time for its fallbacks when a model hangs: {told}")


@pytest.mark.parametrize(
    "runtime",
    [
        {"timeout_s": 60},
        SPARE,
        {**SPARE, "timeout_s": 901},
        {**SPARE, "timeout_s": 61, "timeouts": {"first_token_s": 20}},
    ],
)
def test_a_step_that_has_time_for_its_fallbacks_or_none_of_them_needs_no_advice(runtime: dict[str, Any]) -> None:
    assert warnings_of(workflow(runtime=runtime)) == []


@pytest.mark.parametrize("key", ["sk-" + "a1B2" * 8, "ghp_" + "a" * 36, "AKIA" + "ABCD" * 4, "xoxb-" + "1" * 24])
def test_what_looks_like_a_key_is_told_without_repeating_it(key: str) -> None:
    (told,) = warnings_of(workflow(agents={"writer": {"prompt": f"Use {key} for it."}}))
    assert told == "workflow.yaml:8:13: this looks like a secret; keep it out of the file and name it under env.secrets"
