"""Files that a run leaves, below a directory: its own, or one of the repository's.

Written whole or not at all, never through a link that somebody planted, and given to the owner of the workspace.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from runner import walk
from runner.errors import FileProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

CLAIM = "results.json"

PIECE: Final = 256 * 1024
"""Characters of a file that are looked through at once."""

SEAM: Final = 64 * 1024
"""Characters to either side that are looked at where pieces meet: more than a secret may have,
https://docs.github.com/en/actions/reference/security/secrets#limits-for-secrets. What comes in pieces is JSON of ours,
whose lines end between its values; a text, which may hold a secret broken over any number of lines, is looked through
whole."""

KILLED: Final = '{"status": "failed", "steps": []}\n'
"""What it says of a run that was killed before it could write its own."""

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
        owner = walk.owner_of(workspace)
        for number in itertools.count(1):
            directory = base if number == 1 else base / f"run-{number}"
            try:
                with (
                    walk.directory(directory, make=True, owner=owner) as here,
                    open(walk.create(CLAIM, here, os.O_WRONLY, owner), "w", encoding="utf-8") as file,
                ):
                    file.write(placeholder)
            except FileExistsError:
                continue
            except OSError as error:
                if error.errno == errno.ELOOP and number > 1:
                    continue
                raise FileProblem(f"artifacts-dir '{wanted}' cannot be written: {error.strerror}") from error
            return cls(workspace, directory, scrub, base)
        raise AssertionError

    def write(self, name: str, text: str | Iterable[str]) -> Path:
        """Write one file, whole: a text, or one that comes in pieces. `name` may have been made by a model: it stays
        inside the directory, and out of a repository's `.git`. Raises FileProblem when it does not, or when it cannot
        be written.
        """
        plain = os.path.normpath(name) if _can_be(name) else ""
        if not plain or plain == "." or plain.startswith(("/", "../")) or plain == "..":
            raise FileProblem("an artifact's path leads out of the artifacts directory")
        if any(map(walk.is_git, plain.split("/"))):
            raise FileProblem("an artifact's path leads into .git, where git finds commands to run")
        target, owner = self.directory / plain, walk.owner_of(self._workspace)
        try:
            with walk.directory(target.parent, make=True, owner=owner) as here:
                cleaned = [self._clean(name, text)] if isinstance(text, str) else self._cleaned(name, text)
                walk.put((one.encode(errors="replace") for one in cleaned), target.name, here, owner)
        except OSError as error:
            raise FileProblem(f"{self.shown(target)} cannot be written: {error.strerror}") from error
        return target

    def _cleaned(self, name: str, pieces: Iterable[str]) -> Iterator[str]:
        """The pieces of a text without secrets, and so that none slips through where two of them meet. What has no line
        ends is one piece, however large."""
        left = ""
        for large in _large(pieces):
            text = left + large
            cut = self._cut(text) if len(text) > PIECE else 0
            if cut:
                yield self._clean(name, text[:cut])
            left = text[cut:]
        yield self._clean(name, left)

    def _cut(self, text: str) -> int:
        """The beginning of a line where a text can be cut, for what is taken out of it is the same then; some way from
        its end, where something may go on that is only known with what follows. None is 0."""
        cut, back = len(text) - SEAM, 1
        while (cut := text.rfind("\n", 0, max(0, cut)) + 1) > 0:
            before, behind = text[max(0, cut - SEAM) : cut], text[cut : cut + SEAM]
            if self._scrub(before + behind) == self._scrub(before) + self._scrub(behind):
                break
            cut, back = cut - back, 2 * back
        return cut

    def _clean(self, name: str, text: str) -> str:
        """The text without secrets. JSON stays JSON: what stands for a number of it is a text."""
        clean = self._scrub(text)
        if clean == text or not name.endswith((".json", ".jsonl")):
            return clean
        return _TOKEN.sub(lambda found: found[0] if _LITERAL.fullmatch(found[0]) else f'"{found[0]}"', clean)

    def unfinished(self) -> list[str]:
        """The names of files that are being written, or never will be: those of a run that was killed."""
        with contextlib.suppress(OSError):
            return [name for name in os.listdir(self.directory) if walk.UNFINISHED.fullmatch(name)]
        return []

    def clear(self, names: Iterable[str]) -> None:
        """Delete those of these files that are still there."""
        with contextlib.suppress(OSError), walk.directory(self.directory) as here:
            for name in names:
                with contextlib.suppress(OSError):
                    os.unlink(name, dir_fd=here)

    def below(self, name: str) -> Folder:
        """A directory in this one, for files that have no secret in them any more."""
        return Folder(self._workspace, self.directory / name)

    def shown(self, path: Path) -> str:
        """A path as users name it: relative to the workspace where it is inside."""
        root = self._workspace.resolve()
        return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def _inside(workspace: Path, wanted: str, what: str) -> Path:
    """Where a directory really is. One that is named as if it were in the workspace has to be there: what leads out of
    it then is a link, and the repository's."""
    found, root = _resolved(workspace / wanted), workspace.resolve()
    named = Path(os.path.normpath(workspace / wanted))
    elsewhere = os.path.isabs(wanted) and not (named.is_relative_to(workspace) or named.is_relative_to(root))
    if found is None or (not elsewhere and not found.is_relative_to(root)):
        told = "for a directory elsewhere give its absolute path, and not that of a link to it"
        raise FileProblem(f"{what} '{wanted}' leads out of the workspace; {told}")
    if any(map(walk.is_git, found.parts)):
        raise FileProblem(f"{what} '{wanted}' leads into .git, where git finds commands to run")
    try:
        os.lstat(found)
    except (FileNotFoundError, NotADirectoryError):
        pass  # the one is made, and of the other whoever writes there is told
    except OSError as error:
        raise FileProblem(f"{what} '{wanted}' cannot be a directory: {error.strerror}") from error
    return found


def _large(pieces: Iterable[str]) -> Iterator[str]:
    """The same text in pieces of PIECE characters or more, but for the last."""
    some, size = list[str](), 0
    for piece in pieces:
        some.append(piece)
        size += len(piece)
        if size >= PIECE:
            yield "".join(some)
            some, size = [], 0
    yield "".join(some)


def _can_be(name: str) -> bool:
    """Whether a text can be the name of a file at all."""
    try:
        return bool(name.strip()) and b"\0" not in os.fsencode(name)
    except UnicodeEncodeError:
        return False


def _resolved(path: Path) -> Path | None:
    """Where a path really leads; None where no file can be: behind a null byte or a loop of links."""
    try:
        found = path.resolve()
        # From Python 3.13 on a loop is no error, but stays a link; `is_symlink` would raise for too long a name.
        return None if os.path.islink(found) else found
    except (OSError, RuntimeError, ValueError):
        return None
