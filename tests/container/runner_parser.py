"""The runner's own reading of what a step writes, done again from its description and sharing no code with ours.

Two channels: the file commands (GITHUB_OUTPUT and its kin), where a malformed file fails the step even at exit 0, and
the workflow commands in the log, where any line of stdout or stderr may be one. Both are as strict, and as lax, as the
runner is.
"""

import re
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Self

KNOWN_COMMANDS: Final = frozenset(
    {"add-mask", "add-matcher", "add-path", "debug", "echo", "endgroup", "error", "group", "notice"}
    | {"remove-matcher", "save-state", "set-env", "set-output", "stop-commands", "warning"}
)

RESUME: Final = "resume"
MAX_SUMMARY: Final = 1024 * 1024


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
    """The workflow commands that the runner would carry out, in order, from one stream. The token that ends
    `stop-commands` is told as RESUME."""
    return [command for _, command in _carried_out(log.removeprefix("\ufeff"))]  # which its reader takes for a mark


def steering(log: str) -> list[Command]:
    """Those of them that do more than stop others."""
    return [command for command in parse_log(log) if command.name not in ("stop-commands", RESUME)]


def in_any_order(stdout: str, stderr: str) -> list[list[Command]]:
    """What the runner would carry out of two streams, which it reads in no order: with the first at the beginning of
    the second, behind each of its commands, and at its end."""
    places = [0, *(end for end, _ in _carried_out(stderr)), len(stderr)]
    return [steering(f"{stderr[:place]}\n{stdout}\n{stderr[place:]}") for place in places]


def parse_summary(text: str) -> str:
    """A GITHUB_STEP_SUMMARY file as it would be shown."""
    if len(text.encode()) > MAX_SUMMARY:
        raise MalformedError("the job summary is larger than 1 MiB, and dropped")
    return text


@dataclass
class Effects:
    """What commands would do to a job: each list in order, each mapping as it stands in the end."""

    annotations: list[Command] = field(default_factory=list)
    masks: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    open_groups: int = 0
    matchers: list[str] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)
    state: dict[str, str] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    paths: list[str] = field(default_factory=list)
    echo: bool = False

    @classmethod
    def of(cls, commands: Iterable[Command]) -> Self:
        effects = cls()
        for command in commands:
            effects._add(command)
        return effects

    def _add(self, command: Command) -> None:
        match command.name:
            case "error" | "warning" | "notice":
                self.annotations.append(command)
            case "add-mask":
                self.masks.append(command.data)
            case "group":
                self.groups.append(command.data)
                self.open_groups += 1
            case "endgroup":
                self.open_groups = max(0, self.open_groups - 1)
            case "add-matcher":
                self.matchers.append(command.data)
            case "remove-matcher":
                self.matchers.append("-" + (command.properties.get("owner") or command.data))
            case "set-output" | "save-state" | "set-env":
                of = {"set-output": self.outputs, "save-state": self.state, "set-env": self.env}[command.name]
                of[command.properties.get("name", "")] = command.data
            case "add-path":
                self.paths.append(command.data)
            case "echo":
                self.echo = command.data.strip().lower() == "on"


def _carried_out(log: str) -> Iterator[tuple[int, Command]]:
    """Each command, and where its line ends."""
    resume: str | None = None
    for line in re.finditer(r"([^\r\n]*)(\r\n|\n|\r|$)", log):
        known = KNOWN_COMMANDS | {resume}
        command = _double_colon(line[1], known) or _hash_bracket(line[1], known)
        if command is None or resume not in (None, command.name):
            continue
        if resume is not None:
            command, resume = Command(RESUME, {}, resume), None
        elif command.name == "stop-commands":
            if command.data.lower() in KNOWN_COMMANDS | {"", "pause-logging"}:
                continue  # refused
            resume = command.data.lower()
        yield line.end(), command


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
    # Must begin the line, after blanks, which is why a blank in front takes nothing from its power. What Python takes
    # for a blank is more than what .NET does, and no less.
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
