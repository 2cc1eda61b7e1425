"""The file-command writer and the guard of the log, judged by the runner's own reading of both: what is read back is
what was given, and nothing else is read."""

from __future__ import annotations

import io
import re
from typing import Final

from runner.ci.commands import MIN_MASK, annotate, answer, command, masks, output_file, printable
from runner.ci.voice import Voice
from runner.errors import Finding, Location
from tests import hostile
from tests.container.runner_parser import KNOWN_COMMANDS, parse_file_command, parse_log
from tests.fuzz.target import Target, fields, joined


def one(data: bytes) -> None:
    texts = fields(data)
    _outputs(texts)
    _unguarded(texts)
    for text in texts:
        assert parse_log(printable(text)) == [], "a line of the log is a command"
        assert len(printable(text).splitlines()) <= 1, "a line of the log is several"
        assert parse_log(answer(text)) == [], "an answer has a command in it"
        _masks(text)
        [group] = parse_log(command("group", printable(text)))
        assert group.name == "group"
    message, file, title = (*texts, "a", "b")[:3] if len(texts) < 3 else texts[:3]
    told = parse_log("\n".join(annotate([Finding(message, Location(file, 1, 2))], title)))
    assert [one.name for one in told] == ["error"], told
    assert set(told[0].properties) <= {"title", "file", "line", "col"}, told


def _unguarded(texts: list[str]) -> None:
    """What is printed past every guard while the host does not listen is nothing to it, and what we say is heard."""
    stream = io.StringIO()
    voice = Voice(stream)
    with voice.quiet():
        for text in texts:
            voice.write(text)
            voice.say([command("group", "ours")])
    told = [(one.name, one.data) for one in parse_log(stream.getvalue()) if one.name in KNOWN_COMMANDS]
    assert [one for one in told if one[0] != "stop-commands"] == [("group", "ours")] * len(texts), told


def _outputs(texts: list[str]) -> None:
    """Names are of the language, whose letters are few; values are anybody's."""
    names = [re.sub(r"[^\w.:-]", "", text, flags=re.ASCII)[:20] or "response" for text in texts]
    outputs = dict(zip(names, texts[1:], strict=False))
    read = {name: _as_read(value) for name, value in outputs.items()}
    assert parse_file_command(output_file(outputs)) == read, "outputs are not read as they were written"


def _as_read(value: str) -> str:
    """A value as it can be written at all: no half of a surrogate pair, and lines that end as the system's do."""
    return value.encode("utf-8", "replace").decode().replace("\r\n", "\n").replace("\r", "\n")


def _masks(text: str) -> None:
    for line in masks([text]):
        [mask] = parse_log(line + "\n")
        assert mask.name == "add-mask", mask
        assert len(mask.data) >= MIN_MASK, f"{mask.data!r} would blot out half a log"


def seeds() -> list[bytes]:
    texts = (*hostile.COMMANDS.values(), *hostile.FILES.values(), *hostile.SIGNS.values())
    return [joined(text, text, "a " + text) for text in texts]


WORDS: Final = (
    *sorted(KNOWN_COMMANDS), "::", "##[", "]", "<<", "EOF", "=", "%0A", "%0D", "%25", "%3A", "%2C", "\r", "\n",
    "\u2028", "\u0085", "\ufeff", "ghadelimiter_", "::stop-commands::", "name=a::", " ", "\u3000",
)  # fmt: skip

TARGET: Final = Target(one, seeds, WORDS)
