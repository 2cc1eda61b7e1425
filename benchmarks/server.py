"""A model server that is no bottleneck: OpenAI's chat completions, from bytes that are made before anybody asks, in a
process of its own that shares no interpreter lock with what is measured.

Prints its address; when stdin ends, prints what it counted. Requests that nobody would send are refused and counted
as `odd`, so that nothing is fast by asking less. A question to warm up is answered and not counted.
"""

from __future__ import annotations

import asyncio
import json
import re
import selectors
import statistics
import sys
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any, Final

from benchmarks.specs import WARM_UP

PATH: Final = re.compile(rb"POST (?:/[\w.-]+)*/chat/completions HTTP/1\.1")
EARLY_S: Final = 0.0003
"""How long before an answer is due the server wakes, and looks at the clock until it is: to be woken takes a tenth of a
millisecond, which is a tenth of what a call may cost the engine."""


def events(pieces: Sequence[str], *, usage: bool) -> bytes:
    """A whole answer: its events, one for each piece, and how it is framed."""
    common = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "m"}

    def choice(delta: dict[str, str], finish: str | None = None) -> dict[str, Any]:
        return {**common, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]}

    told = [choice({"role": "assistant", "content": ""})]
    told += [*(choice({"content": piece}) for piece in pieces), choice({}, "stop")]
    if usage:
        counts = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
        told.append({**common, "choices": [], "usage": counts})
    body = b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in told) + b"data: [DONE]\n\n"
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"


def refusal(status: str, kind: str) -> bytes:
    body = json.dumps({"error": {"message": kind, "type": kind, "param": None, "code": None}}).encode()
    return f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


ODD: Final = refusal("400 Bad Request", "invalid_request_error")
THROTTLED: Final = refusal("429 Too Many Requests", "rate_limit_error")


class Service:
    """What is answered, to whom and how late; and what came."""

    def __init__(
        self, delay_s: float, words: int = 1, served: int | None = None, said: dict[str, str] | None = None
    ) -> None:
        self.delay_s, self.served = delay_s, served
        self._answers = {
            (model, usage): events(pieces, usage=usage)
            for model, pieces in {
                "": ["word "] * words,
                **{model: [text] for model, text in (said or {}).items()},
            }.items()
            for usage in (True, False)
        }
        self._asked = set[str]()
        self._late: list[float] = []
        self._in_flight = 0
        self.counts = dict.fromkeys(("requests", "refused", "odd", "connections", "most", "bytes_in", "bytes_out"), 0)

    def answer(self, body: dict[str, Any]) -> bytes:
        known = (body["model"], True) in self._answers
        usage = bool((body.get("stream_options") or {}).get("include_usage"))
        return self._answers[body["model"] if known else "", usage]

    def begins(self, question: str, size: int) -> bool:
        """Whether there is room for one more."""
        if self.served is not None and self._in_flight >= self.served:
            self.counts["refused"] += 1
            return False
        self.counts["requests"] += 1
        self.counts["bytes_in"] += size
        self._asked.add(question)
        self._in_flight += 1
        self.counts["most"] = max(self.counts["most"], self._in_flight)
        return True

    def ends(self, late_s: float, size: int) -> None:
        self._in_flight -= 1
        self._late.append(late_s)
        self.counts["bytes_out"] += size

    def told(self) -> dict[str, float]:
        late = statistics.median(self._late) if self._late else 0.0
        cpu = {"late_ms": 1000 * late, "server_cpu_ms": 1000 * time.process_time()}
        return {**self.counts, "questions": len(self._asked), **cpu}


class Connection(asyncio.Protocol):
    """One client's connection, kept for as long as the client keeps it; one request at a time, as clients do."""

    def __init__(self, service: Service) -> None:
        self._service, self._buffer, self._counted = service, b"", False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._loop, self._transport = asyncio.get_running_loop(), transport

    def data_received(self, data: bytes) -> None:
        now = self._loop.time()
        self._buffer += data
        head, mark, rest = self._buffer.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        if not mark or (length and len(rest) < int(length[1])):
            return
        self._buffer = b""
        body = read(head, rest)
        if body is None:
            self._service.counts["odd"] += 1
            self._write(ODD)
            return
        question = text_of(body["messages"][-1])
        if question == WARM_UP:
            self._write(self._service.answer(body))
            return
        self._service.counts["connections"] += not self._counted
        self._counted = True
        if not self._service.begins(question, len(head) + 4 + len(rest)):
            self._write(THROTTLED)
        elif self._service.delay_s:
            due = now + self._service.delay_s
            self._loop.call_at(due - EARLY_S, self._answer, body, due)
        else:
            self._answer(body, now)

    def _answer(self, body: dict[str, Any], due: float) -> None:
        answer = self._service.answer(body)
        while self._loop.time() < due:
            pass
        self._write(answer)
        self._service.ends(self._loop.time() - due, len(answer))

    def _write(self, answer: bytes) -> None:
        assert isinstance(self._transport, asyncio.Transport)
        if not self._transport.is_closing():
            self._transport.write(answer)


def read(head: bytes, rest: bytes) -> dict[str, Any] | None:
    """The body of a request that a client of a model would send, and of no other."""
    try:
        body = json.loads(rest)
        question = text_of(body["messages"][-1])
    except (ValueError, KeyError, IndexError, TypeError):
        return None
    asked = body["messages"][-1].get("role") == "user" and question.strip()
    keyed = re.search(rb"(?i)\r\nauthorization: bearer \S", head) is not None
    usual = PATH.match(head) is not None and keyed and body.get("stream") is True and isinstance(body.get("model"), str)
    return body if asked and usual else None


def text_of(message: dict[str, Any]) -> str:
    content = message["content"]
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


async def listening(service: Service) -> tuple[asyncio.Server, str]:
    """A server at a free port, and its address."""
    server = await asyncio.get_running_loop().create_server(lambda: Connection(service), "127.0.0.1", 0)
    return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


async def until_stdin_ends(service: Service) -> None:
    server, url = await listening(service)
    print(url, flush=True)
    over = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), over.set)
    await over.wait()
    server.close()
    print(json.dumps(service.told()), flush=True)


def main() -> None:
    parser = ArgumentParser()
    parser.add_argument("delay_s", type=float)
    parser.add_argument("--words", type=int, default=1, help="how many pieces answers have")
    parser.add_argument("--served", type=int)
    parser.add_argument("--said", type=json.loads, help="answers by model, as JSON")
    given = parser.parse_args()
    # epoll, the usual one, rounds every wait up to a whole millisecond; select does not.
    precise = lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())  # noqa: E731
    with asyncio.Runner(loop_factory=precise) as runner:
        runner.run(until_stdin_ends(Service(given.delay_s, given.words, given.served, given.said)))


if __name__ == "__main__":
    main()
