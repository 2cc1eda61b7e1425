"""OpenAI's chat completions, at OpenAI and at Azure, streamed as server-sent events or in one piece."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from .http import Answer, Json, ModelServer, Request, Stream

CREATED: Final = 1_700_000_000
ERROR_TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}


class OpenAIServer(ModelServer):
    route = re.compile(r"/v1/chat/completions")
    stream_type = "text/event-stream"
    keep_alive = b": ping\n\n"
    base_path = "/v1"

    def stream(self, request: Request, answer: Answer) -> Stream:
        def event(delta: Json, finish: str | None = None) -> bytes:
            return sse(envelope(request, "chat.completion.chunk", choice(finish, delta=delta)))

        calls = [{"index": at, **call} for at, call in enumerate(tool_calls(request, answer))]
        return Stream(
            opening=[event({"role": "assistant", "content": ""})],
            deltas=[event({"content": piece}) for piece in answer.pieces],
            closing=[
                *(event({"tool_calls": [call]}) for call in calls),
                event({}, answer.ending),
                *self.usage_events(request, answer),
                b"data: [DONE]\n\n",
            ],
        )

    def usage_events(self, request: Request, answer: Answer) -> list[bytes]:
        if not (request.body.get("stream_options") or {}).get("include_usage") or not usage(answer):
            return []
        return [sse(envelope(request, "chat.completion.chunk", usage=usage(answer)))]

    def whole(self, request: Request, answer: Answer) -> Json:
        message: Json = {"role": "assistant", "content": answer.text or None}
        if answer.tool_calls:
            message["tool_calls"] = tool_calls(request, answer)
        return envelope(request, "chat.completion", choice(answer.ending, message=message), usage=usage(answer))

    def error(self, status: int, message: str) -> Json:
        kind = ERROR_TYPES.get(status, "server_error")
        return {"error": {"message": message, "type": kind, "param": None, "code": None}}

    def frame(self, content: bytes) -> bytes:
        return b"data: " + content + b"\n\n"


class AzureServer(OpenAIServer):
    """A resource of Azure: its v1 API, and the older one that has an address for each deployment."""

    route = re.compile(r"/openai/(v1|deployments/([^/]+))/chat/completions")
    base_path = ""

    def model_of(self, path: str, body: Json) -> str:
        match = self.route.fullmatch(path)
        return (match[2] if match else None) or super().model_of(path, body)


def sse(data: Json) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\n\n"


def envelope(request: Request, kind: str, *choices: Json, **extra: Any) -> Json:
    name = f"chatcmpl-{request.number}"
    return {"id": name, "object": kind, "created": CREATED, "model": request.model, "choices": list(choices), **extra}


def choice(finish: str | None, **said: Json) -> Json:
    return {"index": 0, **said, "logprobs": None, "finish_reason": finish}


def tool_calls(request: Request, answer: Answer) -> list[Json]:
    return [
        {
            "id": f"call_{request.number}_{at}",
            "type": "function",
            "function": {"name": name, "arguments": json.dumps(arguments)},
        }
        for at, (name, arguments) in enumerate(answer.tool_calls)
    ]


def usage(answer: Answer) -> Json:
    given, made = answer.usage
    cached = {"prompt_tokens_details": {"cached_tokens": answer.cached[0]}} if answer.cached[0] else {}
    return answer.recount({"prompt_tokens": given, "completion_tokens": made, "total_tokens": given + made, **cached})
