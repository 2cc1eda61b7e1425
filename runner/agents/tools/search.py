"""The tools that look for lines: `grep` and `search`, in one file or in all below a directory.

Plain words are looked for here, regular expressions in a process that can be killed (`child`, `matcher`), which costs
some 30 ms.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from runner.agents.tools.child import asked
from runner.agents.tools.files import MAX_READ, lines_of, text_of
from runner.agents.tools.rooted import Rooted, shown
from runner.agents.tools.tool import ToolProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runner.agents.tools.bench import Bench
    from runner.agents.tools.rooted import Parts
    from runner.agents.tools.tool import Run

MAX_FILES: Final = 5_000
MAX_BYTES: Final = 8 * 1024 * 1024
"""Of all files together."""

MAX_DEPTH: Final = 64
MAX_LINE: Final = 400
"""Characters of a line that are shown."""

MATCH_S: Final = 5.0
"""Seconds that regular expressions may take."""


@dataclass(frozen=True)
class Query:
    """Lines with any of `patterns` in them, at most `most`, each with `context` lines around it."""

    patterns: Sequence[str]
    is_regex: bool
    case_sensitive: bool
    context: int
    most: int


@dataclass
class Gathered:
    """The files to look through, as lines, and what was left out."""

    files: list[tuple[Parts, list[str]]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


async def find_lines(files: Rooted, path: str, query: Query) -> str:
    """What is found, as `file:line: text`. Raises ToolProblem."""
    gathered = await asyncio.to_thread(gather, files, path)
    texts = [lines for _, lines in gathered.files]
    found = await (_by_regex(texts, query) if query.is_regex else asyncio.to_thread(_by_words, texts, query))
    return "\n".join(_told(gathered, found, query))


def gather(files: Rooted, path: str) -> Gathered:
    """A file, or every text file below a directory in the order of their names. Raises ToolProblem."""
    parts, gathered = files.find(path), Gathered()
    if not files.is_directory(parts):
        data, size = files.read(parts, MAX_READ)
        gathered.files.append((parts, lines_of(text_of(parts, data))))
        if size > len(data):
            gathered.notes.append(f"only the first {MAX_READ:,} bytes were searched")
        return gathered
    left = MAX_BYTES
    for number, one in enumerate(_walk(files, parts)):
        if number >= MAX_FILES or left <= 0:
            limit = f"{MAX_FILES:,} files or {MAX_BYTES // 1024 // 1024} MiB"
            gathered.notes.append(f"not everything was searched: stopped after {limit}, before {shown(one)}")
            break
        with contextlib.suppress(ToolProblem):  # binary, or gone meanwhile
            data, size = files.read(one, min(MAX_READ, left))
            left -= len(data)
            gathered.files.append((one, lines_of(text_of(one, data))))
            if size > len(data):
                gathered.notes.append(f"only the first {len(data):,} bytes of {shown(one)} were searched")
    return gathered


def _walk(files: Rooted, top: Parts) -> Iterator[Parts]:
    """Every file below a directory, in the order of names and through no link."""
    pending = [(top, True)]
    while pending:
        parts, is_directory = pending.pop()
        if not is_directory:
            yield parts
        elif len(parts) - len(top) <= MAX_DEPTH:
            with contextlib.suppress(ToolProblem):  # not to be read, or gone meanwhile
                inside = [one for one in files.entries(parts) if one.kind in ("file", "directory")]
                pending += [((*parts, one.name), one.kind == "directory") for one in reversed(inside)]


def _by_words(texts: Sequence[Sequence[str]], query: Query) -> list[list[int]]:
    as_compared: Callable[[str], str] = str if query.case_sensitive else str.casefold
    words = [as_compared(word) for word in query.patterns]
    found, left = [], query.most + 1
    for lines in texts:
        hits = []
        for index, line in enumerate(lines):
            if left and any(word in as_compared(line) for word in words):
                hits.append(index)
                left -= 1
        found.append(hits)
    return found


async def _by_regex(texts: Sequence[Sequence[str]], query: Query) -> list[list[int]]:
    question = {
        "patterns": query.patterns,
        "case_sensitive": query.case_sensitive,
        "most": query.most + 1,
        "files": texts,
    }
    encoded = await asyncio.to_thread(lambda: json.dumps(question).encode())
    # Without `site`, which it does not need, it starts in half the time.
    answer = json.loads(await asked("matcher.py", encoded, seconds=MATCH_S, flags=("-S",)))
    if "problem" in answer:
        raise ToolProblem(answer["problem"])
    found: list[list[int]] = answer["found"]
    return found


def _told(gathered: Gathered, found: Sequence[Sequence[int]], query: Query) -> Iterator[str]:
    """The lines that were found, with those around them; what lies apart is set apart."""
    left, files_with = query.most, 0
    for (parts, lines), hits in zip(gathered.files, found, strict=True):
        chosen = hits[:left]
        left -= len(chosen)
        files_with += bool(chosen)
        before = None
        for index in _with_context(chosen, query.context, len(lines)):
            if query.context and (before is None or index > before + 1) and (files_with > 1 or before is not None):
                yield "--"
            before = index
            sign = ":" if index in chosen else "-"
            yield f"{shown(parts)}{sign}{index + 1}{sign} {_short(lines[index])}"
    total = sum(len(hits) for hits in found)
    if total > query.most:
        yield f"[the first {query.most} matches; there are more]"
    else:
        yield f"[{total} matches in {files_with} of {len(gathered.files)} files]"
    yield from (f"[{note}]" for note in gathered.notes[:10])


def _with_context(hits: Sequence[int], context: int, count: int) -> list[int]:
    return sorted({near for hit in hits for near in range(max(0, hit - context), min(count, hit + context + 1))})


def _short(line: str) -> str:
    return line if len(line) <= MAX_LINE else f"{line[:MAX_LINE]}…"


def _grep(bench: Bench) -> Run:
    files = Rooted.of(bench)

    async def run(given: Mapping[str, Any]) -> str:
        query = _query([given["pattern"]], given, given["max_matches"])
        return await find_lines(files, given["path"], query)

    return run


def _search(bench: Bench) -> Run:
    files = Rooted.of(bench)

    async def run(given: Mapping[str, Any]) -> str:
        keywords = given["keywords"]
        query = _query([keywords] if isinstance(keywords, str) else keywords, given, given["max_results"])
        return await find_lines(files, given["path"], query)

    return run


def _query(patterns: Sequence[str], given: Mapping[str, Any], most: int) -> Query:
    if not all(patterns):
        raise ToolProblem("an empty text is in every line; name something to look for")
    return Query(patterns, given["is_regex"], given["case_sensitive"], given["context_lines"], most)


TOOLS: Final[Mapping[str, Callable[[Bench], Run]]] = {"grep": _grep, "search": _search}
