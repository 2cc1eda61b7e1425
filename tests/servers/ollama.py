"""Ollama's chat, streamed as newline-delimited JSON (its default) or in one piece."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from .http import Answer, Json, ModelServer, Request, Stream

CREATED: Final = "2026-01-01T00:00:00.000000Z"
DONE_REASONS: Final = {"tool_calls": "stop", "content_filter": "stop"}  # Ollama has no words of its own for these


class OllamaServer(ModelServer):
    route = re.compile(r"/api/chat")
    stream_type = "application/x-ndjson"

    def streams(self, request: Request) -> bool:
        return bool(request.body.get("stream", True))

    def stream(self, request: Request, answer: Answer) -> Stream:
        calls = [line(request, calling(answer))] if answer.tool_calls else []
        return Stream(
            opening=[],
            deltas=[line(request, said(piece)) for piece in answer.pieces],
            closing=[*calls, line(request, said(""), **final(answer))],
        )

    def whole(self, request: Request, answer: Answer) -> Json:
        message = said(answer.text) | (calling(answer, answer.text) if answer.tool_calls else {})
        return part(request, message, **final(answer))

    def error(self, status: int, message: str) -> Json:
        return {"error": message}

    def frame(self, content: bytes) -> bytes:
        return content + b"\n"


def part(request: Request, message: Json, **extra: Any) -> Json:
    return {"model": request.model, "created_at": CREATED, "message": message, "done": False, **extra}


def line(request: Request, message: Json, **extra: Any) -> bytes:
    return json.dumps(part(request, message, **extra)).encode() + b"\n"


def said(text: str) -> Json:
    return {"role": "assistant", "content": text}


def calling(answer: Answer, text: str = "") -> Json:
    calls = [{"function": {"name": name, "arguments": arguments}} for name, arguments in answer.tool_calls]
    return said(text) | {"tool_calls": calls}


def final(answer: Answer) -> Json:
    """What the last part adds; durations are nanoseconds."""
    given, made = answer.usage
    return {
        "done": True,
        "done_reason": DONE_REASONS.get(answer.ending, answer.ending),
        "total_duration": 3_000_000,
        "load_duration": 500_000,
        **answer.recount({"prompt_eval_count": given, "eval_count": made}),
        "prompt_eval_duration": 1_000_000,
        "eval_duration": 1_500_000,
    }
