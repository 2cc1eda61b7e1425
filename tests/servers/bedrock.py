"""Bedrock's Converse and ConverseStream; the stream is in AWS's binary event framing, encoded here by hand."""

from __future__ import annotations

import json
import re
import struct
from binascii import crc32
from typing import Final
from urllib.parse import unquote

from .http import Answer, Json, ModelServer, Request, Stream

STOP_REASONS: Final = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "content_filtered",
}
ERROR_TYPES: Final = {
    400: "ValidationException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    503: "ServiceUnavailableException",
}
STRING: Final = 7
LATENCY_MS: Final = 3


class BedrockServer(ModelServer):
    route = re.compile(r"/model/([^/]+)/converse(-stream)?")
    stream_type = "application/vnd.amazon.eventstream"

    def model_of(self, path: str, body: Json) -> str:
        match = self.route.fullmatch(path)
        return unquote(match[1]) if match else ""

    def streams(self, request: Request) -> bool:
        return request.path.endswith("-stream")

    def stream(self, request: Request, answer: Answer) -> Stream:
        text_end = [event("contentBlockStop", {"contentBlockIndex": 0})] if answer.text else []
        calls = [tool_events(at, call) for at, call in enumerate(tool_uses(request, answer), bool(answer.text))]
        return Stream(
            opening=[event("messageStart", {"role": "assistant"})],
            deltas=[delta(0, {"text": piece}) for piece in answer.pieces],
            closing=[
                *text_end,
                *(frame for call in calls for frame in call),
                event("messageStop", {"stopReason": STOP_REASONS.get(answer.ending, answer.ending)}),
                event("metadata", account(answer)),
            ],
        )

    def whole(self, request: Request, answer: Answer) -> Json:
        text = [{"text": answer.text}] if answer.text else []
        calls = [{"toolUse": call} for call in tool_uses(request, answer)]
        return {
            "output": {"message": {"role": "assistant", "content": [*text, *calls]}},
            "stopReason": STOP_REASONS.get(answer.ending, answer.ending),
            **account(answer),
        }

    def error(self, status: int, message: str) -> Json:
        return {"message": message}

    def frame(self, content: bytes) -> bytes:
        return framed("contentBlockDelta", content)

    def error_frame(self, status: int, message: str) -> bytes:
        kind = ERROR_TYPES.get(status, "InternalServerException")
        return event(kind[0].lower() + kind[1:], {"message": message}, "exception")

    def error_headers(self, status: int) -> dict[str, str]:
        return {} if status == 200 else {"x-amzn-ErrorType": ERROR_TYPES.get(status, "InternalServerException")}


def event(name: str, payload: Json, kind: str = "event") -> bytes:
    """One frame of JSON; `kind` "exception" is an error."""
    return framed(name, json.dumps(payload).encode(), kind)


def framed(name: str, body: bytes, kind: str = "event") -> bytes:
    """One frame: lengths and their checksum, headers, payload, checksum of all."""
    named = {f":{kind}-type": name, ":content-type": "application/json", ":message-type": kind}
    headers = b"".join(header(key, value) for key, value in named.items())
    prelude = struct.pack(">II", 16 + len(headers) + len(body), len(headers))
    frame = prelude + struct.pack(">I", crc32(prelude)) + headers + body
    return frame + struct.pack(">I", crc32(frame))


def header(name: str, value: str) -> bytes:
    key, text = name.encode(), value.encode()
    return struct.pack(">B", len(key)) + key + struct.pack(">BH", STRING, len(text)) + text


def delta(block: int, said: Json) -> bytes:
    return event("contentBlockDelta", {"contentBlockIndex": block, "delta": said})


def tool_uses(request: Request, answer: Answer) -> list[Json]:
    return [
        {"toolUseId": f"tooluse_{request.number}_{at}", "name": name, "input": arguments}
        for at, (name, arguments) in enumerate(answer.tool_calls)
    ]


def tool_events(block: int, call: Json) -> list[bytes]:
    start = {"toolUse": {"toolUseId": call["toolUseId"], "name": call["name"]}}
    return [
        event("contentBlockStart", {"contentBlockIndex": block, "start": start}),
        delta(block, {"toolUse": {"input": json.dumps(call["input"])}}),
        event("contentBlockStop", {"contentBlockIndex": block}),
    ]


def account(answer: Answer) -> Json:
    """The input tokens that are told leave out the cached ones."""
    (given, made), (read, written) = answer.usage, answer.cached
    usage = {"inputTokens": given - read - written, "outputTokens": made, "totalTokens": given + made}
    if read or written:
        usage |= {"cacheReadInputTokens": read, "cacheWriteInputTokens": written}
    usage = answer.recount(usage)
    return {**({"usage": usage} if usage else {}), "metrics": {"latencyMs": LATENCY_MS}}
