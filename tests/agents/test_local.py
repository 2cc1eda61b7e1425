"""The embedded model: real, started in the run and ended with it, however that ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from runner.patterns import registry
from runner.processes import descendants
from tests.build import graph, optimizer, routing, way, workers
from tests.programs import needed
from tests.servers import OpenAIServer
from tests.workspace import Workspace, chain, parallel, tasks, workflow

ROOT = Path(__file__).parents[2]
SHORT = {"model_id": None, "host": None, "max_tokens": 40, "temperature": 0}
AGENTS = {"writer": {"prompt": "You answer with one word."}}


def servers(above: int | None = None) -> list[int]:
    """Processes of embedded models: all, or those below one process."""
    # -ww: or lines are cut to 80 columns, and no name is ever found
    listed = subprocess.run(["ps", "-ewwo", "pid=,args="], capture_output=True, text=True, check=True).stdout
    found = {int(line.split()[0]) for line in listed.splitlines() if "llama_server.py" in line}
    return [*(found if above is None else found.intersection(descendants(above)))]


def test_one_server_is_shared_by_a_run_and_gone_with_it(workspace: Workspace):
    needed("ps")
    pattern = tasks(a=[], b=[], c=["a", "b"])
    for task in pattern["config"]["tasks"]:
        task["input"] = "Name one colour."
    outcome = workspace.run(workflow("", pattern, agents=AGENTS, provider="local", runtime=SHORT))

    assert outcome.outputs["status"] == "success"
    assert outcome.outputs["clients-created"] == "1"
    assert int(outcome.outputs["output-tokens"]) > 0
    assert servers(os.getpid()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the library needs no other")
def test_openmp_is_taken_from_the_package_that_brings_it_as_minimal_systems_have_none(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "pykdtree").mkdir()
    (tmp_path / "pykdtree/__init__.py").touch()
    (tmp_path / "pykdtree.libs").mkdir()
    (tmp_path / "pykdtree.libs/libgomp-1.so").write_text("no library, as what is said of it shows")
    monkeypatch.syspath_prepend(tmp_path)
    outcome = workspace.run(workflow("", chain("Name a colour."), agents=AGENTS, provider="local", runtime=SHORT))

    assert outcome.outputs["status"] == "invalid"
    assert re.search(r"could not be started: ImportError: \S+/libgomp\.so\.1: (invalid ELF|file too)", outcome.log)


def test_an_answer_by_schema_is_held_to_it_by_the_servers_grammar(workspace: Workspace):
    schema = {"type": "object", "properties": {"warm": {"type": "boolean"}}, "required": ["warm"]}
    agents = {"writer": {"prompt": "You answer in JSON.", "output_schema": schema}}
    outcome = workspace.run(workflow("", chain("Is red warm?"), agents=agents, provider="local", runtime=SHORT))

    assert outcome.outputs["structured"] in ('{"warm": true}', '{"warm": false}')


def having(**properties: Any) -> dict[str, Any]:
    """A schema of an object with just these properties."""
    return {"type": "object", "properties": properties, "required": list(properties)}


COLOUR = {"type": "string", "enum": ["red", "blue"]}
TASK = having(task={"type": "string", "minLength": 1, "maxLength": 9})
BRIEF = {
    "writer": {"prompt": "Answer in JSON.", "output_schema": COLOUR},
    "router": {"prompt": "Answer in JSON."},
    "judge": {"prompt": "Answer in JSON.", "output_schema": having(score={"enum": [1, 9]})},
    "planner": {
        "prompt": "Answer in JSON.",
        "output_schema": having(tasks={"type": "array", "minItems": 1, "maxItems": 2, "items": TASK}),
    },
}
PATTERNS = {
    "chain": (chain("A colour.", "Another."), 2),
    "routing": (routing({"agent": "router"}, warm=["A colour."], cold=["A colour."]), 2),
    "parallel": (parallel(a=["A colour."], b=["Another."], reduce={"agent": "writer", "input": "One more."}), 3),
    "workflow": (tasks(one=[], two=[], both=["one", "two"]), 3),
    "graph": (graph({"ask": "A colour.", "end": "Another."}, way("ask", end="last_response", ask="else")), 2),
    "evaluator_optimizer": (optimizer(max_iters=1, evaluator={"agent": "judge"}), 2),
    "orchestrator_workers": (workers(orchestrator={"agent": "planner"}), 2),
}


def test_no_pattern_is_left_out() -> None:
    assert PATTERNS.keys() == registry.PATTERNS.keys()


@pytest.mark.parametrize("name", PATTERNS)
def test_each_pattern_runs_on_it(workspace: Workspace, name: str):
    """Its choices mean nothing, and its data is what was asked for at the first attempt: the grammar sees to that."""
    pattern, least = PATTERNS[name]
    brief = {**SHORT, "failure_policy": {"on_malformed": "fail"}, "max_tokens": 60}
    outcome = workspace.run(workflow("", pattern, agents=BRIEF, provider="local", runtime=brief))

    assert (outcome.exit_code, outcome.outputs["status"]) == (0, "success"), outcome.log
    assert outcome.outputs["response"]
    assert sum(step["status"] == "success" for step in outcome.results["steps"]) >= least


SLOW_TO_LOAD = """
import sys, time
time.sleep(0.6)
print("{url}", flush=True)
sys.stdin.read()
"""


def test_the_time_that_a_model_is_loaded_in_is_none_that_it_keeps_silent(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
):
    with OpenAIServer() as server:
        script = workspace.root / workspace.write("server.py", SLOW_TO_LOAD.format(url=server.url.removesuffix("/v1")))
        monkeypatch.setattr("runner.agents.providers.local.SCRIPT", script)
        runtime = {**SHORT, "timeouts": {"first_token_s": 0.5}, "failure_policy": {"retries": 0}}
        outcome = workspace.run(workflow("", chain("go"), provider="local", runtime=runtime))

    assert outcome.outputs["response"] == "ok", outcome.log


def test_an_unknown_model_is_refused_by_name(workspace: Workspace):
    runtime = {**SHORT, "model_id": "llama-405b"}
    outcome = workspace.run(workflow("", chain("go"), provider="local", runtime=runtime))

    assert (outcome.exit_code, outcome.outputs["status"]) == (2, "invalid")
    assert "neither 'smollm2-135m-instruct' nor a .gguf file" in outcome.log


def test_a_run_that_is_killed_leaves_no_server_behind(workspace: Workspace):
    needed("ps")  # before anything is started that a skipped test would leave behind
    endless = {"max_tokens": 1500, "model_id": None, "host": None}
    spec = workflow("", chain("Count to one thousand, slowly."), agents=AGENTS, provider="local", runtime=endless)
    workspace.write("w.yaml", spec)
    command = [sys.executable, str(ROOT / "entrypoint.py"), "run", "w.yaml"]
    process = subprocess.Popen(command, cwd=workspace.root, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while not (started := servers(process.pid)) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()

    deadline = time.monotonic() + 30
    while set(started) & set(servers()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert started
    assert not set(started) & set(servers())
