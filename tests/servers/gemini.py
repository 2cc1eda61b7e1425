"""Gemini's generateContent, streamed as server-sent events or in one piece."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from .http import Answer, Json, ModelServer, Request, Stream

FINISH_REASONS: Final = {"stop": "STOP", "length": "MAX_TOKENS", "tool_calls": "STOP", "content_filter": "SAFETY"}
ERROR_STATES: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}


class GeminiServer(ModelServer):
    route = re.compile(r"/v1beta/models/([^/:]+):(streamG|g)enerateContent")
    stream_type = "text/event-stream"
    keep_alive = b"\r\n"  # Google's client takes a comment for a part of an answer

    def model_of(self, path: str, body: Json) -> str:
        match = self.route.fullmatch(path)
        return match[1] if match else ""

    def streams(self, request: Request) -> bool:
        return ":stream" in request.path

    def stream(self, request: Request, answer: Answer) -> Stream:
        calls = [sse(said(request, [part])) for part in calling(request, answer)]
        return Stream(
            opening=[],
            deltas=[sse(said(request, [{"text": piece}])) for piece in answer.pieces],
            closing=[*calls, sse(said(request, [{"text": ""}], finish(answer), account(answer)))],
        )

    def whole(self, request: Request, answer: Answer) -> Json:
        parts = [{"text": answer.text}] if answer.text else []
        return said(request, [*parts, *calling(request, answer)], finish(answer), account(answer))

    def error(self, status: int, message: str) -> Json:
        return {"error": {"code": status, "message": message, "status": ERROR_STATES.get(status, "UNKNOWN")}}

    def frame(self, content: bytes) -> bytes:
        return b"data: " + content + b"\r\n\r\n"


def sse(data: Json) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\r\n\r\n"


def said(request: Request, parts: list[Json], reason: str | None = None, usage: Json | None = None) -> Json:
    candidate: Json = {"content": {"parts": parts, "role": "model"}, "index": 0}
    whole: dict[str, Any] = {"candidates": [candidate], "modelVersion": request.model}
    if reason is not None:
        candidate["finishReason"] = reason
    return whole | ({"usageMetadata": usage} if usage else {})


def calling(request: Request, answer: Answer) -> list[Json]:
    return [
        {"functionCall": {"id": f"call_{request.number}_{at}", "name": name, "args": arguments}}
        for at, (name, arguments) in enumerate(answer.tool_calls)
    ]


def finish(answer: Answer) -> str:
    return FINISH_REASONS.get(answer.ending, answer.ending)


def account(answer: Answer) -> Json:
    """The prompt's tokens hold the cached ones; that something was written to a cache is not told."""
    (given, made), (read, _) = answer.usage, answer.cached
    cached = {"cachedContentTokenCount": read} if read else {}
    counts = {"promptTokenCount": given, "candidatesTokenCount": made, "totalTokenCount": given + made, **cached}
    return answer.recount(counts)
