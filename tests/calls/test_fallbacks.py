"""Another model is asked when one stays unavailable, and only then."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from runner.calls.call import Allowance, Call, Reply
from runner.calls.fallbacks import falling_back
from runner.calls.retry import retried
from runner.errors import ModelProblem
from runner.plan.plan import RetryPolicy
from runner.report.events import FellBack
from tests.build import agent, chain, model, step
from tests.contract.test_reuse import AWS
from tests.servers import Answer, BedrockServer, OllamaServer, OpenAIServer
from tests.workspace import Outcome, Workspace, workflow

if TYPE_CHECKING:
    from runner.report.events import Event
    from tests.servers.http import ModelServer
    from tests.servers.http import Reply as Scripted

BUSY = ModelProblem("busy", transient=True)


def asking(answers: dict[str, str | ModelProblem], **changes: Any) -> tuple[list[str], list[Event], Any]:
    """A step on model `first` with `second` and `third` to fall back to: who was asked, what was told, and how it
    ended."""
    first, *others = (agent(model=model(model_id=name)) for name in ("first", "second", "third"))
    asked, events = list[str](), list[Any]()

    async def invoke(call: Call) -> Reply:
        asked.append(call.step.agent.model.model_id)
        answer = answers[asked[-1]]
        if isinstance(answer, ModelProblem):
            raise answer
        return Reply(answer)

    call = Call("steps[0]", step(agent=first, fallbacks=tuple(others), **changes), None, "go", Allowance(None))
    wrapped = falling_back(retried(invoke, RetryPolicy("constant", 0, 1), events.append, Random(1)), events.append)
    try:
        return asked, events, asyncio.run(wrapped(call)).text
    except ModelProblem as problem:
        return asked, events, problem.message


def test_nobody_else_is_asked_when_the_first_answers():
    assert asking({"first": "ok"}) == (["first"], [], "ok")


def test_the_next_is_asked_in_turn_each_with_attempts_of_its_own():
    asked, events, answer = asking({"first": BUSY, "second": BUSY, "third": "ok"}, retries=1)

    assert asked == ["first", "first", "second", "second", "third"]
    assert answer == "ok"
    assert [event for event in events if isinstance(event, FellBack)] == [
        FellBack("steps[0]", "openai/first", "openai/second", "busy (gave up after 2 attempts)"),
        FellBack("steps[0]", "openai/second", "openai/third", "busy (gave up after 2 attempts)"),
    ]


def test_when_all_are_unavailable_the_last_says_so():
    asked, events, told = asking(
        {"first": BUSY, "second": BUSY, "third": ModelProblem("gone", transient=True)}, retries=0
    )

    assert (asked, told) == (["first", "second", "third"], "gone")
    assert len(events) == 2


def test_what_another_cannot_help_with_is_not_asked_of_another():
    asked, events, told = asking({"first": ModelProblem("refused")})

    assert (asked, events, told) == (["first"], [], "refused")


# -- whole runs -------------------------------------------------------------------------------------------------------


def play(workspace: Workspace, main: Scripted, other: ModelServer, provider: str, **runtime: Any) -> Outcome:
    workspace.environ |= AWS
    with OpenAIServer(reply=main) as server, other:
        fallback = {"provider": provider, "model_id": "spare", "host": other.url}
        policy = {"retries": 0, "wait_min": 0.01} | runtime.pop("failure_policy", {})
        runtime = {"failure_policy": policy, "fallbacks": [fallback], **runtime}
        return workspace.run(workflow(server.url, chain("go"), runtime=runtime))


@pytest.mark.parametrize(
    ("provider", "kind"), [("openai", OpenAIServer), ("bedrock", BedrockServer), ("ollama", OllamaServer)]
)
def test_a_run_is_saved_by_another_provider_and_says_so(workspace: Workspace, provider: str, kind: type[ModelServer]):
    outcome = play(workspace, lambda _: Answer(status=503), kind(reply="saved"), provider)

    assert (outcome.exit_code, outcome.outputs["response"]) == (0, "saved")
    (step_,) = outcome.results["steps"]
    assert (step_["model"], step_["attempts"]) == (f"{provider}/spare", 2)
    assert outcome.outputs["clients-created"] == "2"
    (warning,) = [line for line in outcome.annotations if line.startswith("::warning")]
    assert f"openai/m was not available and {provider}/spare was asked" in warning


def test_an_answer_that_broke_off_is_no_part_of_the_one_that_counts(workspace: Workspace):
    outcome = play(workspace, Answer("half of it", reset="during"), OpenAIServer(reply="whole"), "openai")

    assert outcome.outputs["response"] == "whole"
    assert outcome.outputs["total-tokens"] == "15"


@pytest.mark.parametrize(
    "refused",
    [
        Answer(status=429, error={"error": {"message": "quota", "code": "insufficient_quota"}}),
        Answer(status=402, error={"error": {"message": "no credit"}}),
    ],
    ids=["quota", "credit"],
)
def test_a_quota_that_is_used_up_is_asked_of_another_at_once(workspace: Workspace, refused: Answer):
    policy = {"retries": 3}
    outcome = play(workspace, lambda _: refused, OpenAIServer(reply="saved"), "openai", failure_policy=policy)

    assert (outcome.exit_code, outcome.outputs["response"]) == (0, "saved")
    assert outcome.results["steps"][0]["attempts"] == 2


@pytest.mark.parametrize("status", [400, 401, 404])
def test_a_refusal_is_not_asked_of_another(workspace: Workspace, status: int):
    spare = OpenAIServer()
    outcome = play(workspace, lambda _: Answer(status=status), spare, "openai")

    assert outcome.exit_code == 10
    assert spare.requests == []


def test_a_malformed_answer_is_asked_for_again_and_not_of_another(workspace: Workspace):
    spare = OpenAIServer()
    workspace.environ |= AWS
    with OpenAIServer(reply="no") as server, spare:
        runtime = {"fallbacks": [{"provider": "openai", "model_id": "spare", "host": spare.url}]}
        agents = {"writer": {"prompt": "w", "output_schema": {"type": "object"}}}
        outcome = workspace.run(workflow(server.url, chain("go"), agents=agents, runtime=runtime))

    assert outcome.exit_code == 10
    assert (len(server.requests), len(spare.requests)) == (2, 0)


def test_a_budget_that_is_used_up_is_so_for_every_model(workspace: Workspace):
    spare = OpenAIServer()
    runtime = {"max_tokens": 50, "budgets": {"max_tokens": 10}}
    outcome = play(workspace, lambda _: Answer(status=503), spare, "openai", **runtime)

    assert (outcome.exit_code, outcome.outputs["status"]) == (20, "budget")
    assert spare.requests == []


def test_time_is_counted_over_all_models(workspace: Workspace):
    spare = OpenAIServer(reply=lambda _: Answer(delay=30))
    outcome = play(workspace, lambda _: Answer(status=503, delay=0.2), spare, "openai", timeout_s=0.6)

    assert outcome.exit_code == 10
    assert "no answer within 0.6 s" in outcome.log
    assert len(spare.requests) == 1
