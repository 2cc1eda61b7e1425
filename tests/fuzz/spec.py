"""The spec loader: any file is a plan, or is refused at places that it has. All that `validate` and `plan` do."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Final

from runner.ci.commands import annotate
from runner.errors import RunnerError
from runner.inputs import from_strings
from runner.intake import plan_of_file
from runner.report.planned import as_json, as_markdown, as_mermaid, as_text
from runner.testing.cases import load as load_cases
from tests import build
from tests.container.runner_parser import parse_log
from tests.fuzz.target import Target
from tests.report.reader import on_github

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.errors import Finding

ROOT: Final = Path(__file__).parents[2]
INPUTS: Final = from_strings({"spec": build.FILE, "mode": "validate"})
CASES: Final = "cases.test.yaml"


def one(data: bytes) -> None:
    workspace = _workspace()
    (workspace / build.FILE).write_bytes(data)
    try:
        plan = plan_of_file(build.FILE, INPUTS, workspace, need_values=False)
    except RunnerError as error:
        _check(error.findings, data)
    else:
        _check(plan.warnings, data)
        for write in (as_text, as_json, as_mermaid):
            write(plan).encode()
        on_github(as_markdown(plan))
    if b"cases" in data:
        (workspace / CASES).write_bytes(data)
        try:
            load_cases(CASES, workspace)
        except RunnerError as error:
            _check(error.findings, data)


def _check(findings: tuple[Finding, ...], data: bytes) -> None:
    """Every finding is one annotation, at a place that there is."""
    text = data.decode("utf-8-sig", "replace")
    for sign in ("\r\n", "\r", "\x85", "\u2028", "\u2029"):
        text = text.replace(sign, "\n")
    lines = f"{text}\n".split("\n")
    for finding in findings:
        at = finding.at
        assert finding.message, f"a finding without words at {at}"
        if at.line and at.file in (build.FILE, CASES):
            assert at.line <= len(lines), f"there is no line of {finding}"
            assert 1 <= at.column <= len(lines[at.line - 1]) + 1, f"there is no column of {finding}"
        [told] = parse_log("\n".join(annotate([finding], "Invalid workflow")))
        assert told.name == finding.level


@cache
def _workspace() -> Path:
    return Path(mkdtemp(prefix="fuzz-"))


def seeds() -> Iterator[bytes]:
    from tests.read.test_language import SAMPLES

    for file in sorted(ROOT.glob("examples/*/*.yaml")):
        yield file.read_bytes()
    for pattern in SAMPLES.values():
        yield build.as_text(build.workflow(pattern=pattern)).encode()
    yield b'{"version": 1, "name": "\\ud83d\\ude00", "agents": {}}'
    yield b"\xef\xbb\xbfa: &a [*a]\n<<: *a\n? {b: 1}\n: !!int 0x1\n"
    yield b"a: |\n  b\n---\n%YAML 1.1\n"


def words() -> tuple[str, ...]:
    keys = {key for shape in build.shapes().values() for key in shape.known_keys()}
    signs = (
        "<<: ",
        "&a ",
        "*a",
        "!!int ",
        "!!set ",
        "!!binary ",
        "---\n",
        "? ",
        ".nan",
        ".inf",
        "0x",
        "1e999",
        "{{ ",
        " }}",
    )
    return (*sorted(keys), *signs, "$ref: ", "else", "{{ steps[0].response }}", "{{ last_response }}", "\\ud83d")


TARGET: Final = Target(one, seeds, words())
