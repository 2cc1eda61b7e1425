"""A replay says what the recording run said: every pattern, every way to an answer, and nobody is asked."""

from __future__ import annotations

import asyncio
import json
import random
import re
import subprocess
import sys
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runner.agents.played import PlayedModel
from tests.agents.test_compaction import CALCULATES, asks_for_a_summary, calculating, policy
from tests.agents.test_http_tools import api, get
from tests.agents.test_mcp import server as mcp
from tests.build import chain, dag, routing, workers
from tests.contract.replaying import FAST, Both, at_this_server, both, fixtures, record, told
from tests.contract.test_patterns import RUNS, WRITTEN, Script
from tests.contract.test_reuse import KEYS
from tests.servers import Answer, OpenAIServer, Request, WebServer
from tests.servers import anthropic as anthropic_wire
from tests.servers import bedrock as bedrock_wire
from tests.servers import openai as openai_wire
from tests.workspace import Workspace, parallel, workflow

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

HOME = Path(__file__).parents[2]
JUDGE = {"type": "object", "properties": {"score": {"type": "integer"}}, "required": ["score"]}
FALLBACK = {"provider": "openai", "model_id": "second"}


# -- patterns ---------------------------------------------------------------------------------------------------------

ROUNDS: dict[str, Any] = {
    "Plan.": ({"tasks": [{"task": "one"}, {"task": "two"}]}, {"tasks": [{"task": "three"}]}),
    "one": "1",
    "two": "2",
    "three": "3",
    "Join": "all of it",
}
PATTERNS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    **{name: run[:2] for name, run in (RUNS | WRITTEN).items()},
    "two rounds of workers": (
        workers(limits={"max_rounds": 2}, reduce="Join {% for one in workers %}{{ one.response }}{% endfor %}."),
        ROUNDS,
    ),
    "a dag of diamonds": (
        dag(
            {"id": "a"},
            {"id": "b", "deps": ["a"], "input": "B {{ tasks.a.response }}"},
            {"id": "c", "deps": ["a"], "input": "C {{ tasks.a.response }}"},
            {"id": "d", "deps": ["b", "c"], "input": "D {{ tasks.b.response }} {{ tasks.c.response }}"},
        ),
        {"Do a.": "first", "B first": "left", "C first": "right", "D left right": "both"},
    ),
    "branches of several steps": (
        parallel(a=["A", "again"], b=["B"], c=["C", "more", "still more"], reduce={"input": "{{ last_response }}"}),
        {"A": "1", "again": "2", "B": "3", "C": "4", "still more": "5", "2": "joined"},
    ),
}


@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern(workspace: Workspace, name: str):
    pattern, answers = PATTERNS[name]
    ran = both(workspace, pattern, Script(answers))

    assert ran.record.outputs["status"] == "success"
    assert len(ran.requests) == len(ran.paths) == len(fixtures(workspace))


@pytest.mark.parametrize("provider", ["anthropic", "azure_openai", "bedrock", "gemini", "ollama"])
def test_a_provider(workspace: Workspace, provider: str):
    workspace.environ |= KEYS | {"GEMINI_API_KEY": "key-of-gemini", "ANTHROPIC_API_KEY": "key-of-anthropic"}
    calls = [("calculator", {"expression": "6 * 7"}), ("calculator", {"expression": "1 + 1"})]
    script = [Answer("Let me see.", tool_calls=calls, cached=(3, 2)), Answer("42", cached=(4, 0))]
    ran = both(workspace, chain("go"), script, provider=provider, agents=CALCULATES)

    assert ran.replay.outputs["response"] == "42"
    assert ran.replay.results["steps"][0]["tools"] == ["calculator", "calculator"]
    assert ran.replay.outputs["input-tokens"] == "20"


def test_a_route_that_was_not_taken_is_not_missed(workspace: Workspace):
    ran = both(workspace, routing(a=["x"], b=["y"]), Script({"Which?": ("neither", {"route": "b"})}))

    assert ran.paths == ["router", "routes.b.steps[0]"]
    assert ran.replay.results["steps"][0]["turns"] == 2


def test_a_router_that_falls_back(workspace: Workspace):
    pattern = routing({"max_retries": 1, "fallback": "b"}, a=["x"], b=["{{ chosen_route }}!"])
    assert both(workspace, pattern, "neither").replay.outputs["status"] == "success"


# -- tools ------------------------------------------------------------------------------------------------------------


def use(workspace: Workspace, *turns: Any, **changes: Any) -> Both:
    """Both runs of an agent that makes these calls, one turn after the other, and then is done."""
    script = [one if isinstance(one, Answer) else Answer("", tool_calls=one) for one in turns]
    return both(workspace, chain("go"), [*script, Answer("done")], **changes)


SUM = ("calculator", {"expression": "1 + 1"})
TOOLED = {"tools": {"python": ["calculator", "current_time", "file_write", "file_read"]}}


@pytest.mark.parametrize(
    "turns",
    [
        [[SUM]],
        [[SUM], [("calculator", {"expression": "2 + 2"})]],
        [[SUM, ("current_time", {}), ("file_read", {"path": "workflow.yaml"})]],
        [[SUM, SUM, ("calculator", {"expression": "3"})]],
        [[("calculator", {"expression": "1 / 0"})]],
        [[("file_read", {"path": "../../etc/passwd"})]],
        [[("calculator", {"wrong": 1})]],
        [[("telephone", {"number": "1"})]],
        [[("not a name of a tool!", {})]],
        [[("calculator", {"expression": "1", "why": "ü\u2028\ud83d\ude00 \n"})]],
    ],
    ids=[
        "one", "two turns", "several in a turn", "the same twice", "fails", "refuses", "wrong arguments", "made up",
        "no name at all", "any text",
    ],
)  # fmt: skip
def test_tools_that_are_built_in(workspace: Workspace, turns: list[Any]):
    ran = use(workspace, *turns, **TOOLED)

    assert ran.replay.outputs["response"] == "done"
    assert ran.replay.results["steps"][0]["tools"] == [name for turn in turns for name, _ in turn]


def test_a_replay_writes_nothing(workspace: Workspace):
    ran = use(workspace, [("file_write", {"path": "a.txt", "content": "written"})], **TOOLED)
    (workspace.root / "a.txt").unlink()
    workspace.run(ran.spec, mode="replay")

    assert not (workspace.root / "a.txt").exists()


def test_a_tool_that_says_something_else_each_time(workspace: Workspace):
    numbers = iter(range(9))
    with WebServer(lambda _: str(next(numbers))) as web:
        ran = use(workspace, [get("/count"), get("/count")], [get("/count")], tools=api(f"{web.url}/v1"))
        asked = len(web.requests)
    use_again = workspace.run(ran.spec, mode="replay")

    assert asked == len(web.requests) == 3
    assert told(use_again) == told(ran.record)
    (file,) = fixtures(workspace).values()
    assert [len(turn.get("tools", [])) for turn in json.loads(file.read_text())["turns"]] == [2, 1, 0]


def test_tools_of_an_mcp_server(workspace: Workspace):
    agents = {"writer": {"prompt": "p", "tools": ["small", "calculator"]}}
    calls = [("add", {"a": 1, "b": 2}), ("dotted_name_with_spaces", {}), ("picture", {}), ("env", {})]
    ran = use(workspace, calls, [SUM], agents=agents, tools={"mcp": [mcp()]})
    gone = {**ran.spec, "tools": {"mcp": [{**mcp(), "timeout_s": 1}]}}

    assert ran.replay.outputs["response"] == "done"
    assert workspace.run(gone, mode="replay").exit_code == 0  # and no server was started: it has no time to


def broken_arguments(request: Request) -> Answer:
    """A call whose arguments are no JSON."""
    call = {"index": 0, "id": "c1", "type": "function", "function": {"name": "calculator", "arguments": '{"expr": 1 +'}}
    return raw_openai(request, {"role": "assistant", "tool_calls": [call]}, finish="tool_calls")


def raw_openai(request: Request, *deltas: dict[str, Any], finish: str = "stop") -> Answer:
    def event(delta: dict[str, Any], reason: str | None = None) -> bytes:
        return openai_wire.sse(
            openai_wire.envelope(request, "chat.completion.chunk", openai_wire.choice(reason, delta=delta))
        )

    counted = openai_wire.sse(openai_wire.envelope(request, "chat.completion.chunk", usage=openai_wire.usage(Answer())))
    return Answer(raw=b"".join([*map(event, deltas), event({}, finish), counted, b"data: [DONE]\n\n"]))


def test_arguments_that_are_no_json(workspace: Workspace):
    def reply(request: Request) -> Answer:
        return broken_arguments(request) if len(request.messages) < 3 else Answer("done")

    ran = both(workspace, chain("go"), reply, agents=CALCULATES)

    assert ran.replay.results["steps"][0]["tools"] == ["calculator"]
    assert ran.replay.outputs["response"] == "done"


def test_a_model_that_never_stops_to_call_tools(workspace: Workspace):
    ran = both(workspace, chain("go"), Answer("", tool_calls=[SUM]), agents=CALCULATES)

    assert ran.replay.exit_code == 10
    assert "no answer after 50 turns" in ran.replay.log


# -- answers ----------------------------------------------------------------------------------------------------------


def test_an_answer_that_is_asked_for_again(workspace: Workspace):
    agents = {"writer": {"prompt": "p", "output_schema": JUDGE}}
    ran = both(workspace, chain("go"), [Answer("well"), Answer('I say {"score": 3}.')], agents=agents)

    assert ran.replay.results["data"] == {"score": 3}
    assert ran.replay.results["steps"][0]["turns"] == 2


@pytest.mark.parametrize(
    "answer",
    [Answer("never"), Answer(""), Answer(" \n "), Answer("cut", finish="length"), Answer("x", finish="content_filter")],
    ids=["no data", "empty", "blank", "cut off", "withheld"],
)
def test_an_answer_that_fails_its_step_fails_it_again(workspace: Workspace, answer: Answer):
    agents = {"writer": {"prompt": "p", "output_schema": JUDGE}}
    ran = both(workspace, chain("go", "on"), answer, agents=agents)

    assert ran.replay.exit_code == 10
    assert [*fixtures(workspace)] == ["steps[0].json"]


@pytest.mark.parametrize(
    "answer",
    [
        "  spaces around \n",
        "a\r\nb\rc\n\nd",
        "ü\u2028😀",
        "::error::not a command",
        "{{ secrets }}",
        "x" * 300_000,
        "***",
    ],
    ids=["spaces", "lines", "signs", "a command", "a template", "long", "stars"],
)
def test_an_answer_of_any_text(workspace: Workspace, answer: str):
    both(workspace, chain("go", "Use {{ last_response }}"), Script({"go": Answer(answer)}))


def test_half_a_character(workspace: Workspace):
    def reply(request: Request) -> Answer:
        return raw_openai(request, {"role": "assistant", "content": "a \ud83d"}, {"content": "\ude00 b \ud800"})

    assert both(workspace, chain("go"), reply).replay.outputs["response"] == "a 😀 b �"


def test_half_a_character_in_data(workspace: Workspace):
    agents = {"writer": {"prompt": "p", "output_schema": JUDGE}}
    answer = '{"score": 1, "\\ud800": "\\ud83d\\ude00\\udfff"}'
    ran = both(workspace, chain("go"), lambda _: answer, agents=agents)

    assert ran.replay.results["data"]["score"] == 1
    assert "\ufffd" in fixtures(workspace)["steps[0].json"].read_text()


# -- what goes wrong on the way ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "script",
    [
        [Answer(status=429), Answer("ok")],
        [Answer(status=429, headers={"retry-after": "0"}), Answer(status=503), Answer("ok")],
        [Answer("half of an answer", reset="during"), Answer("ok")],
        [Answer(reset="before"), Answer("ok")],
        [Answer("", tool_calls=[SUM]), Answer(status=503), Answer("", tool_calls=[SUM]), Answer("ok")],
        [Answer("", tool_calls=[SUM]), Answer("half of it", reset="during"), Answer("ok")],
    ],
    ids=["throttled", "twice", "cut off", "never begun", "between tools", "cut off behind a tool"],
)
def test_attempts_that_fail_and_are_made_again(workspace: Workspace, script: list[Answer]):
    ran = both(workspace, chain("go"), script, agents=CALCULATES, runtime={"failure_policy": FAST})

    failures = sum(one.status != 200 or one.reset is not None for one in script)
    assert ran.replay.results["steps"][0]["attempts"] == 1 + failures
    assert len(ran.replay.logged("step_retry")) == failures


def test_an_attempt_whose_cost_is_not_known_costs_as_much_again(workspace: Workspace):
    runtime = {"failure_policy": FAST, "budgets": {"max_tokens": 10_000}, "max_tokens": 500}
    ran = both(workspace, chain("go"), [Answer("half of it", reset="during"), Answer("ok")], runtime=runtime)

    assert ran.replay.results["budget"]["tokens"] > 500


def test_a_replay_waits_for_nothing(workspace: Workspace):
    runtime = {"failure_policy": {"wait_min": 0.3}}
    ran = both(workspace, chain("go"), [Answer(status=503), Answer("ok")], runtime=runtime)

    assert int(ran.record.outputs["duration-ms"]) >= 300
    assert int(ran.replay.outputs["duration-ms"]) < 200


@pytest.mark.parametrize(
    "script",
    [
        {"m": Answer(status=503)},
        {"m": Answer(status=429, error={"error": {"code": "insufficient_quota", "message": "no credit"}})},
    ],
    ids=["unavailable", "used up"],
)
def test_another_model_is_asked(workspace: Workspace, script: dict[str, Answer]):
    runtime = {"failure_policy": {**FAST, "retries": 1}, "fallbacks": [{**FALLBACK}]}
    pattern = chain("go", "on: {{ last_response }}")
    ran = both(workspace, pattern, lambda request: script.get(request.model, "ok"), runtime=runtime)

    assert [step["model"] for step in ran.replay.results["steps"]] == ["openai/second"] * 2
    assert len(ran.replay.results["warnings"]) == 2


def test_warnings_of_what_runs_at_once_come_in_one_order(workspace: Workspace):
    def reply(request: Request) -> Answer:
        last = request.user_texts[-1] == "A"
        return Answer("ok", delay=0.0) if request.model != "m" else Answer(status=503, delay=0.1 if last else 0.0)

    runtime = {"failure_policy": {**FAST, "retries": 0}, "fallbacks": [{**FALLBACK}]}
    ran = both(workspace, parallel(a=["A"], b=["B"], c=["C"]), reply, runtime=runtime)

    assert [one["message"].split(":")[0] for one in ran.replay.results["warnings"]] == [
        f"branches.{name}.steps[0]" for name in "abc"
    ]


def test_a_step_whose_time_ran_out_is_not_recorded_and_takes_no_recordings_place(workspace: Workspace):
    """What a model would have said is not known; the turns before it are no reason to fail again."""
    slow = [Answer("", tool_calls=[SUM]), Answer("late", delay=2)]
    step = {"input": "go", "timeout_s": 0.2}
    outcome, _, _ = record(workspace, chain(step), slow, agents=CALCULATES, runtime={"failure_policy": FAST})

    assert outcome.exit_code == 10
    assert "no answer within 0.2 s" in outcome.log
    assert not (workspace.root / "fixtures").exists()


@pytest.mark.parametrize("limit", [{"max_steps": 1}, {"max_tokens": 20}], ids=["steps", "tokens"])
def test_a_budget_ends_a_replay_as_it_ended_the_run(workspace: Workspace, limit: dict[str, int]):
    ran = both(workspace, chain("go", "on"), "ok", runtime={"budgets": limit})
    assert ran.replay.exit_code == 20


# -- what goes on beside it -------------------------------------------------------------------------------------------


def test_a_session(workspace: Workspace):
    steps = [{"input": text, "session": "talk"} for text in ("one", "two", "three")]
    ran = both(workspace, chain(*steps), Script({"one": "first", "two": "second"}))

    assert [len(request.messages) for request in ran.requests] == [2, 4, 6]


def test_a_session_of_steps_that_run_at_once(workspace: Workspace):
    steps = {name: [{"input": name, "session": "talk"}, f"{name} again"] for name in "abcd"}
    ran = both(workspace, parallel(**steps), lambda request: f"to {request.user_texts[-1]}")

    assert max(len(request.messages) for request in ran.requests) == 8


def test_summaries_of_a_long_conversation(workspace: Workspace):
    ran = both(workspace, chain("QUESTION"), calculating(12), agents=CALCULATES, context_policy=policy())

    summaries = sum(map(asks_for_a_summary, ran.requests))
    assert summaries >= 2
    assert ran.replay.results["steps"][0]["turns"] == 13 + summaries


@pytest.mark.parametrize(
    "summary",
    [Answer(status=500), Answer(""), Answer("x" * 90_000), Answer("x", finish="length"), Answer("x", reset="during")],
    ids=["refused", "empty", "too long", "cut off", "broken off"],
)
def test_summaries_that_fail(workspace: Workspace, summary: Answer):
    replies = calculating(12, summary=lambda: summary)
    ran = both(workspace, chain("QUESTION", "again"), replies, agents=CALCULATES, context_policy=policy())

    assert any(map(asks_for_a_summary, ran.requests))
    assert ran.replay.outputs["status"] == "success"


def test_notes(workspace: Workspace):
    pattern = chain("one", "two")
    both(workspace, pattern, Script({"one": "first"}), context_policy={"notes": {"file": "notes.md"}})

    assert (workspace.root / "notes.md").read_text().count("## ") == 2  # a replay adds nothing


PERSON = "ann@example.org, +1 415 555 2671"


@pytest.mark.parametrize(
    "answer",
    [
        f"Ask {PERSON}.",
        json.dumps({"score": 3, "who": PERSON}),
        json.dumps({"score": 3, "who": PERSON}, separators=(",", ":")),
        f"```json\n{json.dumps({'score': 3, PERSON: [PERSON, PERSON]}, indent=4)}\n```",
        '{"score": 3, "phone": 14155552671, "card": 4111111111111111}',
    ],
    ids=["text", "data", "data written tightly", "data in a fence", "data with numbers"],
)
def test_personal_data_is_taken_out_alike(workspace: Workspace, answer: str):
    agents = {"writer": {"prompt": f"Greet {PERSON}.", "tools": ["calculator"]}}
    if answer.startswith(("{", "`")):
        agents["writer"]["output_schema"] = JUDGE
    script = [Answer("", tool_calls=[("calculator", {"expression": PERSON})]), Answer(answer)]
    pattern = chain({"input": f"I am {PERSON}", "session": "s"}, {"input": "{{ last_response }}", "session": "s"})
    security = {"guardrails": {"pii_redaction": True}}
    ran = both(workspace, pattern, script, agents=agents, security=security)

    assert ran.replay.exit_code == 0
    kept = "".join(file.read_text() for file in fixtures(workspace).values())
    assert "ann@example" not in kept
    assert "555 2671" not in kept


def thinking(provider: str, request: Request) -> Answer:
    """An answer behind a thought, as the provider writes it."""
    if provider == "openai":
        return raw_openai(request, {"role": "assistant", "reasoning_content": "Hm. "}, {"content": "done"})
    if provider == "anthropic":
        wire, block = anthropic_wire, {"type": "thinking", "thinking": "", "signature": ""}
        frames = [
            wire.event("message_start", message=wire.message(request, Answer(), [], None)),
            wire.start(0, block),
            wire.delta(0, {"type": "thinking_delta", "thinking": "Hm. "}),
            wire.delta(0, {"type": "thinking_delta", "thinking": "Well."}),
            wire.delta(0, {"type": "signature_delta", "signature": "c2lnbmF0dXJl"}),
            wire.event("content_block_stop", index=0),
            wire.start(1, {"type": "text", "text": ""}),
            wire.delta(1, {"type": "text_delta", "text": "done"}),
            wire.event("content_block_stop", index=1),
            wire.event("message_delta", delta=wire.ending(Answer()), usage={"output_tokens": 5}),
            wire.event("message_stop"),
        ]
        return Answer(raw=b"".join(frames))
    event = bedrock_wire.event
    thoughts = [
        {"text": "Hm. "},
        {"text": "Well."},
        {"signature": "c2ln"},
        {"redactedContent": b64encode(b"\0\xff").decode()},
    ]
    frames = [
        event("messageStart", {"role": "assistant"}),
        *(bedrock_wire.delta(0, {"reasoningContent": one}) for one in thoughts),
        event("contentBlockStop", {"contentBlockIndex": 0}),
        bedrock_wire.delta(1, {"text": "done"}),
        event("contentBlockStop", {"contentBlockIndex": 1}),
        event("messageStop", {"stopReason": "end_turn"}),
        event("metadata", bedrock_wire.account(Answer())),
    ]
    return Answer(raw=b"".join(frames))


@pytest.mark.parametrize("provider", ["anthropic", "bedrock", "openai"])
def test_thoughts(workspace: Workspace, provider: str):
    workspace.environ |= KEYS | {"ANTHROPIC_API_KEY": "key-of-anthropic"}
    ran = both(workspace, chain("go", "on"), lambda request: thinking(provider, request), provider=provider)

    assert ran.replay.outputs["response"] == "done"
    assert "Hm. " in fixtures(workspace)["steps[0].json"].read_text()


def test_steps_that_are_skipped(workspace: Workspace):
    pattern = chain(
        {"id": "a", "input": "x", "when": "{{ false }}"},
        {"id": "b", "input": "y {{ steps.a.status }} {{ steps.a.duration_ms }}"},
        {"input": "z", "when": "{{ steps.b.response == 'ok' }}"},
    )
    ran = both(workspace, pattern, "ok")

    assert ran.requests[0].user_texts == ["y skipped 0"]
    assert [*fixtures(workspace)] == ["steps[1].json", "steps[2].json"]


def test_a_run_in_which_nothing_ran_has_no_recordings_to_replay(workspace: Workspace):
    outcome, _, spec = record(workspace, chain({"input": "x", "when": "{{ false }}"}), "ok")
    replay = workspace.run(spec, mode="replay")

    assert outcome.outputs["status"] == "skipped"
    assert (replay.exit_code, "there are no recordings in fixtures/test" in replay.log) == (14, True)


def test_templates_are_told_the_times_and_counts_of_the_recording(workspace: Workspace):
    asked = "{{ steps[0].duration_ms }} {{ steps[0].attempts }} {{ steps[0].tokens }} {{ steps[0].agent }}"
    script = [Answer(status=503), Answer("ok", delay=0.05), Answer("done")]
    outputs = {"step_outputs": {"took": "{{ steps[0].duration_ms }}"}}
    runtime = {"failure_policy": FAST}
    ran = both(workspace, chain("go", asked), script, runtime=runtime, outputs=outputs)

    assert re.fullmatch(r"\d+ 2 15 writer", ran.requests[-1].user_texts[0])
    assert int(ran.replay.outputs["took"]) >= 50


def test_values_and_another_directory(workspace: Workspace):
    inputs = {"variables": '{"topic": "tea"}', "fixtures": "kept/here"}
    ran = both(workspace, chain("About {{ topic }}."), "ok", inputs={"required": {"topic": "string"}},
               inputs_of_action=inputs)  # fmt: skip

    assert ran.replay.outputs["tape-path"] == "kept/here"
    assert [file.name for file in (workspace.root / "kept/here").iterdir()] == ["steps[0].json"]


# -- recordings that are not what they should be ----------------------------------------------------------------------


def test_a_recording_that_nothing_asks_for_is_told_of(workspace: Workspace):
    ran = both(workspace, chain("one", "two"), "ok")
    shorter = {**ran.spec, "pattern": chain("one")}
    replay = workspace.run(shorter, mode="replay")

    assert replay.exit_code == 0
    assert "recordings that nothing asked for: steps[1]" in replay.results["warnings"][0]["message"]
    assert workspace.run(shorter, mode="replay", fail_on="warning").exit_code == 14


def test_a_step_without_a_recording_is_named_with_its_line(workspace: Workspace):
    ran = both(workspace, chain("one", "two"), "ok")
    fixtures(workspace)["steps[1].json"].unlink()
    replay = workspace.run(ran.spec, mode="replay")

    (error,) = [line for line in replay.annotations if line.startswith("::error")]
    assert replay.exit_code == 14
    assert re.search(r"file=workflow\.yaml,line=\d+", error)
    assert "steps[1] (writer): it was never recorded" in error
    assert "strands-action run workflow.yaml --mode record" in error
    assert replay.results["failure"]["path"] == "steps[1]"


def test_what_was_cancelled_beside_a_step_that_failed_is_not_missed(workspace: Workspace):
    """It was never recorded, whichever of them begins first."""
    answers = {"B": Answer(""), "C": "ok"}
    pattern = parallel(a=["A"], b=["B"], c=["C", "again"])
    outcome, _, spec = record(workspace, pattern, lambda request: answers.get(request.user_texts[-1], Answer(delay=1)))
    replay = workspace.run(spec, mode="replay")

    assert {step["path"]: step["status"] for step in outcome.results["steps"]}["branches.a.steps[0]"] == "cancelled"
    assert outcome.exit_code == replay.exit_code == 10
    assert replay.results["failure"] == outcome.results["failure"]
    (error,) = [line for line in replay.annotations if line.startswith("::error")]
    assert "branches.b.steps[0] (writer): the model gave an empty answer" in error


def test_what_is_missing_beside_steps_that_did_not_fail_is_told_by_the_first(workspace: Workspace):
    ran = both(workspace, parallel(a=["A"], b=["B"], c=["C"]), "ok")
    for name in "bc":
        fixtures(workspace)[f"branches.{name}.steps[0].json"].unlink()
    replay = workspace.run(ran.spec, mode="replay")

    assert replay.exit_code == 14
    assert replay.results["failure"]["path"] == "branches.b.steps[0]"


def test_what_is_missing_is_told_where_a_failure_cancels_nothing(workspace: Workspace):
    answers = {"B": Answer("")}
    runtime = {"failure_policy": {"on_failure": "continue"}}
    pattern = parallel(a=["A"], b=["B"])
    ran = both(workspace, pattern, lambda request: answers.get(request.user_texts[-1], "ok"), runtime=runtime)
    fixtures(workspace)["branches.a.steps[0].json"].unlink()

    assert (ran.replay.exit_code, workspace.run(ran.spec, mode="replay").exit_code) == (10, 14)


@pytest.mark.parametrize(
    "block",
    [
        {"toolUse": 5},
        {"toolUse": {"toolUseId": "1", "name": "calculator"}},
        {"reasoningContent": {"redactedContent": {"__bytes_encoded__": True, "data": "a"}}},
        {"event": "none"},
        {"deltas": [{"unknown": 1}], "text": "ok"},
    ],
)
def test_a_message_that_nobody_can_make_sense_of(workspace: Workspace, block: dict[str, Any], monkeypatch: Any):
    ran = both(workspace, chain("go"), "ok")
    (file,) = fixtures(workspace).values()
    body = json.loads(file.read_text())
    body["turns"][0]["content"] = [block]
    file.write_text(json.dumps({**body, "origin": "hand"}))
    monkeypatch.setattr("runner.agents.providers.provider", None)  # as where none is installed
    replay = workspace.run(ran.spec, mode="replay")

    assert replay.exit_code == 14 or block.get("text") == replay.outputs["response"]
    told = ("steps[0] (writer): its recording ", "steps[0].json is not a recording at turns.0.content.0: '")
    assert any(one in replay.log for one in told) or replay.exit_code == 0


@pytest.mark.parametrize("policy_now", [{"retries": 0}, {"on_malformed": "fail"}])
def test_a_recording_that_leads_nowhere_any_more_is_no_failure_of_the_step(
    workspace: Workspace, policy_now: dict[str, Any]
):
    """Limits are no part of the question: the same question is asked, and its recording is of no use."""
    agents = {"writer": {"prompt": "p", "output_schema": JUDGE}}
    script = [Answer(status=503), Answer("well"), Answer('{"score": 1}')]
    ran = both(workspace, chain("go"), script, agents=agents, runtime={"failure_policy": FAST})
    spec = {**ran.spec, "runtime": {**ran.spec["runtime"], "failure_policy": {**FAST, **policy_now}}}
    replay = workspace.run(spec, mode="replay")
    with OpenAIServer('{"score": 2}') as server:
        spec["runtime"]["host"] = server.url
        anew = workspace.run(spec, mode="record")

    assert replay.exit_code == 14
    assert "its recording does not lead to its answer any more" in replay.log
    assert (anew.exit_code, len(server.requests)) == (0, 1)
    assert anew.results["data"] == {"score": 2}
    assert [anew.results["steps"][0][name] for name in ("attempts", "turns", "source")] == [1, 1, "live"]
    assert workspace.run(spec, mode="replay").results["data"] == {"score": 2}


def test_deep_data_is_refused_clearly_where_it_would_be_recorded_and_not_elsewhere(workspace: Workspace):
    agents = {"writer": {"prompt": "p", "output_schema": {}}}
    for depth in (300, 700):
        answer = "[" * depth + "]" * depth
        outcome, _, spec = record(workspace, chain("go"), lambda _, answer=answer: answer, agents=agents)
        with OpenAIServer(lambda _, answer=answer: answer) as server:
            spec["runtime"]["host"] = server.url
            live = workspace.run(spec)

        assert outcome.exit_code == 14
        assert "steps[0]: what was said" in outcome.log
        assert not (workspace.root / "fixtures").exists()
        assert (live.exit_code, live.outputs["structured"]) == (0, answer)
        assert [line for line in live.log.splitlines() if " WARNING steps[0]: what was said" in line]


# -- in any order -----------------------------------------------------------------------------------------------------

AT_ONCE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "parallel": PATTERNS["branches of several steps"],
    "workflow": PATTERNS["a dag of diamonds"],
    "orchestrator_workers": PATTERNS["two rounds of workers"],
    "a session": (parallel(**{name: [{"input": name, "session": "talk"}, name * 2] for name in "abc"}), {}),
}


@pytest.mark.parametrize("name", AT_ONCE)
def test_a_replay_does_not_depend_on_what_comes_first(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, name: str):
    """Four recordings whose answers came in any order, each replayed twenty-five times in any order."""
    pattern, answers = AT_ONCE[name]
    stream = PlayedModel.stream
    chance = random.Random(7)

    async def at_its_leisure(self: PlayedModel, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        for _ in range(chance.randrange(8)):
            await asyncio.sleep(0)
        async for event in stream(self, *args, **kwargs):
            yield event
            for _ in range(chance.randrange(3)):
                await asyncio.sleep(0)

    for number in range(4):
        script = Script(answers)

        def reply(request: Request, script: Script = script) -> Answer:
            said = script(request)
            return Answer(said.text, delay=chance.random() / 30)

        with OpenAIServer(reply) as server:
            recorded = workspace.run(workflow(server.url, pattern), mode="record", record="all", summary="brief")
        wanted = told(recorded)
        with monkeypatch.context() as patched:
            patched.setattr(PlayedModel, "stream", at_its_leisure)
            for _ in range(25):
                replayed = workspace.run(
                    workflow(server.url, pattern), mode="replay", trace="false", artifacts_dir=f"out-{number}"
                )
                replayed = told(replayed)
                assert replayed["results"] == wanted["results"]
                assert {**replayed["outputs"]} == {**wanted["outputs"]}


# -- elsewhere --------------------------------------------------------------------------------------------------------

ELSEWHERE = """
import io, json, pathlib, sys
from runner.main import main
log = io.StringIO()
code = main(["run", "workflow.yaml", "--mode", "replay"], {}, cwd=pathlib.Path.cwd(), stdout=sys.stdout, stderr=log)
strangers = [name for name in ("openai", "anthropic", "google.genai", "ollama") if name in sys.modules]
print(json.dumps([code, strangers, log.getvalue()]))
"""


def test_another_process_replays_without_a_provider_a_key_or_a_request(workspace: Workspace):
    pattern = parallel(**{name: [f"{name}"] for name in "zyxabc"}, reduce={"input": "{{ last_response }}"})

    def reply(request: Request) -> Answer:
        return Answer("", tool_calls=[SUM]) if len(request.messages) < 3 else Answer("done")

    runtime = {"params": {"seed": 1, "stop": ["x"]}, "fallbacks": [{**FALLBACK, "provider": "ollama"}]}
    with OpenAIServer(reply) as server:
        spec = at_this_server(workflow(server.url, pattern, agents=CALCULATES, runtime=runtime), server)
        recorded = workspace.run(spec, mode="record")
        asked = len(server.requests)
        ended = subprocess.run(
            [sys.executable, "-W", "error", "-c", ELSEWHERE],
            cwd=workspace.root,
            env={"PYTHONPATH": str(HOME), "PATH": "", "PYTHONHASHSEED": "77"},
            capture_output=True,
            text=True,
            check=True,
        )

    *said, last = ended.stdout.splitlines()
    code, strangers, log = json.loads(last)
    assert (code, strangers) == (0, []), log
    assert "\n".join(said) == recorded.outputs["response"]
    assert len(server.requests) == asked
    results = json.loads((workspace.root / "strands-artifacts/run-2/results.json").read_text())
    assert [one["response"] for one in results["steps"]] == [one["response"] for one in recorded.results["steps"]]
