"""What is said to the CI host through the log and through files, and the guard for everything else that is printed.

The runner reads commands from stdout and stderr alike: a line that begins with `::`, or `##[` anywhere in a line
(https://github.com/actions/runner/blob/main/src/Runner.Common/ActionCommand.cs). So text that anybody else wrote
passes `printable`, and our own commands are escaped by the toolkit's rules.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from actions_toolkit.command import Command

from runner.invisible import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from runner.errors import Finding

MAX_ANNOTATIONS: Final = 10  # of each level for a step; the host ignores more
MAX_MESSAGE: Final = 4096  # characters; the host cuts there
MAX_LINE: Final = 4000
MAX_READ: Final = 10 * MAX_LINE  # of a longer text no more is looked at for one line
MIN_MASK: Final = 4  # characters; the host takes any, and a short one blots out half a log

COMMON: Final = frozenset(
    "admin anonymous bearer changeme debug default error example failed false github guest https info localhost main "
    "master name none null password production public root secret staging status steps string success test testing "
    "text token true undefined user username value warning".split()
)
"""Words that are no secret even where somebody made one of them."""

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]+")
_BREAK: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_UNSEEN: Final = r"[\ufe0e\ufe0f\u200c\u200d]*"  # what `shown` leaves for the sake of spelling
_COLONS: Final = re.compile(rf"^((?:{_UNSEEN}\s)*{_UNSEEN}:{_UNSEEN})(?=:)")
_BRACKET: Final = re.compile(rf"(#{_UNSEEN}#{_UNSEEN})(?=\[)")


def harmless(line: str) -> str:
    """A line that the runner does not take for a command, and otherwise as it was. It compares by culture, for which
    a character that nobody sees is not there."""
    return _BRACKET.sub(r"\1 ", _COLONS.sub(r"\1 ", line, count=1))


def answer(text: str) -> str:
    """An answer to print as it is, but for commands; what nobody sees in it is written out, and control characters
    other than line ends and tabs are blanks."""
    lines = shown(_CONTROL.sub(" ", text.replace("\r\n", "\n").replace("\r", "\n"))).split("\n")
    return "".join(harmless(line) + "\n" for line in lines)


def printable(text: str) -> str:
    """Any text as one harmless line of a log, cut where it grows too long. What nobody sees in it is written out;
    control characters and line ends are blanks."""
    line = harmless(shown(_BREAK.sub(" ", text[:MAX_READ])))
    return line if len(line) <= MAX_LINE and len(text) <= MAX_READ else line[: MAX_LINE - 1] + "…"


def annotate(findings: Iterable[Finding], title: str) -> list[str]:
    """Workflow commands for findings: errors first, a few of each level, the rest counted in the last one."""
    lines: list[str] = []
    found = tuple(findings)
    for level in ("error", "warning"):
        chosen = [finding for finding in found if finding.level == level]
        shown, rest = chosen[:MAX_ANNOTATIONS], len(chosen) - MAX_ANNOTATIONS
        for index, finding in enumerate(shown):
            more = f" (and {rest} more, listed in the job summary)" if rest > 0 and index == len(shown) - 1 else ""
            lines.append(_annotation(level, finding, title, more))
    return lines


def _annotation(level: str, finding: Finding, title: str, more: str) -> str:
    properties: dict[str, str | int] = {"title": title}
    if finding.at.file:
        properties["file"] = finding.at.file
    if finding.at.line:
        properties |= {"line": finding.at.line, "col": finding.at.column}
    message = shown(_BREAK.sub(" ", finding.message))[: MAX_MESSAGE - len(more)] + more
    return command(level, message, properties)


def command(name: str, message: str = "", properties: Mapping[str, str | int] | None = None) -> str:
    """One workflow command. `##[` is made harmless as well: the runner finds it inside any line."""
    clean = {key: str(value).replace("##[", "## [") for key, value in (properties or {}).items()}
    return str(Command(name, clean, message.replace("##[", "## [")))


def masks(values: Iterable[str]) -> list[str]:
    """Workflow commands that keep values out of the host's log. The host looks at lines; a piece of one that would
    read as a command itself cannot stand in it.

    What is shorter than MIN_MASK, one of the COMMON words, or a number of fewer than six digits stays unmasked: the
    host would blot it out of every line, and drop each output of the job that holds it."""
    pieces = (piece.strip() for value in values for piece in re.split(r"[\r\n]|##\[", value))
    return [command("add-mask", piece) for piece in dict.fromkeys(pieces) if _telling(piece)]


def _telling(piece: str) -> bool:
    """Whether a text tells a secret, and not just what stands in any log."""
    return len(piece) >= MIN_MASK and piece.casefold() not in COMMON and not re.fullmatch(r"[\d.,+-]{,5}", piece)


def output_file(outputs: Mapping[str, str]) -> str:
    """Outputs as the runner's file command, each behind a delimiter that nobody can guess."""
    from actions_toolkit.file_command import prepare_key_value_message  # for whom there is no such file it waits

    return "".join(prepare_key_value_message(name, _text(value)) + "\n" for name, value in outputs.items())


def _text(value: str) -> str:
    """A value as it can be written: lone surrogates cannot be encoded, and a CR would end the runner's line."""
    return value.encode("utf-8", "replace").decode().replace("\r\n", "\n").replace("\r", "\n")
