"""Documentation that cannot lie: files written from the code are current, and every code block is run or checked."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from docs.write_reference import written
from runner.inputs import INPUTS, from_arguments
from runner.report.results import OUTPUTS
from tests.build import findings_of
from tests.servers import OpenAIServer
from tests.workspace import Workspace

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*/README.md")])


@dataclass(frozen=True)
class Block:
    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks() -> list[Block]:
    found = []
    for page in PAGES:
        text = page.read_text()
        for match in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
            line = text.count("\n", 0, match.start()) + 1
            found.append(Block(str(page.relative_to(ROOT)), line, match[1], match[2]))
    return found


def data(block: Block) -> Any:
    return yaml.load(block.text, yaml.BaseLoader)  # as text: `on` stays a word


BLOCKS = blocks()
SPECS = [block for block in BLOCKS if block.language == "yaml" and "pattern" in data(block)]
JOBS = [block for block in BLOCKS if block.language == "yaml" and "jobs" in data(block)]
COMMANDS = [(block, line) for block in BLOCKS if block.language == "sh" for line in block.text.splitlines() if line]


def test_every_block_is_of_a_kind_that_is_checked_here():
    unchecked = [block for block in BLOCKS if block.language not in ("sh", "text") and block not in (*SPECS, *JOBS)]
    assert [str(block) for block in unchecked] == []
    assert SPECS
    assert JOBS
    assert COMMANDS


def stand_ins(spec: dict[str, Any], folder: Path) -> str:
    """A folder where every MCP server that a file starts is the small one of the tests."""
    folder.mkdir()
    for server in spec.get("tools", {}).get("mcp", []):
        program = folder / server["command"]
        program.write_text(f"#!/bin/sh\nexec {sys.executable} -P {ROOT / 'tests' / 'servers' / 'mcp_server.py'}\n")
        program.chmod(0o755)
    return str(folder)


@pytest.mark.parametrize("block", SPECS, ids=str)
def test_a_workflow_file_in_the_docs_runs(block: Block, workspace: Workspace):
    assert findings_of(block.text, need_values=False) == []
    spec = yaml.safe_load(block.text)
    names = [*spec.get("inputs", {}).get("required", {})]
    workspace.environ["PATH"] = stand_ins(spec, workspace.root / "bin")
    with OpenAIServer() as server:
        outcome = workspace.run(spec, host=server.url, variables=yaml.safe_dump(dict.fromkeys(names, "some text")))

    assert outcome.outputs["status"] == "success"


@pytest.mark.parametrize(
    "job", [*JOBS, *ROOT.glob("examples/*/ci.yml")], ids=lambda job: str(job).removeprefix(f"{ROOT}/")
)
def test_a_job_in_the_docs_uses_inputs_and_outputs_that_exist(job: Block | Path):
    text = job.text if isinstance(job, Block) else job.read_text()
    steps = [step for one in yaml.load(text, yaml.BaseLoader)["jobs"].values() for step in one["steps"]]
    ours = [step for step in steps if "strands-action@" in step.get("uses", "") or step.get("uses") == "./"]
    promised = {*OUTPUTS, *_step_outputs()}

    assert ours
    for step in ours:
        assert set(step.get("with", {})) <= {one.name for one in INPUTS}
    for name in re.findall(r"steps\.\w+\.outputs\.([\w-]+)", text):
        assert name in promised


def _step_outputs() -> set[str]:
    specs = [*(yaml.safe_load(block.text) for block in SPECS)]
    specs += [yaml.safe_load(path.read_text()) for path in ROOT.glob("examples/*/workflow.yaml")]
    return set().union(*(spec.get("outputs", {}).get("step_outputs", {}) for spec in specs))


@pytest.mark.parametrize(("block", "line"), COMMANDS, ids=[f"{block} {line}" for block, line in COMMANDS])
def test_a_command_in_the_docs_is_one_that_works(block: Block, line: str):
    words = shlex.split(line)
    match words[0]:
        case "make":  # what the targets do is run elsewhere: demo by tests/test_examples.py, test by itself
            subprocess.run(["make", "--dry-run", *words[1:]], cwd=ROOT, check=True, capture_output=True)
        case "docker":  # run for real in tests/container; here its arguments for us
            from_arguments(words[words.index("strands-action:dev") + 1 :])
        case _:
            assert words[:2] == [".venv/bin/python", "entrypoint.py"]
            inputs = from_arguments(words[2:])
            assert not isinstance(inputs, str)
            for name in inputs.spec:
                assert (ROOT / name).is_file()


@pytest.mark.parametrize("path", written(), ids=lambda path: path.name)
def test_what_is_written_from_the_code_is_current(path: Path):
    assert path.read_text() == written()[path], "run `make docs`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_inside_the_repository_leads_somewhere(page: Path):
    for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_the_rooms_in_the_architecture_exist():
    text = (ROOT / "docs/architecture.md").read_text()
    named = set(re.findall(r"`(runner/[\w/]+(?:\.py)?)/?`", text))
    assert named
    for name in named:
        assert (ROOT / name).exists(), name
