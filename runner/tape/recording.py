"""A recording: what one step was asked and every turn that was answered, in one JSON file that a diff of can be read.

Texts of several lines are written as lists of their lines. What a model or a tool said freely (arguments, contents,
data) is kept as it was. A seal over the content tells a file that somebody changed from one that was recorded; who
writes one by hand says so with `origin: hand`, and has no need of a seal.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, PlainSerializer, TypeAdapter, ValidationError

from runner.errors import RecordingProblem
from runner.report.results import Usage

FORMAT: Final = 1
"""Of the files. A reader refuses those of a later one: what they say is not known to it."""


def _joined(value: Any) -> Any:
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "\n".join(value)
    return value


def _lines(text: str | None) -> Any:
    return text.split("\n") if text is not None and "\n" in text else text


def _in_lines(*names: str) -> Any:
    """A mapping in which these names, where they are there, have texts."""

    def change(value: Any, how: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        return {name: how(one) if name in names and isinstance(one, str | list) else one for name, one in value.items()}

    def split(value: Any) -> Any:
        return change(value, lambda one: _lines(one) if isinstance(one, str) else one)

    return BeforeValidator(lambda value: change(value, _joined)), PlainSerializer(split)


_KINDS: Final = {"text": str, "toolUse": dict, "reasoningContent": dict, "event": dict, "deltas": list}
_KINDS_OF_A_USE: Final = {"toolUseId": str, "name": str}


def _of_the_sdk(block: dict[str, Any]) -> dict[str, Any]:
    """A block that may be written by hand. Raises ValueError where it has another form than the SDK's."""
    used = block.get("toolUse")
    for held, kinds in ((block, _KINDS), (used if isinstance(used, dict) else {}, _KINDS_OF_A_USE)):
        for name, kind in kinds.items():
            if name in held and not isinstance(held[name], kind):
                words = {str: "a text", dict: "a mapping", list: "a list"}
                raise ValueError(f"'{name}' should be {words[kind]}")
    return block


MOST: Final = 10**12
"""Tokens of a turn, or milliseconds: what is more can be neither paid for nor waited for."""


_COUNTS: Final = tuple(one.name for one in fields(Usage))


def _counted(usage: Usage) -> Usage:
    for name in _COUNTS:
        count = getattr(usage, name)
        if not 0 <= count <= MOST:
            raise ValueError(f"'{name}' should be a number of tokens, not {count if count < 0 else 'so many'}")
    return usage


Text = Annotated[str, BeforeValidator(_joined), PlainSerializer(_lines)]
Block = Annotated[dict[str, Any], *_in_lines("text"), AfterValidator(_of_the_sdk)]
"""A part of a message or of a tool's result, in the SDK's form."""
Count = Annotated[int, Field(ge=0, le=MOST)]
Purpose: TypeAlias = Literal["answer", "summary"]
"""What a model is asked for: what the step wants, or a conversation in fewer words."""

_STRICT: Final = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class Fault:
    """Why a turn had no answer; what `ModelProblem` knows of it."""

    message: Text
    transient: bool = False
    used_up: bool = False
    retry_after: float | None = None
    lost: bool = False
    __pydantic_config__ = _STRICT


@dataclass(frozen=True)
class ToolUse:
    """One use of a tool: the model's arguments, and what it was told. `content` is in the SDK's form of a tool result's
    content."""

    id: str
    name: str
    input: Any
    status: Literal["success", "error"] = "success"
    content: tuple[Block, ...] = ()
    __pydantic_config__ = _STRICT


@dataclass(frozen=True)
class Turn:
    """One question to a model, and what came of it.

    `content` is the message that it answered, in the SDK's form; its uses of tools are in `tools`, with their results.
    A turn with a `fault` has no answer that counts.
    """

    model: str
    purpose: Purpose = "answer"
    content: tuple[Block, ...] = ()
    stop: str | None = None
    tools: tuple[ToolUse, ...] = ()
    fault: Fault | None = None
    usage: Annotated[Usage, AfterValidator(_counted)] = Usage()
    latency_ms: Count = 0
    __pydantic_config__ = _STRICT

    @property
    def uncounted(self) -> bool:
        """Whether it may have cost something that nobody told."""
        sent = self.fault is None or self.fault.lost or bool(self.content)
        return sent and not self.usage.total

    @property
    def text(self) -> str:
        return "".join(str(block["text"]) for block in self.content if "text" in block)


@dataclass(frozen=True)
class Prompt:
    """What was asked, rendered. `before` is what a session had said by then: a digest for each of its steps."""

    user: Text
    system: Text | None = None
    before: Mapping[str, str] = field(default_factory=dict)
    __pydantic_config__ = _STRICT


@dataclass(frozen=True)
class Answer:
    """What the engine made of the turns. An `error` is why nothing that counts; for an `unfinished` one that is the end
    of the run's budget. `response` is left out where it is the text of the last turn."""

    status: Literal["success", "failed", "unfinished"] = "success"
    response: Text | None = None
    data: Any = None
    error: Text | None = None
    attempts: Count = 1
    duration_ms: Count = 0
    __pydantic_config__ = _STRICT


@dataclass(frozen=True)
class GateAsked:
    """A question to a human. `asked` and `by` are told in ISO 8601 and as who answered; no `answer`, none yet."""

    question: Text
    asked: str
    context: Text = ""
    answer: Text | None = None
    by: Literal["response", "default"] | None = None
    __pydantic_config__ = _STRICT


@dataclass(frozen=True)
class Recording:
    """One step of one run. `asked` is what its config_hash was made of, readable when two of them are compared;
    `tools` are digests of what the model was told of each tool."""

    path: str
    config_hash: str
    asked: Annotated[Mapping[str, Any], *_in_lines("prompt", "input")] = field(default_factory=dict)
    prompt: Prompt = Prompt("")
    tools: Mapping[str, str] = field(default_factory=dict)
    turns: tuple[Turn, ...] = ()
    answer: Answer = Answer()
    gate: GateAsked | None = None
    origin: Literal["model", "hand"] = "model"
    __pydantic_config__ = _STRICT

    @property
    def usage(self) -> Usage:
        return sum((turn.usage for turn in self.turns), Usage())

    @property
    def response(self) -> str:
        """The answer's text."""
        if self.answer.response is not None:
            return self.answer.response
        return self.turns[-1].text.strip() if self.turns else ""

    @property
    def tools_used(self) -> tuple[str, ...]:
        """The tools that were used, in the order in which the model asked for them."""
        return tuple(use.name for turn in self.turns for use in turn.tools)


# -- files ------------------------------------------------------------------------------------------------------------


@cache
def _adapter() -> TypeAdapter[Recording]:
    return TypeAdapter(Recording)


def dump(recording: Recording) -> str:
    """The file's text: the same for the same recording, whoever writes it. Raises RecordingProblem for what JSON cannot
    hold."""
    try:
        body = _adapter().dump_python(recording, mode="json", exclude_defaults=True)
        body = {"format": FORMAT, **_in_order(body)}
        if recording.origin == "model":
            body["seal"] = _seal(body)
        text = json.dumps(body, indent=2, ensure_ascii=False) + "\n"
        text.encode()  # half of a character would be another text in the file
        return text
    except (ValueError, RecursionError) as error:
        raise RecordingProblem(f"{recording.path}: what was said cannot be recorded: {error}") from None


def load(text: str | bytes, file: str) -> Recording:
    """A recording from a file's text. Raises RecordingProblem, with the file's name, for everything that is none."""
    try:
        body = json.loads(text)
        found = _seal({name: one for name, one in body.items() if name != "seal"}) if isinstance(body, dict) else ""
    except (ValueError, RecursionError) as error:
        raise RecordingProblem(f"{file} is not a whole recording: {error}; {MEND}") from None
    if not isinstance(body, dict) or type(body.get("format")) is not int:
        raise RecordingProblem(f"{file} is not a recording: it has no 'format'; take it out of the directory")
    if body["format"] != FORMAT:
        told = f"{file} is a recording of format {body['format']}, and this version reads format {FORMAT}"
        raise RecordingProblem(f"{told}; use the version that made it, or record it anew")
    seal = body.pop("seal", None)
    if body.get("origin") != "hand" and seal != found:
        told = f"{file} was changed after it was recorded; {MEND}"
        raise RecordingProblem(f'{told}, or say "origin": "hand" in it to keep it as one that was written by hand')
    del body["format"]
    try:
        return _adapter().validate_python(body)
    except ValidationError as error:
        wrong = error.errors()[0]
        where = ".".join(str(part) for part in wrong["loc"])
        what = wrong["msg"].removeprefix("Value error, ")  # a sentence of ours
        raise RecordingProblem(f"{file} is not a recording at {where or 'its top'}: {what}") from None


def restored(content: bytes) -> Recording:
    """A recording from what `load` has accepted."""
    body = json.loads(content)
    return _adapter().validate_python({name: one for name, one in body.items() if name not in ("format", "seal")})


MEND: Final = "restore it, or delete it and record it anew"


def _in_order(body: Mapping[str, Any]) -> dict[str, Any]:
    """What a reader looks for first comes first."""
    first = ("path", "origin", "config_hash", "asked", "prompt")
    return {name: body[name] for name in (*first, *body) if name in body}


def _seal(body: Mapping[str, Any]) -> str:
    """A checksum, not a signature: it tells a slip of the hand, not an enemy."""
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]
