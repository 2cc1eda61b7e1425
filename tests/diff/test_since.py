"""What is new in a change since it was looked at last: hunks that touch what has changed since, and no others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.diff.change import Change
from runner.diff.read import GIT_DIFF, file_of_host, files_of_git
from runner.diff.since import fresh
from tests.diff.repository import Repository

if TYPE_CHECKING:
    from runner.diff.change import FileChange

LINES = [f"line {number}" for number in range(1, 61)]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return Repository(tmp_path_factory.mktemp("git") / "repository")


def changed(**lines: str | None) -> bytes:
    """The sixty lines, some of them others (`_10="x"`), or gone (`_10=None`)."""
    told = [lines.get(f"_{number}", line) for number, line in enumerate(LINES, 1)]
    return "".join(f"{line}\n" for line in told if line is not None).encode()


def fresh_hunks(repository: Repository, reviewed: bytes, now: bytes) -> list[list[str]]:
    """Of the hunks that are new since `reviewed` what they add and remove."""
    repository.commit(base={"f": changed()}, reviewed={"f": reviewed}, now={"f": now})
    whole, since = (Change(files_of_git(repository.diff(of, "now", GIT_DIFF))) for of in ("base", "reviewed"))
    told = [hunk for file in fresh(whole, since).files for hunk in file.hunks]
    return [[line.text for line in hunk.lines if line.kind != "same"] for hunk in told]


@pytest.mark.parametrize(
    ("reviewed", "now", "hunks"),
    [
        (changed(_10="x"), changed(_10="x", _40="y"), [["line 40", "y"]]),
        (changed(_10="x", _40="y"), changed(_10="z", _40="y"), [["line 10", "z"]]),
        (changed(_10="x"), changed(_10="x", _40=None), [["line 40"]]),
        (changed(_10="x"), changed(_10="x\ny"), [["line 10", "x", "y"]]),
        (changed(_10="x\ny", _40="y"), changed(_10="x", _40="y"), [["line 10", "x"]]),
        (changed(_10="x", _40="y"), changed(_40="y"), []),
        (changed(_10="x"), changed(_10="x"), []),
        (changed(_1="x", _60="y"), changed(_1=None, _60="y"), [["line 1"]]),
        (changed(_1="x", _60="y"), changed(_1="x", _60=None), [["line 60"]]),
    ],
)
def test_a_hunk_is_new_where_it_touches_what_has_changed(
    repository: Repository, reviewed: bytes, now: bytes, hunks: list[list[str]]
) -> None:
    assert fresh_hunks(repository, reviewed, now) == hunks


def test_what_came_from_the_base_meanwhile_is_not_new_in_the_change(repository: Repository) -> None:
    repository.commit(
        base={"f": changed(_40="merged")}, reviewed={"f": changed(_10="x")}, now={"f": changed(_10="x", _40="merged")}
    )
    whole, since = (Change(files_of_git(repository.diff(of, "now", GIT_DIFF))) for of in ("base", "reviewed"))
    assert len(whole.files) == len(since.files) == 1
    assert fresh(whole, since).files == ()


PATCH = "@@ -1 +1 @@\n-a\n+b\n@@ -50,0 +51,2 @@\n+x\n+y"


def file(path: str, patch: str = PATCH, **told: object) -> FileChange:
    return file_of_host({"filename": path, "patch": patch, **told})


def test_a_file_that_has_not_changed_since_is_not_there_and_counts_are_of_what_is() -> None:
    told = fresh(Change((file("a"), file("b"))), Change((file("b", "@@ -50,2 +51,2 @@\n x\n-z\n+y"), file("c"))))
    assert [(one.path, one.added, one.removed) for one in told.files] == [("b", 2, 0)]


def test_a_file_stays_whole_where_nobody_knows_what_changed_in_it() -> None:
    change = Change((file("a"), file("b", "", additions=9000), file("c", "@@ -1 +0,0 @@\n-a", status="removed")))
    since = Change((file("a", "", additions=9000), file("b"), file("c", "@@ -1,2 +0,0 @@\n-a\n-b", status="removed")))
    assert fresh(change, since) == change


def test_all_is_new_where_the_host_did_not_name_all_that_changed() -> None:
    change = Change((file("a"),))
    assert fresh(change, Change((), whole=False)) == change


edits = st.dictionaries(
    st.sampled_from([f"_{number}" for number in range(1, 61)]), st.sampled_from([None, "x", "y", "x\ny"]), max_size=8
)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(edits, edits)
def test_no_line_that_is_new_is_missing(
    repository: Repository, before: dict[str, str | None], more: dict[str, str | None]
) -> None:
    now = changed(**{**before, **more})
    repository.commit(base={"f": changed()}, reviewed={"f": changed(**before)}, now={"f": now})
    whole, since = (files_of_git(repository.diff(of, "now", GIT_DIFF)) for of in ("base", "reviewed"))
    told = fresh(Change(whole), Change(since)).files
    assert added(told) >= added(whole) & added(since)
    assert {hunk for one in told for hunk in one.hunks} <= {hunk for one in whole for hunk in one.hunks}


def added(files: tuple[FileChange, ...]) -> set[int | None]:
    return {line.new for file in files for hunk in file.hunks for line in hunk.lines if line.kind == "added"}
