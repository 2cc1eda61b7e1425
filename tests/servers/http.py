"""The scripted HTTP/1.1 server under every provider: sockets, counting, timing, and how an answer breaks.

A provider's module says only what its bytes look like (`ModelServer` lists what it must give). The loop is made
without `asyncio.run` or `asyncio.new_event_loop`, so that a test may count those for the code under test.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field
from http.client import responses as reasons
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, NamedTuple, Self

if TYPE_CHECKING:
    import re
    import ssl

Json = dict[str, Any]

END: Final = b"0\r\n\r\n"
RST_ON_CLOSE: Final = struct.pack("ii", 1, 0)
RST_GRACE: Final = 0.01  # an RST may overtake bytes that the peer has not yet read
JOIN_TIMEOUT: Final = 5.0


@dataclass(frozen=True)
class Answer:
    """What one request gets. Times are seconds; `finish` and `error` take the provider's shape on the wire.

    With `tool_calls`, a `finish` of "stop" is sent as "tool_calls"; a word no provider knows is sent as it is.
    """

    text: str = "ok"
    _: KW_ONLY
    delay: float = 0.0  # before the headers
    first_delay: float = 0.0  # between what opens a stream and the first piece of the text
    chunk_delay: float = 0.0  # between two pieces of the text
    chunks: int = 2
    late_end: float = 0.0  # between the last data and the end of the HTTP body
    ping: float = 0.0  # how often a stream that is silent says that it is still there
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    error: Json | None = None
    usage: tuple[int, int] = (10, 5)  # all that was sent, cached or not; what was answered
    cached: tuple[int, int] = (0, 0)  # of what was sent: read from a cache, written to it
    finish: str = "stop"
    tool_calls: Sequence[tuple[str, Json]] = ()
    reset: Literal["before", "during"] | None = None
    raw: bytes | None = None
    content_type: str | None = None
    recount: Callable[[Json], Json] = lambda usage: usage  # what is told of the usage instead; {} where nothing is
    breaks: Callable[[Wire], Iterable[Act]] | None = None  # what becomes of a stream; those there are: `faults`

    @property
    def ending(self) -> str:
        return "tool_calls" if self.tool_calls and self.finish == "stop" else self.finish

    @property
    def pieces(self) -> list[str]:
        size = max(1, -(-len(self.text) // self.chunks))
        return [self.text[at : at + size] for at in range(0, len(self.text), size)]


@dataclass(eq=False)
class Request:
    """One request as it arrived; `number` counts from 1, `at` is monotonic."""

    number: int
    method: str
    path: str
    headers: dict[str, str]
    body: Json
    model: str
    at: float = field(default_factory=time.monotonic)
    query: str = ""
    answered: bool = False  # the whole answer was written to a client that was still there
    target: str = ""  # the path with its query, or a whole URL as a proxy is sent it
    content: bytes = b""

    @property
    def messages(self) -> list[Json]:
        return list(self.body.get("messages", self.body.get("contents", [])))

    @property
    def user_texts(self) -> list[str]:
        """The text of each user message; those that carry none (tool results) are left out."""
        asked = [message for message in self.messages if message.get("role") == "user"]
        texts = (text_of(message.get("content", message.get("parts"))) for message in asked)
        return [text for text in texts if text]


class Stream(NamedTuple):
    """The frames of a streamed body. `Answer.chunk_delay` lies between deltas; every frame is an HTTP chunk."""

    opening: list[bytes]
    deltas: list[bytes]
    closing: list[bytes]


Act = bytes | float | Literal["reset", "close"]
"""What happens on a connection next: these bytes are sent, so many seconds go by, or it ends."""


@dataclass(frozen=True)
class Wire:
    """A streamed answer as it would be sent, for whoever breaks it. `frames` are not yet HTTP chunks."""

    server: ModelServer
    head: bytes
    stream: Stream

    @property
    def frames(self) -> list[bytes]:
        return [*self.stream.opening, *self.stream.deltas, *self.stream.closing]

    @property
    def begun(self) -> list[bytes]:
        """What is sent until the first of the text is there."""
        return [self.head, *map(chunk, [*self.stream.opening, *self.stream.deltas[:1]])]

    def with_frames(self, frames: Sequence[bytes]) -> list[bytes]:
        """The same answer with other frames."""
        return [self.head, *map(chunk, frames), END]


Scripted = Answer | str | Json
Reply = Callable[[Request], Scripted] | Sequence[Answer] | Answer | str


def text_of(content: object) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(part["text"] for part in parts if "text" in part)


def as_answer(scripted: Scripted) -> Answer:
    if isinstance(scripted, Answer):
        return scripted
    return Answer(scripted if isinstance(scripted, str) else json.dumps(scripted))


def as_function(reply: Reply) -> Callable[[Request], Scripted]:
    if callable(reply):
        return reply
    answers = [reply] if isinstance(reply, (Answer, str)) else list(reply)
    left = iter(answers)
    return lambda _: next(left, answers[-1])


class ModelServer:
    """`with` starts it and gives it back; leaving drops every connection and joins the thread.

    `reply` is called in the server's thread and must not block. If it raises, the request gets a 400 (which no
    client retries). Whatever goes wrong in the server's thread, this included, is raised again on leaving the
    `with`, or noted on the exception that is already under way.
    """

    route: ClassVar[re.Pattern[str]]
    stream_type: ClassVar[str]
    base_path: ClassVar[str] = ""
    keep_alive: ClassVar[bytes] = b""
    tls: ssl.SSLContext | None = None

    def __init__(self, reply: Reply = "ok") -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self.max_in_flight = 0
        self.max_open = 0
        self._reply = as_function(reply)
        self._failure: Exception | None = None
        self._answering: set[Request] = set()
        self._links: set[_Link] = set()
        self._open: set[_Link] = set()
        self._ready = threading.Event()

    # What a provider gives.

    def model_of(self, path: str, body: Json) -> str:
        return str(body.get("model", ""))

    def streams(self, request: Request) -> bool:
        return bool(request.body.get("stream", False))

    def stream(self, request: Request, answer: Answer) -> Stream:
        raise NotImplementedError

    def whole(self, request: Request, answer: Answer) -> Json:
        raise NotImplementedError

    def error(self, status: int, message: str) -> Json:
        raise NotImplementedError

    def error_headers(self, status: int) -> dict[str, str]:
        return {}

    def frame(self, content: bytes) -> bytes:
        """A frame of a stream that holds this, whatever it is."""
        raise NotImplementedError

    def error_frame(self, status: int, message: str) -> bytes:
        """An error inside a stream."""
        return self.frame(json.dumps(self.error(status, message)).encode())

    # What a test sees.

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.base_path}"

    @property
    def in_flight(self) -> int:
        return len(self._answering)

    @property
    def open(self) -> int:
        return len(self._open)

    @property
    def sockets(self) -> int:
        """Connections that this end has open, which is a moment longer than the other."""
        return len(self._links)

    def until(self, condition: Callable[[], bool], timeout: float = 2.0) -> None:
        """Wait for what the server learns only after the client has moved on, such as a closed connection."""
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"condition still false after {timeout} s")
            time.sleep(0.002)

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        # asyncio leaves Nagle's algorithm on for such a socket, which costs every reused connection 40 ms a call.
        self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, name=type(self).__name__, daemon=True)
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(JOIN_TIMEOUT)
        if self._thread.is_alive():
            raise TimeoutError(f"{type(self).__name__} did not stop: does its reply block?")
        if self._failure and error:
            error.add_note(f"{type(self).__name__} failed: {self._failure!r}")
        elif self._failure:
            raise self._failure

    # The server's thread.

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        listening = await self._loop.create_server(lambda: _Link(self), sock=self._listener, backlog=1024, ssl=self.tls)
        self._ready.set()
        await self._stop.wait()
        self._loop.remove_reader(self._listener)
        await self._drop_links()
        listening.close()

    async def _drop_links(self) -> None:
        for _ in range(5):  # what was accepted just now needs a few turns of the loop to become a link
            await asyncio.sleep(0)
        while self._links:
            for link in list(self._links):
                link.drop()
            await asyncio.sleep(0)

    def connected(self, link: _Link) -> None:
        self._links.add(link)
        self._open.add(link)
        self.connections += 1
        self.max_open = max(self.max_open, len(self._open))

    def disconnected(self, link: _Link, *, gone: bool) -> None:
        """The peer has closed; `gone` when our end of the socket is closed as well."""
        self._open.discard(link)
        if gone:
            self._links.discard(link)

    def arrived(self, method: str, target: str, headers: dict[str, str], content: bytes) -> Request:
        path, _, query = target.partition("?")
        body = as_json(content)
        request = Request(len(self.requests) + 1, method, path, headers, body, self.model_of(path, body), query=query)
        request.target, request.content = target, content
        self.requests.append(request)
        self._answering.add(request)
        self.max_in_flight = max(self.max_in_flight, len(self._answering))
        return request

    def left(self, request: Request) -> None:
        self._answering.discard(request)

    def failed(self, error: Exception) -> None:
        self._failure = self._failure or error

    def answer_to(self, request: Request) -> Answer:
        if request.method != "POST" or not self.route.fullmatch(request.path):
            return Answer(status=404, error=self.error(404, f"no such route: {request.method} {request.path}"))
        try:
            return as_answer(self._reply(request))
        except Exception as error:
            self.failed(error)
            return Answer(status=400, error=self.error(400, f"reply raised {error!r}"))

    def body_of(self, request: Request, answer: Answer) -> tuple[str, bytes]:
        """Content type and bytes of a body that is sent in one piece."""
        if answer.raw is not None:
            return self.stream_type, answer.raw
        if answer.status != 200:
            said = answer.error or self.error(answer.status, reasons.get(answer.status, "error"))
            return "application/json", json.dumps(said).encode()
        return "application/json", json.dumps(self.whole(request, answer)).encode()


class _Link(asyncio.StreamReaderProtocol):
    """One TCP connection. Its task is cancelled as soon as the peer closes, even in the middle of a delay."""

    def __init__(self, server: ModelServer) -> None:
        self.server = server
        self.reader = asyncio.StreamReader()
        super().__init__(self.reader)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        super().connection_made(transport)
        self.transport = transport
        self.writer = asyncio.StreamWriter(transport, self, self.reader, asyncio.get_running_loop())
        self.server.connected(self)
        self.task = asyncio.get_running_loop().create_task(self.talk())

    def eof_received(self) -> bool | None:
        self.server.disconnected(self, gone=False)
        self.task.cancel()
        return super().eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        self.server.disconnected(self, gone=True)
        self.task.cancel()
        super().connection_lost(error)

    def drop(self) -> None:
        self.task.cancel()
        self.transport.abort()

    def reset(self) -> None:
        connection = self.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST_ON_CLOSE)
        self.transport.abort()

    async def talk(self) -> None:
        try:
            while not self.transport.is_closing():
                await self.exchange()
            self.transport.close()
        except (asyncio.CancelledError, asyncio.IncompleteReadError, ConnectionError):
            self.transport.abort()
        except Exception as error:
            self.server.failed(error)
            self.transport.abort()

    async def exchange(self) -> None:
        request = await self.read()
        try:
            await self.answer(request, self.server.answer_to(request))
        finally:
            self.server.left(request)
        if request.headers.get("connection", "").lower() == "close":
            self.transport.close()

    async def read(self) -> Request:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        start, *lines = head.rstrip().split("\r\n")
        method, target, _version = start.split(" ")
        headers: dict[str, str] = {}
        for name, _, value in (line.partition(":") for line in lines):  # one that stands twice is seen twice
            headers[name.lower()] = (
                f"{headers[name.lower()]}, {value.strip()}" if name.lower() in headers else value.strip()
            )
        body = await self.read_body(headers)
        return self.server.arrived(method, target, headers, body)

    async def read_body(self, headers: Mapping[str, str]) -> bytes:
        if headers.get("transfer-encoding", "").lower() != "chunked":
            return await self.reader.readexactly(int(headers.get("content-length", 0)))
        body = b""
        while size := int(await self.reader.readuntil(b"\r\n"), 16):
            body += (await self.reader.readexactly(size + 2))[:-2]
        await self.reader.readuntil(b"\r\n")
        return body

    async def answer(self, request: Request, answer: Answer) -> None:
        await asyncio.sleep(answer.delay)
        if answer.reset == "before":
            self.reset()
        elif answer.breaks is not None:
            await self.send_broken(request, answer.breaks(self.wire(request, answer)))
        elif answer.status == 200 and answer.raw is None and self.server.streams(request):
            await self.send_stream(request, answer)
        else:
            await self.send_whole(request, answer)

    async def send_whole(self, request: Request, answer: Answer) -> None:
        kind, body = self.server.body_of(request, answer)
        head = self.head(answer, kind, f"content-length: {len(body)}")
        if answer.reset == "during":
            await self.send_and_reset([head, body[: len(body) // 2]])
        else:
            await self.send_last(request, [head + body])

    async def send_stream(self, request: Request, answer: Answer) -> None:
        stream = self.server.stream(request, answer)
        opening = [
            self.head(answer, self.server.stream_type, "transfer-encoding: chunked"),
            *map(chunk, stream.opening),
        ]
        if answer.reset == "during":
            half = stream.deltas[: (len(stream.deltas) + 1) // 2]
            await self.send_and_reset([*opening, *map(chunk, half)])
        else:
            await self.send(opening)
            await self.send_deltas(stream, answer)
            await self.send_end(request, stream, answer)

    def wire(self, request: Request, answer: Answer) -> Wire:
        head = self.head(answer, self.server.stream_type, "transfer-encoding: chunked")
        return Wire(self.server, head, self.server.stream(request, answer))

    async def send_broken(self, request: Request, acts: Iterable[Act]) -> None:
        *earlier, last = acts
        for act in earlier:
            if isinstance(act, bytes):
                await self.send([act])
            else:
                assert not isinstance(act, str), "nothing can be done behind the end of a connection"
                await asyncio.sleep(act)
        if isinstance(last, bytes):
            await self.send_last(request, [last])
        elif last == "reset":
            await self.send_and_reset([])
        else:
            self.transport.close()

    async def send_deltas(self, stream: Stream, answer: Answer) -> None:
        for position, delta in enumerate(stream.deltas):
            await self.keep_silent(answer.chunk_delay if position else answer.first_delay, answer)
            await self.send([chunk(delta)])

    async def keep_silent(self, seconds: float, answer: Answer) -> None:
        """Say nothing, or only that the connection is alive, in the provider's way."""
        frame = self.server.keep_alive
        while frame and 0 < answer.ping < seconds:
            await asyncio.sleep(answer.ping)
            await self.send([chunk(frame)])
            seconds -= answer.ping
        await asyncio.sleep(seconds)

    async def send_end(self, request: Request, stream: Stream, answer: Answer) -> None:
        closing = [*map(chunk, stream.closing)]
        if answer.late_end:
            await self.send(closing)
            await asyncio.sleep(answer.late_end)
            closing = []
        await self.send_last(request, [*closing, END])

    def head(self, answer: Answer, kind: str, framing: str) -> bytes:
        extra = self.server.error_headers(answer.status) | dict(answer.headers)
        lines = [
            f"HTTP/1.1 {answer.status} {reasons.get(answer.status, 'Unknown')}",
            f"content-type: {answer.content_type or kind}",
            framing,
            *(f"{name}: {value}" for name, value in extra.items()),
        ]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    async def send(self, parts: Sequence[bytes]) -> None:
        for part in parts:
            self.writer.write(part)
        await self.writer.drain()

    async def send_last(self, request: Request, parts: Sequence[bytes]) -> None:
        """Settle the account first: once the bytes are out, a test may read it at any moment."""
        if self.transport.is_closing():
            raise ConnectionResetError
        request.answered = True
        self.server.left(request)
        try:
            await self.send(parts)
        except BaseException:
            request.answered = False
            raise

    async def send_and_reset(self, parts: Sequence[bytes]) -> None:
        await self.send(parts)
        await asyncio.sleep(RST_GRACE)
        self.reset()


def chunk(frame: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(frame), frame)


def as_json(body: bytes) -> Json:
    with suppress(ValueError):
        parsed = json.loads(body)
        return parsed if isinstance(parsed, dict) else {}
    return {}
