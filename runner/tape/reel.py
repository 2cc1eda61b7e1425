"""What runs through a call: a recorder that is told its turns, or a player that gives those of a recording."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from runner.errors import RecordingProblem
from runner.plan.fingerprint import text_digest
from runner.tape import drift
from runner.tape.cleaning import cleaned
from runner.tape.recording import ToolUse, Turn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runner.tape.recording import Answer, Recording


@dataclass
class Recorder:
    """The turns of one call so far, in the order in which they ended."""

    turns: list[Turn] = field(default_factory=list)
    tools: dict[str, str] = field(default_factory=dict)

    def asked(self, messages: Sequence[Any], tool_specs: Sequence[Any] | None) -> None:
        """A turn begins: it tells what came of the tools that the one before it used."""
        if not self.tools:
            self.tools = {str(spec["name"]): text_digest(repr(spec)) for spec in tool_specs or ()}
        results = [block["toolResult"] for block in messages[-1]["content"] if "toolResult" in block]
        latest = next((at for at in reversed(range(len(self.turns))) if self.turns[at].purpose == "answer"), None)
        if results and latest is not None:
            self.turns[latest] = replace(self.turns[latest], tools=_with_results(self.turns[latest].tools, results))

    def ended(self, turn: Turn) -> None:
        """A turn has its answer, or its fault."""
        self.turns.append(turn)

    @property
    def answered(self) -> bool:
        """Whether it was a model that had the last word, and not what lies between it and us."""
        return bool(self.turns) and self.turns[-1].fault is None and self.turns[-1].stop is not None


def _with_results(uses: Sequence[ToolUse], results: Sequence[Mapping[str, Any]]) -> tuple[ToolUse, ...]:
    """Uses with their results: by id, and in order where a provider gives several the same one."""
    left, found = [*results], []
    for use in uses:
        mine = next((one for one in left if one["toolUseId"] == use.id), None)
        if mine is None:
            found.append(use)
            continue
        left.remove(mine)
        failed = mine.get("status") == "error"
        found.append(replace(use, status="error" if failed else "success", content=tuple(mine["content"])))
    return tuple(found)


class Player:
    """The turns of one recording, one after the other. Without a recording it has none, and says so when it is asked.

    `broken` is the problem that a sentence about the recording makes. With `tools_live` the tools are real, and what
    they give is compared with what they gave, in which `clean` has left nothing that must not be kept.
    """

    def __init__(
        self,
        recording: Recording | None,
        problem: Callable[[str], RecordingProblem],
        clean: Callable[[str], str] = lambda text: text,
        *,
        tools_live: bool = False,
    ) -> None:
        self._recording, self.broken, self._clean, self.tools_live = recording, problem, clean, tools_live
        self._next = 0
        self._uses: list[ToolUse] = []
        self._unlike: str | None = None

    @property
    def tools(self) -> Sequence[str]:
        """The names of the tools that the model was told of."""
        return tuple(self._recording.tools) if self._recording else ()

    @property
    def waiting(self) -> Turn | None:
        """The turn that comes next."""
        turns = self._recording.turns if self._recording else ()
        return turns[self._next] if self._next < len(turns) else None

    def expected(self) -> Turn:
        """The turn that comes next. Raises RecordingProblem where there is none."""
        if self.waiting is None:
            raise self.broken("is at its end, and one more turn is asked for")
        return self.waiting

    @property
    def kept(self) -> Answer | None:
        """The answer as it was made, where that is not what the turns say any more: what must not be kept was taken out
        of them. None before all of them were given."""
        answer = self._recording.answer if self._recording and self.waiting is None else None
        return answer if answer is not None and answer.response is not None else None

    def turn(self, messages: Sequence[Any] = ()) -> Turn:
        """The next turn. Raises RecordingProblem where there is none, and where one does not fit its tools."""
        if self.tools_live:
            self._compare([block["toolResult"] for block in messages[-1]["content"] if "toolResult" in block])
        turn = self.expected()
        self._next += 1
        if turn.purpose == "answer":
            self._unlike = self._unlike or _beside_its_content(turn)
            self._uses = [*turn.tools]
        if self._unlike is not None:
            raise self.broken(f"does not fit its tools: {self._unlike}")
        return turn if turn.stop or not self.by_hand else replace(turn, stop=_stop(turn))

    def result(self, name: str, given: Any) -> ToolUse:
        """What a tool gave when the turn in hand was recorded. Where it is not there, the next turn is none."""
        found = next((use for use in self._uses if (use.name, use.input) == (name, given)), None)
        if found is None:
            self._unlike = f"there is no result of the tool '{name}' for {json.dumps(given, ensure_ascii=False)}"
            return ToolUse("", name, given, "error", ({"text": f"Error: {self._unlike}"},))
        self._uses.remove(found)
        return found

    @property
    def by_hand(self) -> bool:
        return self._recording is not None and self._recording.origin == "hand"

    def check(self, text: str, data: Any) -> None:
        """Raises RecordingProblem where the engine made another answer of the turns than it did when they were
        recorded."""
        recording = self._recording
        if recording is None:
            return
        if self.waiting is not None:
            raise self.broken(f"was asked for {self._next} of its {len(recording.turns)} turns")
        answers = (("data", recording.answer.data, data), ("response", recording.response, text))
        if other := [str(drift.Difference(*one)) for one in answers if one[1] != one[2]]:
            raise self.broken(f"does not lead to the answer that stands in it: {'; '.join(other)}")

    def _compare(self, results: Sequence[Mapping[str, Any]]) -> None:
        now = _with_results([replace(use, content=()) for use in self._uses], results)
        for recorded, use in zip(self._uses, now, strict=True):
            gave = cleaned(use.content, self._clean)
            if use.status != recorded.status or not _alike([*recorded.content], gave):
                told = f"the tool '{use.name}' gave {_short(gave)}, and when it was recorded {_short(recorded.content)}"
                raise self.broken(f"does not fit its tools: {told}")


def _beside_its_content(turn: Turn) -> str | None:
    """What a turn has of a tool that its content does not use. Only who writes by hand can write that."""
    used = {block["toolUse"].get("toolUseId") for block in turn.content if "toolUse" in block}
    other = next((use for use in turn.tools if use.id not in used), None)
    return f"the content of a turn does not use the tool '{other.name}' (id '{other.id}')" if other else None


def _stop(turn: Turn) -> str:
    """Why a turn ended, where who wrote it by hand did not say."""
    return "tool_use" if any("toolUse" in block for block in turn.content) else "end_turn"


def _alike(recorded: Any, given: Any) -> bool:
    """Whether two values of JSON are the same, but for what was taken out of the texts of the first."""
    match recorded, given:
        case str(), str():
            return drift.fits(recorded, given)
        case Mapping(), Mapping():
            return recorded.keys() == given.keys() and all(_alike(one, given[name]) for name, one in recorded.items())
        case list(), list():
            return len(recorded) == len(given) and all(map(_alike, recorded, given))
    return bool(recorded == given)


def _short(content: Sequence[Any]) -> str:
    text = " ".join(str(block.get("text", block)) for block in content)
    return f"'{text if len(text) <= 200 else text[:199] + '…'}'"
