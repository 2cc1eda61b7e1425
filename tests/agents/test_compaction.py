"""A conversation that grows too long goes on behind a summary: what the servers are sent of it, and what it costs."""

from __future__ import annotations

import asyncio
import copy
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strands.models.model import Model

from runner.agents.compacting import ASKED, CompactingModel, Conversation, Summary, cut
from runner.errors import BudgetExceeded, ModelProblem
from runner.plan.plan import CompactionPlan
from runner.report.events import Compacted, CompactionFailed, Event
from tests.contract.test_reuse import KEYS
from tests.servers import SERVERS, Answer, OpenAIServer, Request
from tests.workspace import Workspace, chain, workflow

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

CALCULATES = {"writer": {"prompt": "You calculate.", "tools": ["calculator"]}}
LONG = {"expression": "9 ** 1900"}
"""A number of 1,814 digits."""


def policy(**changes: Any) -> dict[str, Any]:
    return {"compaction": {"enabled": True, "when_tokens_over": 4000, "preserve_recent_messages": 4, **changes}}


def asks_for_a_summary(request: Request) -> bool:
    return ASKED in str(request.body)


def calculating(
    times: int, summary: Callable[[], Answer] = lambda: Answer("THE SUMMARY", usage=(100, 7)), answer: str = "done"
) -> Any:
    """A model that calculates so often before it answers, and summarises when it is asked to."""
    left = [times]

    def reply(request: Request) -> Answer:
        if asks_for_a_summary(request):
            return summary()
        left[0] -= 1
        return Answer("", tool_calls=[("calculator", LONG)]) if left[0] >= 0 else Answer(answer)

    return reply


def kind(message: dict[str, Any]) -> str:
    """u for a question, a for a call of a tool, t for its result, s for a system prompt."""
    content = message.get("content")
    if message["role"] == "tool" or (isinstance(content, list) and any("toolResult" in block for block in content)):
        return "t"
    return message["role"][0]


def ids_of(request: Request) -> list[list[str]]:
    """Ids of calls and of results, where the provider has any."""
    blocks = [block for one in request.messages if isinstance(one.get("content"), list) for block in one["content"]]
    calls = [block["toolUse"]["toolUseId"] for block in blocks if "toolUse" in block]
    results = [block["toolResult"]["toolUseId"] for block in blocks if "toolResult" in block]
    calls += [call["id"] for one in request.messages for call in one.get("tool_calls") or [] if "id" in call]
    results += [one["tool_call_id"] for one in request.messages if "tool_call_id" in one]
    return [calls, results]


# -- a whole run ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", sorted(SERVERS))
def test_a_long_loop_of_tools_goes_on_behind_summaries(workspace: Workspace, provider: str):
    workspace.environ |= KEYS
    with SERVERS[provider](reply=calculating(30)) as server:
        spec = workflow(server.url, chain("QUESTION"), agents=CALCULATES, provider=provider, context_policy=policy())
        outcome = workspace.run(spec)

    turns = [request for request in server.requests if not asks_for_a_summary(request)]
    summaries = [request for request in server.requests if asks_for_a_summary(request)]
    sizes = [len(str(request.messages)) for request in turns]
    (step,) = outcome.results["steps"]
    assert outcome.outputs["response"] == "done"
    assert len(turns) == 31
    assert 2 <= len(summaries) < 15
    assert max(sizes) < 4 * 4000 * 1.5  # four characters a token, and one turn beyond the limit
    assert any(later < earlier for earlier, later in pairwise(sizes))
    assert "THE SUMMARY" in str(turns[-1].messages)
    assert all("QUESTION" in str(request.messages) for request in turns)
    assert step["turns"] == 31 + len(summaries)
    assert step["usage"]["input_tokens"] == 31 * 10 + len(summaries) * 100
    assert len(outcome.logged("compacted ")) == len(summaries)


@pytest.mark.parametrize("provider", ["bedrock", "ollama", "openai"])
def test_what_is_sent_stays_a_conversation(workspace: Workspace, provider: str):
    workspace.environ |= KEYS
    with SERVERS[provider](reply=calculating(12)) as server:
        spec = workflow(server.url, chain("go"), agents=CALCULATES, provider=provider, context_policy=policy())
        workspace.run(spec)

    for request in server.requests:
        kinds = "".join(kind(message) for message in request.messages).lstrip("s")
        calls, results = ids_of(request)
        assert kinds == "u" + "at" * (len(kinds) // 2)
        assert calls == results


def test_the_summary_is_written_without_tools_by_the_model_that_is_named(workspace: Workspace):
    with OpenAIServer(reply=calculating(12)) as server:
        asked = policy(summarization_model="small")
        workspace.run(workflow(server.url, chain("QUESTION"), agents=CALCULATES, context_policy=asked))

    first, second, *_ = [request for request in server.requests if asks_for_a_summary(request)]
    assert first.model == "small"
    assert not first.body.get("tools")
    assert {request.model for request in server.requests if not asks_for_a_summary(request)} == {"m"}
    assert "QUESTION" in first.user_texts[0]
    assert "calls calculator" in first.user_texts[0]
    assert "THE SUMMARY" in second.user_texts[0]  # what the first one said is not lost


def test_an_agent_that_answers_in_data_is_not_asked_for_data_in_a_summary(workspace: Workspace):
    agents = {"writer": {**CALCULATES["writer"], "output_schema": {"type": "string"}}}
    with OpenAIServer(reply=calculating(12, answer='"done"')) as server:
        workspace.run(workflow(server.url, chain("go"), agents=agents, context_policy=policy()))

    summaries = [request for request in server.requests if asks_for_a_summary(request)]
    assert summaries
    assert not any("response_format" in request.body for request in summaries)


def test_without_compaction_everything_is_sent(workspace: Workspace):
    with OpenAIServer(reply=calculating(12)) as server:
        workspace.run(
            workflow(server.url, chain("go"), agents=CALCULATES, context_policy=policy(enabled=False)),
        )

    assert len(server.requests) == 13
    assert len(server.requests[-1].messages) == 2 + 2 * 12


def test_the_next_step_begins_anew(workspace: Workspace):
    with OpenAIServer(reply=calculating(12)) as server:
        workspace.run(workflow(server.url, chain("one", "two"), agents=CALCULATES, context_policy=policy()))

    assert server.requests[-1].user_texts == ["two"]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (Answer(" "), "empty summary"),
        (Answer("cut", finish="length"), "cut off"),
        (Answer(status=503), "HTTP 503"),
        (Answer("long " * 9000), "longer than what it stands for"),
    ],
)
def test_a_summary_that_is_none_is_told_and_the_turn_goes_on(workspace: Workspace, answer: Answer, told: str):
    with OpenAIServer(reply=calculating(14, lambda: answer)) as server:
        outcome = workspace.run(workflow(server.url, chain("go"), agents=CALCULATES, context_policy=policy()))

    tried = sum(map(asks_for_a_summary, server.requests))
    assert outcome.outputs["response"] == "done"
    assert len(server.requests[-1].messages) == 2 + 2 * 14
    assert told in outcome.logged("compaction_failed")[0]
    assert 1 <= tried <= 3  # not at every turn


def test_a_budget_bounds_summaries_too(workspace: Workspace):
    with OpenAIServer(reply=calculating(30, lambda: Answer("S", usage=(40_000, 7)))) as server:
        runtime = {"budgets": {"max_tokens": 40_000}}
        spec = workflow(server.url, chain("go"), agents=CALCULATES, runtime=runtime, context_policy=policy())
        outcome = workspace.run(spec)

    assert outcome.outputs["status"] == "budget"
    assert asks_for_a_summary(server.requests[-1])


def test_a_limit_below_a_single_prompt_is_told_once(workspace: Workspace):
    with OpenAIServer(reply=calculating(5)) as server:
        asked = policy(when_tokens_over=1, preserve_recent_messages=50)
        outcome = workspace.run(workflow(server.url, chain("go"), agents=CALCULATES, context_policy=asked))

    (told,) = outcome.logged("compaction_failed")
    assert "raise when_tokens_over or lower preserve_recent_messages" in told
    assert len(server.requests) == 6


# -- one model --------------------------------------------------------------------------------------------------------


class Scripted(Model):
    """A model that answers a text, and remembers what it was sent."""

    def __init__(self, text: str = "short", fails: Exception | None = None) -> None:
        self.text, self.fails, self.sent = text, fails, list[Any]()

    def update_config(self, **_: Any) -> None: ...

    def get_config(self) -> Any:
        return {}

    def structured_output(self, *_: Any, **__: Any) -> Any: ...

    async def stream(self, messages: Any, *_: Any, **__: Any) -> AsyncGenerator[Any, None]:
        self.sent.append(copy.deepcopy(messages))
        if self.fails:
            raise self.fails
        yield {"contentBlockDelta": {"delta": {"text": self.text}}}


def loop_of(calls: int) -> list[Any]:
    """A question and so many calls of a tool, each of some 100 tokens."""
    messages: list[Any] = [{"role": "user", "content": [{"text": "question"}]}]
    for number in range(calls):
        used = {"toolUseId": f"t{number}", "name": "look", "input": {}}
        result = {"toolUseId": f"t{number}", "status": "success", "content": [{"text": f"{number} " + 400 * "x"}]}
        messages.append({"role": "assistant", "content": [{"toolUse": used}]})
        messages.append({"role": "user", "content": [{"toolResult": result}]})
    return messages


def compacting(
    writer: Model, talk: Conversation, events: list[Event], limit: int = 500, keep: int = 2
) -> tuple[CompactingModel, Scripted]:
    plan, inner = CompactionPlan(limit, 0.5, keep), Scripted()
    return CompactingModel(inner, writer, plan, talk, events.append, "steps[0]", str), inner


async def turn(model: Model, messages: list[Any]) -> None:
    async for _ in model.stream(messages):
        pass


def test_what_is_handed_in_is_left_as_it_is():
    messages = loop_of(10)
    before = copy.deepcopy(messages)
    model, inner = compacting(Scripted(), Conversation(), [])
    asyncio.run(turn(model, messages))

    assert messages == before
    assert len(inner.sent[0]) < len(messages)


def test_a_conversation_that_outlives_a_call_stays_short_without_another_summary():
    talk, events, writer = Conversation(), list[Event](), Scripted()
    messages = loop_of(10)
    asyncio.run(turn(compacting(writer, talk, events, limit=800)[0], messages))
    model, inner = compacting(writer, talk, events, limit=800)
    asyncio.run(turn(model, messages))

    assert len(writer.sent) == 1
    assert events == [Compacted("steps[0]", 10, events[0].before, events[0].after)]  # type: ignore[union-attr]
    assert "short" in inner.sent[0][0]["content"][-1]["text"]
    assert talk.compacted == Summary(11, "short")


def test_a_prompt_that_stays_too_long_is_left_alone_until_it_has_grown_again():
    talk, writer = Conversation(), Scripted()
    for calls in range(10, 15):
        asyncio.run(turn(compacting(writer, talk, [], limit=100)[0], loop_of(calls)))
    assert len(writer.sent) == 1
    asyncio.run(turn(compacting(writer, talk, [], limit=100)[0], loop_of(16)))
    assert len(writer.sent) == 2


def test_a_refusal_of_the_ledger_ends_the_turn():
    model, inner = compacting(Scripted(fails=BudgetExceeded("spent")), Conversation(), [])
    with pytest.raises(BudgetExceeded, match="spent"):
        asyncio.run(turn(model, loop_of(10)))
    assert inner.sent == []


def test_any_other_failure_of_the_summary_is_told():
    events: list[Event] = []
    model, inner = compacting(Scripted(fails=ModelProblem("busy")), Conversation(), events)
    asyncio.run(turn(model, loop_of(10)))

    assert isinstance(events[0], CompactionFailed)
    assert events[0].reason == "busy"
    assert len(inner.sent[0]) == 21


def test_the_latest_question_is_sent_also_when_it_was_summarised():
    messages = [*loop_of(2), {"role": "assistant", "content": [{"text": "answer"}]}, *loop_of(8)]
    messages[6] = {"role": "user", "content": [{"text": "the second question"}]}
    model, inner = compacting(Scripted(), Conversation(), [])
    asyncio.run(turn(model, messages))

    (block,) = inner.sent[0][0]["content"]
    assert block["text"] == (
        "question\n\nWhat followed is summarised here, to save room:\nshort\n\nthe second question"
    )


@given(st.integers(0, 30), st.floats(0.01, 1), st.integers(1, 40), st.integers(0, 10))
def test_what_is_kept_begins_with_the_assistant_and_holds_the_latest_messages(
    calls: int, ratio: float, keep: int, done: int
):
    messages = loop_of(calls)
    done = min(1 + 2 * done, len(messages))
    upto = cut(messages, done, CompactionPlan(1, ratio, keep))

    if upto is not None:
        assert done < upto <= len(messages) - keep
        assert upto - done <= ratio * (len(messages) - done + 1)
        assert messages[upto]["role"] == "assistant"
