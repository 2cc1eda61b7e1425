"""From a path that a model wrote to a file of the workspace that it may touch.

Two steps, and the second does not trust the first. The path is resolved and judged; then it is walked from the
workspace down, one name at a time and through no link, so that a link that is put in the way meanwhile is refused
by the kernel. What is opened is looked at once more before it is read: only regular files are.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import re
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from runner import walk
from runner.agents.tools.tool import ToolProblem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from runner.agents.tools.bench import Bench

Parts: TypeAlias = tuple[str, ...]
"""A path below the workspace that has been judged: plain names, no `..`, no links."""

MAX_PATH: Final = 4096
MAX_ENTRIES: Final = 20_000
"""Names of one directory that are looked at."""

_CREDENTIALS: Final = re.compile(r"gha-creds-.*\.json")
"""What google-github-actions/auth leaves in a workspace."""


@dataclass(frozen=True)
class Entry:
    """A name in a directory; `kind` is `file`, `directory`, `link` or `other`."""

    name: str
    kind: str


@dataclass(frozen=True)
class Rooted:
    """The files below one directory, but for what no tool may see: `.git`, credentials, what is `closed`."""

    root: str
    closed: tuple[Parts, ...] = ()
    owner: walk.Owner = field(default=None, compare=False)

    @classmethod
    def of(cls, bench: Bench) -> Rooted:
        root = os.path.realpath(bench.workspace)
        closed = (_below(root, os.path.realpath(one)) for one in bench.closed)
        return cls(root, tuple(one for one in closed if one is not None), walk.owner_of(bench.workspace))

    def find(self, path: str) -> Parts:
        """Where a path leads: relative to the workspace, or absolute inside it. Raises ToolProblem for every other."""
        shown = repr(path[:200])
        if "\0" in path or len(path) > MAX_PATH or not _writable(path):
            raise ToolProblem(f"{shown} is not a path")
        if any(walk.is_git(part) for part in path.split("/")):
            raise ToolProblem(f"{shown} is in .git, which is not for tools: it holds the checkout's token")
        parts = _below(self.root, os.path.realpath(os.path.join(self.root, path)))
        if parts is None:
            raise ToolProblem(f"{shown} leads out of the workspace; paths are relative to it, such as src/main.py")
        if hidden := self.hidden(parts):
            raise ToolProblem(f"{shown} is {hidden}")
        return parts

    def hidden(self, parts: Parts) -> str | None:
        """Why no tool may see a path; None when one may."""
        if any(walk.is_git(part) for part in parts):
            return "in .git, which is not for tools: it holds the checkout's token"
        if any(parts[: len(one)] == one for one in self.closed):
            return "the run's own or a secret, which is not for tools"
        if parts and _CREDENTIALS.fullmatch(parts[-1].casefold()):
            return "a file of credentials, which is not for tools"
        return None

    def is_directory(self, parts: Parts) -> bool:
        """Whether a directory is there. Raises ToolProblem when nothing is."""
        if not parts:
            return True
        with self._told(parts), self._directory(parts[:-1]) as parent:
            return stat.S_ISDIR(os.stat(parts[-1], dir_fd=parent, follow_symlinks=False).st_mode)

    def read(self, parts: Parts, limit: int, *, last: bool = False) -> tuple[bytes, int]:
        """The first `limit` bytes of a file, or with `last` its last ones, and its size. Raises ToolProblem."""
        with self._told(parts), self._directory(parts[:-1]) as parent:
            _regular(parts, parent)
            # Should it be a pipe by now: opened so, it does not wait for a writer.
            fd = os.open(parts[-1], os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | walk.NO_LINK, dir_fd=parent)
            with open(fd, "rb") as file:
                found = os.fstat(fd)
                if not stat.S_ISREG(found.st_mode):
                    raise ToolProblem(f"{shown(parts)} is not a regular file")
                if last and found.st_size > limit:
                    file.seek(found.st_size - limit)
                return file.read(limit), found.st_size

    def write(self, parts: Parts, content: bytes) -> bool:
        """Put a whole file in its place, at once, with the directories it needs; tells whether it is a new one.

        Raises ToolProblem.
        """
        if not parts:
            raise ToolProblem("the workspace itself is not a file")
        with self._told(parts), self._directory(parts[:-1], make=True) as parent:
            new, mode = True, 0o644
            with contextlib.suppress(FileNotFoundError):
                mode, new = stat.S_IMODE(_regular(parts, parent).st_mode) & 0o777, False
            walk.put(content, parts[-1], parent, self.owner, mode)
            return new

    def entries(self, parts: Parts) -> list[Entry]:
        """What a directory holds that tools may see, by name. Raises ToolProblem."""
        with self._told(parts), self._directory(parts) as here:
            fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | walk.NO_LINK, dir_fd=here)
            try:
                with os.scandir(fd) as found:
                    every = [Entry(one.name, _kind(one)) for one in itertools.islice(found, MAX_ENTRIES)]
            finally:
                os.close(fd)
        return sorted((one for one in every if not self.hidden((*parts, one.name))), key=lambda one: one.name)

    def _directory(self, parts: Parts, *, make: bool = False) -> AbstractContextManager[int]:
        """A directory, held open, reached through no link."""
        return walk.directory(os.path.join(self.root, *parts), make=make, owner=self.owner)

    @contextlib.contextmanager
    def _told(self, parts: Parts) -> Iterator[None]:
        """What the system refuses, as a sentence about the path."""
        try:
            yield
        except OSError as error:
            reason = "Symbolic link" if error.errno == errno.ELOOP else error.strerror
            raise ToolProblem(f"{shown(parts)}: {reason}") from None


def shown(parts: Parts) -> str:
    """A path as the model is told it: relative to the workspace, and text whatever bytes it is made of."""
    return "/".join(parts).encode("utf-8", "replace").decode() or "."


def _below(root: str, path: str) -> Parts | None:
    if path == root:
        return ()
    base = root.rstrip("/") + "/"
    return tuple(path.removeprefix(base).split("/")) if path.startswith(base) else None


def _writable(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _regular(parts: Parts, parent: int) -> os.stat_result:
    """The state of a regular file. Raises ToolProblem for every other kind, OSError where there is none."""
    found = os.stat(parts[-1] if parts else ".", dir_fd=parent, follow_symlinks=False)
    if stat.S_ISDIR(found.st_mode):
        raise ToolProblem(f"{shown(parts)} is a directory")
    if not stat.S_ISREG(found.st_mode):
        raise ToolProblem(f"{shown(parts)} is not a regular file")
    return found


def _kind(entry: os.DirEntry[str]) -> str:
    if entry.is_symlink():
        return "link"
    if entry.is_dir(follow_symlinks=False):
        return "directory"
    return "file" if entry.is_file(follow_symlinks=False) else "other"
