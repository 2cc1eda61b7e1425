"""Recordings in a directory: a file for each step, named after its path."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from runner.errors import RecordingProblem
from runner.tape.recording import load

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from runner.tape.recording import Recording

ENDING: Final = ".json"
LONGEST: Final = 150
"""Characters of a name: file systems take some 255 bytes, and a temporary name is longer."""

TAPE: Final = "tape"
"""The directory of a run's recordings, below that of its other files."""


def safe_name(text: str) -> str:
    """A text as the name of a file that every file system takes, and that artifacts of the CI host may have: these
    refuse `" : < > | * ? \\ /` (https://github.com/actions/toolkit/tree/main/packages/artifact)."""
    name = re.sub(r"^\.|\.$", lambda dot: "%2E", quote(text, safe="[]#. "))
    if len(name) <= LONGEST:
        return name
    return f"{name[: LONGEST - 20]}~{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def file_name(path: str) -> str:
    """The name of a step's file: `steps[2].json`."""
    return safe_name(path) + ENDING


def read(directory: Path, shown: str) -> dict[str, Recording]:
    """The recordings of a directory by path, in the order of their names; none where there is no such directory.

    Raises RecordingProblem, with the file's name, for a file that is none or is not what it is called.
    """
    found: dict[str, Recording] = {}
    for file in _files(directory):
        name = f"{shown}/{file.name}"
        try:
            recording = load(file.read_bytes(), name)
        except OSError as error:
            raise RecordingProblem(f"{name} cannot be read: {error.strerror}") from None
        if file_name(recording.path) != file.name:
            raise RecordingProblem(f"{name} is the recording of {recording.path}; call it {file_name(recording.path)}")
        found[recording.path] = recording
    return found


def read_all(base: Path, shown: str, *, but: Path) -> dict[str, Recording]:
    """The recordings of every run whose files are below a directory, of all runs but one; where several have the same
    step, that of the last by name, and one that succeeded before one that did not."""
    found: dict[str, Recording] = {}
    for directory in _tapes(base, but):
        for path, recording in read(directory, f"{shown}/{directory.relative_to(base).as_posix()}").items():
            earlier = found.get(path)
            if earlier is None or _finished(recording) >= _finished(earlier):
                found[path] = recording
    return found


def remove(directory: Path, recordings: Mapping[str, Recording], paths: Iterable[str]) -> None:
    """Delete the files of these paths, but for one that somebody else has written since it was read."""
    for path in paths:
        file = directory / file_name(path)
        try:
            if load(file.read_bytes(), file.name) == recordings[path]:
                file.unlink()
        except (OSError, RecordingProblem):
            continue


def _finished(recording: Recording) -> bool:
    return recording.answer.status == "success" and (recording.gate is None or recording.gate.answer is not None)


def _files(directory: Path) -> Iterator[Path]:
    """Files that began to be written and were not finished have names that begin with a dot."""
    if directory.is_dir():
        files = (file for file in directory.iterdir() if file.name.endswith(ENDING) and not file.name.startswith("."))
        yield from sorted(file for file in files if file.is_file())


def _tapes(base: Path, but: Path) -> list[Path]:
    found = []
    for directory, names, _ in os.walk(base):
        here = Path(directory)
        if here == but:
            names.clear()
        elif here.name == TAPE:
            names.clear()
            found.append(here)
        names.sort(key=_by_number)
    return sorted(found, key=lambda path: [_by_number(part) for part in path.relative_to(base).parts])


def _by_number(name: str) -> tuple[int, str]:
    """`run-10` comes behind `run-9`, and the first run, which has no number, before both."""
    digits = re.search(r"\d+$", name)
    return (int(digits[0]) if digits else 0, name)
