"""The runner's own reading of what a step writes, done again from its description and sharing no code with ours.

Two channels: the file commands (GITHUB_OUTPUT and its kin), where a malformed file fails the step even at exit 0, and
the workflow commands in the log, where any line of stdout or stderr may be one. Both are as strict, and as lax, as the
runner is.
"""

import re
from collections.abc import Iterator, Set
from typing import Final, NamedTuple

KNOWN_COMMANDS: Final = frozenset(
    {"add-mask", "add-matcher", "add-path", "debug", "echo", "endgroup", "error", "group", "notice"}
    | {"remove-matcher", "save-state", "set-env", "set-output", "stop-commands", "warning"}
)


class MalformedError(Exception):
    """A file command that the runner refuses; the message is about what it would say."""


class Command(NamedTuple):
    """One workflow command, unescaped."""

    name: str
    properties: dict[str, str]
    data: str


def parse_file_command(text: str) -> dict[str, str]:
    """Names and values of a GITHUB_OUTPUT, GITHUB_STATE or GITHUB_ENV file; the last write of a name wins."""
    values: dict[str, str] = {}
    lines = _lines(text.removeprefix("\ufeff"))
    for line, _ in lines:
        equals, heredoc = line.find("="), line.find("<<")
        if heredoc >= 0 and (equals < 0 or heredoc < equals):
            name, delimiter = line.split("<<", 1)
            if not name or not delimiter:
                raise MalformedError(f"Invalid format {line!r}. Name and delimiter must not be empty")
            values[name] = _heredoc(lines, delimiter)
        elif equals >= 0:
            name, value = line.split("=", 1)
            if not name:
                raise MalformedError(f"Invalid format {line!r}. Name must not be empty")
            values[name] = value
        elif line:
            raise MalformedError(f"Invalid format {line!r}")
    return values


def parse_log(log: str) -> list[Command]:
    """The workflow commands that the runner would carry out, in order, from one stream."""
    commands: list[Command] = []
    resume: str | None = None
    for line in re.split(r"\r\n|\n|\r", log):
        known = KNOWN_COMMANDS | {resume}
        command = _double_colon(line, known) or _hash_bracket(line, known)
        if command is None or resume not in (None, command.name):
            continue
        commands.append(command)
        resume = command.data.lower() if command.name == "stop-commands" else None
    return commands


def _lines(text: str) -> Iterator[tuple[str, bool]]:
    # Only LF ends a line on Linux; each comes with whether it really had its newline.
    index = 0
    while index < len(text):
        end = text.find("\n", index)
        if end < 0:
            yield text[index:], False
            return
        yield text[index:end], True
        index = end + 1


def _heredoc(lines: Iterator[tuple[str, bool]], delimiter: str) -> str:
    value: list[str] = []
    for line, ended in lines:
        if line == delimiter:
            return "\n".join(value)
        if not ended:
            break
        value.append(line)
    raise MalformedError(f"Invalid value. Matching delimiter not found {delimiter!r}")


def _double_colon(line: str, known: Set[str | None]) -> Command | None:
    # Must begin the line, after blanks, which is why a blank in front takes nothing from its power.
    line = line.lstrip()
    end = line.find("::", 2)
    if not line.startswith("::") or end < 0:
        return None
    return _as_command(line[2:end], line[end + 2 :], known, ",", {"%3A": ":", "%2C": ","}, {})


def _hash_bracket(line: str, known: Set[str | None]) -> Command | None:
    # The older form: found anywhere in the line.
    start = line.find("##[")
    end = line.find("]", start)
    if start < 0 or end < 0:
        return None
    escapes = {"%3B": ";", "%5D": "]"}
    return _as_command(line[start + 3 : end], line[end + 1 :], known, ";", escapes, escapes)


def _as_command(
    head: str, data: str, known: Set[str | None], separator: str, in_property: dict[str, str], in_data: dict[str, str]
) -> Command | None:
    name, _, properties = head.partition(" ")
    if name.lower() not in known:
        return None
    pairs = (pair.strip().split("=", 1) for pair in properties.split(separator) if "=" in pair)
    values = {key: _unescape(value, in_property) for key, value in pairs}
    return Command(name.lower(), values, _unescape(data, in_data))


def _unescape(text: str, more: dict[str, str]) -> str:
    for escaped, plain in {"%0D": "\r", "%0A": "\n", **more, "%25": "%"}.items():
        text = text.replace(escaped, plain)
    return text
