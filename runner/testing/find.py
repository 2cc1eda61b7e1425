"""Which files of test cases are meant: by name, by glob, by directory, or by the workflow that they are for."""

from __future__ import annotations

import os
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from runner.errors import FileProblem, Location, SpecError, UsageError
from runner.inputs import TESTS
from runner.intake import below, matching
from runner.spec.load import read
from runner.testing.cases import workflow_of

if TYPE_CHECKING:
    from collections.abc import Iterable


def files_of_cases(spec: Iterable[str], workspace: Path) -> list[str]:
    """The files of test cases, by their names in the workspace, each once. Raises UsageError for an entry that has
    none, and FileProblem for one that is not there."""
    found = [file for name in spec for file in _of(name, workspace)]
    if not found:
        raise UsageError("nothing to test; set 'spec' to files of test cases (*.test.yaml), workflows or directories")
    return list(dict.fromkeys(found))


def _of(name: str, workspace: Path) -> list[str]:
    if matches := matching(name, workspace):
        return _of_matches(name, matches, workspace)
    name = PurePath(name).as_posix()
    if os.path.isdir(workspace / name):
        found = [(PurePath(name) / one).as_posix() for one in below(workspace / name, TESTS)]
        if not found:
            raise UsageError(f"there is no test case (*.test.yaml, *.test.yml) below '{name}'")
        return found
    if not os.path.isfile(workspace / name):
        raise FileProblem(f"there is no file {name}; paths are relative to the workspace", at=Location(name))
    return [name] if name.endswith(TESTS) else _of_workflow(name, workspace)


def _of_matches(name: str, matches: Iterable[str], workspace: Path) -> list[str]:
    """Those among the matches of a glob, and of the workflows among them; not every workflow there need have some."""
    found: list[str] = []
    for one in matches:
        found += [one] if one.endswith(TESTS) else _for_workflow(one, workspace)
    if not found:
        raise UsageError(f"no file that matches '{name}' is one of test cases (*.test.yaml), or has one beside it")
    return found


def _of_workflow(name: str, workspace: Path) -> list[str]:
    if found := _for_workflow(name, workspace):
        return found
    stem = PurePath(name).stem
    told = f"there are no test cases for {name}: neither {stem}{TESTS[0]} nor {stem}{TESTS[1]} is beside it"
    raise UsageError(f"{told}, and no other *{TESTS[0]} there says workflow: {PurePath(name).name}")


def _for_workflow(name: str, workspace: Path) -> list[str]:
    """The files of test cases beside a workflow that are for it."""
    base = PurePath(name).parent
    beside = sorted(one.name for one in (workspace / base).iterdir() if one.name.endswith(TESTS) and one.is_file())
    files = [(base / one).as_posix() for one in beside]
    return [file for file in files if _is_for(file, name, workspace)]


def _is_for(file: str, workflow: str, workspace: Path) -> bool:
    """Whether a file of test cases is for a workflow. One that nobody can tell of is: that is worth telling."""
    try:
        data = read(workspace / file, file).data
        says = data.get("workflow") if isinstance(data, dict) else None
        found = workflow_of(file, says if isinstance(says, str) else None, workspace, Location(file))
    except SpecError:
        return PurePath(file).name.split(".test.")[0] == PurePath(workflow).stem
    return (workspace / found).samefile(workspace / workflow)
