"""Files that a run leaves, below a directory: its own, or one of the repository's.

Written whole or not at all, never through a link that somebody planted, and given to the owner of the workspace:
the container runs as root, and root's files break the job's later steps.
"""

from __future__ import annotations

import contextlib
import os
import re
from typing import TYPE_CHECKING, Final

from runner.errors import FileProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

CLAIM = "results.json"

UNFINISHED: Final = re.compile(r"\.[0-9a-f]{16}\.part")
"""The name of a file that is being written. Made by chance: in a container every run has the same process number, and
what one that was killed left there must not be in the way of the next."""

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[^\s,:\[\]{}"]+')
_LITERAL: Final = re.compile(r'".*|-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|true|false|null|NaN|-?Infinity', re.DOTALL)


class Folder:
    """A directory to write to. `scrub` takes secrets out of everything that is written there; `base` is the directory
    that was asked for, where another one below it was taken."""

    def __init__(
        self,
        workspace: Path,
        directory: Path,
        scrub: Callable[[str], str] = lambda text: text,
        base: Path | None = None,
    ) -> None:
        self.directory, self.base = directory, base or directory
        self._workspace, self._scrub = workspace, scrub
        self._created: list[Path] = []

    @classmethod
    def at(cls, workspace: Path, wanted: str, what: str) -> Folder:
        """A directory by its name in the workspace, or by an absolute one. Raises FileProblem where a relative name
        leads out of the workspace; `what` says in messages whose name that is."""
        return cls(workspace, _inside(workspace, wanted, what))

    @classmethod
    def claim(
        cls, workspace: Path, wanted: str, placeholder: str, scrub: Callable[[str], str] = lambda text: text
    ) -> Folder:
        """Take a directory for one run: the one that is wanted, or `run-2`, `run-3`, … below it when it is taken. Two
        runs that share a workspace never get the same. Raises FileProblem."""
        base = _inside(workspace, wanted, "artifacts-dir")
        number = 1
        while True:
            directory = base if number == 1 else base / f"run-{number}"
            artifacts = cls(workspace, directory, scrub, base)
            if directory.is_symlink():
                number += 1
                continue
            try:
                artifacts._make(directory)
                with open(directory / CLAIM, "x", encoding="utf-8") as file:
                    file.write(placeholder)
            except FileExistsError:
                number += 1
                continue
            except OSError as error:
                raise FileProblem(f"artifacts-dir '{wanted}' cannot be written: {error.strerror}") from error
            artifacts._created.append(directory / CLAIM)
            return artifacts

    def write(self, name: str, text: str) -> Path:
        """Write one file, whole. `name` may have been made by a model: it stays inside the directory, and out of
        a repository's `.git`. Raises FileProblem when it does not, or when it cannot be written.
        """
        target = self.directory / name
        found = _resolved(target)
        if not name.strip() or found is None or self.directory not in found.parents:
            raise FileProblem("an artifact's path leads out of the artifacts directory")
        if any(part.casefold() == ".git" for part in found.relative_to(self.directory).parts):
            raise FileProblem("an artifact's path leads into .git, where git finds commands to run")
        temporary = target.with_name(f".{os.urandom(8).hex()}.part")
        try:
            self._make(target.parent)
            with open(temporary, "xb") as file:
                file.write(self._clean(name, text).encode(errors="replace"))
            os.replace(temporary, target)
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise FileProblem(f"{self.shown(target)} cannot be written: {error.strerror}") from error
        self._created.append(target)
        return target

    def _clean(self, name: str, text: str) -> str:
        """The text without secrets. JSON stays JSON: what stands for a number of it is a text."""
        clean = self._scrub(text)
        if clean == text or not name.endswith((".json", ".jsonl")):
            return clean
        return _TOKEN.sub(lambda found: found[0] if _LITERAL.fullmatch(found[0]) else f'"{found[0]}"', clean)

    def unfinished(self) -> list[Path]:
        """Files that are being written, or never will be: those of a run that was killed."""
        with contextlib.suppress(OSError):
            return [path for path in self.directory.iterdir() if UNFINISHED.fullmatch(path.name)]
        return []

    def clear(self, files: Iterable[Path]) -> None:
        """Delete those of these files that are still there."""
        for path in files:
            with contextlib.suppress(OSError):
                path.unlink()

    def below(self, name: str) -> Folder:
        """A directory in this one, for files that have no secret in them any more."""
        return Folder(self._workspace, self.directory / name)

    def shown(self, path: Path) -> str:
        """A path as users name it: relative to the workspace where it is inside."""
        root = self._workspace.resolve()
        return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)

    def hand_over(self) -> None:
        """Give everything that was made to the workspace's owner, when we are somebody else and may."""
        owner = self._workspace.stat()
        if os.geteuid() != 0 or owner.st_uid == 0:
            return
        for path in self._created:
            with contextlib.suppress(OSError):
                os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)

    def _make(self, directory: Path) -> None:
        missing = []
        while not directory.exists():
            missing.append(directory)
            directory = directory.parent
        for path in reversed(missing):
            path.mkdir(exist_ok=True)
            self._created.append(path)


def _inside(workspace: Path, wanted: str, what: str) -> Path:
    found = _resolved(workspace / wanted)
    if found is None or (not os.path.isabs(wanted) and not found.is_relative_to(workspace.resolve())):
        raise FileProblem(f"{what} '{wanted}' leads out of the workspace")
    try:
        os.lstat(found)
    except (FileNotFoundError, NotADirectoryError):
        pass  # the one is made, and of the other whoever writes there is told
    except OSError as error:
        raise FileProblem(f"{what} '{wanted}' cannot be a directory: {error.strerror}") from error
    return found


def _resolved(path: Path) -> Path | None:
    """Where a path really leads; None where no file can be: behind a null byte or a loop of links."""
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError):
        return None
