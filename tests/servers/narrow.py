"""A server that serves so many at once and refuses whoever comes beside them, as a provider that throttles does."""

from __future__ import annotations

from .http import Answer, Reply, Request
from .openai import OpenAIServer


class NarrowServer(OpenAIServer):
    """`width` may be changed; `widths` are how many it was serving, each time it took one more. A `reply` of a test's
    own may ask `told`."""

    def __init__(self, width: int, served: Answer, refused: Answer | None = None, reply: Reply | None = None) -> None:
        super().__init__(reply or self.told)
        self.width, self.refusals, self.widths = width, 0, list[int]()
        self._served, self._refused = served, refused or Answer(status=429)
        self._serving = set[Request]()

    def told(self, request: Request) -> Answer:
        if len(self._serving) >= self.width:
            self.refusals += 1
            return self._refused
        self._serving.add(request)
        self.widths.append(len(self._serving))
        return self._served

    def left(self, request: Request) -> None:
        self._serving.discard(request)
        super().left(request)
