"""What git prints and what the host tells of a file, as data. That lines and numbers are right is in test_git_apply."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.diff.change import FileChange, Line
from runner.diff.read import GIT_DIFF, file_of_host, files_of_git
from runner.errors import UsageError
from tests.diff.repository import FILE, LINK, PROGRAM, SUBMODULE, Entry, Repository

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

many = settings(max_examples=200, deadline=None, derandomize=True)

LONG = b"".join(b"line %d\n" % number for number in range(30))
PICTURE = b"\x89PNG\0" + bytes(range(256))
A, B = b"a" * 40, b"b" * 40
OLD: Mapping[str, bytes | Entry] = {
    "modified": LONG,
    "gone": b"no\nmore\n",
    "moved from": LONG + b"1",
    "moved and edited": LONG + b"2",
    "mode": LONG + b"3",
    "picture": PICTURE,
    "module": Entry(A, SUBMODULE),
    "module gone": Entry(A, SUBMODULE),
    "file to link": b"text\n",
    "ünïcödé mode": LONG + b"4",
    "a b/b mode": LONG + b"5",
}
NEW: Mapping[str, bytes | Entry] = {
    "modified": LONG.replace(b"line 3\n", b"line three\n").replace(b"line 14\n", b""),
    "new": b"x\n",
    "moved to": LONG + b"1",
    "moved here": LONG.replace(b"line 3\n", b"") + b"2",
    "mode": Entry(LONG + b"3", PROGRAM),
    "picture": PICTURE + b"more",
    "picture new": b"\0" + PICTURE,
    "module": Entry(B, SUBMODULE),
    "module new": Entry(B, SUBMODULE),
    "file to link": Entry(b"modified", LINK),
    "empty new": b"",
    "ünïcödé mode": Entry(LONG + b"4", PROGRAM),
    "a b/b mode": Entry(LONG + b"5", PROGRAM),
}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    made = Repository(tmp_path_factory.mktemp("git") / "repository")
    made.commit(old=OLD, new=NEW)
    return made


@pytest.fixture(scope="module")
def files(repository: Repository) -> Mapping[str, FileChange]:
    return {file.path: file for file in files_of_git(repository.diff("old", "new", GIT_DIFF))}


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("modified", {"status": "modified", "added": 1, "removed": 2}),
        ("new", {"status": "added", "added": 1}),
        ("gone", {"status": "removed", "removed": 2}),
        ("moved to", {"status": "renamed", "old_path": "moved from"}),
        ("moved here", {"status": "renamed", "old_path": "moved and edited", "removed": 1}),
        ("mode", {"status": "unchanged"}),
        ("ünïcödé mode", {"status": "unchanged"}),
        ("a b/b mode", {"status": "unchanged"}),
        ("picture", {"status": "modified", "binary": True}),
        ("picture new", {"status": "added", "binary": True}),
        ("module", {"status": "modified", "submodule": True, "added": 1, "removed": 1}),
        ("module new", {"status": "added", "submodule": True, "added": 1}),
        ("module gone", {"status": "removed", "submodule": True, "removed": 1}),
        ("file to link", {"status": "modified", "added": 1, "removed": 1}),
        ("empty new", {"status": "added"}),
    ],
)
def test_what_became_of_a_file_is_read(files: Mapping[str, FileChange], path: str, told: Mapping[str, Any]) -> None:
    file = files[path]
    expected = FileChange(path, **told)
    assert FileChange(**{name: getattr(file, name) for name in _FIELDS}) == expected


_FIELDS = ("path", "status", "old_path", "added", "removed", "binary", "withheld", "submodule")


def test_every_file_is_read_once(files: Mapping[str, FileChange], repository: Repository) -> None:
    assert set(files) == {*OLD, *NEW} - {"moved from", "moved and edited"}
    assert len(files_of_git(repository.diff("old", "new", GIT_DIFF))) == len(files)


def test_an_empty_file_that_is_gone_is_read(repository: Repository) -> None:
    repository.commit(a={"f": b""}, b={})
    assert files_of_git(repository.diff("a", "b", GIT_DIFF)) == (FileChange("f", "removed"),)


def test_a_copy_is_read_where_git_was_asked_for_copies(repository: Repository) -> None:
    repository.commit(copied={**OLD, "copy": LONG + b"more\n"})
    (file,) = files_of_git(repository.diff("old", "copied", [*GIT_DIFF, "--find-copies-harder"]))
    assert (file.status, file.path, file.added) == ("copied", "copy", 1)
    assert file.old_path in OLD


def test_the_bytes_of_a_binary_file_are_skipped(repository: Repository) -> None:
    files = files_of_git(repository.diff("old", "new", [*GIT_DIFF, "--binary"]))
    assert {file.path for file in files if file.binary} == {"picture", "picture new"}
    assert len(files) == len({*OLD, *NEW}) - 2


def test_nobodys_settings_change_what_git_is_asked_for(repository: Repository, tmp_path: Path) -> None:
    settings = tmp_path / "config"
    settings.write_text("""
        [diff]
          noprefix = true
          mnemonicPrefix = true
          context = 0
          interHunkContext = 9
          renames = false
          submodule = log
          external = false
          relative = true
          suppressBlankEmpty = true
        [color]
          ui = always
        [core]
          quotePath = false
    """)
    usual = files_of_git(repository.diff("old", "new", GIT_DIFF))
    assert files_of_git(repository.diff("old", "new", GIT_DIFF, GIT_CONFIG_GLOBAL=str(settings))) == usual


def test_a_hunk_has_the_heading_that_git_gives_it(repository: Repository) -> None:
    body = "".join(f"    {number}\r\n" for number in range(20))
    repository.commit(a={"a.py": f"def f():\r\n{body}".encode()}, b={"a.py": f"def f():\r\n{body}end\r\n".encode()})
    (file,) = files_of_git(repository.diff("a", "b", GIT_DIFF))
    assert [hunk.heading for hunk in file.hunks] == ["def f():"]


def test_a_line_without_an_end_is_known_on_either_side(repository: Repository) -> None:
    repository.commit(a={"f": b"x\ny"}, b={"f": b"x\ny\n"})
    (file,) = files_of_git(repository.diff("a", "b", GIT_DIFF))
    assert file.hunks[0].lines == (
        Line("same", "x", 1, 1),
        Line("removed", "y", 2, None, bare=True),
        Line("added", "y", None, 2),
    )


def test_an_empty_line_may_have_lost_its_blank() -> None:
    (file,) = files_of_git(patched("@@ -1,3 +1,2 @@\n a\n\n-b\n"))
    assert [line.text for line in file.hunks[0].lines] == ["a", "", "b"]


def test_a_file_that_is_unmerged_is_told_of_as_it_stands() -> None:
    (file,) = files_of_git("* Unmerged path f\n" + patched("@@ -1 +1 @@\n-a\n+b\n"))
    assert (file.path, file.added) == ("f", 1)


def test_no_diff_is_no_file() -> None:
    assert files_of_git("") == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hello\n", "line 1: a file begins with 'diff --git'"),
        ("diff --git a/x\n", "line 1: it names no file"),
        ("diff --git a/x b/x\nbrand new header\n", "line 2: a file begins with 'diff --git'"),
        ("diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n a\n", "line 6: the hunk is to have more lines"),
        ("diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n a\n b\n", "line 6: a file begins with 'diff --git'"),
        ("diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\nb\n", "line 6: the hunk is to have other lines here"),
        ("diff --cc x\nindex 1,2..3\n--- a/x\n+++ b/x\n@@@ -1 -1 +1 @@@\n  a\n", "line 1: a file begins with"),
    ],
)
def test_what_git_does_not_print_is_refused_with_its_line(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        files_of_git(text)


# -- the host ---------------------------------------------------------------------------------------------------------

PATCH = "@@ -1,2 +1,2 @@ def f():\n a\n-b\n+c\n\\ No newline at end of file"


def test_the_host_tells_a_file_with_nothing_but_its_hunks() -> None:
    told = {"filename": "new", "previous_filename": "old", "status": "renamed", "additions": 1, "deletions": 1}
    file = file_of_host({**told, "patch": PATCH})
    assert (file.path, file.old_path, file.status, file.added, file.removed) == ("new", "old", "renamed", 1, 1)
    assert file.hunks[0].heading == "def f():"
    assert file.hunks[0].lines[2] == Line("added", "c", None, 2, bare=True)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"status": "modified", "additions": 9000, "deletions": 1}, {"withheld": True, "added": 9000, "removed": 1}),
        ({"status": "modified", "additions": 1, "patch": "@@ -1 +1,7 @@\n cut"}, {"withheld": True, "added": 1}),
        ({"status": "modified", "additions": 1, "patch": PATCH + "\nmore"}, {"withheld": True, "added": 1}),
        ({"status": "modified", "patch": "?"}, {"withheld": True}),
        ({"status": "modified"}, {"binary": True}),
        ({"status": "added", "sha": "0" * 40}, {"status": "added", "binary": True}),
        ({"status": "added", "sha": "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"}, {"status": "added"}),
        ({"status": "renamed", "previous_filename": "g"}, {"status": "renamed", "old_path": "g"}),
        ({"status": "changed"}, {"status": "unchanged"}),
        ({"status": "changed", "deletions": 2}, {"withheld": True, "removed": 2}),
        ({"status": "modified", "patch": None}, {"binary": True}),
    ],
)
def test_of_a_file_without_lines_it_is_known_why(told: dict[str, Any], expected: dict[str, Any]) -> None:
    assert file_of_host({"filename": "f", **told}) == FileChange("f", **{"status": "modified", **expected})


def test_a_submodule_is_known_by_its_lines() -> None:
    commit = f"Subproject commit {'a' * 40}"
    assert file_of_host({"filename": "f", "patch": f"@@ -0,0 +1 @@\n+{commit}"}).submodule
    assert not file_of_host({"filename": "f", "patch": f"@@ -0,0 +1,2 @@\n+{commit}\n+and text"}).submodule


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({}, "'filename: None', and a text is needed"),
        ({"filename": ["f"]}, r"'filename: \['f'\]', and a text is needed"),
        ({"filename": "f", "patch": 7}, "'patch: 7', and a text is needed"),
        ({"filename": "f", "additions": "many"}, "the file 'f' of the change has 'additions: 'many'', and a number"),
        ({"filename": "f", "deletions": -1}, "'deletions: -1', and a number"),
    ],
)
def test_what_is_no_file_is_refused_with_its_key(told: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        file_of_host(told)


# -- hostile ----------------------------------------------------------------------------------------------------------

PIECES = (
    *("diff --git a/x b/x\n", 'diff --git "a/x\\n\\303" "b/x"\n', "--- a/x\n", "+++ /dev/null\n", "rename from a\n"),
    *("rename to b\n", "index 1..2 160000\n", "@@ -1 +1 @@\n", "@@ -1,3 +0,0 @@ x\n", "@@ -999999999,2 +1,1 @@\n"),
    *(
        "-a\n",
        "+a\n",
        " a\n",
        "\n",
        "\\\n",
        "+",
        "GIT binary patch\n",
        "Binary files a and b differ\n",
        '"',
        "\r",
        "\0",
    ),
    *("new file mode 160000\n", "deleted file mode 100644\n", "* Unmerged path x\n", "\ud800", "@@ -1 +1 @@ \x0c\n"),
)
anything = st.none() | st.integers() | st.text() | st.lists(st.none())
hostile = st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=40).map("".join)


@many
@given(hostile)
def test_a_hostile_diff_is_read_or_refused(text: str) -> None:
    try:
        files = files_of_git(text)
    except UsageError:
        return
    assert sum(len(hunk.lines) for file in files for hunk in file.hunks) <= text.count("\n") + 1


@many
@given(hostile, st.dictionaries(st.sampled_from(["status", "additions", "sha", "previous_filename"]), anything))
def test_a_hostile_file_is_read_or_refused(patch: str, told: dict[str, Any]) -> None:
    try:
        file = file_of_host({"filename": "f", **told, "patch": patch})
    except UsageError:
        return
    assert file.added >= 0
    assert not (file.withheld and file.hunks)


def patched(hunks: str) -> str:
    return f"diff --git a/f b/f\nindex 1..2 {FILE}\n--- a/f\n+++ b/f\n{hunks}"
