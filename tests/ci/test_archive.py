"""A commit's files as the host packs them: what is unpacked, and that nothing else ever is."""

from __future__ import annotations

import gzip
import io
import tarfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.ci import archive
from runner.ci.archive import NotUnpacked, unpack
from tests.servers.github.archive import archive as packed


def odd(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def files_of(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


def test_files_stand_where_they_do_in_the_repository(tmp_path: Path) -> None:
    unpack(io.BytesIO(packed({"agents/flow.yaml": "a", "ü.md": "b", "..c": "d"})), tmp_path)
    assert files_of(tmp_path) == {"agents/flow.yaml": "a", "ü.md": "b", "..c": "d"}


@pytest.mark.parametrize("name", ["../../out", "/out", "a/../../../out", ""])
def test_nothing_is_unpacked_elsewhere(tmp_path: Path, name: str) -> None:
    into = tmp_path / "a/b/in"
    into.mkdir(parents=True)
    unpack(io.BytesIO(packed({name: "x"}, top="top")), into)
    assert set(files_of(tmp_path)) <= {"a/b/in/out"}


def test_links_and_devices_are_left_out_and_nothing_goes_through_them(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    members = {
        "1": odd("top/link", tarfile.SYMTYPE, ".."),
        "2": odd("top/hard", tarfile.LNKTYPE, "/etc/hostname"),
        "3": odd("top/pipe", tarfile.FIFOTYPE),
        "link/out": "x",
    }
    unpack(io.BytesIO(packed(members, top="top")), tmp_path / "in")
    assert files_of(tmp_path) == {"in/link/out": "x"}


def test_a_large_file_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_FILE", 3)
    unpack(io.BytesIO(packed({"large": "xxxx", "small": "xxx"})), tmp_path)
    assert files_of(tmp_path) == {"small": "xxx"}


@pytest.mark.parametrize("bound", ["MAX_TOTAL", "MAX_FILES"])
def test_an_endless_archive_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str) -> None:
    monkeypatch.setattr(archive, bound, 3)
    with pytest.raises(NotUnpacked, match="too large"):
        unpack(io.BytesIO(packed(dict.fromkeys("abcd", "xx"))), tmp_path)


def test_a_name_that_no_file_can_have_ends_it(tmp_path: Path) -> None:
    with pytest.raises(NotUnpacked, match="cannot be unpacked"):
        unpack(io.BytesIO(packed({"a" * 300: "x"})), tmp_path)


WHOLE = packed({"agents/flow.yaml": "a" * 3000, "b": "c" * 600})


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.one_of(
    st.binary(max_size=2000),
    st.binary(max_size=2000).map(gzip.compress),
    st.integers(0, len(WHOLE)).map(lambda end: WHOLE[:end]),
    st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)).map(
        lambda at: WHOLE[: at[0]] + bytes([at[1]]) + WHOLE[at[0] + 1 :]
    ),
))  # fmt: skip
def test_what_is_no_archive_is_told_in_our_words(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    root = tmp_path_factory.getbasetemp() / "unpacked"
    with suppress(NotUnpacked):
        unpack(io.BytesIO(content), root)
