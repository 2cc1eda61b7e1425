"""docs/start.md, walked as a stranger does: in a repository of their own, one block after the other, word for word."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workspace import jobs_workspace

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/start.md"
BLOCK = re.compile(r"(?:`(?P<file>[\w./-]+)`:\n\n)?```(?P<language>\w+)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
FETCHED = ("git clone ", "make -C ")
"""Lines that bring the clone that these tests are in already."""


def blocks() -> list[re.Match[str]]:
    return list(BLOCK.finditer(PAGE.read_text()))


@pytest.fixture(scope="module")
def walked() -> Iterator[tuple[Path, str]]:
    """The stranger's repository at the end of the page, and what they saw."""
    with jobs_workspace() as workspace:
        home = workspace.root
        (home / "strands-action/.venv/bin").mkdir(parents=True)
        (home / "strands-action/.venv/bin/python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        (home / "strands-action/.venv/bin/python").chmod(0o755)
        (home / "strands-action/entrypoint.py").symlink_to(ROOT / "entrypoint.py")
        repository = home / "mine"
        repository.mkdir()
        script = ["shopt -s expand_aliases", "set -e"]
        for block in blocks():
            if block["language"] == "sh":
                script += [line for line in block["text"].splitlines() if not line.startswith(FETCHED)]
            elif block["file"]:
                (repository / block["file"]).parent.mkdir(parents=True, exist_ok=True)
                (repository / block["file"]).write_text(block["text"])
        environment = {"HOME": str(home), "PATH": "/usr/bin:/bin"}
        ended = subprocess.run(
            ["bash", "-c", "\n".join(script)], cwd=repository, env=environment, capture_output=True, text=True
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        yield repository, ended.stdout + ended.stderr


def test_every_command_of_the_page_works_in_their_order(walked: tuple[Path, str]):
    _, seen = walked
    for told in (
        "praise.yaml: valid; chain, 2 steps",
        "estimate: 2 calls",
        "run_finished status=success steps=2",
        "Tests: 1 passed",
    ):
        assert told in seen


def test_nothing_is_left_in_the_repository_that_the_page_does_not_name(walked: tuple[Path, str]):
    repository, _ = walked
    files = {str(path.relative_to(repository)) for path in repository.rglob("*") if path.is_file()}
    kept = {name for name in files if not name.startswith("strands-artifacts/")}
    assert {name for name in kept if "/fixtures/" not in name} == {
        ".gitignore",
        ".github/agents/praise.yaml",
        ".github/agents/praise.test.yaml",
        ".github/workflows/agents.yml",
    }
    assert len([name for name in kept if "/fixtures/praise/code-reviews/" in name]) == 2
