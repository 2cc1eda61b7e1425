"""The rules of the house, read from the syntax tree: who imports whom, and who may touch the world."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from docs import house
from docs.house import Import, Module, room
from tests.build import as_text, chain, workflow
from tests.servers import SERVERS, OpenAIServer
from tests.servers.aws import AWS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.workspace import Workspace

HOME = Path(__file__).parent.parent

MAY_IMPORT = {
    "entrypoint": {"guard", "main"},
    "guard": {"processes"},
    "processes": set(),
    "testing": {
        *("run", "intake", "tapes", "deliver", "inputs", "credentials"),
        *("facts", "report", "tape", "plan", "spec", "prices", "errors"),
    },
    "main": {"modes", "door", "inputs", "arguments", "guard", "garbage", "errors"},
    "modes": {
        *("door", "run", "testing", "intake", "tapes", "ending", "watchdog", "telemetry", "posting", "facts"),
        *("inputs", "folder", "credentials", "ci", "report", "plan", "errors"),
    },
    "door": {
        *("run", "watchdog", "stopping", "deliver", "trust", "inputs", "credentials", "log"),
        *("ci", "plan", "report", "errors"),
    },
    "posting": {"inputs", "deliver", "folder", "diff", "facts", "post", "plan", "ci", "report", "errors"},
    "trust": {"inputs", "ci", "plan", "report", "errors"},
    "ending": {
        "spans",
        "run",
        "posting",
        "tapes",
        "deliver",
        "inputs",
        "folder",
        "telemetry",
        "log",
        "ci",
        "report",
        "tape",
        "errors",
    },
    "watchdog": {"run", "stopping", "errors"},
    "stopping": {"log", "guard", "errors"},
    "intake": {"inputs", "plan", "spec", "errors"},
    "tapes": {"inputs", "folder", "tape", "report", "plan", "spec", "errors"},
    "deliver": {"answers", "spans", "inputs", "folder", "ci", "report", "errors"},
    "onion": {"calls", "tape", "notes", "plan", "errors"},
    "course": {"plan", "step", "prices", "errors"},
    "diff": {"tokens", "errors"},
    "facts": {"inputs", "folder", "diff", "ci", "report", "plan", "spec", "tokens", "errors"},
    "post": {"facts", "diff", "ci", "report", "plan", "errors"},
    "threads": set(),
    "garbage": set(),
    "tokens": set(),
    "invisible": set(),
    "walk": set(),
    "spill": {"errors"},
    "answers": {"spill", "report"},
    "run": {
        *("threads", "garbage", "course", "onion", "patterns", "step", "agents", "calls", "tape", "notes", "plan"),
        *("answers", "spill"),
        *("prices", "errors"),
    },
    "patterns": {"plan", "spec", "errors"},
    "step": {"calls", "plan", "spec", "errors"},
    "agents": {"calls", "tape", "plan", "spec", "walk", "processes", "tokens", "errors"},
    "calls": {"tape", "plan", "spec", "prices", "tokens", "errors"},
    "tape": {"plan", "prices", "walk", "spill", "errors"},
    "plan": {"spec", "prices", "errors"},
    "spec": {"records", "errors"},
    "errors": {"records"},
    "records": set(),
    "report": {"prices", "errors"},
    "prices": set(),
    "ci": {"report", "errors"},
    "log": {"ci", "report", "errors"},
    "inputs": {"spec", "errors"},
    "arguments": {"inputs", "spec", "errors"},
    "folder": {"walk", "errors"},
    "notes": {"walk", "errors"},
    "credentials": {"plan", "spec", "errors"},
    "telemetry": {"spans", "plan", "report", "errors"},
    "spans": {"spill", "report", "errors"},
}
"""For every room those it may import besides itself. A new room needs a row, which is where to think about it."""

LEAVES = {
    *("runner.report.results", "runner.report.events", "runner.report.verdicts"),
    *("runner.records", "runner.invisible"),
}
"""Plain data, what it is made of, and what nobody sees in a text: all but `spec` and `errors` may import these."""

ALLOWED = {
    ("runner.report.planned", "runner.plan.plan"): "it shows a plan",
    ("runner.report.planned", "runner.plan.estimate"): "and what it may cost",
    ("runner.modes.run", "runner.agents.sdk"): "its process is nobody else's, so the SDK may be imported in part",
    ("runner.modes.run", "runner.calls.recalled"): "it hands over what humans answered",
    ("runner.modes.run", "runner.calls.gates"): "which is what it passes on",
    ("runner.testing.harness", "runner.calls.recalled"): "as a run does",
    ("runner.testing.fixture", "runner.ci.commands"): "what pytest shows of a run goes to a host as well",
    ("type", "runner.step"): "its protocols are what a pattern is given and what opens a span",
}
"""Single imports that a row does not give; `type` stands for whoever imports it for a type checker only."""

FORBIDDEN = {("runner.step", "runner.calls.budget")}

SDKS = {"strands", "mcp", "openai", "boto3", "botocore", "ollama", "anthropic", "google"}
CHILD_SCRIPTS = {
    "runner.agents.providers.llama_server",
    "runner.agents.tools.confine",
    "runner.agents.tools.matcher",
    "runner.agents.tools.verifier",
}
"""Each runs as a process of its own and is never imported, so the world's rules are not for it."""


@cache
def modules() -> dict[str, Module]:
    """Every module of ours, by its name."""
    return house.modules("runner")


@cache
def imports() -> tuple[Import, ...]:
    """Every import of every module, wherever in it."""
    return tuple(house.imports(modules()))


def ours() -> list[Import]:
    return [one for one in imports() if one.of == "runner" or one.of.startswith("runner.")]


def allowed(one: Import) -> bool:
    here, there = one.rooms
    if (one.by, one.of) in FORBIDDEN:
        return False
    if here == there or there in MAY_IMPORT[here] or (one.by, one.of) in ALLOWED:
        return True
    if one.for_types and ("type", one.of) in ALLOWED:
        return here in ("patterns", "agents")
    return one.of in LEAVES and here not in ("spec", "errors")


def test_every_room_has_a_row() -> None:
    assert {room(name) for name in modules()} - {"runner"} == set(MAY_IMPORT)


def test_imports_run_down() -> None:
    assert [str(one) for one in ours() if not allowed(one)] == []


def test_every_exception_is_still_needed() -> None:
    made = {(one.by, one.of) for one in ours()} | {("type", one.of) for one in ours() if one.for_types}
    assert set(ALLOWED) - made == set()


def test_no_two_modules_import_each_other() -> None:
    assert house.circles(house.graph((one.by, one.of) for one in ours() if not one.for_types)) == []


def test_only_agents_and_the_room_that_asks_aws_for_secrets_import_an_sdk() -> None:
    strangers = [one for one in imports() if one.of.split(".")[0] in SDKS and room(one.by) != "agents"]
    strangers = [one for one in strangers if one.by != "runner.credentials.aws"]
    assert [str(one) for one in strangers] == []


def test_aiohttp_is_imported_where_it_is_quick() -> None:
    importers = {one.by for one in imports() if one.of.split(".")[0] == "aiohttp"}
    assert importers == {"runner.agents.aio"}


# -- the world --------------------------------------------------------------------------------------------------------

DOORS = ("entrypoint", "runner.guard", "runner.main", "runner.testing.plugin")
"""Where processes come in: the action's and the command line's, and that of pytest. The guard is one of its own."""

WORLD = {
    "os.environ": "the environment",
    "os.getenv": "the environment",
    "os.putenv": "the environment",
    "sys.argv": "the arguments",
    "sys.exit": "the exit",
    "os._exit": "the exit",
    "SystemExit": "the exit",
    "sys.stdout": "the streams",
    "sys.stderr": "the streams",
    "print": "the streams",
    "datetime.now": "the wall clock",
    "datetime.utcnow": "the wall clock",
    "datetime.today": "the wall clock",
    "date.today": "the wall clock",
    "time.time": "the wall clock",
    "time.time_ns": "the wall clock",
    "time.strftime": "the wall clock",
    "time.localtime": "the wall clock",
    "time.gmtime": "the wall clock",
}


def touches(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The lines where a module reaches for the world, and for what; imported names count as reaching."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=owner), attr=attr):
                found = [f"{owner}.{attr}"]
            case ast.Attribute(value=ast.Attribute(attr=owner), attr=attr):
                found = [f"{owner}.{attr}"]
            case ast.Name(id=name):
                found = [name]
            case ast.ImportFrom(module=module, names=names):
                found = [f"{module}.{alias.name}" for alias in names]
            case ast.Import(names=names):
                found = [f"{alias.name} as" for alias in names if alias.asname and alias.name in ("os", "sys", "time")]
            case _:
                continue
        yield from ((node.lineno, one) for one in found if one in WORLD or one.endswith(" as"))


def test_only_the_doors_touch_the_world() -> None:
    found = [
        f"{name}:{line} uses {what}"
        for name, module in modules().items()
        if name not in (*DOORS, *CHILD_SCRIPTS)
        for line, what in touches(module.syntax)
    ]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "import os\nos.environ['A']",
        "from os import environ",
        "import sys\nsys.exit(1)",
        "raise SystemExit",
        "print('hello')",
        "from datetime import datetime\ndatetime.now()",
        "import datetime\ndatetime.datetime.now()",
        "from time import time",
        "import time\ntime.time()",
        "import os as o\no.environ",
    ],
)
def test_reaching_for_the_world_is_noticed(source: str) -> None:
    assert list(touches(ast.parse(source)))


@pytest.mark.parametrize("source", ["loop.time()", "self.now()", "stdout.write('x')", "os.path.join('a')"])
def test_what_was_handed_in_is_not_the_world(source: str) -> None:
    assert not list(touches(ast.parse(source)))


# -- size -------------------------------------------------------------------------------------------------------------


def test_every_module_says_what_lives_in_it() -> None:
    silent = [name for name, one in modules().items() if one.syntax.body and not ast.get_docstring(one.syntax)]
    assert silent == []


def test_no_function_is_longer_than_60_lines() -> None:
    sizes = {f"{name}.{at}": size for name, module in modules().items() for at, size in module.functions.items()}
    assert {at: size for at, size in sizes.items() if size > 60} == {}


def test_no_module_says_more_than_400_lines() -> None:
    """Empty lines are not counted: `spec.models` is a list of small shapes and half of it is air."""
    lengths = {name: len(module.lines) for name, module in modules().items()}
    assert {name: length for name, length in lengths.items() if length > 400} == {}


def test_every_pattern_is_small_and_knows_of_neither_calls_nor_agents() -> None:
    """Control flow is told in one screen or two; what wraps a call is nobody's business there."""
    from runner.patterns.registry import PATTERNS

    homes = {pattern.__module__ for pattern in PATTERNS.values()}  # type: ignore[attr-defined]
    assert len(homes) == 7
    files = [HOME / "runner/patterns" / f"{name.rpartition('.')[2]}.py" for name in homes]
    assert {file.stem for file in files if len(file.read_text(encoding="utf-8").splitlines()) >= 100} == set()
    strangers = [one for one in ours() if room(one.by) == "patterns" and one.rooms[1] in ("calls", "agents")]
    assert [str(one) for one in strangers] == []


# -- what stays unloaded ----------------------------------------------------------------------------------------------

CALL_THE_DOOR = """
import io, json, pathlib, sys
from runner.main import main
arguments, environ = json.loads(sys.argv[1])
code = main(arguments, environ, cwd=pathlib.Path.cwd(), stdout=io.StringIO(), stderr=io.StringIO())
theirs = {
    name.partition(".")[0]
    for name, module in sys.modules.items()
    if "site-packages" in (getattr(module, "__file__", None) or "") and not name.startswith("_")
}
print(json.dumps([code, sorted(theirs)]))
"""

TO_CHECK = ["actions_toolkit", "annotated_types", "jinja2", "markupsafe", "pydantic", "pydantic_core"]
TO_CHECK += ["typing_extensions", "typing_inspection", "yaml"]
"""The packages of others that a file is read and checked with."""

OF_THE_SDK = ["attr", "attrs", "docstring_parser", "idna", "jsonschema", "jsonschema_specifications", "opentelemetry"]
OF_THE_SDK += ["packaging", "referencing", "rpds", "strands", "watchdog", "wrapt"]
"""And those that come with the SDK whatever it is asked."""

OF_A_SUMMARY = ["markdown_it", "mdurl"]
"""What tells how a host will show an answer."""


@pytest.mark.parametrize(
    ("arguments", "environ", "code"),
    [
        (["--help"], {}, 0),
        (["schema"], {}, 0),
        (["validate", "workflow.yaml"], {}, 0),
        (["validate", "flows"], {}, 3),
        (["plan", "workflow.yaml"], {}, 0),
        (["run", "workflow.yaml", "--max-parallel", "none"], {}, 2),
        (["run", "workflow.yaml"], {}, 2),  # the key for openai is missing
        (["run", "missing.yaml"], {}, 12),
        ([], {"INPUT_SPEC": "workflow.yaml", "INPUT_MODE": "rewind"}, 2),
    ],
    ids=["help", "schema", "validate", "a directory", "plan", "bad flag", "no key", "no file", "bad input"],
)
def test_without_a_run_nothing_is_loaded_that_only_a_run_needs(
    tmp_path: Path, arguments: list[str], environ: dict[str, str], code: int
) -> None:
    (tmp_path / "workflow.yaml").write_text(as_text(workflow()))
    (tmp_path / "flows").mkdir()
    for name, agent in {"good": {}, "broken": {"promt": "x"}, "worse": {"tools": ["nothing"]}}.items():
        (tmp_path / f"flows/{name}.yaml").write_text(as_text(workflow(agents={"writer": agent})))
    found, packages = loaded_by(arguments, environ, tmp_path)
    assert found == code
    assert set(packages) <= set(TO_CHECK)


def test_a_check_of_a_file_loads_nothing_to_look_for_plugins_with(tmp_path: Path) -> None:
    """`runner.main._no_plugins` knows a private name of Pydantic's."""
    (tmp_path / "workflow.yaml").write_text(as_text(workflow()))
    command = [sys.executable, "-X", "importtime", str(HOME / "entrypoint.py"), "validate", "workflow.yaml"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    loaded = {line.rpartition("|")[2].strip() for line in ended.stderr.splitlines()}
    assert (ended.returncode, "pydantic.plugin" in loaded) == (0, True)
    assert loaded & {"importlib.metadata", "email", "socket", "tempfile"} == set()


def test_templates_of_paths_alone_are_checked_without_jinja(tmp_path: Path) -> None:
    (tmp_path / "workflow.yaml").write_text(as_text(workflow(pattern=chain("Write.", "After {{ steps[0].response }}"))))
    assert loaded_by(["validate", "workflow.yaml"], {}, tmp_path) == [0, TO_CHECK]
    (tmp_path / "workflow.yaml").write_text(as_text(workflow(pattern=chain("Write.", "After {{ last_response }}"))))
    without = [name for name in TO_CHECK if name not in ("jinja2", "markupsafe")]
    assert loaded_by(["validate", "workflow.yaml"], {}, tmp_path) == [0, without]


def test_who_asks_for_help_waits_for_nobodys_package(tmp_path: Path) -> None:
    assert loaded_by(["--help"], {}, tmp_path) == [0, []]
    assert loaded_by(["run", "--help"], {}, tmp_path) == [0, []]


def test_a_replay_loads_no_more_than_the_sdk_itself_does(workspace: Workspace) -> None:
    """No HTTP stack, no provider's package, no tool: what is replayed asks nobody."""
    tools = {"http_executors": [{"id": "desk", "base_url": "https://desk.example"}], "python": ["web_fetch"]}
    with OpenAIServer() as server:
        content = workflow(
            runtime={"host": server.url}, agents={"writer": {"tools": ["desk", "web_fetch"]}}, tools=tools
        )
        assert workspace.run(content, mode="record").exit_code == 0
    told = loaded_by(["run", "workflow.yaml", "--mode", "replay"], {}, workspace.root)
    assert told == [0, sorted([*TO_CHECK, *OF_THE_SDK, *OF_A_SUMMARY])]


AIOHTTP = "aiohappyeyeballs aiohttp aiosignal certifi frozenlist multidict propcache yarl".split()
BOTO = "boto3 botocore certifi dateutil jmespath s3transfer six urllib3".split()
PRICES = ["genai_prices", "httpx2"]
"""Of a call whose provider has a list of them: one that is asked at another host than its own has none."""


@pytest.mark.parametrize(("provider", "needs"), [("openai", AIOHTTP), ("bedrock", BOTO + PRICES)])
def test_a_run_loads_what_its_own_provider_needs(workspace: Workspace, provider: str, needs: list[str]) -> None:
    with SERVERS[provider]() as server:
        workspace.write("workflow.yaml", workflow(runtime={"host": server.url, "provider": provider}))
        told = loaded_by(["run", "workflow.yaml"], {**AWS, "OPENAI_API_KEY": "key"}, workspace.root)
    assert told == [0, sorted([*TO_CHECK, *OF_THE_SDK, *OF_A_SUMMARY, *needs])]


def loaded_by(arguments: list[str], environ: dict[str, str], directory: Path) -> list[Any]:
    """The exit code of a process of its own, and what is heavy of that which it imported."""
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", CALL_THE_DOOR, json.dumps([arguments, environ])],
        cwd=directory,
        env={"PYTHONPATH": str(HOME), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    told: list[Any] = json.loads(ended.stdout)
    return told
