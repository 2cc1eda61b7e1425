"""Anthropic's Messages, streamed as named server-sent events or in one piece."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from .http import Answer, Json, ModelServer, Request, Stream

STOP_REASONS: Final = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}
ERROR_TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}


class AnthropicServer(ModelServer):
    route = re.compile(r"/v1/messages")
    stream_type = "text/event-stream"
    keep_alive = b'event: ping\ndata: {"type": "ping"}\n\n'

    def stream(self, request: Request, answer: Answer) -> Stream:
        blocks = content(request, answer)
        text = bool(answer.text)
        return Stream(
            opening=[
                event("message_start", message=message(request, answer, [], None)),
                *([start(0, {"type": "text", "text": ""})] if text else []),
            ],
            deltas=[delta(0, {"type": "text_delta", "text": piece}) for piece in answer.pieces],
            closing=[
                *([event("content_block_stop", index=0)] if text else []),
                *(frame for at, block in enumerate(blocks[text:], text) for frame in tool_events(at, block)),
                event("message_delta", delta=ending(answer), usage=answer.recount({"output_tokens": answer.usage[1]})),
                event("message_stop"),
            ],
        )

    def whole(self, request: Request, answer: Answer) -> Json:
        return message(request, answer, content(request, answer), ending(answer)["stop_reason"])

    def error(self, status: int, message: str) -> Json:
        return {"type": "error", "error": {"type": ERROR_TYPES.get(status, "api_error"), "message": message}}

    def frame(self, content: bytes) -> bytes:
        return b"event: content_block_delta\ndata: " + content + b"\n\n"

    def error_frame(self, status: int, message: str) -> bytes:
        return f"event: error\ndata: {json.dumps(self.error(status, message))}\n\n".encode()


def event(kind: str, **data: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n".encode()


def start(index: int, block: Json) -> bytes:
    return event("content_block_start", index=index, content_block=block)


def delta(index: int, said: Json) -> bytes:
    return event("content_block_delta", index=index, delta=said)


def tool_events(index: int, block: Json) -> list[bytes]:
    said = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
    return [start(index, {**block, "input": {}}), delta(index, said), event("content_block_stop", index=index)]


def content(request: Request, answer: Answer) -> list[Json]:
    text = [{"type": "text", "text": answer.text}] if answer.text else []
    calls = [
        {"type": "tool_use", "id": f"toolu_{request.number}_{at}", "name": name, "input": arguments}
        for at, (name, arguments) in enumerate(answer.tool_calls)
    ]
    return [*text, *calls]


def ending(answer: Answer) -> Json:
    return {"stop_reason": STOP_REASONS.get(answer.ending, answer.ending), "stop_sequence": None}


def message(request: Request, answer: Answer, blocks: list[Json], reason: str | None) -> Json:
    """The input tokens that are told leave out the cached ones."""
    (given, made), (read, written) = answer.usage, answer.cached
    return {
        "id": f"msg_{request.number}",
        "type": "message",
        "role": "assistant",
        "model": request.model,
        "content": blocks,
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": answer.recount(
            {
                "input_tokens": given - read - written,
                "output_tokens": made if reason else 1,
                "cache_read_input_tokens": read,
                "cache_creation_input_tokens": written,
            }
        ),
    }
