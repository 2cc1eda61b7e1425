"""Repositories of git for tests, made with the real one."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from tests.programs import needed

if TYPE_CHECKING:
    from pathlib import Path

WHO = ("-c", "user.name=Mona", "-c", "user.email=mona@example.com", "-c", "commit.gpgsign=false")


class Repository:
    """One with a branch `main` of one commit, and `change` behind it, which is checked out."""

    def __init__(self, root: Path) -> None:
        needed("git")
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        self.git("init", "-q", "-b", "main")
        self.commit("First", **{"a.txt": "one\ntwo\n"})
        self.git("switch", "-q", "-c", "change")

    def git(self, *arguments: str) -> str:
        command = ["git", *WHO, "-c", f"safe.directory={self.root}", *arguments]
        return subprocess.run(command, cwd=self.root, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, message: str, **files: str) -> str:
        """Commit files by their names; the commit."""
        for name, content in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")
