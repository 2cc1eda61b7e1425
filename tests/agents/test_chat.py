"""Our model of chat completions beside the SDK's on OpenAI's own client: both ask one server, and are told the same."""

from __future__ import annotations

import asyncio
import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import aclosing
from itertools import pairwise
from pathlib import Path
from typing import Any

import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai._streaming import SSEDecoder
from strands.models.openai import OpenAIModel

from runner.agents.providers import Home
from runner.agents.providers.chat import model
from runner.agents.providers.chat.faults import Failed
from runner.agents.providers.chat.model import ChatModel
from runner.agents.providers.chat.request import IMAGE_FOLLOWS
from runner.agents.providers.chat.stream import Answer as StreamAnswer
from runner.agents.providers.chat.stream import Events
from runner.agents.providers.openai import open_client
from tests.agents.test_providers import ONCE, ask
from tests.contract.test_reuse import KEYS
from tests.servers import Answer, OpenAIServer
from tests.servers.tls import certified
from tests.workspace import Workspace, chain, workflow

MANY = settings(max_examples=200, deadline=None, derandomize=True)
HELLO = [{"role": "user", "content": [{"text": "hello"}]}]


class Both:
    """A server, and the two models that ask it; `reply` is what it says."""

    def __init__(self, server: OpenAIServer, runner: asyncio.Runner) -> None:
        self.reply: Any = Answer()
        self._server, self._runner, self._home = server, runner, Home({}, 2)
        self._service = runner.run(open_client(server.url, self._home)).raw
        self._theirs = openai.AsyncOpenAI(base_url=server.url, api_key="none", max_retries=0)

    def close(self) -> None:
        self._runner.run(self._home.close())
        self._runner.run(self._theirs.close())

    def asked(self, params: dict[str, Any], *question: Any, **more: Any) -> list[tuple[Any, list[Any]]]:
        """The body that was sent and the events that came of it, of ours and theirs."""
        both = (ChatModel(self._service, "m", params), OpenAIModel(client=self._theirs, model_id="m", params=params))
        events = [self._runner.run(collected(one, *question, **more)) for one in both]
        return [(request.body, came) for request, came in zip(self._server.requests[-2:], events, strict=True)]


async def collected(asked: Any, *question: Any, **more: Any) -> list[Any]:
    async with aclosing(asked.stream(*question, **more)) as events:
        return [event async for event in events]


@pytest.fixture(scope="module")
def both() -> Iterator[Both]:
    with asyncio.Runner() as runner, OpenAIServer(reply=lambda _: found.reply) as server:
        found = Both(server, runner)
        yield found
        found.close()


# -- what is asked ----------------------------------------------------------------------------------------------------

WORDS = st.text(max_size=8)
PLAIN = st.dictionaries(WORDS, st.none() | st.booleans() | st.integers() | WORDS, max_size=2)
BYTES = st.builds(lambda content: {"bytes": content}, st.binary(max_size=4))
IMAGE = st.builds(
    lambda kind, source: {"image": {"format": kind, "source": source}}, st.sampled_from(["png", "x"]), BYTES
)
FILE = st.builds(lambda name, source: {"document": {"format": "pdf", "name": name, "source": source}}, WORDS, BYTES)
TEXT = st.builds(lambda text: {"text": text}, WORDS)
NAMED = st.just({"image": {"format": "png", "source": {"location": {"type": "s3", "uri": "s3://a/b"}}}})
MARK = st.just({"cachePoint": {"type": "default"}})
THOUGHT = st.builds(lambda text: {"reasoningContent": {"reasoningText": {"text": text}}}, WORDS)
CALL = st.builds(lambda given: {"toolUse": {"toolUseId": "c", "name": "t", "input": given}}, PLAIN)
GIVEN = st.lists(TEXT | IMAGE | FILE | st.builds(lambda value: {"json": value}, PLAIN), max_size=4)
RESULT = st.builds(lambda content: {"toolResult": {"toolUseId": "c", "status": "success", "content": content}}, GIVEN)
SAID = st.builds(
    lambda role, content: {"role": role, "content": content},
    st.sampled_from(["user", "assistant"]),
    st.lists(TEXT | IMAGE | FILE | NAMED | MARK | THOUGHT | CALL | RESULT, max_size=4),
)
TOOL = st.builds(lambda text: {"name": "t", "description": text, "inputSchema": {"json": {"type": "object"}}}, WORDS)
CHOICE = st.sampled_from([None, {"auto": {}}, {"any": {}}, {"tool": {"name": "t"}}])
PARAMS = st.sampled_from([{}, {"temperature": 0.5, "seed": 7}, {"extra_body": {"seed": 1, "top_k": 2}, "seed": 3}])
THEIR_WORDS = "Tool successfully returned an image. The image is being provided in the following user message."


@settings(MANY, max_examples=100)
@given(PARAMS, st.lists(SAID, max_size=4), st.lists(TOOL, max_size=2), st.none() | WORDS, CHOICE)
def test_the_same_is_asked_but_for_two_things(both: Both, params: Any, said: Any, tools: Any, system: Any, choice: Any):
    """An empty list of tools is left out, which some servers refuse; and that an image follows is told in our words."""
    both.reply = Answer()
    (ours, _), (theirs, _) = both.asked(params, said, tools, system, tool_choice=choice)
    if not theirs["tools"]:
        del theirs["tools"]

    assert ours == json.loads(json.dumps(theirs).replace(THEIR_WORDS, IMAGE_FOLLOWS))


def test_content_that_chat_completions_have_no_form_for_is_refused_by_both(both: Both):
    said = [{"role": "user", "content": [{"video": {"format": "mp4", "source": {"bytes": b""}}}]}]
    for _ in range(2):
        with pytest.raises(TypeError, match="video"):
            both.asked({}, said)


def test_half_a_character_is_asked_as_one_that_is_unknown(both: Both):
    both.reply = Answer()
    service = both._service
    both._runner.run(collected(ChatModel(service, "m", {}), [{"role": "user", "content": [{"text": "a \ud800"}]}]))

    assert both._server.requests[-1].messages[0]["content"][0]["text"] == "a \ufffd"


# -- what is answered -------------------------------------------------------------------------------------------------


def piece(index: int, name: str, arguments: Any) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {"tool_calls": [{"index": index, "id": f"call {index}", "type": "function", "function": function}]}


DELTA = st.one_of(
    st.fixed_dictionaries({}, optional=dict.fromkeys(("content", "reasoning_content", "reasoning"), WORDS)),
    st.builds(piece, st.integers(0, 2), WORDS, st.none() | WORDS),
)
FINISH = st.sampled_from(["stop", "length", "tool_calls", "content_filter", "eos_token"])
USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
COUNT = st.sampled_from(
    [None, USAGE, {**USAGE, "prompt_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 2}}]
)
BETWEEN = st.sampled_from(["", ": still here", "event: message", "[1]", 'data: {"strange": 1}\n'])


def framed(parts: list[Any], between: str, line_end: str, space: str) -> bytes:
    lines = [f"{between}\ndata:{space}{json.dumps(part, ensure_ascii=False)}\n\n" for part in parts]
    return "".join([*lines, f"data:{space}[DONE]\n\n"]).replace("\n", line_end).encode()


@MANY
@given(st.lists(DELTA, max_size=6), FINISH, COUNT, BETWEEN, st.sampled_from(["\n", "\r\n"]), st.sampled_from(["", " "]))
def test_the_same_is_told_of_an_answer(
    both: Both, deltas: Any, finish: str, count: Any, between: str, line_end: str, space: str
):
    said = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    end = [{"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}, {"choices": [], "usage": count}]
    both.reply = Answer(raw=framed([*said, *end], between, line_end, space))
    (_, ours), (_, theirs) = both.asked({}, HELLO)

    assert ours == together(theirs)


def together(events: list[Any]) -> list[Any]:
    """Events as ours tells those that came at once: with words that follow each other in one."""
    found: list[Any] = []
    for event in events:
        match found[-1:], event:
            case [{"contentBlockDelta": {"delta": {"text": said}}}], {"contentBlockDelta": {"delta": {"text": more}}}:
                found[-1] = {"contentBlockDelta": {"delta": {"text": said + more}}}
            case _:
                found.append(event)
    return found


def test_what_was_said_before_a_fault_is_told_before_it():
    said = [{"choices": [{"delta": {"content": word}}]} for word in ("a", "b")]
    told = StreamAnswer(lambda: None).told([*said, {"error": {"message": "no more"}}])

    assert [next(told), next(told)][1] == {"contentBlockDelta": {"delta": {"text": "ab"}}}
    with pytest.raises(Failed, match="no more"):
        next(told)


@MANY
@given(
    st.lists(
        st.sampled_from(["data: a\r\n", "data:", "data", "a\u2028é", "event: x", ":", "\n", "\r\n", "\n\n", "id: 1"])
    ),
    st.lists(st.integers(0, 80)),
)
def test_events_are_the_same_wherever_their_bytes_are_cut(fields: list[str], cuts: list[int]):
    stream = "".join([*fields, "\n\n"]).encode()
    whole = [event.data for event in SSEDecoder().iter_bytes(iter([stream])) if event.data]

    for places in (sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))}), range(len(stream) + 1)):
        events = Events()
        assert [one for begin, end in pairwise(places) for one in events.read(stream[begin:end])] == whole


def test_lines_may_be_long_and_come_in_many_pieces():
    events, piece = Events(), b"x" * 2**16
    assert [*events.read(b"data: ")] == []
    assert all([*events.read(piece)] == [] for _ in range(512))
    assert [len(data) for data in events.read(b"\n\n")] == [2**25]


def test_a_stream_may_be_compressed(both: Both):
    whole = framed([{"choices": [{"delta": {"content": "ok"}, "finish_reason": "stop"}]}], "", "\n", " ")
    both.reply = Answer(raw=gzip.compress(whole), headers={"content-encoding": "gzip"})
    (_, ours), (_, theirs) = both.asked({}, HELLO)

    assert ours == theirs
    assert {"contentBlockDelta": {"delta": {"text": "ok"}}} in ours


def test_a_count_that_is_none_does_not_lose_the_answer():
    answer = StreamAnswer(lambda: None)
    for count in ([1], "9", {**USAGE, "prompt_tokens_details": "none"}, True):
        [*answer.read({"choices": [], "usage": count})]
    [*answer.read({"choices": [{"delta": {}, "finish_reason": "stop"}]})]

    (told,) = answer.usage()
    assert told["metadata"]["usage"] == {"inputTokens": 9, "outputTokens": 4, "totalTokens": 13}


@pytest.mark.parametrize("wrong", [{"function": {"name": 5}}, {"id": 7, "function": {"name": "t"}}])
def test_a_call_whose_name_or_id_is_no_text_cannot_be_read(wrong: Any):
    said = {"choices": [{"delta": {"tool_calls": [wrong]}, "finish_reason": "tool_calls"}]}
    with pytest.raises(TypeError, match="a text that is none"):
        [*StreamAnswer(lambda: None).read(said)]


@pytest.mark.parametrize("begin", ["data: ", ": "])
def test_an_answer_that_unpacks_to_gigabytes_is_given_up(both: Both, monkeypatch: pytest.MonkeyPatch, begin: str):
    monkeypatch.setattr(model, "LONGEST_ANSWER", 2**20)
    whole = begin.encode() + b"x" * 2**21
    both.reply = Answer(raw=gzip.compress(whole), headers={"content-encoding": "gzip"})
    with pytest.raises(Failed, match="sent more than 1,048,576 bytes as one answer"):
        both._runner.run(collected(ChatModel(both._service, "m", {}), HELLO))


@pytest.mark.parametrize(("status", "told"), [(400, r"\[\["), (200, "a JSON document in place of an event stream")])
def test_a_document_too_deep_to_read_is_told_as_any_other(both: Both, status: int, told: str):
    both.reply = Answer(raw=b"[" * 60_000, status=status, content_type="application/json")
    with pytest.raises(Failed, match=told):
        both._runner.run(collected(ChatModel(both._service, "m", {}), HELLO))


# -- where it is asked ------------------------------------------------------------------------------------------------


def test_params_reach_headers_and_the_address(workspace: Workspace):
    params = {"extra_headers": {"x-team": "a", "AUTHORIZATION": "Key 1"}, "extra_query": {"a": "b c", "d": [1, True]}}
    with OpenAIServer() as server:
        ask(workspace, server, "openai", runtime={"params": params})

    (request,) = server.requests
    assert (request.headers["x-team"], request.headers["authorization"]) == ("a", "Key 1")
    assert request.query in ("a=b+c&d=1&d=true", "a=b%20c&d=1&d=true")


def test_extras_that_are_no_mapping_are_refused(workspace: Workspace):
    with OpenAIServer() as server:
        outcome = ask(workspace, server, "openai", runtime={"params": {"extra_headers": "x-team: a"}})

    assert outcome.exit_code == 2
    assert "params.extra_headers is not a mapping of names to values" in outcome.log


def test_who_pays_is_said_as_the_environment_says(workspace: Workspace):
    workspace.environ |= {**KEYS, "OPENAI_ORG_ID": "org-1", "OPENAI_PROJECT_ID": "proj-1"}
    with OpenAIServer() as server:
        ask(workspace, server, "openai")

    headers = server.requests[0].headers
    assert (headers["openai-organization"], headers["openai-project"]) == ("org-1", "proj-1")


def test_a_key_that_was_pasted_with_a_line_end_is_refused_before_anyone_is_asked(workspace: Workspace):
    workspace.environ |= {"OPENAI_API_KEY": "our-own-key\n"}
    with OpenAIServer() as server:
        outcome = ask(workspace, server, "openai")

    assert (outcome.exit_code, server.requests) == (2, [])
    assert "the key has a line break or another control character in it" in outcome.log


def test_a_header_with_a_line_end_is_refused(workspace: Workspace):
    with OpenAIServer() as server:
        outcome = ask(workspace, server, "openai", runtime={"params": {"extra_headers": {"x-team": "a\nb: c"}}})

    assert (outcome.exit_code, server.requests) == (2, [])
    assert "the header 'x-team' has a line break" in outcome.log


def test_how_long_an_answer_is_waited_for_is_not_said_in_params(workspace: Workspace):
    with OpenAIServer() as server:
        outcome = ask(workspace, server, "openai", runtime={"params": {"timeout": 3}})

    assert outcome.exit_code == 3
    assert "params cannot have 'timeout', which is the step's own" in outcome.log


def test_a_name_and_a_password_in_the_address_go_before_the_key(workspace: Workspace):
    workspace.environ |= KEYS
    with OpenAIServer() as server:
        workspace.run(workflow(server.url.replace("//", "//me:word@"), chain("go"), runtime=ONCE))

    assert server.requests[0].headers["authorization"] == "Basic bWU6d29yZA=="


@pytest.mark.parametrize(("name", "trusted"), [("localhost", True), ("other.test", False)])
def test_tls_is_of_the_authorities_that_the_environment_names(
    workspace: Workspace, tmp_path: Path, name: str, trusted: bool
):
    server = OpenAIServer()
    server.tls = certified(name, tmp_path)
    workspace.environ["SSL_CERT_FILE"] = str(tmp_path / "ca.pem")
    with server:
        outcome = workspace.run(workflow(f"https://localhost:{server.port}/v1", chain("go"), runtime=ONCE))

    assert (outcome.outputs["response"] == "ok") == trusted
    assert ("its certificate is not to be trusted: Hostname mismatch" in outcome.log) != trusted


def test_authorities_that_cannot_be_read_are_named(workspace: Workspace, tmp_path: Path):
    workspace.environ |= {**KEYS, "SSL_CERT_FILE": str(tmp_path / "none.pem")}
    outcome = workspace.run(workflow("https://localhost:9/v1", chain("go"), runtime=ONCE))

    assert outcome.exit_code == 2
    assert f"SSL_CERT_FILE: '{tmp_path / 'none.pem'}' holds no certificates: [Errno 2]" in outcome.log


def test_no_other_client_is_loaded_and_no_authority_is_read(tmp_path: Path):
    ask_it = """
import asyncio, sys
from runner.agents.providers import Home, provider
async def main():
    home = Home({}, 1)
    await provider("openai").open("http://127.0.0.1:9/v1", home)
    await home.close()
    return home.http
http = asyncio.run(main())
import aiohttp.connector, ssl
at_import = aiohttp.connector._SSL_CONTEXT_VERIFIED.cert_store_stats()["x509"]
print([name for name in ("openai", "httpx", "httpx_aiohttp") if name in sys.modules], "tls" in vars(http), at_import)
print(ssl.create_default_context(cafile=sys.argv[1]).cert_store_stats()["x509"], "set_default" in vars(ssl.SSLContext))
"""
    certified("localhost", tmp_path)
    command = [sys.executable, "-c", ask_it, str(tmp_path / "ca.pem")]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert told.splitlines() == ["[] False 0", "1 False"]
