"""Real repositories for tests of diffs, made of trees in one go, and git as on PATH without anybody's settings."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.programs import needed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from runner.diff.change import FileChange, Hunk, Line

FILE, PROGRAM, LINK, SUBMODULE = "100644", "100755", "120000", "160000"
ALONE = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "HOME": os.devnull,
    "LC_ALL": "C",
}


@dataclass(frozen=True)
class Entry:
    """What a tree has under a name: bytes, or the commit of a submodule."""

    data: bytes
    mode: str = FILE


class Repository:
    """A bare repository. Texts come and go with what is not UTF-8 kept as half characters."""

    def __init__(self, path: Path) -> None:
        needed("git")
        self.path = path
        self.git("init", "--quiet", "--bare", str(path), cwd=path.parent)

    def git(self, *arguments: str, given: bytes = b"", cwd: Path | None = None, **environ: str) -> str:
        """What git prints; a git that fails fails the test, with its words."""
        ended = subprocess.run(
            ["git", *arguments], input=given, cwd=cwd or self.path, env={**ALONE, **environ}, capture_output=True
        )
        assert ended.returncode == 0, f"git {' '.join(arguments)}: {ended.stderr.decode(errors='replace')}"
        return ended.stdout.decode(errors="surrogateescape")

    def commit(self, **trees: Mapping[str, bytes | Entry]) -> None:
        """Each tree as a branch of that name."""
        stream = b"".join(part for name, tree in trees.items() for part in _commit(name, tree))
        self.git("fast-import", "--quiet", "--force", given=stream)

    def diff(self, old: str, new: str, options: Sequence[str], **environ: str) -> str:
        return self.git(*options, old, new, **environ)

    def applied(self, start: str, patch: str, *options: str) -> str:
        """The tree that comes of a patch, by its hash."""
        self.git("read-tree", start)
        self.git("apply", "--cached", "--allow-empty", *options, "-", given=as_bytes(patch))
        return self.git("write-tree").strip()

    def trees(self, *branches: str) -> list[str]:
        return self.git("rev-parse", *(f"{one}^{{tree}}" for one in branches)).split()


def _commit(branch: str, tree: Mapping[str, bytes | Entry]) -> Iterable[bytes]:
    yield f"commit refs/heads/{branch}\ncommitter A <a@example.com> 0 +0000\ndata 0\ndeleteall\n".encode()
    for path, told in tree.items():
        entry = told if isinstance(told, Entry) else Entry(told)
        name = as_bytes(quoted(path))
        if entry.mode == SUBMODULE:
            yield b"M %s %s %s\n" % (entry.mode.encode(), entry.data, name)
        else:
            yield b"M %s inline %s\ndata %d\n%s\n" % (entry.mode.encode(), name, len(entry.data), entry.data)


def as_bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


def quoted(path: str) -> str:
    """A name as git reads it, with every sign that needs it escaped."""
    plain = "".join(chr(one) if 32 <= one < 127 and one not in b'"\\' else f"\\{one:03o}" for one in as_bytes(path))
    return f'"{plain}"'


def wrong_numbers(file: FileChange, old: bytes, new: bytes) -> list[Line]:
    """The lines of a file that have another text in it at their number, or end otherwise."""
    before, after = (data.decode(errors="surrogateescape").split("\n") for data in (old, new))
    lines = [line for hunk in file.hunks for line in hunk.lines]
    sides = [(line, number, has) for line in lines for number, has in ((line.old, before), (line.new, after)) if number]
    return [line for line, number, has in sides if (has[number - 1], number == len(has)) != (line.text, line.bare)]


# -- a change as a diff again -----------------------------------------------------------------------------------------


def written(files: Iterable[FileChange]) -> str:
    """A diff that git can apply, made of nothing but the data: what was read was read right if that has the effect."""
    return "".join(_written(file) for file in files)


def _written(file: FileChange) -> str:
    old, new = quoted(f"a/{file.old_path or file.path}"), quoted(f"b/{file.path}")
    head = [f"diff --git {old} {new}"]
    if file.status in ("added", "removed"):
        head.append(f"{'new' if file.status == 'added' else 'deleted'} file mode {FILE}")
    if file.status == "renamed":
        head += [f"rename from {quoted(file.old_path)}", f"rename to {quoted(file.path)}"]
    if file.hunks:
        head += ["--- /dev/null" if file.status == "added" else f"--- {old}"]
        head += ["+++ /dev/null" if file.status == "removed" else f"+++ {new}"]
    longer, hunks = 0, []
    for hunk in file.hunks:
        hunks.append(_hunk(hunk, longer))
        longer += sum({"added": 1, "removed": -1, "same": 0}[line.kind] for line in hunk.lines)
    return "\n".join(head) + "\n" + "".join(hunks)


def _hunk(hunk: Hunk, longer: int) -> str:
    olds = [line.old for line in hunk.lines if line.old is not None]
    news = [line.new for line in hunk.lines if line.new is not None]
    old = olds[0] if olds else news[0] - longer - 1
    new = news[0] if news else olds[0] + longer - 1
    return f"@@ -{old},{len(olds)} +{new},{len(news)} @@\n" + "".join(_line(line) for line in hunk.lines)


def _line(line: Line) -> str:
    sign = {"same": " ", "added": "+", "removed": "-"}[line.kind]
    return f"{sign}{line.text}\n" + ("\\ No newline at end of file\n" if line.bare else "")
