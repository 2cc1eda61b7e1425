"""Test cases as a user writes them, in a workspace with a workflow `triage.yaml`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.errors import Location, SpecError
from runner.report.tested import CaseResult, Failed
from runner.spec.load import parse, to_shape
from runner.testing.cases import Case, load
from runner.testing.judge import Expected, judge
from runner.testing.shapes import FileShape
from tests import build

if TYPE_CHECKING:
    from runner.report.results import RunReport

FILE = "triage.test.yaml"


def cases_of(tmp_path: Path, text: str, name: str = FILE) -> tuple[Case, ...]:
    """The cases of a file of this text."""
    write(tmp_path, "triage.yaml", build.as_text(build.workflow()))
    return load(write(tmp_path, name, text), tmp_path)


def findings_of(tmp_path: Path, text: str, name: str = FILE) -> list[str]:
    """What is wrong with a file of this text, each as `line:column: message`, or the message alone where it is about
    the whole file."""
    try:
        cases_of(tmp_path, text, name)
    except SpecError as error:
        return [str(one).removeprefix(f"{name}:").lstrip() for one in error.findings]
    return []


def write(root: Path, name: str, text: str) -> str:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return name


def expected(**says: Any) -> Expected:
    """What `expect` with these keys expects; each part of it stands in a line of its own, from line 4 on."""
    text = build.as_text({"cases": [{"name": "a case", "expect": says}]})
    file = parse(text, FILE)
    shape = to_shape(FileShape, file).cases[0].expect
    return Expected(shape, lambda path: file.locate(("cases", 0, "expect", *path), key=True))


def judged(report: RunReport, cost_usd: float | None = None, **says: Any) -> list[str]:
    """What a run is not and should be, as sentences."""
    return [one.message for one in judge(expected(**says), report, cost_usd)]


def failed(what: str = "response", **changes: Any) -> Failed:
    """The response should contain 'bug', but is 'a feature', says line 7."""
    defaults = {"expected": "contain 'bug'", "actual": "is 'a feature'", "at": Location(FILE, 7, 9)}
    return Failed(what=what, **{**defaults, **changes})


def result(name: str = "a case", **changes: Any) -> CaseResult:
    """A case that passed, in line 3, with 10 tokens in 40 ms; one with failures failed."""
    status = "failed" if changes.get("failures") else "error" if changes.get("error") else "passed"
    defaults = {"file": FILE, "at": Location(FILE, 3, 5), "status": status, "tokens": 10, "duration_ms": 40}
    if status != "passed":
        defaults["passes"] = 0
    return CaseResult(name=name, **{**defaults, **changes})
