"""Documentation that cannot lie: files written from the code are current, every code block is run or checked, and all
of the language is told."""

from __future__ import annotations

import inspect
import json
import re
import shlex
import subprocess
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

import pytest
import yaml

from docs.write_reference import written
from runner import onion
from runner.arguments import from_arguments
from runner.errors import Finding, Location
from runner.facts.facts import facts_of
from runner.facts.file import read_facts
from runner.inputs import INPUTS
from runner.main import main
from runner.plan.catalogue import LANGUAGE_TOOLS
from runner.plan.scope import ANSWER_FIELDS, OWN_NAMES, RESERVED
from runner.report import progress
from runner.report.outputs import results_json
from runner.report.planned import as_json
from runner.report.results import OUTPUTS, Failure
from runner.report.tested import CaseStatus
from runner.spec import models, patterns
from runner.spec.providers import PROVIDERS
from runner.testing import shapes
from runner.testing.cases import load_all
from runner.testing.plugin import RECORD
from tests import build
from tests.agents.using import anybodys_python
from tests.build import findings_of
from tests.contract.test_reuse import AWS
from tests.servers import BedrockServer, OpenAIServer
from tests.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.spec.shape import Shape
    from tests.servers.http import Request

ROOT = Path(__file__).parents[1]
FACTS = ROOT / "examples/pr-review/fixtures/pr-review/facts.yaml"
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*/README.md")])


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
CASES = [block for block in BLOCKS if block.language == "yaml" and "cases" in data(block)]
JOBS = [block for block in BLOCKS if block.language == "yaml" and "jobs" in data(block)]
TOLD = [block for block in BLOCKS if block.language == "yaml" and not data(block).keys() - {"github", "pr", "ci"}]
WALKED = "docs/start.md"  # by tests/test_start.py, one block after the other
COMMANDS = [
    (block, line)
    for block in BLOCKS
    if block.language == "sh" and block.page != WALKED
    for line in block.text.splitlines()
]


def test_every_block_is_of_a_kind_that_is_checked_here():
    # Python is run by tests/testing/test_outsider.py; what Mermaid draws is compared by test_figures.py and
    # test_pattern_pages.py.
    known = ("sh", "text", "python", "mermaid")
    unchecked = [
        block for block in BLOCKS if block.language not in known and block not in (*SPECS, *JOBS, *CASES, *TOLD)
    ]
    assert [str(block) for block in unchecked] == []
    assert SPECS
    assert JOBS
    assert CASES
    assert TOLD
    assert COMMANDS
    assert {block.page for block in BLOCKS if block.language == "python"} == {"docs/pytest.md"}


@pytest.mark.parametrize("block", TOLD, ids=str)
def test_a_block_of_facts_can_be_read(block: Block, tmp_path: Path):
    (tmp_path / "facts.yaml").write_text(block.text)
    found = facts_of(read_facts(tmp_path / "facts.yaml", "facts.yaml"))
    assert found.pull is not None
    assert found.pull.change is not None
    assert [file.path for file in found.pull.change.files] == ["a.py"]


def stand_ins(spec: dict[str, Any], folder: Path) -> str:
    """A folder where every MCP server that a file starts is the small one of the tests."""
    folder.mkdir()
    for server in spec.get("tools", {}).get("mcp", []):
        program = folder / server["command"]
        program.write_text(f"#!/bin/sh\nexec {anybodys_python()} -P {ROOT / 'tests' / 'servers' / 'mcp_server.py'}\n")
        program.chmod(0o755)
    return str(folder)


def fitting(schema: dict[str, Any]) -> Any:
    """A value that satisfies the schemas in the docs."""
    if "enum" in schema:
        return schema["enum"][0]
    match schema["type"]:
        case "object":
            return {name: fitting(schema["properties"][name]) for name in schema["required"]}
        case "array":
            return [fitting(schema["items"])] * schema.get("minItems", 0)
        case other:
            return {"string": "some text", "number": 10, "integer": 10, "boolean": True}[other]


def obliging(request: Request) -> Any:
    """A model that answers with data where it is asked for data."""
    asked = request.body.get("response_format")
    return fitting(asked["json_schema"]["schema"]) if asked else "ok"


SERVED = [block for block in SPECS if data(block)["runtime"]["provider"] != "local"]  # that one is run by test_start.py


@pytest.mark.parametrize("block", SERVED, ids=str)
def test_a_workflow_file_in_the_docs_runs(block: Block, workspace: Workspace):
    assert findings_of(block.text, need_values=False) == []
    spec = yaml.safe_load(block.text)
    names = [*spec.get("inputs", {}).get("required", {})]
    workspace.environ |= {"PATH": stand_ins(spec, workspace.root / "bin"), **AWS}
    provider = BedrockServer if spec["runtime"]["provider"] == "bedrock" else OpenAIServer
    with provider(obliging) as server:
        answered = {"hitl_response": "approved"} if "hitl" in block.text else {}
        if "{{ pr." in block.text:
            answered["facts"] = workspace.write("facts.yaml", FACTS.read_text())
        variables = yaml.safe_dump(dict.fromkeys(names, "some text"))
        outcome = workspace.run(spec, host=server.url, variables=variables, **answered)

    assert outcome.outputs["status"] == "success"


@pytest.mark.parametrize("block", CASES, ids=str)
def test_test_cases_in_the_docs_are_loaded(block: Block, workspace: Workspace):
    workspace.write("triage.yaml", build.workflow())
    cases = load_all([workspace.write("triage.test.yaml", block.text)], workspace.root)
    assert [case.name for case in cases] == [one["name"] for one in data(block)["cases"]]


@pytest.mark.parametrize(
    "job", [*JOBS, *ROOT.glob("examples/*/*.yml")], ids=lambda job: str(job).removeprefix(f"{ROOT}/")
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
def test_a_command_in_the_docs_is_one_that_works(block: Block, line: str, tmp_path: Path):
    words = shlex.split(line)
    match words[0]:
        case "make":  # what the targets do is run elsewhere: demo by tests/test_examples.py, test by itself
            subprocess.run(["make", "--dry-run", *words[1:]], cwd=ROOT, check=True, capture_output=True)
        case "docker":  # run for real in tests/container; here its arguments for us
            from_arguments(words[words.index("strands-action:dev") + 1 :])
        case "pytest":  # as python is
            assert {*words[1:]} <= {f"--record={one}" for one in RECORD}
        case _:
            assert words[:2] == [".venv/bin/python", "entrypoint.py"]
            inputs = from_arguments(words[2:])
            assert not isinstance(inputs, str)
            assert all((ROOT / name).exists() for name in inputs.spec)
            if inputs.mode in ("live", "record"):  # run by tests/test_examples.py
                return
            elsewhere = ["--artifacts-dir", str(tmp_path)] if inputs.mode in ("replay", "test") else []
            assert main([*words[2:], *elsewhere], {}, cwd=ROOT, stdout=StringIO(), stderr=StringIO()) == 0


@pytest.mark.parametrize("path", written(), ids=lambda path: path.name)
def test_what_is_written_from_the_code_is_current(path: Path):
    assert path.read_text() == written()[path], "run `make docs`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_inside_the_repository_leads_somewhere(page: Path):
    for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_heading_leads_to_one(page: Path):
    for target, heading in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", page.read_text()):
        titles = re.findall(r"^#+ (.+)$", (page.parent / target if target else page).read_text(), re.MULTILINE)
        assert heading in [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles]


def test_the_rooms_in_the_architecture_exist():
    text = (ROOT / "docs/architecture.md").read_text()
    named = set(re.findall(r"`(runner/[\w/]+(?:\.py)?)/?`", text))
    assert named
    for name in named:
        assert (ROOT / name).exists(), name


def test_every_room_is_in_the_architecture():
    rooms = {f"runner/{path.name}" for path in (ROOT / "runner").iterdir() if not path.name.startswith("__")}
    assert rooms == {room for room in rooms if f"`{room}" in (ROOT / "docs/architecture.md").read_text()}


def test_the_wrappers_in_the_architecture_are_those_of_a_call_in_their_order():
    told = [row[0].strip("`") for row in rows("wrapper", (ROOT / "docs/architecture.md").read_text())]
    source = inspect.getsource(onion.wrapped)
    wrapping = [name for line in reversed(source.splitlines()) for name in re.findall(r"(\w+)\(", line)]
    assert told == [*(name for name in wrapping if name in told), "live"]
    assert {name for name in wrapping if hasattr(onion, name)} - {"wrapped", "asyncio", "Diary"} <= {*told}


# -- the language -----------------------------------------------------------------------------------------------------


def told_in(*names: str) -> str:
    """Pages without their examples."""
    pages = [(ROOT / "docs" / name).read_text() for name in names]
    return "\n".join(re.sub(r"^```.*?^```$", "", page, flags=re.DOTALL | re.MULTILINE) for page in pages)


PATTERNS = [f"patterns/{path.name}" for path in sorted(ROOT.glob("docs/patterns/*.md"))]
GUIDE = told_in("language.md", "patterns.md", *PATTERNS, "tools.md", "review-bots.md")
"""What is told of the language."""

TESTING = told_in("testing.md")
"""What is told of test cases."""

TABLES: dict[str, type[Shape]] = {
    "file": models.Spec,
    "runtime": models.Runtime,
    "budgets": models.Budgets,
    "failure_policy": models.FailurePolicy,
    "agents.<id>": models.Agent,
    "step": patterns.Step,
    "hitl": patterns.Gate,
    "compaction": models.Compaction,
    "notes": models.Notes,
    "pull_request": models.PullRequest,
    "outputs.post": models.Post,
    "guardrails": models.Guardrails,
    "skills": models.Skill,
    "http_executors": models.HttpExecutor,
    "mcp": models.McpServer,
    "router": patterns.Router,
    "graph": patterns.GraphConfig,
    "accept": patterns.Accept,
    "limits": patterns.OrchestratorLimits,
}
"""Shapes that have a table of their own, by the word in its first heading."""

TEST_TABLES: dict[str, type[Shape]] = {
    "test file": shapes.FileShape,
    "case": shapes.CaseShape,
    "expect": shapes.Expectation,
    "tools": shapes.ToolsExpectation,
}
ALL_TABLES = [*((name, one, GUIDE) for name, one in TABLES.items())]
ALL_TABLES += [(name, one, TESTING) for name, one in TEST_TABLES.items()]


def in_backticks(text: str) -> set[str]:
    """Every word that stands in backticks."""
    return {word for span in re.findall(r"`([^`\n]+)`", text) for word in re.findall(r"[\w$-]+", span)}


def rows(heading: str, text: str = GUIDE) -> list[list[str]]:
    """The cells of the one table whose first heading this is."""
    [table] = re.findall(rf"^\| `?{re.escape(heading)}`? \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


def test_every_key_of_the_language_is_told():
    told = in_backticks(GUIDE)
    missing = [f"{name}.{key}" for name, one in build.shapes().items() for key in one.known_keys() if key not in told]
    assert missing == []


def test_every_word_that_a_key_may_have_is_told():
    choices = {one for shape in build.shapes().values() for field in shape.model_fields.values()
               for one in words(field.annotation)}  # fmt: skip
    assert choices - in_backticks(GUIDE) == set()


def words(annotation: Any) -> Iterator[str]:
    if get_origin(annotation) is Literal:
        yield from (one for one in get_args(annotation) if isinstance(one, str))
    for inner in get_args(annotation):
        yield from words(inner)


def test_every_word_of_test_cases_is_told():
    found = build.shapes(shapes.FileShape).values()
    keys = {key for shape in found for key in shape.known_keys()}
    choices = {one for shape in found for field in shape.model_fields.values() for one in words(field.annotation)}
    choices |= {*get_args(CaseStatus)}
    assert (keys | choices) - in_backticks(TESTING) == set()


@pytest.mark.parametrize(("heading", "shape", "text"), ALL_TABLES, ids=[name for name, _, _ in ALL_TABLES])
def test_a_table_has_a_row_for_each_key_and_one_only(heading: str, shape: type[Shape], text: str):
    told = [key for row in rows(heading, text) for key in re.findall(r"`([^`]+)`", row[0])]
    assert sorted(told) == sorted(shape.known_keys())


@pytest.mark.parametrize(("heading", "shape", "text"), ALL_TABLES, ids=[name for name, _, _ in ALL_TABLES])
def test_a_default_in_a_table_is_the_one_of_the_code(heading: str, shape: type[Shape], text: str):
    fields = shape.model_fields
    for names, default, _ in (row for row in rows(heading, text) if len(row) == 3):
        for name in re.findall(r"`([^`]+)`", names):
            plain = isinstance(fields[name].default if name in fields else None, str | int | float)
            told = re.fullmatch("`([^`]+)`", default)
            assert bool(told) == plain, name
            assert not told or yaml.safe_load(told[1]) == fields[name].default


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_table_of_providers_says_what_the_catalogue_does(provider: str):
    [row] = [row for row in rows("provider") if row[0] == f"`{provider}`"]
    facts = PROVIDERS[provider]
    assert re.findall(r"`(\w+)`", row[1]) == list(facts.keys)
    assert (row[3] == f"`{provider}`") == bool(facts.packages)
    assert (row[5] == "none") == (not facts.caches_prompts)
    assert row[6] == "{} to {}".format(*facts.parallel)


def test_every_tool_is_told():
    assert LANGUAGE_TOOLS - in_backticks(GUIDE) == set()


def test_every_name_that_templates_can_use_is_told():
    names = {*RESERVED, *ANSWER_FIELDS}.union(*OWN_NAMES.values())
    assert names - in_backticks(GUIDE) == set()


# -- the reference ----------------------------------------------------------------------------------------------------


def test_every_key_of_the_results_is_told():
    failure = Failure("Failed", "why", findings=(Finding("why", Location("workflow.yaml")),))
    document = json.loads("".join(results_json(build.report(failure=failure, warnings=failure.findings))))
    told = in_backticks((ROOT / "docs/reference.md").read_text())
    assert set(keys(document)) - told == set()


def keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from keys(inner)


def test_every_key_of_a_printed_plan_is_told():
    document = json.loads(as_json(build.plan_of(build.workflow())))
    told = in_backticks((ROOT / "docs/reference.md").read_text())
    assert set(keys(document)) - told == set()


def test_every_word_that_begins_a_log_line_is_told():
    source = Path(progress.__file__).read_text()
    begun = {*re.findall(r'_line\("[A-Z]+", "(\w+)"', source), *re.findall(r'"(agent_cache_\w+)"', source)}
    assert len(begun) > 10
    assert begun - in_backticks((ROOT / "docs/reference.md").read_text()) == set()
