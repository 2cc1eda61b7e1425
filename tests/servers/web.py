"""A web server that answers every method and path with what it is told: pages, data, redirects."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from .http import Answer, ModelServer, Request, as_answer

if TYPE_CHECKING:
    import ssl

    from .http import Reply


class WebServer(ModelServer):
    """`text` is the body, `content_type` what it says of it."""

    route = re.compile(r".*")
    stream_type = "text/plain"

    def __init__(self, reply: Reply = "ok", tls: ssl.SSLContext | None = None) -> None:
        super().__init__(reply)
        self.tls = tls

    def streams(self, request: Request) -> bool:
        return False

    def answer_to(self, request: Request) -> Answer:
        return as_answer(self._reply(request))

    def body_of(self, request: Request, answer: Answer) -> tuple[str, bytes]:
        body = answer.raw if answer.raw is not None else answer.text.encode()
        return "text/plain", b"" if request.method == "HEAD" else body


def redirect(to: str, status: int = 302, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer("", status=status, headers={"location": to, **(headers or {})})
