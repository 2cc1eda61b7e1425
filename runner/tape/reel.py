"""What runs through a call: a recorder that is told its turns, or a player that gives those of a recording."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from runner.errors import RecordingProblem
from runner.plan.fingerprint import text_digest
from runner.tape import drift
from runner.tape.cleaning import cleaned
from runner.tape.recording import ToolUse, Turn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runner.tape.recording import Answer, Recording

UNKNOWN: Final = "Error: the recording ends before this tool gave its result"


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

    @property
    def tools(self) -> Sequence[str]:
        """The names of the tools that the model was told of."""
        return tuple(self._recording.tools) if self._recording else ()

    @property
    def waiting(self) -> Turn | None:
        """The turn that comes next."""
        turns = self._recording.turns if self._recording else ()
        return turns[self._next] if self._next < len(turns) else None

    @property
    def kept(self) -> Answer | None:
        """The answer as it was made, where that is not what the turns say any more: what must not be kept was taken out
        of them. None before all of them were given."""
        answer = self._recording.answer if self._recording and self.waiting is None else None
        return answer if answer is not None and answer.response is not None else None

    def turn(self, messages: Sequence[Any] = ()) -> Turn:
        """The next turn. Raises RecordingProblem where there is none."""
        if self.tools_live:
            self._compare([block["toolResult"] for block in messages[-1]["content"] if "toolResult" in block])
        turn = self.waiting
        if turn is None:
            raise self.broken("is at its end, and one more turn is asked for")
        self._next += 1
        if turn.purpose == "answer":
            self._uses = [*turn.tools]
        return turn

    def result(self, name: str, given: Any) -> ToolUse:
        """What a tool gave when the turn in hand was recorded."""
        found = next((use for use in self._uses if (use.name, use.input) == (name, given)), None)
        if found is None:
            return ToolUse("", name, given, "error", ({"text": UNKNOWN},))
        self._uses.remove(found)
        return found

    def check(self, text: str, data: Any) -> None:
        """Raises RecordingProblem where the engine made another answer of the turns than it did when they were
        recorded."""
        recording = self._recording
        if recording is None:
            return
        if self.waiting is not None:
            raise self.broken(f"has {len(recording.turns) - self._next} turns more than were asked for")
        if (text, data) != (recording.response, recording.answer.data):
            raise self.broken("gives another answer than it did when it was made")

    def _compare(self, results: Sequence[Mapping[str, Any]]) -> None:
        now = _with_results([replace(use, content=()) for use in self._uses], results)
        for recorded, use in zip(self._uses, now, strict=True):
            gave = cleaned(use.content, self._clean)
            if use.status != recorded.status or not _alike([*recorded.content], gave):
                told = f"the tool '{use.name}' gave {_short(gave)}, and when it was recorded {_short(recorded.content)}"
                raise self.broken(f"does not fit its tools: {told}")


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
