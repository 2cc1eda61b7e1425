"""What the inputs of the action set over the file."""

from __future__ import annotations

import re
from typing import Any

import pytest

from runner.errors import SpecError, UsageError
from runner.plan.make import Overrides
from runner.plan.plan import Limits, ModelRecipe
from tests.build import chain, model, plan_of, workflow


def model_with(overrides: Overrides, **runtime: Any) -> ModelRecipe:
    return plan_of(workflow(runtime=runtime), overrides=overrides).steps()[0].agent.model


def limits_with(overrides: Overrides, **runtime: Any) -> Limits:
    return plan_of(workflow(runtime=runtime), overrides=overrides).limits


@pytest.mark.parametrize(
    ("overrides", "changed"),
    [
        (Overrides(), {}),
        (Overrides(model_id="n"), {"model_id": "n"}),
        (Overrides(host="http://other"), {"host": "http://other"}),
        (Overrides(provider="openai"), {}),
    ],
)
def test_an_override_leaves_the_rest_of_the_file(overrides: Overrides, changed: dict[str, Any]) -> None:
    before = model(host="http://one", params={"seed": 1}, temperature=0.5)
    after = model_with(overrides, host="http://one", params={"seed": 1}, temperature=0.5)
    assert after == model(**{**before.__dict__, **changed})


def test_another_provider_leaves_the_files_model_address_and_parameters_behind() -> None:
    over = Overrides(provider="ollama", model_id="llama")
    assert model_with(over, host="http://one", params={"seed": 1}, temperature=0.5) == model(
        provider="ollama", model_id="llama", temperature=0.5
    )


def test_another_provider_needs_a_model_of_its_own() -> None:
    with pytest.raises(SpecError, match="provider 'ollama' needs a model_id"):
        model_with(Overrides(provider="ollama"))


def test_another_provider_may_have_a_model_by_default() -> None:
    assert model_with(Overrides(provider="local")).model_id == "smollm2-135m-instruct"


def test_another_provider_may_take_the_place_of_one_that_lacks_its_host() -> None:
    assert model_with(Overrides(provider="openai", model_id="m"), provider="azure_openai") == model()


@pytest.mark.parametrize("name", ["opnai", "vertex", ""])
def test_a_provider_that_is_not_offered_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=f"input 'provider' '{name}' is not one of: bedrock, openai, .*, local"):
        model_with(Overrides(provider=name))


def test_an_agents_own_provider_and_model_stand_over_the_runtimes() -> None:
    agents = {"writer": {"provider": "bedrock", "model_id": "claude"}}
    found = plan_of(workflow(agents=agents), overrides=Overrides(provider="ollama", model_id="llama"))
    assert found.steps()[0].agent.model == model(provider="bedrock", model_id="claude")


def test_an_agent_on_another_provider_does_not_take_over_the_runtimes_address_and_parameters() -> None:
    agents = {"writer": {"provider": "ollama", "model_id": "llama"}}
    found = plan_of(workflow(agents=agents, runtime={"host": "http://one", "params": {"seed": 1}}))
    assert found.steps()[0].agent.model == model(provider="ollama", model_id="llama")


def test_an_agents_own_inference_stands_over_the_runtimes() -> None:
    agents = {"writer": {"inference": {"temperature": 0, "max_tokens": 5}}}
    runtime = {"temperature": 1, "top_p": 0.5, "max_tokens": 100}
    recipe = plan_of(workflow(agents=agents, runtime=runtime)).steps()[0].agent.model
    assert (recipe.temperature, recipe.top_p, recipe.max_tokens) == (0, 0.5, 5)


@pytest.mark.parametrize(
    ("overrides", "changed"),
    [
        (Overrides(), {}),
        (Overrides(max_parallel=2), {"max_parallel": 2}),
        (Overrides(max_tokens=50), {"max_tokens": 50}),
        (Overrides(timeout_s=1.5), {"timeout_s": 1.5}),
    ],
)
def test_a_limit_of_the_inputs_stands_over_the_files(overrides: Overrides, changed: dict[str, Any]) -> None:
    budgets = {"max_tokens": 100, "max_steps": 10, "max_duration_s": 60}
    expected = {"max_parallel": 4, "max_tokens": 100, "max_steps": 10, "timeout_s": 60.0}
    assert limits_with(overrides, max_parallel=4, budgets=budgets) == Limits(**{**expected, **changed})


def test_a_step_has_its_own_time_and_retries_or_the_runtimes() -> None:
    pattern = chain("A.", {"timeout_s": 5, "retries": 0})
    runtime = {"timeout_s": 60, "failure_policy": {"retries": 4}}
    plan = plan_of(workflow(runtime=runtime, pattern=pattern))
    assert [(step.timeout_s, step.retries) for step in plan.steps()] == [(60, 4), (5, 0)]


@pytest.mark.parametrize(
    ("overrides", "runtime", "said"),
    [
        (Overrides(host="localhost:1"), {},
         "input 'host': 'localhost:1' needs a scheme, such as http://localhost:1"),
        (Overrides(host="ftp://x"), {}, "input 'host': 'ftp://x' is not a base URL"),
        (Overrides(host="http://x"), {"provider": "local", "model_id": None},
         "input 'host': provider 'local' takes no host"),
        (Overrides(region="eu"), {}, "input 'region': provider 'openai' takes no region"),
        (Overrides(provider="ollama", model_id="m", region="eu"), {"provider": "bedrock"},
         "input 'region': provider 'ollama' takes no region"),
    ],
)  # fmt: skip
def test_an_address_in_an_input_that_does_not_fit_is_told_of_the_input(
    overrides: Overrides, runtime: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        model_with(overrides, **runtime)


def test_an_address_in_an_input_does_not_make_up_for_one_in_the_file() -> None:
    with pytest.raises(SpecError, match="provider 'openai' takes no region"):
        model_with(Overrides(host="http://x"), region="eu")
