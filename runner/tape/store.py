"""Recordings in a directory: a file for each step, named after its path."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from runner import walk
from runner.errors import RecordingProblem
from runner.plan.fingerprint import text_digest
from runner.spill import Spill
from runner.tape.recording import load
from runner.tape.shelf import Shelf

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from runner.tape.recording import Recording
    from runner.tape.shelf import Card

ENDING: Final = ".json"
LONGEST: Final = 150
"""Characters of a name: file systems take some 255 bytes, and a temporary name is longer."""

TAPE: Final = "tape"
"""The directory of a run's recordings, below that of its other files."""


def safe_name(text: str) -> str:
    """A text as the name of a file that every file system takes, and that artifacts of the CI host may have: these
    refuse `" : < > | * ? \\ /` (https://github.com/actions/toolkit/tree/main/packages/artifact)."""
    name = quote(text, safe="[]#. ", errors="replace").replace("~", "%7E")  # which marks what was cut
    name = re.sub(r"^\.|\.$", "%2E", name)
    if len(name) <= LONGEST:
        return name
    return f"{name[: LONGEST - 20]}~{text_digest(text)[:12]}"


def file_name(path: str) -> str:
    """The name of a step's file: `steps[2].json`."""
    return safe_name(path) + ENDING


def read(directory: Path, shown: str, spill: Spill | None = None) -> Shelf:
    """The recordings of a directory, in the order of their names; none where there is no such directory. All of them
    are looked through, and what does not fit into memory is kept by `spill`.

    Raises RecordingProblem, with the file's name, for a file that is none or is not what it is called.
    """
    shelf = Shelf(spill=spill)
    for file in _files(directory, shown):
        name = f"{shown}/{file}"
        try:
            content = _content(f"{directory}/{file}", name)
        except OSError as error:
            raise RecordingProblem(f"{name} cannot be read: {error.strerror}") from None
        recording = load(content, name)
        if file_name(recording.path) != file:
            raise RecordingProblem(f"{name} is the recording of {recording.path}; call it {file_name(recording.path)}")
        shelf.put(recording, content)
    return shelf


def read_all(base: Path, shown: str, asked: Collection[str]) -> Shelf:
    """The recordings of every run whose files are below a directory. Where several have the same step, one that is
    `asked`, by its config_hash, comes before another workflow's, one that succeeded before one that did not, and that
    of the last run by name before those of others."""
    found: dict[str, Card] = {}
    spill = Spill()

    def rank(card: Card) -> tuple[bool, bool]:
        return card.config_hash in asked, card.finished

    for directory in _tapes(base):
        shelf = read(directory, f"{shown}/{directory.relative_to(base).as_posix()}", spill)
        for path, card in shelf.cards.items():
            earlier = found.get(path)
            if earlier is None or rank(card) >= rank(earlier):
                found[path] = card
    return Shelf(found)


def remove(directory: Path, recordings: Mapping[str, Recording], paths: Iterable[str]) -> None:
    """Delete the files of these paths, but for one that somebody else has written since it was read."""
    with contextlib.suppress(OSError), walk.directory(directory) as here:
        for path in paths:
            name = file_name(path)
            with contextlib.suppress(OSError, RecordingProblem):
                if load(_content(name, name, walk.NO_LINK, here), name) == recordings[path]:
                    os.unlink(name, dir_fd=here)


def _content(file: str, shown: str, flags: int = 0, parent: int | None = None) -> bytes:
    # Should it be a pipe, it is opened without waiting for a writer, and not read.
    opened = os.open(file, os.O_RDONLY | os.O_NONBLOCK | flags, dir_fd=parent)
    if not stat.S_ISREG(os.fstat(opened).st_mode):
        os.close(opened)
        raise RecordingProblem(f"{shown} is not a file; take it out of the directory")
    with open(opened, "rb") as content:
        return content.read()


def _files(directory: Path, shown: str) -> list[str]:
    """Files that began to be written and were not finished have names that begin with a dot."""
    if not os.path.lexists(directory):
        return []
    try:
        return sorted(name for name in os.listdir(directory) if name.endswith(ENDING) and not name.startswith("."))
    except OSError as error:
        raise RecordingProblem(f"{shown} is no directory that can be read: {error.strerror}") from None


def _tapes(base: Path) -> list[Path]:
    found = []
    for directory, names, _ in os.walk(base):
        here = Path(directory)
        if here.name == TAPE and here != base:
            names.clear()
            found.append(here)
    return sorted(found, key=lambda path: [_by_number(part) for part in path.relative_to(base).parts])


def _by_number(name: str) -> tuple[int, str]:
    """`run-10` comes behind `run-9`, and the first run, which has no number, before both."""
    digits = re.search(r"\d+$", name)
    return (int(digits[0]) if digits else 0, name)
