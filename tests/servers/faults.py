"""The ways in which a stream breaks: each makes of a whole answer what is done on the connection instead.

`Answer(breaks=FAULTS["stall before headers"])`. They know nothing of a provider: `Wire` has its frames, and its server
makes more of them. What a status alone says, and what a reset does, is in `Answer` itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from .http import END, Act, Wire, chunk

if TYPE_CHECKING:
    from .http import Json

FOR_EVER: Final = 3600.0
MARK: Final = "MARK-of-a-body"
"""What stands in bodies that are no answer; no message repeats a body."""

Fault = Callable[[Wire], Iterable[Act]]

# -- silence ----------------------------------------------------------------------------------------------------------


def stall_before_headers(_: Wire) -> Iterator[Act]:
    yield from (FOR_EVER, "reset")


def stall_before_tokens(wire: Wire) -> Iterator[Act]:
    yield from (wire.head, FOR_EVER, "reset")


def stall_between_tokens(wire: Wire) -> Iterator[Act]:
    yield from (*wire.begun, FOR_EVER, "reset")


def endless_drip(wire: Wire) -> Iterator[Act]:
    """The second half of an answer comes byte by byte, and so slowly that nobody can wait for it."""
    yield from wire.begun
    rest = b"".join(map(chunk, [*wire.stream.deltas[1:], *wire.stream.closing]))
    for at in range(len(rest)):
        yield 0.05
        yield rest[at : at + 1]
    yield END


def drip(wire: Wire) -> Iterator[Act]:
    """The whole answer, every byte by itself."""
    whole = b"".join(wire.with_frames(wire.frames))
    for at in range(len(whole)):
        yield whole[at : at + 1]
        yield 0.0
    yield b""


# -- connections that end ---------------------------------------------------------------------------------------------


def cut_between_chunks(wire: Wire) -> Iterator[Act]:
    yield from (*wire.begun, "close")


def cut_inside_a_chunk(wire: Wire) -> Iterator[Act]:
    yield from (*wire.begun, chunk(wire.stream.closing[0])[:-9], "close")


def headers_only(wire: Wire) -> Iterator[Act]:
    yield from (wire.head, "close")


def half_of_the_headers(wire: Wire) -> Iterator[Act]:
    yield from (wire.head[: len(wire.head) // 2], "close")


def not_http(_: Wire) -> Iterator[Act]:
    yield from (b"SSH-2.0-OpenSSH_9.6\r\n", "close")


def no_chunk_size(wire: Wire) -> Iterator[Act]:
    yield from (*wire.begun, b"%s\r\nnothing\r\n" % MARK.encode(), 0.05, "close")


# -- bodies that end well and say nothing, or half of it --------------------------------------------------------------


def empty_body(wire: Wire) -> Iterator[Act]:
    yield from wire.with_frames([])


def no_finish(wire: Wire) -> Iterator[Act]:
    yield from wire.with_frames([*wire.stream.opening, *wire.stream.deltas])


def broken_json(wire: Wire) -> Iterator[Act]:
    yield from _within(wire, b'{"%s": [{"delta": {"content": "ha' % MARK.encode())


def no_object(wire: Wire) -> Iterator[Act]:
    yield from _within(wire, b'["%s", 1]' % MARK.encode())


def strange_object(wire: Wire) -> Iterator[Act]:
    yield from _within(wire, b'{"%s": {"choices": 1}}' % MARK.encode())


def invalid_utf8(wire: Wire) -> Iterator[Act]:
    yield from _within(wire, b'{"\xff\xfe\xc3": "%s"}' % MARK.encode())


def megabyte_line(wire: Wire) -> Iterator[Act]:
    yield from _within(wire, b'{"%s": "' % MARK.encode() + b"x" * 2**20)


def line_that_is_no_field(wire: Wire) -> Iterator[Act]:
    """Between two events of a stream a reader skips it, by the rules of server-sent events."""
    frames = [*wire.stream.opening, *wire.stream.deltas[:1], b"no field at all\n\n", *wire.stream.deltas[1:]]
    yield from wire.with_frames([*frames, *wire.stream.closing])


def end_twice(wire: Wire) -> Iterator[Act]:
    yield from wire.with_frames([*wire.frames, wire.frames[-1]])


def bad_checksum(wire: Wire) -> Iterator[Act]:
    first, *rest = wire.stream.deltas
    yield from wire.with_frames([*wire.stream.opening, first[:-1] + bytes([first[-1] ^ 1]), *rest])


def cut_frame(wire: Wire) -> Iterator[Act]:
    yield from wire.with_frames([*wire.stream.opening, wire.stream.deltas[0][:-7]])


# -- somebody else's answers ------------------------------------------------------------------------------------------


def page_of_a_proxy(wire: Wire) -> Iterator[Act]:
    yield _instead(wire, "text/html", f"<html><title>{MARK}</title>Sign in to the network</html>".encode())


def error_in_place_of_a_stream(wire: Wire) -> Iterator[Act]:
    yield _instead(wire, "application/json", json.dumps(wire.server.error(503, "busy, told in a body")).encode())


def error_as_the_first_event(wire: Wire) -> Iterator[Act]:
    yield from wire.with_frames([wire.server.error_frame(503, "busy, told in a stream")])


def error_between_tokens(wire: Wire) -> Iterator[Act]:
    before = [*wire.stream.opening, *wire.stream.deltas[:1]]
    yield from wire.with_frames([*before, wire.server.error_frame(503, "busy, told in a stream")])


# -- usage that is none -----------------------------------------------------------------------------------------------


def nothing(_: Json) -> Json:
    return {}


def negative(usage: Json) -> Json:
    return dict.fromkeys(usage, -7)


def words(usage: Json) -> Json:
    return dict.fromkeys(usage, "many")


def null(usage: Json) -> Json:
    return dict.fromkeys(usage)


def huge(usage: Json) -> Json:
    return dict.fromkeys(usage, 10**30)


MISCOUNTS: Final[Mapping[str, Callable[[Json], Json]]] = {
    "usage missing": nothing,
    "usage negative": negative,
    "usage in words": words,
    "usage null": null,
    "usage huge": huge,
}

FAULTS: Final[Mapping[str, Fault]] = {
    name.replace("_", " "): fault
    for name, fault in list(globals().items())
    if callable(fault) and getattr(fault, "__annotations__", {}).get("return") == "Iterator[Act]" and name[0] != "_"
}
"""Every way to break a stream, by its name in words."""


def _within(wire: Wire, content: bytes) -> list[bytes]:
    """A frame with this content in the middle of the others."""
    begun = [*wire.stream.opening, *wire.stream.deltas[:1]]
    return wire.with_frames([*begun, wire.server.frame(content), *wire.stream.deltas[1:], *wire.stream.closing])


def _instead(wire: Wire, kind: str, body: bytes) -> bytes:
    return f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
