"""Files of test cases to `Case`s: which workflow each is for, what it gives to the run, what it expects of it.

All that is wrong with a file is told at once, with its place. What could never fail is wrong as well: a check that
holds whatever happens looks like one and is none.
"""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final, TypeVar

from runner.errors import Finding, Location, SpecError
from runner.inputs import TESTS
from runner.intake import ENDINGS
from runner.plan.schemas import load as load_schema
from runner.spec.load import read, to_shape
from runner.spec.nearest import nearest
from runner.testing.checks import problems
from runner.testing.judge import Expected
from runner.testing.shapes import FileShape, StepExpectation

if TYPE_CHECKING:
    from runner.spec.load import Document
    from runner.testing.paths import Part
    from runner.testing.shapes import AnswerExpectation, CaseShape

T = TypeVar("T")
NEEDS: Final = "a file of test cases needs cases, each with a name"


@dataclass(frozen=True)
class Case:
    """One case of a file. Names of files are relative to the workspace.

    `recordings` is the name of a directory below the workflow's own recordings; None are those of the workflow itself.
    A `live` case asks the real model `repeat` times; `real_tools` are used by live ones, and by others that ask for
    them.
    """

    file: str
    name: str
    at: Location
    workflow: str
    variables: Mapping[str, Any] = field(default_factory=dict)
    recordings: str | None = None
    real_tools: bool = False
    live: bool = False
    repeat: int = 1
    min_passes: int = 1
    hitl_response: str | None = None
    facts: str | None = None
    expected: Expected = Expected()

    def __str__(self) -> str:
        return f"{self.file}: {self.name}"


def load(name: str, workspace: Path) -> tuple[Case, ...]:
    """The cases of one file by its name in the workspace. Raises SpecError with every finding, and FileProblem."""
    file = read(workspace / name, name, NEEDS)
    if not isinstance(file.data, dict):
        told = f"{NEEDS}; it is a mapping, not a {type(file.data).__name__}"
        raise SpecError([Finding(told, file.locate(()))])
    shape = to_shape(FileShape, file)
    findings: list[Finding] = []
    workflow = _or_told(findings, partial(workflow_of, name, shape.workflow, workspace, file.locate(("workflow",))))
    findings += problems(shape, file)
    cases = [_case(number, one, file, workflow or "", workspace, findings) for number, one in enumerate(shape.cases)]
    findings += _at_odds(cases)
    if findings:
        raise SpecError(sorted(dict.fromkeys(findings), key=lambda finding: finding.at))
    return tuple(cases)


def load_all(names: Sequence[str], workspace: Path) -> tuple[Case, ...]:
    """The cases of several files. Raises SpecError with every finding in any of them, and FileProblem."""
    findings: list[Finding] = []
    cases = [case for name in names for case in _or_told(findings, partial(load, name, workspace)) or ()]
    findings += _at_odds(cases)
    if findings:
        raise SpecError(dict.fromkeys(findings))
    return tuple(cases)


def _case(
    number: int, shape: CaseShape, file: Document, workflow: str, workspace: Path, findings: list[Finding]
) -> Case:
    place: tuple[Part, ...] = ("cases", number)
    root = (workspace / file.file).parent
    own = shape.variables or shape.hitl_response is not None or shape.facts is not None
    return Case(
        file=file.file,
        name=shape.name,
        at=file.locate((*place, "name"), key=True),
        workflow=workflow,
        variables=shape.variables,
        recordings=None if shape.live else shape.recordings or (slug(shape.name) if own else None),
        real_tools=shape.live or shape.tools == "live",
        live=shape.live,
        repeat=shape.repeat,
        min_passes=shape.repeat if shape.min_passes is None else shape.min_passes,
        hitl_response=shape.hitl_response,
        facts=_facts(shape, file, (*place, "facts"), workspace, findings),
        expected=Expected(
            shape.expect,
            lambda path: file.locate((*place, "expect", *path), key=True),
            _schemas(shape, file, (*place, "expect"), root, workspace, findings),
        ),
    )


def _facts(
    shape: CaseShape, file: Document, place: tuple[Part, ...], workspace: Path, findings: list[Finding]
) -> str | None:
    """The file of facts of a case, from the workspace; what it says is read when the case is run."""
    if shape.facts is None:
        return None
    found = PurePosixPath(os.path.normpath(PurePosixPath(file.file).parent / shape.facts)).as_posix()
    if os.path.isabs(shape.facts) or found.split("/")[0] == "..":
        findings.append(Finding(f"facts '{shape.facts}' lies outside the workspace", file.locate(place)))
    elif not os.path.isfile(workspace / found):
        findings.append(Finding(f"facts '{shape.facts}' is not there: there is no file {found}", file.locate(place)))
    return found


def _schemas(
    shape: CaseShape,
    file: Document,
    place: tuple[Part, ...],
    root: Path,
    workspace: Path,
    findings: list[Finding],
) -> dict[str | None, Mapping[str, Any]]:
    steps = {name: one for name, one in (shape.expect.steps or {}).items() if isinstance(one, StepExpectation)}
    found: dict[str | None, Mapping[str, Any]] = {}
    whole: list[tuple[str | None, AnswerExpectation]] = [(None, shape.expect), *steps.items()]
    for name, says in whole:
        inside = (*place, *(("steps", name) if name is not None else ()), "json_schema")
        try:
            if (schema := load_schema("json_schema", says.json_schema, root, workspace)) is not None:
                found[name] = schema
        except SpecError as error:
            findings += [Finding(one.message, file.locate(inside)) for one in error.findings]
    return found


def _or_told(findings: list[Finding], made: Callable[[], T]) -> T | None:
    """What is loaded; None where that cannot be, with the findings added to those of others."""
    try:
        return made()
    except SpecError as error:
        findings += error.findings
        return None


# -- which workflow ---------------------------------------------------------------------------------------------------


def workflow_of(name: str, says: str | None, workspace: Path, at: Location) -> str:
    """The workflow file of a file of test cases: the one that it `says`, from where it stands, or the one beside it
    of the same name. Raises SpecError where there is none."""
    base = PurePosixPath(name).parent
    if says is not None:
        found = PurePosixPath(os.path.normpath(base / says)).as_posix()
        if found.split("/")[0] == ".." or os.path.isabs(says):
            raise SpecError([Finding(f"workflow '{says}' lies outside the workspace", at)])
        if not os.path.isfile(workspace / found):
            there = nearest(PurePosixPath(found).name, _workflows_in((workspace / found).parent))
            raise SpecError([Finding(f"workflow '{says}' is not there: there is no file {found}; {there}", at)])
        return found
    stem = re.sub(r"\.test\.ya?ml$", "", PurePosixPath(name).name)
    looked_for = [stem + ending for ending in ENDINGS]
    for one in looked_for:
        if os.path.isfile(workspace / base / one):
            return (base / one).as_posix()
    told = f"no workflow is beside it: there is neither {looked_for[0]} nor {looked_for[1]}"
    raise SpecError([Finding(f"{told}; say which with the key 'workflow'", Location(name))])


def _workflows_in(directory: Path) -> list[str]:
    if not os.path.isdir(directory):
        return []
    names = (one.name for one in directory.iterdir())
    return sorted(name for name in names if name.endswith(ENDINGS) and not name.endswith(TESTS))


# -- recordings -------------------------------------------------------------------------------------------------------


def slug(name: str) -> str:
    """A name as one of a directory: letters, digits and hyphens. One without any has a digest of it."""
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss")).encode("ascii", "ignore").decode().lower()
    words = re.findall(r"[a-z0-9]+", plain)
    return "-".join(words)[:60].strip("-") or f"case-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _at_odds(cases: Sequence[Case]) -> Iterator[Finding]:
    """Cases that would write over each other's recordings."""
    first: dict[tuple[str, str | None], Case] = {}
    for case in cases:
        other = first.setdefault((case.workflow, case.recordings), case)
        if case.live or other.live:
            continue
        if _given(case) != _given(other):
            told = f"has the recordings '{case.recordings}' as '{other.name}' ({other.at}) has, and gives other values"
            yield Finding(f"case '{case.name}' {told}; name its own with the key 'recordings'", case.at)


def _given(case: Case) -> tuple[Any, ...]:
    """What a case gives to its run, that its recordings are of."""
    return case.variables, case.hitl_response, case.facts
