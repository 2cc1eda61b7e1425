"""What does not fit into memory: read back as it was kept, in a file that nobody else can find, or a clear error."""

from __future__ import annotations

import os
import resource
import signal
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.errors import FileProblem
from runner.spill import SMALL, Spill

LARGE = b"x" * (SMALL + 1)


@given(st.lists(st.binary(max_size=3 * SMALL), max_size=20), st.integers(0, 4 * SMALL), st.randoms())
@settings(max_examples=200, deadline=None, derandomize=True)
def test_what_was_kept_is_read_back_in_any_order(contents, room, random):
    spill = Spill(room)
    kept = [(spill.keep(one), one) for one in contents]
    random.shuffle(kept)
    assert [spill.read(one) for one, _ in kept] == [content for _, content in kept]


def test_memory_has_what_there_is_room_for_and_what_is_small() -> None:
    spill = Spill(room=len(LARGE))
    assert [spill.keep(one) for one in (LARGE, LARGE, b"small", LARGE)] == [
        LARGE,
        (0, len(LARGE)),
        b"small",
        (len(LARGE), len(LARGE)),
    ]


def test_the_file_has_no_name_and_is_nobody_elses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    spill = Spill(room=0)
    spill.keep(LARGE)
    (opened,) = files_in(tmp_path)
    found = os.stat(opened)

    assert [*tmp_path.iterdir()] == []
    assert (found.st_nlink, found.st_size, stat.S_IMODE(found.st_mode)) == (0, len(LARGE), 0o600)
    del spill
    assert files_in(tmp_path) == []


def test_a_file_that_cannot_grow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    spill = Spill(room=0)
    with files_of_at_most(2 * len(LARGE)):
        kept = [spill.keep(LARGE) for _ in range(2)]
        with pytest.raises(FileProblem, match=rf"^what does not fit into memory .* below {tmp_path} \(TMPDIR\): File"):
            spill.keep(LARGE)
    assert [spill.read(one) for one in kept] == [LARGE, LARGE]


def test_no_directory_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    with pytest.raises(FileProblem, match=r"cannot be kept below /nowhere \(TMPDIR\): No such file or directory"):
        Spill(room=0).keep(LARGE)


def files_in(directory: Path) -> list[Path]:
    """What this process has open that is or was there."""
    return [
        one for one in Path("/proc/self/fd").iterdir() if os.path.lexists(one) and str(directory) in os.readlink(one)
    ]


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """No file grows beyond that: as on a disk that is full."""
    before, heard = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, heard)
