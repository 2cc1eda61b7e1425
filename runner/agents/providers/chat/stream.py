"""What is answered: the bytes of an event stream as its events, and those as the SDK's.

By https://html.spec.whatwg.org/multipage/server-sent-events.html, lines of any length: what a server sends in one
event has no limit of its own.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from runner.agents.providers.chat.faults import told_inside
from runner.agents.providers.faults import broke_off, one_line
from runner.errors import ModelProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from strands.types.streaming import StreamEvent

END: Final = "[DONE]"


class Events:
    """The data of events, out of bytes as they come. They `are_over` behind the mark that OpenAI puts at their end,
    which not every server does."""

    are_over = False

    def __init__(self) -> None:
        self._rest: list[bytes] = []
        self._data: list[str] = []

    def read(self, chunk: bytes) -> Iterator[str]:
        """The data of every event that ends here. Raises UnicodeDecodeError for what is no text."""
        for line in self._lines(chunk):
            name, _, value = line.partition(":")
            if name == "data":
                self._data.append(value.removeprefix(" "))
            elif not line and self._data:
                data, self._data = "\n".join(self._data), []
                if data.startswith(END):
                    self.are_over = True
                    return
                if data:
                    yield data

    def _lines(self, chunk: bytes) -> Iterator[str]:
        if b"\n" not in chunk and b"\r" not in chunk:  # so a line that comes in a thousand pieces is put together once
            self._rest.append(chunk)
            return
        whole = b"".join((*self._rest, chunk))
        # A carriage return at the very end may be the half of a line's end.
        cut = max(whole.rfind(b"\n"), whole.rfind(b"\r", 0, -1)) + 1
        self._rest = [whole[cut:]]
        yield from (line.decode() for line in whole[:cut].splitlines())


_STOPS: Final = {
    "stop": "end_turn",
    "eos_token": "end_turn",
    "stop_sequence": "end_turn",
    "tool_calls": "tool_use",
    "length": "max_tokens",
    "content_filter": "content_filtered",
}


class Answer:
    """One answer as it comes. `came` is called for every part that holds a piece of a tool's call: those are told at
    the end, for pieces of several calls may come mixed."""

    def __init__(self, came: Callable[[], None]) -> None:
        self._came = came
        self._block: str | None = None
        self._calls: dict[Any, list[Any]] = {}
        self._is_over = False
        self._usage: Any = None

    def told(self, parts: Iterable[Any]) -> Iterator[StreamEvent]:
        """What events of the stream tell that came at once: `read` of each, but words behind words are told together,
        for the SDK takes its time with every event."""
        words: list[str] = []
        try:
            for event in chain.from_iterable(map(self.read, parts)):
                if (text := event.get("contentBlockDelta", {}).get("delta", {}).get("text")) is not None:
                    words.append(text)
                    continue
                if words:
                    said, words = words, []
                    yield _words(said)
                yield event
        finally:  # also before what is raised, for it was said
            if words:
                yield _words(words)

    def read(self, part: Any) -> Iterator[StreamEvent]:
        """What one event of the stream tells. Raises Failed for an error in it, ModelProblem for an end that is none;
        what else an event cannot be is left to whatever Python says of it."""
        if not isinstance(part, dict):
            return
        if error := part.get("error"):
            raise told_inside(error)
        if (usage := part.get("usage")) and isinstance(usage, dict):
            self._usage = usage
        choices = part.get("choices")
        if not choices or self._is_over:
            return
        delta = choices[0].get("delta") or {}
        thought = delta.get("reasoning_content") or delta.get("reasoning")
        if thought and isinstance(thought, str):
            yield from self._piece("reasoning", {"reasoningContent": {"text": thought}})
        if said := _text(delta.get("content")):
            yield from self._piece("text", {"text": said})
        if calls := delta.get("tool_calls"):
            self._came()
            for call in calls:
                self._calls.setdefault(call.get("index"), []).append(call)
        if reason := choices[0].get("finish_reason"):
            yield from self._end(reason)

    def usage(self) -> Iterator[StreamEvent]:
        """What the answer cost, where its server has told. Raises ModelProblem for an answer that never ended."""
        if not self._is_over:
            raise broke_off()
        if self._usage:
            yield {"metadata": {"usage": _usage(self._usage), "metrics": {"latencyMs": 0}}}

    def _piece(self, block: str, delta: Any) -> Iterator[StreamEvent]:
        if block != self._block:
            if self._block is not None:
                yield {"contentBlockStop": {}}
            yield {"contentBlockStart": {"start": {}}}
            self._block = block
        yield {"contentBlockDelta": {"delta": delta}}

    def _end(self, reason: str) -> Iterator[StreamEvent]:
        if self._block is not None:
            yield {"contentBlockStop": {}}
        for pieces in self._calls.values():
            first = pieces[0]
            named: Any = {"name": first["function"].get("name"), "toolUseId": first.get("id")}
            for value in named.values():
                _text(value)
            yield {"contentBlockStart": {"start": {"toolUse": named}}}
            for piece in pieces:
                written = _text(piece["function"].get("arguments"))
                yield {"contentBlockDelta": {"delta": {"toolUse": {"input": written}}}}
            yield {"contentBlockStop": {}}
        if reason not in _STOPS:
            raise ModelProblem(f"the answer broke off (finish_reason: {one_line(reason, 60)})")
        self._is_over = True
        yield {"messageStop": {"stopReason": _STOPS[reason]}}  # type: ignore[typeddict-item]


def _words(said: list[str]) -> StreamEvent:
    return {"contentBlockDelta": {"delta": {"text": "".join(said)}}}


def _text(value: Any) -> str:
    if value is not None and not isinstance(value, str):
        raise TypeError("a text that is none")
    return value or ""


def _usage(told: Any) -> Any:
    usage = {
        "inputTokens": told.get("prompt_tokens"),
        "outputTokens": told.get("completion_tokens"),
        "totalTokens": told.get("total_tokens"),
    }
    details = told.get("prompt_tokens_details")
    for name, ours in (("cached_tokens", "cacheReadInputTokens"), ("cache_write_tokens", "cacheWriteInputTokens")):
        if isinstance(details, dict) and isinstance(details.get(name), int):
            usage[ours] = details[name]
    return usage
