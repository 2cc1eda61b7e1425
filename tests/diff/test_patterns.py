"""Patterns mean what they mean to git: the same lines and paths are given to git itself."""

from __future__ import annotations

import os
import subprocess
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.diff.patterns import Attributes, Ignore
from tests.diff.repository import ALONE
from tests.programs import needed

if TYPE_CHECKING:
    from pathlib import Path

many = settings(max_examples=100, deadline=None, derandomize=True)

PARTS = (
    *("a", "b", "ab", "a.js", ".a", "é", "foo", "a b", "[", "]", "-", "!", "#", "\\", "*", "a ", "z"),
    *("!a", "#a", "a-b", "x.min.js", "aab", "aaab", "aXb"),
)
GLOBS = (
    *(
        "*",
        "**",
        "***",
        "?",
        "/",
        "/",
        "/",
        "**/",
        "/**",
        "a",
        "b",
        "a.js",
        "foo",
        "é",
        ".",
        " ",
        "\\ ",
        "\\",
        "\\!",
        "\\#",
    ),
    *(
        "!",
        "#",
        "[ab]",
        "[!a]",
        "[^a-c]",
        "[]a]",
        "[a-]",
        "[z-a]",
        "[[:alpha:]-]",
        "[[:nope:]]",
        "[a",
        "[\\]]",
        "[[:]",
        "*a*b",
    ),
)
path = st.lists(st.sampled_from(PARTS), min_size=1, max_size=4).map("/".join)
paths = st.lists(path.filter(lambda one: ".." not in one), min_size=1, max_size=12, unique=True)
glob = st.lists(st.sampled_from(GLOBS), min_size=1, max_size=6).map("".join)


@pytest.fixture(scope="module")
def work_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    needed("git")
    path = tmp_path_factory.mktemp("work")
    asked(path, "init", "--quiet")
    return path


def asked(cwd: Path, *arguments: str, given: str = "") -> list[str]:
    """What git answers, as the fields it separates with NUL."""
    git = ["git", "-c", "core.ignoreCase=false", *arguments]
    ended = subprocess.run(git, cwd=cwd, input=os.fsencode(given), env=ALONE, capture_output=True)
    assert ended.returncode in (0, 1), ended.stderr
    return os.fsdecode(ended.stdout).split("\0")[:-1]


# -- .gitignore -------------------------------------------------------------------------------------------------------


@many
@given(st.lists(st.tuples(st.sampled_from(["", "", "!"]), glob).map("".join), max_size=5), paths)
def test_what_git_ignores_is_ignored(work_tree: Path, lines: list[str], paths: list[str]) -> None:
    (work_tree / ".gitignore").write_text("\n".join(lines))
    told = asked(work_tree, "check-ignore", "--no-index", "--stdin", "-z", "-v", "-n", given="\0".join(paths))
    by_git = {path: bool(pattern) and pattern[0] != "!" for pattern, path in zip(told[2::4], told[3::4], strict=True)}
    ignore = Ignore(lines)
    assert {path: ignore(path) is True for path in paths} == by_git


@pytest.mark.parametrize(
    ("lines", "ignored", "brought_back", "nothing_said"),
    [
        (["docs/"], ["docs/a", "x/docs/a/b"], [], ["docs", "docs.md"]),
        (["/docs"], ["docs", "docs/a"], [], ["x/docs"]),
        (["docs/*.md"], ["docs/a.md"], [], ["docs/x/a.md", "x/docs/a.md"]),
        (["docs/**/*.md"], ["docs/a.md", "docs/x/y/a.md"], [], ["a.md"]),
        (["**/test/**"], ["test/a", "x/test/a/b"], [], ["test"]),
        (["*.js", "!keep.js"], ["a.js"], ["keep.js", "x/keep.js"], ["a.py"]),
        (["dist/", "!dist/keep.js"], ["dist/keep.js"], [], []),
        (["dist/*", "!dist/keep.js"], ["dist/a.js"], ["dist/keep.js"], []),
        (["dist/", "!dist/x/"], ["dist/x/a"], [], []),
        (["/a[+-0]b", "[c-e]"], ["a-b", "c", "e"], [], ["a/b", "b", "f"]),
        (["!vendor/"], [], ["vendor/a", "x/vendor/a/b"], ["vendor"]),
        (["# a note", "", "\\#a", "b\\ ", "c  "], ["#a", "b ", "c"], [], ["# a note", "b", "c  "]),
    ],
)
def test_three_things_are_said_of_a_path(
    lines: list[str], ignored: list[str], brought_back: list[str], nothing_said: list[str]
) -> None:
    ignore = Ignore(lines)
    told = [(path, ignore(path)) for path in (*ignored, *brought_back, *nothing_said)]
    expected = [
        (path, said) for paths, said in ((ignored, True), (brought_back, False), (nothing_said, None)) for path in paths
    ]
    assert told == expected


def test_no_pattern_is_slow_on_any_path() -> None:
    """Tried one after the other the ways to fit these would never be through."""
    ignore = Ignore(["*a*a*a*a*a*a*a*a*a*b", "**/a*/**/a*/**/a*/**/a*/**/a*/**/b", "a" + "*?" * 30 + "b"])
    assert ignore("/".join(["a" * 150] * 20)) is None


def test_a_path_without_end_is_gone_through_soon_and_nothing_is_kept_of_it() -> None:
    ignore = Ignore(["*.x", "deep/", "!keep"])
    tracemalloc.start()
    assert ignore("d/" * 10_000 + "deep/a") is None
    assert ignore("d/" * 9 + "deep/a") is True
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


# -- .gitattributes ---------------------------------------------------------------------------------------------------

STATES = (
    "a",
    "-a",
    "!a",
    "a=v",
    "b",
    "-b",
    "b=-",
    "diff",
    "-diff",
    "binary",
    "-binary",
    "mine",
    "!mine",
    "-a=x",
    "=",
    "-",
)
attributes = st.lists(
    st.tuples(
        glob | st.just('"a b"') | st.just("[attr]mine"), st.lists(st.sampled_from(STATES), max_size=4).map(" ".join)
    ).map(" ".join),
    max_size=5,
).map("\n".join)


@many
@given(attributes, attributes, paths)
def test_what_git_knows_of_attributes_is_known(work_tree: Path, root: str, below: str, paths: list[str]) -> None:
    (work_tree / "a").mkdir(exist_ok=True)
    (work_tree / ".gitattributes").write_text(root)
    (work_tree / "a/.gitattributes").write_text(below)
    told = asked(work_tree, "check-attr", "-z", "--stdin", "a", "b", "diff", "binary", given="\0".join(paths))
    by_git = dict(zip(zip(told[0::3], told[1::3], strict=True), told[2::3], strict=True))
    known = Attributes({"": root, "a": below})
    assert {(path, name): spelled(known(path).get(name)) for path, name in by_git} == by_git


def test_the_file_that_is_nearest_says_it_and_in_it_the_last_line() -> None:
    known = Attributes({"": "*.c a b", "x": "*.c a=near\n*.c a=last", "xx": "* a=other"})
    assert known("x/f.c") == {"a": "last", "b": True}
    assert known("f.c") == {"a": True, "b": True}


def spelled(state: bool | str | None) -> str:
    return {True: "set", False: "unset", None: "unspecified"}.get(state, str(state))


def test_macros_that_name_each_other_come_to_an_end() -> None:
    known = Attributes({"": "[attr]a b\n[attr]b a c\n* a"})
    assert known("f") == {"a": True, "b": True, "c": True}
