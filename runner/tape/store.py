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
from runner.tape.recording import load

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from runner.tape.recording import Recording

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


def read(directory: Path, shown: str) -> dict[str, Recording]:
    """The recordings of a directory by path, in the order of their names; none where there is no such directory.

    Raises RecordingProblem, with the file's name, for a file that is none or is not what it is called.
    """
    found: dict[str, Recording] = {}
    for file in _files(directory, shown):
        name = f"{shown}/{file.name}"
        try:
            recording = load(_content(file, name), name)
        except OSError as error:
            raise RecordingProblem(f"{name} cannot be read: {error.strerror}") from None
        if file_name(recording.path) != file.name:
            raise RecordingProblem(f"{name} is the recording of {recording.path}; call it {file_name(recording.path)}")
        found[recording.path] = recording
    return found


def read_all(base: Path, shown: str, asked: Collection[str]) -> dict[str, Recording]:
    """The recordings of every run whose files are below a directory. Where several have the same step, one that is
    `asked`, by its config_hash, comes before another workflow's, one that succeeded before one that did not, and that
    of the last run by name before those of others."""
    found: dict[str, Recording] = {}

    def rank(recording: Recording) -> tuple[bool, bool]:
        return recording.config_hash in asked, _finished(recording)

    for directory in _tapes(base):
        for path, recording in read(directory, f"{shown}/{directory.relative_to(base).as_posix()}").items():
            earlier = found.get(path)
            if earlier is None or rank(recording) >= rank(earlier):
                found[path] = recording
    return found


def remove(directory: Path, recordings: Mapping[str, Recording], paths: Iterable[str]) -> None:
    """Delete the files of these paths, but for one that somebody else has written since it was read."""
    with contextlib.suppress(OSError), walk.directory(directory) as here:
        for path in paths:
            name = file_name(path)
            with contextlib.suppress(OSError, RecordingProblem):
                if load(_content(name, name, walk.NO_LINK, here), name) == recordings[path]:
                    os.unlink(name, dir_fd=here)


def _content(file: Path | str, shown: str, flags: int = 0, parent: int | None = None) -> bytes:
    # Should it be a pipe, it is opened without waiting for a writer, and not read.
    opened = os.open(file, os.O_RDONLY | os.O_NONBLOCK | flags, dir_fd=parent)
    if not stat.S_ISREG(os.fstat(opened).st_mode):
        os.close(opened)
        raise RecordingProblem(f"{shown} is not a file; take it out of the directory")
    with open(opened, "rb") as content:
        return content.read()


def _finished(recording: Recording) -> bool:
    return recording.answer.status == "success" and (recording.gate is None or recording.gate.answer is not None)


def _files(directory: Path, shown: str) -> list[Path]:
    """Files that began to be written and were not finished have names that begin with a dot."""
    if not os.path.lexists(directory):
        return []
    try:
        return sorted(one for one in directory.iterdir() if one.name.endswith(ENDING) and not one.name.startswith("."))
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
