"""With pii_redaction no server is sent personal data, and no answer holds any."""

from __future__ import annotations

import asyncio
import copy
import json
from typing import Any

import pytest

from runner.agents.redacting import RedactingModel
from runner.calls.call import Allowance, Call, Reply
from runner.calls.redacted import redacted
from runner.errors import ModelProblem
from tests.agents.test_compaction import CALCULATES, Scripted, asks_for_a_summary, calculating, policy
from tests.build import agent, step
from tests.contract.test_reuse import KEYS
from tests.servers import SERVERS, Answer, OpenAIServer
from tests.workspace import Workspace, chain, workflow

GUARDED = {"guardrails": {"pii_redaction": True}}
MAIL, CARD, PHONE = "ann@example.com", "4111111111111111", "+49 30 1234567"


# -- what is sent -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", sorted(SERVERS))
def test_no_server_is_sent_personal_data(workspace: Workspace, provider: str):
    workspace.environ |= KEYS
    agents = {"writer": {"prompt": f"Report to {MAIL}.", "tools": ["calculator"]}}
    answers = [Answer("", tool_calls=[("calculator", {"expression": f"{CARD} + 0"})]), Answer("done")]
    with SERVERS[provider](reply=answers) as server:
        spec = workflow(server.url, chain(f"Call {PHONE}."), agents=agents, provider=provider, security=GUARDED)
        outcome = workspace.run(spec)

    sent = json.dumps([request.body for request in server.requests])
    assert outcome.outputs["response"] == "done"
    assert not any(secret in sent for secret in (MAIL, CARD, "1234567"))
    assert "Report to [EMAIL]." in sent
    assert "Call [PHONE]." in sent
    assert sent.count("[CARD]") == 2  # what the tool was given, and what it gave


def test_a_server_of_summaries_is_not_sent_any_either(workspace: Workspace):
    with OpenAIServer(reply=calculating(12, lambda: Answer(f"Ask {MAIL}."))) as server:
        spec = workflow(server.url, chain(MAIL), agents=CALCULATES, security=GUARDED, context_policy=policy())
        workspace.run(spec)

    assert any(map(asks_for_a_summary, server.requests))
    assert "Ask [EMAIL]." in server.requests[-1].user_texts[0]
    assert not any(MAIL in str(request.body) for request in server.requests)


def test_without_it_everything_is_sent_as_it_is(workspace: Workspace):
    with OpenAIServer(reply=lambda _: MAIL) as server:
        outcome = workspace.run(workflow(server.url, chain(MAIL), security={"guardrails": {"pii_redaction": False}}))

    assert server.requests[0].user_texts == [MAIL]
    assert outcome.outputs["response"] == MAIL


def test_what_is_handed_in_stays_and_what_ties_it_together_is_sent_as_it_is():
    result = {"toolUseId": CARD, "status": "success", "content": [{"json": {"to": MAIL}}, {"text": MAIL}]}
    messages = [
        {"role": "assistant", "content": [{"toolUse": {"toolUseId": CARD, "name": "mail", "input": {MAIL: CARD}}}]},
        {"role": "user", "content": [{"toolResult": result}, {"image": {"format": "png"}}]},
    ]
    before, inner = copy.deepcopy(messages), Scripted()

    async def turn() -> None:
        async for _ in RedactingModel(inner).stream(messages, None, MAIL, system_prompt_content=[{"text": MAIL}]):
            pass

    asyncio.run(turn())
    assert messages == before
    (call,), (answered, image) = (message["content"] for message in inner.sent[0])
    assert call["toolUse"] == {"toolUseId": CARD, "name": "mail", "input": {"[EMAIL]": "[CARD]"}}
    assert answered["toolResult"]["toolUseId"] == CARD
    assert answered["toolResult"]["content"] == [{"json": {"to": "[EMAIL]"}}, {"text": "[EMAIL]"}]
    assert image == {"image": {"format": "png"}}


def test_descriptions_of_tools_are_redacted_and_their_shapes_are_not():
    shape = {"json": {"properties": {"description": {"enum": [MAIL], "description": f"as {MAIL}"}}}}
    specs = [{"name": "mail", "description": f"Ask {MAIL}.", "inputSchema": shape}]
    seen: list[Any] = []

    class Listening(Scripted):
        async def stream(self, messages: Any, tool_specs: Any = None, *_: Any, **__: Any) -> Any:
            seen.append(tool_specs)
            yield {}

    async def turn() -> None:
        async for _ in RedactingModel(Listening()).stream([], specs):
            pass

    asyncio.run(turn())
    shape = {"json": {"properties": {"description": {"enum": [MAIL], "description": "as [EMAIL]"}}}}
    assert seen == [[{"name": "mail", "description": "Ask [EMAIL].", "inputSchema": shape}]]


# -- what is answered -------------------------------------------------------------------------------------------------


def test_no_answer_holds_personal_data(workspace: Workspace):
    with OpenAIServer(reply=lambda _: f"Write to {MAIL} or call {PHONE}.") as server:
        spec = workflow(server.url, chain("go"), security=GUARDED, context_policy={"notes": {"file": "notes.md"}})
        outcome = workspace.run(spec | {"outputs": {"artifacts": [{"path": "a.md", "from": "{{ last_response }}"}]}})

    assert outcome.outputs["response"] == "Write to [EMAIL] or call [PHONE]."
    left = [path.read_text() for path in workspace.root.rglob("*") if path.is_file()]
    assert not any(MAIL in text or PHONE in text for text in left)
    assert "> Write to [EMAIL]" in (workspace.root / "notes.md").read_text()


def test_notes_hold_no_personal_data_of_the_question(workspace: Workspace):
    with OpenAIServer() as server:
        spec = workflow(server.url, chain(f"Ask {MAIL}."), security=GUARDED)
        workspace.run(spec | {"context_policy": {"notes": {"file": "notes.md"}}})

    assert "Asked: Ask [EMAIL]." in (workspace.root / "notes.md").read_text()


def by_schema(schema: dict[str, Any]) -> dict[str, Any]:
    return {"writer": {"prompt": "p", "output_schema": schema}}


def test_an_answer_that_is_data_stays_data(workspace: Workspace):
    answer = {"to": [MAIL], "card": int(CARD), "n": 7, "ok": True}
    with OpenAIServer(reply=lambda _: f"Here:\n```json\n{json.dumps(answer)}\n```") as server:
        outcome = workspace.run(
            workflow(server.url, chain("go"), agents=by_schema({"type": "object"}), security=GUARDED)
        )

    expected = {"to": ["[EMAIL]"], "card": "[CARD]", "n": 7, "ok": True}
    assert json.loads(outcome.outputs["structured"]) == expected
    assert json.loads(outcome.outputs["response"]) == expected


def test_an_answer_that_must_hold_what_it_may_not_fails_the_step(workspace: Workspace):
    with OpenAIServer(reply=lambda _: CARD) as server:
        outcome = workspace.run(
            workflow(server.url, chain("go"), agents=by_schema({"type": "integer"}), security=GUARDED)
        )

    assert outcome.exit_code == 10
    assert "without personal data (pii_redaction) the answer misses output_schema" in outcome.log
    assert CARD not in outcome.log


def test_an_answer_nested_too_deeply_to_be_looked_through_is_none():
    data: list[Any] = []
    for _ in range(100_000):
        data = [data]

    async def invoke(_: Call) -> Reply:
        return Reply("[[…]]", data=data)

    asked = Call("steps[0]", step(agent=agent(output_schema={})), None, "go", Allowance(None))
    with pytest.raises(ModelProblem, match="nested too deeply"):
        asyncio.run(redacted(invoke)(asked))
