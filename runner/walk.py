"""From a path to what is there, by descriptors: one name below the other, and through no link.

Root writes where others write at the same time, tools of the run among them: between a look at a path and its use they
can put a link in the place of any part of it. On this way it leads nowhere, whenever it was made.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
import unicodedata
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

Owner: TypeAlias = tuple[int, int] | None
"""User and group that what is made is given to; None leaves it with us."""

UNFINISHED: Final = re.compile(r"\.[0-9a-f]{16}\.part")
"""The name of a file that is being written. Made by chance: in a container every run has the same process number, and
what one that was killed left there must not be in the way of the next."""

NO_LINK: Final = os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY: Final = os.O_DIRECTORY | NO_LINK
_PASSING: Final = _DIRECTORY | getattr(os, "O_PATH", os.O_RDONLY)
"""Directories above ours may be open to pass, and not to be read."""


def owner_of(workspace: Path) -> Owner:
    """The owner of the workspace, where we are root and they are not: root's files break the job's later steps."""
    owner = os.stat(workspace)
    return (owner.st_uid, owner.st_gid) if os.geteuid() == 0 != owner.st_uid else None


@contextlib.contextmanager
def directory(path: Path | str, *, make: bool = False, owner: Owner = None) -> Iterator[int]:
    """A directory by its absolute path, which has no `..`: a descriptor to reach what is in it. With `make` what is
    missing of it is made, and given to `owner`. Raises OSError."""
    here = os.open("/", _PASSING)
    try:
        for name in PurePosixPath(path).parts[1:]:
            below = _below(name, here, make=make, owner=owner)
            os.close(here)
            here = below
        yield here
    finally:
        os.close(here)


def create(name: str, parent: int, flags: int, owner: Owner, mode: int = 0o666) -> int:
    """Open a file that was not there. Raises OSError."""
    made = os.open(name, flags | os.O_CREAT | os.O_EXCL | NO_LINK, mode, dir_fd=parent)
    _give(made, owner)
    return made


def put(content: bytes | Iterable[bytes], name: str, parent: int, owner: Owner, mode: int | None = None) -> None:
    """Put a whole file in its place, at once, also where its content comes in pieces; what was there is gone, be it a
    link. Raises OSError."""
    temporary = f".{secrets.token_hex(8)}.part"
    made = create(temporary, parent, os.O_WRONLY, owner, 0o666 if mode is None else 0o600)
    try:
        with open(made, "wb") as file:
            file.writelines([content] if isinstance(content, bytes) else content)
            if mode is not None:
                os.fchmod(made, mode)
        os.replace(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=parent)
        raise


def delete(path: Path) -> None:
    """Delete a directory with all that is in it, as far as that may be done. Its depth is a stranger's, so nothing here
    gets deeper with it."""
    with contextlib.suppress(OSError):
        top = os.open(path, os.O_RDONLY | _DIRECTORY)
        try:
            kept: set[str] = set()
            while names := {*os.listdir(top)} - kept:
                kept |= {name for name in names if not _taken_out(name, top)}
        finally:
            os.close(top)
        os.rmdir(path)


def is_git(name: str) -> bool:
    """Whether a directory is a repository's own, also as file systems would find it that fold case, ignore some
    characters or have short names."""
    plain = "".join(one for one in unicodedata.normalize("NFKC", name) if unicodedata.category(one) != "Cf")
    return plain.casefold().rstrip(" .").partition(":")[0] in (".git", "git~1")


def _taken_out(name: str, parent: int) -> bool:
    """Delete a file, or a directory when what is in it has been moved to where it is itself."""
    with contextlib.suppress(OSError):
        if not stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
            os.unlink(name, dir_fd=parent)
            return True
        here = os.open(name, os.O_RDONLY | _DIRECTORY, dir_fd=parent)
        try:
            for child in os.listdir(here):
                os.rename(child, secrets.token_hex(8), src_dir_fd=here, dst_dir_fd=parent)
        finally:
            os.close(here)
        os.rmdir(name, dir_fd=parent)
        return True
    return False


def _below(name: str, parent: int, *, make: bool, owner: Owner) -> int:
    try:
        return os.open(name, _PASSING, dir_fd=parent)
    except NotADirectoryError:
        if stat.S_ISLNK(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
            raise OSError(errno.ELOOP, "a link is in the way") from None
        raise
    except FileNotFoundError:
        if not make:
            raise
    try:
        os.mkdir(name, dir_fd=parent)
    except FileExistsError:  # somebody else has just made it
        return _below(name, parent, make=False, owner=None)
    made = os.open(name, os.O_RDONLY | _DIRECTORY, dir_fd=parent)
    _give(made, owner)
    return made


def _give(made: int, owner: Owner) -> None:
    if owner is not None:
        with contextlib.suppress(OSError):  # not all who are root may
            os.fchown(made, *owner)
