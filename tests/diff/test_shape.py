"""What a model is shown of a change: twenty changes in real repositories, at every limit within it, line by line."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.diff.change import Change, FileChange, Hunk, Line
from runner.diff.left_out import LeftOut
from runner.diff.lines import heading, name
from runner.diff.read import GIT_DIFF, file_of_host, files_of_git
from runner.diff.shape import shaped
from runner.tokens import tokens
from tests.diff.repository import Entry, Repository, wrong_numbers
from tests.diff.twenty import twenty

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.diff.twenty import Tree

many = settings(max_examples=100, deadline=None, derandomize=True)

CASES = twenty()
LIMITS = (0, 20, 100, 300, 1_000, 20_000)
ALL = 10**9
NUMBERED = re.compile(r"(?P<sign>[ +-])(?P<number>[0-9]+) (?P<text>.*)", re.DOTALL)


@pytest.fixture(scope="module")
def changes(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Change]:
    """The twenty as git tells them. A branch is named for the place of its case."""
    repository = Repository(tmp_path_factory.mktemp("git") / "repository")
    trees = {
        f"{side}{at}": tree for at, pair in enumerate(CASES.values()) for side, tree in zip("ab", pair, strict=True)
    }
    repository.commit(**trees)
    diffs = [repository.diff(f"a{at}", f"b{at}", [*GIT_DIFF, "--find-copies"]) for at in range(len(CASES))]
    return {name: Change(files_of_git(diff)) for name, diff in zip(CASES, diffs, strict=True)}


def test_there_are_twenty() -> None:
    assert len(CASES) == 20


@pytest.mark.parametrize("case", CASES)
def test_every_line_has_its_number(changes: Mapping[str, Change], case: str) -> None:
    old, new = CASES[case]
    assert changes[case].files
    for file in changes[case].files:
        if not file.submodule:
            assert wrong_numbers(file, data(old, file.old_path or file.path), data(new, file.path)) == []


@pytest.mark.parametrize("case", CASES)
def test_a_limit_holds_and_what_is_not_shown_is_said(changes: Mapping[str, Change], case: str) -> None:
    for limit in LIMITS:
        told = shaped(changes[case], limit, LeftOut())
        assert tokens(told.text) <= limit
        assert [one.file for one in told.files] == list(changes[case].files)
        for one in told.files:
            assert one.text or one.left_out
            assert one.text in told.text
        assert bool(told.left_out) == any(one.left_out for one in told.files)


@pytest.mark.parametrize("case", CASES)
def test_with_room_for_all_every_line_is_shown_under_its_file_with_its_number(
    changes: Mapping[str, Change], case: str
) -> None:
    told = shaped(changes[case], ALL)
    assert told.left_out == ""
    assert [line for line in told.text.split("\n") if line.startswith("## ")] == [
        heading(one.file) for one in told.files
    ]
    for one in told.files:
        numbers = [
            (found["sign"], int(found["number"])) for found in map(NUMBERED.fullmatch, one.text.split("\n")) if found
        ]
        assert numbers == [numbered(line) for hunk in one.file.hunks for line in hunk.lines]


def data(tree: Tree, path: str) -> bytes:
    entry = tree.get(path, b"")
    return entry.data if isinstance(entry, Entry) else entry


def numbered(line: Line) -> tuple[str, int]:
    return {"same": " ", "added": "+", "removed": "-"}[line.kind], line.new or line.old or 0


# -- what it looks like -----------------------------------------------------------------------------------------------

PATCH = "@@ -1,3 +1,3 @@\n a\n-b\n+c\n \n@@ -9,2 +9,3 @@ def f():\n x\n+y\n z\n\\ No newline at end of file"


def file(path: str = "a.py", patch: str = PATCH, **told: object) -> FileChange:
    return file_of_host({"filename": path, "patch": patch, **told})


def test_a_change_is_a_heading_for_each_file_and_a_number_at_each_line() -> None:
    assert shaped(Change((file(), file("b.png", ""))), 1000).text == (
        "Each line begins with a sign and its number: '+' is added and ' ' unchanged, numbered in the new file; '-' is "
        "removed, numbered in the old file (side: old).\n"
        "\n"
        "## a.py (+2 -1)\n"
        " 1 a\n"
        "-2 b\n"
        "+2 c\n"
        " 3 \n"
        "@@ def f():\n"
        " 9 x\n"
        "+10 y\n"
        " 11 z\n"
        "\n"
        "## b.png (binary)\n"
    )


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (FileChange("a", "added", added=3), "## a (new, +3)"),
        (FileChange("a", "removed", removed=3), "## a (removed, -3)"),
        (FileChange("a", "renamed", old_path="b c"), "## a (renamed from b c)"),
        (FileChange("a", "copied", old_path='b"'), '## a (copied from "b\\"")'),
        (FileChange("a", "unchanged"), "## a (only its mode)"),
        (FileChange("a", "modified"), "## a (modified)"),
        (FileChange("a", "added", binary=True), "## a (new, binary)"),
        (FileChange("a", "modified", added=9000, withheld=True), "## a (its lines are not told, +9000)"),
        (FileChange("a", "modified", added=1, removed=1, submodule=True), "## a (submodule, +1 -1)"),
    ],
)
def test_a_heading_says_what_became_of_a_file(told: FileChange, said: str) -> None:
    assert heading(told) == said


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("src/a b.py", "src/a b.py"),
        ("a\n## b (+1)", '"a\\n## b (+1)"'),
        (" a", '" a"'),
        ("a\u202eb", "a⟨U+202E⟩b"),
        ("日本", "日本"),
    ],
)
def test_a_name_is_one_line_in_which_all_is_seen(path: str, said: str) -> None:
    assert name(path) == said


@pytest.mark.parametrize(
    ("patch", "said"),
    [
        ("@@ -1 +1 @@\n-a\r\n+b\r", "-1 a\n+1 b"),
        ("@@ -1 +1 @@\n-a\r\n+a", "-1 a␍\n+1 a"),
        ("@@ -1,2 +1,2 @@\n-a\r\n+b\r\n c\n\\ No newline at end of file", "-1 a\n+1 b\n 2 c"),
        ("@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a", "-1 a\n\\ no end of line\n+1 a"),
        ("@@ -0,0 +1 @@\n+a\u202eb\x0cc\u2028d", "+1 a⟨U+202E⟩b⟨U+000C⟩c⟨U+2028⟩d"),
        ("@@ -1 +1 @@ def f():\r+1 forged\n-a\n+b", "@@ def f():␍+1 forged\n-1 a\n+1 b"),
        ("@@ -0,0 +1 @@\n+" + "x" * 1500, "+1 " + "x" * 1000 + "… (500 more characters)"),
    ],
)
def test_what_nobody_would_see_in_a_line_is_seen_and_what_is_too_long_is_cut(patch: str, said: str) -> None:
    assert f")\n{said}\n" in shaped(Change((file(patch=patch),)), 5000).text


# -- when it is too much ----------------------------------------------------------------------------------------------


def body(lines: int) -> tuple[Hunk, ...]:
    return (Hunk(tuple(Line("added", f"line {number}", None, number) for number in range(1, lines + 1))),)


def long(path: str, lines: int, **told: object) -> FileChange:
    return replace(FileChange(path, "added", body(lines), added=lines), **told)


def test_small_files_are_shown_whole_and_large_ones_get_the_same_of_the_rest() -> None:
    told = shaped(Change((long("large", 4000), long("small", 10), long("larger", 9000))), 3000)
    large, small, larger = told.files
    assert small.left_out == ""
    assert large.left_out
    assert abs(tokens(large.text) - tokens(larger.text)) < 30
    assert 2500 < tokens(told.text) <= 3000
    assert f"[cut: {large.left_out}]" in large.text
    assert told.left_out == (
        f"Not all shown: 2 of 3 files.\n- cut: large ({large.left_out}), larger ({larger.left_out})"
    )


@pytest.mark.parametrize(("first", "cut_in"), [(300, "2 of 2"), (3, "1 of 2")])
def test_the_lines_that_are_said_to_be_cut_are_those_that_are_missing(first: int, cut_in: str) -> None:
    hunks = (body(first)[0], Hunk(tuple(Line("added", f"line {at}", None, at) for at in range(900, 1200))))
    told = shaped(Change((FileChange("a", "modified", hunks, added=first + 300),)), 500)
    (only,) = told.files
    there = sum(bool(NUMBERED.fullmatch(line)) for line in only.text.split("\n"))
    assert there > 20
    assert only.left_out == f"{first + 300 - there} lines in {cut_in} hunks"


def test_files_that_are_gone_give_way_first() -> None:
    alone = tokens(shaped(Change((long("new", 300),)), 5000).text)
    told = shaped(Change((long("gone", 400, status="removed"), long("new", 300))), alone * 10 // 9 + 60)
    gone, new = told.files
    assert new.left_out == ""
    assert gone.left_out


def test_files_that_are_gone_are_the_first_to_lose_their_heading() -> None:
    gone = [long(f"gone_{number}", 400, status="removed") for number in range(30)]
    told = shaped(Change((*gone, long("new", 20), long("newer", 400))), 600)
    assert [one.file.path for one in told.files if one.text][-2:] == ["new", "newer"]
    assert not told.files[29].text


@pytest.mark.parametrize("whole", [True, False])
def test_the_limit_holds_at_every_limit(whole: bool) -> None:
    change = Change((long("a", 12), file("yarn.lock"), *(long(f"f{number}.py", 9) for number in range(6))), whole)
    for left_out in (LeftOut(), lambda path: ""):
        for limit in range(700):
            told = shaped(change, limit, left_out)
            assert tokens(told.text) <= limit
            assert all(one.text in told.text for one in told.files)
            assert told.text or limit < 40


def test_files_go_when_there_is_no_room_for_all_headings_and_are_named_while_there_is() -> None:
    told = shaped(Change(tuple(long(f"directory/file_{number}.py", 50) for number in range(100))), 2000)
    assert [bool(one.text) for one in told.files] == sorted((bool(one.text) for one in told.files), reverse=True)
    gone = [one for one in told.files if not one.text]
    assert 50 < len(gone) < 100
    assert f"Not shown: {len(gone)} of 100 files.\n- no room: {gone[0].file.path}, " in told.text
    assert told.text.endswith(f" and {len(gone) - 20} more")


def test_files_are_left_out_for_a_reason_that_is_said() -> None:
    told = shaped(Change((file("yarn.lock"), file("a.py"), file("dist/x.js"))), 1000, LeftOut())
    assert "## yarn.lock" not in told.text
    notes = "of 3 files.\n- a lock file: yarn.lock\n- generated: dist/x.js"
    assert told.text.endswith(f"\n\nNot shown: 2 {notes}")
    assert told.left_out == f"Not all shown: 2 {notes}"


def test_a_host_that_did_not_tell_all_is_said() -> None:
    told = shaped(Change((file(),), whole=False), 1000)
    assert told.text.endswith("\nThere are more files than the host told of.")
    assert told.left_out == "There are more files than the host told of."


def test_a_change_of_nothing_is_no_text() -> None:
    assert shaped(Change(), 1000).text == ""


texts = st.text(st.characters(exclude_characters="\n"), max_size=30) | st.sampled_from(
    ["", "x = 1", "人工智能", "0123456789abcdef" * 20]
)
hunks = st.lists(texts, min_size=1, max_size=20).map(
    lambda texts: Hunk(tuple(Line("added", text, None, number) for number, text in enumerate(texts, 1)))
)
some_file = st.builds(
    FileChange,
    path=st.text(min_size=1, max_size=40),
    status=st.sampled_from(["added", "removed", "modified", "renamed"]),
    hunks=st.lists(hunks, max_size=4).map(tuple),
    old_path=st.text(max_size=20),
)


@many
@given(st.lists(some_file, max_size=12), st.integers(0, 600), st.booleans(), st.sampled_from(["", "x" * 100]))
def test_the_limit_holds_for_any_change(files: list[FileChange], limit: int, whole: bool, why: str) -> None:
    told = shaped(Change(tuple(files), whole), limit, lambda path: why if len(path) % 3 == 0 else "")
    assert tokens(told.text) <= limit
    assert all(one.text in told.text and (one.text or one.left_out) for one in told.files)
