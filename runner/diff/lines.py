"""One file of a change as lines of text: its heading, and its hunks with a number at each line. What of it there is
room for is decided next door.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from runner.invisible import shown

if TYPE_CHECKING:
    from runner.diff.change import FileChange, Hunk, Line

HOW_TO_READ: Final = (
    "Each line begins with a sign and its number: '+' is added and ' ' unchanged, numbered in the new file; '-' is "
    "removed, numbered in the old file (side: old).\n"
)

_LONG_LINE: Final = 1_000
"""Characters of a line that are shown."""

_PLAIN_NAME: Final = re.compile(r"""[^\s"\\]+(?: [^\s"\\]+)*""")
_PLAIN_TEXT: Final = re.compile(r"[\t\n -~]*+")
_SIGNS: Final = {"same": " ", "added": "+", "removed": "-"}
_RETURN: Final = "␍"
"""What is written for a carriage return, where a file does not have one before each end of a line."""


def name(path: str) -> str:
    """A path so that it is one line and nobody takes a part of the line for it, or it for more."""
    return shown(path if _PLAIN_NAME.fullmatch(path) else json.dumps(path, ensure_ascii=False))


def heading(file: FileChange) -> str:
    """The name of a file and what became of it."""
    told = {
        "added": "new",
        "removed": "removed",
        "modified": "",
        "renamed": f"renamed from {name(file.old_path)}",
        "copied": f"copied from {name(file.old_path)}",
        "unchanged": "only its mode",
    }[file.status]
    kinds = ("binary" * file.binary, "submodule" * file.submodule, "its lines are not told" * file.withheld)
    return f"## {name(file.path)} ({', '.join(one for one in (told, *kinds, size(file)) if one) or 'modified'})"


def size(file: FileChange) -> str:
    """How many lines were added and removed, such as `+3 -1`."""
    return " ".join(f"{sign}{count}" for sign, count in (("+", file.added), ("-", file.removed)) if count)


def has_other_returns(file: FileChange) -> bool:
    """Whether some lines of a file end in a carriage return, and others do not: then it is to be seen."""
    ends = {line.text.endswith("\r") for hunk in file.hunks for line in hunk.lines if not line.bare}
    return len(ends) > 1


def hunk_lines(hunk: Hunk, *, first: bool, returns: bool) -> list[str]:
    """A hunk as lines. What separates it from the one before names the function it is in, where git knows one."""
    head = [f"@@ {hunk.heading}".rstrip()] if hunk.heading or not first else []
    text = "\n".join([*head, *(_line(line, returns=returns) for line in hunk.lines)]).replace("\r", _RETURN)
    return (text if _PLAIN_TEXT.fullmatch(text) else shown(text)).split("\n")


def _line(line: Line, *, returns: bool) -> str:
    text = line.text if returns else line.text.removesuffix("\r")
    if len(text) > _LONG_LINE:
        text = f"{text[:_LONG_LINE]}… ({len(text) - _LONG_LINE:,} more characters)"
    end = "\n\\ no end of line" if line.bare and line.kind != "same" else ""
    return f"{_SIGNS[line.kind]}{line.old if line.new is None else line.new} {text}{end}"


def is_of_file(line: str) -> bool:
    """Whether a line of `hunk_lines` is one of the file, and not of what stands around these."""
    return line[0] in "+- "
