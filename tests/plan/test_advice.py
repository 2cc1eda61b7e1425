"""Advice about files that would run, but not as well as their writers hope."""

from __future__ import annotations

from typing import Any

import pytest

from tests.build import chain, warnings_of, workflow

TWINS = {"writer": {"prompt": "You write."}, "author": {"prompt": "You write."}}


def test_a_sound_file_needs_no_advice() -> None:
    assert warnings_of(workflow()) == []


def test_an_agent_nobody_asks_is_told() -> None:
    assert warnings_of(workflow(agents={"critic": {"prompt": "You judge."}})) == [
        "workflow.yaml:9:3: agent 'critic' is used by no step"
    ]


def test_one_configuration_under_two_names_is_told() -> None:
    assert warnings_of(workflow(agents=TWINS, pattern=chain("A.", {"agent": "author"}, "B.", {"agent": "author"}))) == [
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
