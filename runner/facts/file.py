"""A file of facts: what may stand in it. A run writes one, and whoever writes one by hand leaves out what no template
asks for. What it holds is as the host or git told it, before anything is cut for a model.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from pydantic import Field

from runner.errors import SpecError, UsageError
from runner.spec.load import Document, read, to_shape
from runner.spec.shape import Shape

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

BESIDE: Final = "facts.yaml"
"""What the file is called that stands beside recordings."""

NEEDS: Final = "a file of facts has one or more of github, pr, ci"

MAX_BYTES: Final = 128 * 1024 * 1024
"""Of a file that a run has written: the largest diff and the largest payload fit in."""

Count = Field(0, ge=0)


class Github(Shape):
    event_name: str = ""
    repository: str = ""
    sha: str = ""
    ref: str = ""
    actor: str = ""
    run_id: str = ""
    run_attempt: str = ""
    server_url: str = ""
    workflow: str = ""
    job: str = ""
    event: dict[str, Any] = Field({})


class Base(Shape):
    ref: str = ""
    sha: str = ""


class Head(Base):
    fork: bool = False


class Commit(Shape):
    sha: str = ""
    message: str = ""
    author: str = ""


class Comment(Shape):
    author: str = ""
    body: str = ""
    path: str | None = None
    line: int | None = None
    created: str = ""


class ChangedFile(Shape):
    """A file of a change, as the host's API has it."""

    filename: str
    previous_filename: str = ""
    status: str = "modified"
    additions: int = Count
    deletions: int = Count
    sha: str | None = None
    patch: str | None = None


class Pull(Shape):
    """`files` are the host's, or `diff` is what git printed. `whole` says that no file is missing among them.

    `gitattributes` are those of the base. `since_files` is what has changed since the commit `since`.
    """

    number: int | None = None
    title: str = ""
    body: str = ""
    url: str = ""
    author: str = ""
    draft: bool = False
    labels: list[str] = Field([])
    base: Base = Base()
    head: Head = Head()
    commits: list[Commit] = Field([])
    comments: list[Comment] = Field([])
    files: list[ChangedFile] = Field([])
    diff: str = ""
    whole: bool = True
    gitattributes: str = ""
    since: str = ""
    since_files: list[ChangedFile] | None = None


class FailedJob(Shape):
    name: str = ""
    conclusion: str = ""
    step: str = ""
    url: str = ""
    log: str = ""


class Ci(Shape):
    workflow: str = ""
    run_url: str = ""
    head: str = ""
    failed: list[FailedJob] = Field([])


class FactsFile(Shape):
    """A whole file of facts."""

    github: Github = Github()
    pr: Pull = Pull()
    ci: Ci = Ci()


def read_facts(path: Path, shown: str) -> dict[str, Any]:
    """The parts that stand in a file of facts, and no others; in each nothing is missing. Raises SpecError with every
    finding, and FileProblem."""
    found = _of_a_run(path, shown) or to_shape(FactsFile, read(path, shown, NEEDS))
    return {name: _parts(getattr(found, name)) for name in sorted(found.model_fields_set)}


def _parts(written: Shape) -> dict[str, Any]:
    return {name: one for name, one in written.model_dump().items() if name in written.model_fields_set}


def _of_a_run(path: Path, shown: str) -> FactsFile | None:
    """What a run has written, which may be large; None for what somebody wrote by hand, where messages tell the place,
    or what is no file at all."""
    try:
        if not path.is_file() or path.stat().st_size > MAX_BYTES:
            return None
        return to_shape(FactsFile, Document(shown, json.loads(path.read_bytes())))
    except (OSError, ValueError, RecursionError, SpecError):
        return None


def as_text(told: Mapping[str, Any]) -> str:
    """Facts as such a file: JSON, and so YAML. Where a review stands is left out: that is so now, and not when they are
    read again. Raises UsageError for what nests too deeply to be read again."""
    try:
        pull = {"pr": {name: one for name, one in told["pr"].items() if name != "reviewed"}} if "pr" in told else {}
        return json.dumps({**told, **pull}, indent=1) + "\n"
    except RecursionError:
        raise UsageError("the event's payload nests too deeply to be written down") from None
