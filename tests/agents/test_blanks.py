"""Agents of the SDK that are used again: nothing of one call is left for the next, and who may be at work is left."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest
from strands import tool
from strands.models.model import Model
from strands.telemetry import tracer

from runner.agents import blanks, spans
from runner.agents.blanks import Blanks
from tests.servers import Answer, OpenAIServer
from tests.workspace import chain, tasks, workflow

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tests.workspace import Workspace


class Scripted(Model):
    """Uses a tool and answers; remembers what it was sent."""

    def __init__(self) -> None:
        self.sent = list[Any]()

    def update_config(self, **_: Any) -> None: ...
    def get_config(self) -> Any:
        return {}

    def structured_output(self, *_: Any, **__: Any) -> Any: ...

    async def stream(
        self, messages: Any, tool_specs: Any = None, system_prompt: Any = None, **_: Any
    ) -> AsyncGenerator[Any, None]:
        self.sent.append((system_prompt, [block for one in messages for block in one["content"]]))
        used = len(messages) % 4 == 1
        yield {"messageStart": {"role": "assistant"}}
        yield {"contentBlockStart": {"start": {"toolUse": {"name": "look", "toolUseId": "1"}} if used else {}}}
        yield {"contentBlockDelta": {"delta": {"toolUse": {"input": "{}"}} if used else {"text": "seen"}}}
        yield {"contentBlockStop": {}}
        yield {"messageStop": {"stopReason": "tool_use" if used else "end_turn"}}
        yield {"metadata": {"usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}, "metrics": {}}}


@tool
def look() -> str:
    """Look."""
    return "a secret"


DRAWN = ("_session_id", "_registry_id")
"""What the SDK draws for every agent."""


def state(value: Any, seen: frozenset[int] = frozenset()) -> Any:
    """All that an object holds, however deep, but for what tells one object of a kind from another."""
    if id(value) in seen:
        return "itself"
    inner = seen | {id(value)}
    match value:
        case str() | int() | float() | None:
            return value
        case dict():
            return {str(key): state(one, inner) for key, one in value.items()}
        case list() | tuple() | set():
            return [state(one, inner) for one in value]
        case threading.Event():
            return value.is_set()
        case Model() | tracer.Tracer():
            return type(value)
    held = {name: one for name, one in getattr(value, "__dict__", {}).items() if name not in DRAWN}
    return type(value).__name__, state(held, inner)


def test_an_agent_that_was_given_back_is_as_one_that_nobody_had() -> None:
    """Whatever a new version of the SDK lets an agent remember is seen here."""
    kept, model = Blanks("writer", [look]), Scripted()
    never = kept.take(model, "You write.", [])
    blank = state(never)
    agent = kept.take(model, "You know a secret.", [])
    agent.state.set("secret", "it")
    asyncio.run(agent.invoke_async("tell me a secret"))
    used = state(agent)
    kept.give_back(agent)
    assert kept.take(model, "You write.", []) is agent
    assert (state(agent), used != blank) == (blank, True)


def test_what_an_agent_is_sent_is_of_its_own_call_only() -> None:
    kept, model = Blanks("writer", [look]), Scripted()
    for number in range(3):
        agent = kept.take(model, f"prompt {number}", [])
        asyncio.run(agent.invoke_async(f"question {number}"))
        kept.give_back(agent)
    first = [(system, blocks[0]) for system, blocks in model.sent]
    assert first == [(f"prompt {number}", {"text": f"question {number}"}) for number in (0, 0, 1, 1, 2, 2)]
    assert [len(blocks) for _, blocks in model.sent] == [1, 3] * 3


def test_nothing_of_a_call_is_kept_for_longer() -> None:
    kept, model = Blanks("writer", []), Scripted()
    messages: list[Any] = []
    agent = kept.take(model, "a secret", messages)
    asyncio.run(agent.invoke_async("another"))
    kept.give_back(agent)
    assert (agent.messages, agent.system_prompt, agent.model) == ([], None, None)
    assert messages, "the conversation is its call's"


def test_two_never_have_the_same_agent() -> None:
    kept, model = Blanks("writer", []), Scripted()
    both = [kept.take(model, None, []) for _ in range(2)]
    assert both[0] is not both[1]


# -- in a run ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every agent that is made."""
    found: list[Any] = []

    class Counted(blanks.Agent):  # type: ignore[misc, name-defined]
        def __init__(self, **given: Any) -> None:
            found.append(self)
            super().__init__(**given)

    monkeypatch.setattr(blanks, "Agent", Counted)
    return found


def test_a_run_makes_as_many_agents_as_are_at_work_at_once(workspace: Workspace, made: list[Any]) -> None:
    pattern = tasks(**{f"t{number}": [] for number in range(20)})
    with OpenAIServer(reply=lambda _: Answer(delay=0.02)) as server:
        assert workspace.run(workflow(server.url, pattern, runtime={"max_parallel": 2})).exit_code == 0
    assert len(made) == 2
    assert {len(request.messages) for request in server.requests} == {2}


def test_an_agent_whose_call_failed_is_not_used_again(workspace: Workspace, made: list[Any]) -> None:
    """Something may still be at work in it."""
    answers = [Answer("one"), Answer("", status=503), Answer("two"), Answer("three")]
    with OpenAIServer(reply=answers) as server:
        runtime = {"failure_policy": {"retries": 1, "wait_min": 0.01}}
        outcome = workspace.run(workflow(server.url, chain("a", "b", "c"), runtime=runtime))
    assert (outcome.outputs["response"], len(made)) == ("three", 2)


def test_no_agent_is_stamped_out_with_the_sdks_plugin_for_handing_over() -> None:
    """It would be a third of the work, for something that none of ours does."""
    agent = Blanks("writer", []).take(Scripted(), None, [])
    assert [type(one).__module__ for one in agent._plugin_registry._plugins.values()] == [
        "strands.models.model",
        "runner.agents.blanks",
    ]


# -- spans ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("trace", "some"), [("false", False), ("true", True)])
def test_messages_are_put_into_json_for_spans_only_where_there_are_some(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, trace: str, some: bool
) -> None:
    told, into_json = list[Any](), tracer.serialize
    monkeypatch.setattr(tracer, "serialize", lambda what: told.append(what) or into_json(what))
    answers = [Answer("", tool_calls=[("calculator", {"expression": "6 * 7"})]), Answer("42")]
    agents = {"writer": {"prompt": "p", "tools": ["calculator"]}}
    with OpenAIServer(reply=answers) as server:
        outcome = workspace.run(workflow(server.url, chain("go"), agents=agents), trace=trace)
    assert (outcome.exit_code, bool(told)) == (0, some)


def test_an_agent_of_a_host_has_its_spans_as_ever_behind_a_run(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cases are run in the process of a host's own tests."""
    with OpenAIServer() as server:
        assert workspace.run(workflow(server.url, chain("go"))).exit_code == 0
    told, into_json = list[Any](), tracer.serialize
    monkeypatch.setattr(tracer, "serialize", lambda what: told.append(what) or into_json(what))
    blanks.Agent(model=Scripted(), tools=[look], callback_handler=None)("go")
    assert told


def test_every_span_that_the_sdk_may_open_for_an_agent_is_below_one_of_ours() -> None:
    others = ("multiagent", "memory")  # which no agent of ours has
    opened = [name for name in vars(tracer.Tracer) if name.startswith("start_") and not any(o in name for o in others)]
    assert sorted(opened) == sorted(spans.STARTS)
