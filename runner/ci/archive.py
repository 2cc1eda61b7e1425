"""A repository's files out of the archive that the host makes of a commit: regular files, within bounds, and nothing
that leads elsewhere."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing import IO

MAX_FILE: Final = 10 * 1024 * 1024
"""Bytes; a workflow file may have no more. What is larger is left out."""

MAX_FILES: Final = 100_000
MAX_TOTAL: Final = 500 * 1024 * 1024


class NotUnpacked(Exception):
    """An archive that cannot be unpacked; the half sentence tells why."""


def unpack(archive: IO[bytes], into: Path) -> None:
    """Write the files below the archive's one directory to `into`. Links, and what is too large, are left out.

    Raises NotUnpacked.
    """
    total = 0
    try:
        with gzip.open(archive) as plain, tarfile.open(fileobj=plain, mode="r|") as members:
            for count, member in enumerate(members):
                total += member.size
                if count >= MAX_FILES or total > MAX_TOTAL:
                    raise NotUnpacked("the repository is too large to be read from the host")
                if member.isreg() and member.size <= MAX_FILE:
                    _write(members, member, into)
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, ValueError) as error:
        raise NotUnpacked(f"the archive cannot be read: {error}") from None
    except OSError as error:
        raise NotUnpacked(f"the archive cannot be unpacked: {error.strerror}") from None


def _write(members: tarfile.TarFile, member: tarfile.TarInfo, into: Path) -> None:
    parts = PurePosixPath(member.name).parts[1:]
    if not parts or ".." in parts or member.name.startswith("/"):
        return
    content = members.extractfile(member)
    assert content is not None
    path = into.joinpath(*parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.read(MAX_FILE))
