"""Which files no model is shown, and why."""

from __future__ import annotations

import pytest

from runner.diff.left_out import LeftOut


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("src/app.py", ""),
        ("distance.py", ""),
        ("package-lock.json", "a lock file"),
        ("web/yarn.lock", "a lock file"),
        ("vendor/github.com/x/y.go", "vendored"),
        ("web/node_modules/x/index.js", "vendored"),
        ("static/app.min.js", "minified"),
        ("dist/index.js", "generated"),
        ("api/v1/api.pb.go", "generated"),
        ("vendor", ""),
    ],
)
def test_what_nobody_wrote_is_left_out_by_its_name(path: str, why: str) -> None:
    assert LeftOut()(path) == why


def test_what_the_file_ignores_is_left_out_and_what_it_brings_back_is_not() -> None:
    left_out = LeftOut(
        ["docs/**", "!dist/keep.js", "!vendor/ours/", "*.min.js\n!app.min.js"], {"": "dist/keep.js -diff"}
    )
    told = ["docs/a.md", "dist/a.js", "dist/keep.js", "vendor/a", "vendor/ours/a", "x.min.js", "app.min.js"]
    assert [left_out(path) for path in told] == ["ignored", "generated", "", "vendored", "", "ignored", ""]


@pytest.mark.parametrize(
    ("line", "path", "why"),
    [
        ("*.gen linguist-generated", "a.gen", "generated"),
        ("*.gen linguist-generated=true", "a.gen", "generated"),
        ("libs/** linguist-vendored", "libs/x/a.c", "vendored"),
        ("*.svg -diff", "a.svg", "not to be compared"),
        ("*.dat binary", "a.dat", "not to be compared"),
        ("dist/** -linguist-generated", "dist/a.js", ""),
        ("vendor/** linguist-vendored=false", "vendor/a.js", ""),
        ("vendor/** -linguist-generated", "vendor/a.js", "vendored"),
        ("yarn.lock -linguist-generated", "yarn.lock", ""),
        ("*.md diff=markdown", "a.md", ""),
    ],
)
def test_the_repository_says_what_is_not_worth_a_look(line: str, path: str, why: str) -> None:
    assert LeftOut((), {"": line})(path) == why
