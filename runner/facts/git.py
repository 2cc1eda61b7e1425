"""git, asked for what a repository holds. Its settings, hooks and attributes may be a stranger's: nothing that they
name is run, no network is reached, and no answer is without a bound.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from runner.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MAX_ANSWER: Final = 32 * 1024 * 1024
SECONDS: Final = 60.0

_SETTINGS: Final = (
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.pager=cat",
    "core.quotePath=true",
    "core.attributesFile=/dev/null",
    "diff.orderFile=/dev/null",
    "format.pretty=medium",
    "log.showSignature=false",
    "protocol.allow=never",
    "gc.auto=0",
    "maintenance.auto=false",
)
"""Over those of the repository. What is not a setting stands in _environ, and in the flags of a command."""


class GitProblem(Exception):
    """git did not answer; the half sentence tells why."""


@dataclass(frozen=True)
class Git:
    """One repository, asked from a directory that holds no file of a change: attributes in a work tree, such as what
    is to be shown as binary, are the head's, and would hide from a reviewer what a stranger wants to be hidden."""

    program: str
    directory: str
    arguments: tuple[str, ...]

    def __call__(self, *arguments: str) -> str:
        """What git prints. Raises GitProblem."""
        settings = [part for one in _SETTINGS for part in ("-c", one)]
        command = [self.program, "--no-pager", *self.arguments, *settings, *arguments]
        with tempfile.TemporaryFile() as errors:
            try:
                process = subprocess.Popen(  # noqa: S603 - git, from the PATH
                    command,
                    cwd=self.directory,
                    env=_environ(self.program),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    start_new_session=True,
                )
            except OSError as error:
                raise GitProblem(f"git cannot be started: {error.strerror}") from None
            content = _content(process)
            errors.seek(0)
            told = errors.read(2_000).decode(errors="replace").strip().splitlines()
        if process.returncode:
            raise GitProblem(_why(told) or f"git ends with {process.returncode}")
        return content.decode(errors="replace")

    def maybe(self, *arguments: str) -> str:
        """The line that git prints; empty where it refuses."""
        try:
            return self(*arguments).strip()
        except GitProblem:
            return ""


def _why(told: list[str]) -> str:
    """What git says of its end: that, and not what it warns of before."""
    why = next((line.removeprefix("fatal: ") for line in told if line.startswith("fatal: ")), "".join(told[:1]))
    return f"{why} (nothing is fetched here: this takes a whole clone, without a filter)" if "promisor" in why else why


def _content(process: subprocess.Popen[bytes]) -> bytes:
    """All that a process writes, which is ended where that is too much or takes too long."""
    assert process.stdout is not None
    late = threading.Timer(SECONDS, process.kill)
    late.start()
    try:
        with process.stdout as out:
            content = out.read(MAX_ANSWER + 1)
            if len(content) > MAX_ANSWER:
                raise GitProblem(f"it is more than {MAX_ANSWER // 1024 // 1024} MiB")
        process.wait()
        if not late.is_alive():
            raise GitProblem(f"it takes longer than {SECONDS:g} s")
        return content
    finally:
        late.cancel()
        process.kill()
        process.wait()


def _environ(program: str) -> dict[str, str]:
    """No settings but the repository's own, no question, no network for what is not there, no lock, no replaced
    commits."""
    return {
        "PATH": os.path.dirname(program),
        "HOME": "/nonexistent",
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_ALLOW_PROTOCOL": "none",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_PAGER": "cat",
        "GIT_INDEX_FILE": "/nonexistent/index",
    }


def git_in(directory: Path, environ: Mapping[str, str]) -> Git:
    """The repository that a directory lies in. A relative entry of the PATH is passed over: it may lead into that.

    Raises UsageError where there is no git, or no repository that is to be trusted with being one.
    """
    entries = [one for one in environ.get("PATH", os.defpath).split(os.pathsep) if os.path.isabs(one)]
    program = shutil.which("git", path=os.pathsep.join(entries))
    if program is None:
        raise UsageError("there is no `git` here to ask for what has changed; give the input 'facts', or install it")
    here = str(directory.resolve())
    trusted = ("-c", f"safe.directory={here}", "-c", "safe.bareRepository=explicit")
    try:
        found = Git(program, here, trusted)("rev-parse", "--absolute-git-dir").removesuffix("\n")
    except GitProblem as problem:
        raise UsageError(f"what has changed cannot be had from git: {problem}") from None
    return Git(program, found, (f"--git-dir={found}", f"--work-tree={found}"))
