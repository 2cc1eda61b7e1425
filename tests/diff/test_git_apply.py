"""What is read of git's diffs is right, line by line: written anew git applies it forwards and backwards, and every
number names the line that has that text."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.diff.read import GIT_DIFF, files_of_git
from tests.diff.repository import Repository, as_bytes, written, wrong_numbers

TEXTS = (
    *("", " ", "x", "same", "}", "\tindented", "-- a", "++ b", "- a/x", "@@ -1 +1 @@", "diff --git a/x b/x", "\\"),
    *("\\ No newline at end of file", "--- a/x", "+++ b/x", "Binary files a/x and b/x differ", "crlf\r", "\r", "a\rb"),
    *("a\x0cb\x1cc\x85d\u2028e", "ünïcödé", "not UTF-8 \udcff\udcc3", "0" * 3000, "def function(self):", "a\x00b"),
)
NAMES = (
    *(
        "plain",
        "with blank",
        " blank before",
        "blank behind ",
        "tab\tin",
        "new\nline",
        'quo"te',
        "back\\slash",
        "ünïcödé",
    ),
    *("a b/b a", "x b/x", "-dash", "+++ b", "\\ No newline", "日本", "\x01", "a/b/c/d", "dev/null"),
)

lines = st.sampled_from(TEXTS) | st.text(max_size=8).map(
    lambda text: text.replace("\n", "").encode(errors="replace").decode()
)
block = st.tuples(st.sampled_from(["same", "same", "added", "removed"]), st.lists(lines, min_size=1, max_size=9))
pair = st.tuples(st.lists(block, max_size=8), st.booleans(), st.booleans())
"""Of a file: what of it is in the old one, in the new one or in both, and whether each of them ends its last line."""

change = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(["stays", "stays", "new", "gone", "moves"]), pair), max_size=12
)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return Repository(tmp_path_factory.mktemp("git") / "repository")


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(change, st.integers(0, 4))
def test_what_was_read_can_be_applied_and_its_numbers_name_its_lines(
    repository: Repository, made: list[tuple[str, str, tuple[list[tuple[str, list[str]]], bool, bool]]], context: int
) -> None:
    old, new = trees(made)
    repository.commit(old=old, new=new)
    files = files_of_git(repository.diff("old", "new", [*GIT_DIFF, "--text", f"--unified={context}"]))
    patch = written(files)
    there = repository.applied("old", patch, "--unidiff-zero")
    back = repository.applied("new", patch, "--unidiff-zero", "--reverse")
    assert [back, there] == repository.trees("old", "new")
    for file in files:
        assert wrong_numbers(file, old.get(file.old_path or file.path, b""), new.get(file.path, b"")) == []


def trees(
    made: list[tuple[str, str, tuple[list[tuple[str, list[str]]], bool, bool]]],
) -> tuple[dict[str, bytes], dict[str, bytes]]:
    old: dict[str, bytes] = {}
    new: dict[str, bytes] = {}
    for index, (name, fate, (blocks, old_ends, new_ends)) in enumerate(made):
        before = [line for kind, lines in blocks if kind != "added" for line in lines]
        after = [line for kind, lines in blocks if kind != "removed" for line in lines]
        if fate != "new":
            old[f"{index} {name}"] = content(before, ends=old_ends)
        if fate != "gone":
            new[f"{'moved ' if fate == 'moves' else ''}{index} {name}"] = content(after, ends=new_ends)
    return old, new


def content(lines: list[str], *, ends: bool) -> bytes:
    return as_bytes("\n".join(lines) + ("\n" if ends and lines else ""))
