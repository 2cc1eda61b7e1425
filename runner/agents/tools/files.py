"""The tools that read and write one file: `file_read`, `head`, `tail`, `file_write`. Where they may is in `rooted`."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, Final

from runner.agents.tools.rooted import Rooted, shown
from runner.agents.tools.tool import MAX_RESULT, ToolProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runner.agents.tools.bench import Bench
    from runner.agents.tools.rooted import Parts
    from runner.agents.tools.tool import Run

MAX_READ: Final = 4 * 1024 * 1024
"""Bytes of a file that are looked at."""

MAX_WRITE: Final = 1024 * 1024
"""Bytes that one use writes."""

_RUN_BY_CI: Final = ((".github", "workflows"), (".github", "actions"))
"""What the CI host runs with rights that the model does not have."""


def text_of(parts: Parts, data: bytes) -> str:
    """A file's bytes as text, lines ended by a newline alone. Raises ToolProblem for a binary file."""
    if b"\0" in data:
        raise ToolProblem(f"{shown(parts)} is a binary file; only text can be read")
    return data.decode("utf-8", "replace").removeprefix("\ufeff").replace("\r\n", "\n")


def lines_of(text: str) -> list[str]:
    """The lines that an editor counts: ended by a newline and by nothing else."""
    return text.removesuffix("\n").split("\n") if text else []


def read_lines(files: Rooted, path: str, first: int, last: int | None) -> str:
    """Lines `first` to `last` of a file, from 1, or a directory's listing. Raises ToolProblem."""
    parts = files.find(path)
    if files.is_directory(parts):
        return _listing(files, parts)
    data, size = files.read(parts, MAX_READ)
    lines = lines_of(text_of(parts, data))
    if last is not None and last < first:
        raise ToolProblem(f"end_line {last} is before start_line {first}")
    if first > max(1, len(lines)):
        raise ToolProblem(f"{shown(parts)} has {len(lines)} lines; start_line {first} is behind the last")
    told = _fitting(lines[first - 1 : last])
    text = "\n".join(told)
    if (end := first - 1 + len(told)) < min(last or len(lines), len(lines)):
        text += f"\n[cut after line {end} of {len(lines)}; go on with start_line {end + 1}]"
    return text + (_too_large(size) if size > MAX_READ else "")


def first_lines(files: Rooted, path: str, count: int) -> str:
    parts = files.find(path)
    data, _ = files.read(parts, MAX_READ)
    return "\n".join(_fitting(lines_of(text_of(parts, data))[:count]))


def last_lines(files: Rooted, path: str, count: int) -> str:
    parts = files.find(path)
    data, size = files.read(parts, MAX_READ, last=True)
    lines = lines_of(text_of(parts, data))
    # The first line of a part is the rest of one.
    found = (lines[1:] if size > len(data) else lines)[-count:]
    return "\n".join(reversed(_fitting(list(reversed(found)))))


def write(files: Rooted, path: str, content: str, mode: str) -> str:
    """Write a file whole, or after what it holds. Raises ToolProblem."""
    parts = files.find(path)
    if any(tuple(part.casefold() for part in parts[:2]) == one for one in _RUN_BY_CI):
        raise ToolProblem(f"{shown(parts)} would be run by the CI host with its rights; tools do not write there")
    data = content.encode("utf-8", "replace")
    if len(data) > MAX_WRITE:
        raise ToolProblem(f"the content is larger than {MAX_WRITE // 1024} KiB")
    before = b""
    if mode == "append" and _exists(files, parts):
        before, size = files.read(parts, MAX_READ)
        if size + len(data) > MAX_READ:
            raise ToolProblem(f"{shown(parts)} would be larger than {MAX_READ // 1024 // 1024} MiB")
    new = files.write(parts, before + data)
    done = "created" if new else "appended to" if mode == "append" else "replaced"
    return f"{done} {shown(parts)}: {len(data):,} bytes written"


def _exists(files: Rooted, parts: Parts) -> bool:
    try:
        files.is_directory(parts)
    except ToolProblem:
        return False
    return True


def _fitting(lines: list[str]) -> list[str]:
    """As many of the first lines as a model is told at once, but at least one."""
    room = MAX_RESULT - 200  # for what is said of the rest
    for index, line in enumerate(lines):
        room -= len(line) + 1
        if room < 0:
            return lines[: max(1, index)]
    return lines


def _listing(files: Rooted, parts: Parts) -> str:
    signs = {"directory": "/", "link": "@"}
    found = [shown((one.name,)) + signs.get(one.kind, "") for one in files.entries(parts)]
    return "\n".join(found) or "[an empty directory]"


def _too_large(size: int) -> str:
    return f"\n[the file has {size:,} bytes, of which the first {MAX_READ:,} are read; tail reads its end]"


def _file_read(bench: Bench) -> Run:
    files = Rooted.of(bench)

    async def run(given: Mapping[str, Any]) -> str:
        last = given["end_line"] or None
        return await asyncio.to_thread(read_lines, files, given["path"], given["start_line"], last)

    return run


def _head(bench: Bench) -> Run:
    files = Rooted.of(bench)

    async def run(given: Mapping[str, Any]) -> str:
        return await asyncio.to_thread(first_lines, files, given["path"], given["lines"])

    return run


def _tail(bench: Bench) -> Run:
    files = Rooted.of(bench)

    async def run(given: Mapping[str, Any]) -> str:
        return await asyncio.to_thread(last_lines, files, given["path"], given["lines"])

    return run


def _file_write(bench: Bench) -> Run:
    files, one_at_a_time = Rooted.of(bench), threading.Lock()  # what two agents append at once is both there

    def locked(path: str, content: str, mode: str) -> str:
        with one_at_a_time:
            return write(files, path, content, mode)

    async def run(given: Mapping[str, Any]) -> str:
        return await asyncio.to_thread(locked, given["path"], given["content"], given["mode"])

    return run


TOOLS: Final[Mapping[str, Callable[[Bench], Run]]] = {
    "file_read": _file_read,
    "head": _head,
    "tail": _tail,
    "file_write": _file_write,
}
