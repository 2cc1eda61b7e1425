"""Every example replays as it is committed; and recorded anew on the embedded model, where it is made for that, it
replays to the byte, in another process, with another hash seed, without keys, and with every way out of the process
closed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from docs.write_questions import renewed
from tests import same
from tests.workspace import Workspace

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted(path.parent.name for path in ROOT.glob("examples/*/workflow.yaml"))
PROVIDERS = {name: yaml.safe_load((ROOT / f"examples/{name}/workflow.yaml").read_text())["runtime"]["provider"]
             for name in EXAMPLES}  # fmt: skip
EMBEDDED = [name for name in EXAMPLES if PROVIDERS[name] == "local"]
ANEW = EMBEDDED if os.environ.get("STRANDS_SOAK") else ["dependency-advice", "hello", "issue-triage"]
"""Those that are recorded anew. `make soak` takes all of them, which is a minute of the embedded model's work."""

CUT_OFF = """
import os, pathlib, socket, sys
def closed(*arguments, **named):
    raise AssertionError(f"a replay reaches for the network: {arguments}")
socket.getaddrinfo = socket.create_connection = closed
socket.socket.connect = socket.socket.connect_ex = closed
sys.path.insert(0, sys.argv.pop(1))
from runner.main import main  # which comes back
code = main(sys.argv[1:], os.environ, cwd=pathlib.Path.cwd(), stdout=sys.stdout, stderr=sys.stderr)
seen = [name for name in ("openai", "anthropic", "google.genai", "ollama", "xllamacpp") if name in sys.modules]
assert not seen, f"a replay imports {seen}"
sys.exit(code)
"""


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_has_its_page_its_job_its_test_cases_and_its_recordings(name: str):
    home = ROOT / "examples" / name
    assert [file for file in ("README.md", "ci.yml", "workflow.test.yaml") if not (home / file).is_file()] == []
    assert [*home.glob("fixtures/*/*.json")]


@pytest.mark.parametrize("name", sorted({*EXAMPLES} - {*EMBEDDED}))
def test_recordings_of_a_model_that_nobody_asked_say_that_they_are_written_by_hand(name: str):
    recordings = [json.loads(file.read_text()) for file in (ROOT / "examples" / name).glob("fixtures/**/*.json")]
    assert {one.get("origin") for one in recordings} == {"hand"}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_replays_as_it_is_committed(workspace: Workspace, name: str):
    shutil.copytree(ROOT / "examples" / name, workspace.root / name)
    outcome = workspace.action(spec=f"{name}/workflow.yaml", mode="replay")

    assert outcome.exit_code == 0, outcome.log
    taken = [step for step in outcome.results["steps"] if step["status"] != "skipped"]
    assert {(step["status"], step["source"]) for step in taken} == {("success", "tape")}
    assert outcome.outputs["clients-created"] == "0"
    assert "recordings that nothing asked for" not in outcome.log


def test_recordings_written_by_hand_are_brought_up_to_date_and_keep_their_answers(workspace: Workspace):
    shutil.copytree(ROOT / "examples/pr-review", workspace.root / "pr-review")
    spec = workspace.root / "pr-review/workflow.yaml"
    spec.write_text(spec.read_text().replace("You review a change", "You read a change"))
    assert workspace.action(spec="pr-review/workflow.yaml", mode="replay").exit_code == 14

    files, report = renewed("pr-review/workflow.yaml", workspace.root)
    assert report.status == "success"
    for file, text in files.items():
        before, after = json.loads(file.read_text()), json.loads(text)
        assert (before["turns"], before["answer"]) == (after["turns"], after["answer"])
        file.write_text(text)
    assert workspace.action(spec="pr-review/workflow.yaml", mode="replay").exit_code == 0


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ANEW)
def test_an_example_recorded_on_the_embedded_model_replays_to_the_byte(name: str, tmp_path: Path):
    shutil.copytree(
        ROOT / "examples" / name, tmp_path / name, ignore=shutil.ignore_patterns("*.json")
    )  # facts are kept
    command = ["run", f"{name}/workflow.yaml", "--artifacts-dir"]

    recorded = process([str(ROOT / "entrypoint.py"), *command, "recorded", "--mode", "record"], tmp_path, seed=1)
    results = json.loads((tmp_path / "recorded/results.json").read_text())
    taken = [step for step in results["steps"] if step["status"] != "skipped"]  # of routes and nodes, some are not
    assert {(step["status"], step["source"]) for step in taken} == {("success", "live")}
    assert all(step["response"] and step["usage"]["output_tokens"] for step in taken)
    assert "Clients: 1 created" in recorded.stderr
    assert recorded.stdout.strip() == results["response"]

    replayed = process(["-c", CUT_OFF, str(ROOT), *command, "replayed", "--mode", "replay"], tmp_path, seed=77)
    assert replayed.stdout == recorded.stdout
    assert left(tmp_path / "replayed") == left(tmp_path / "recorded")


def left(directory: Path) -> dict[str, Any]:
    """What a run left, without what may differ."""
    return {
        "results": same.results(json.loads((directory / "results.json").read_text())),
        "summary": same.summary((directory / "summary.md").read_text()),
        "artifacts": same.artifacts(directory),
    }


def process(arguments: list[str], directory: Path, *, seed: int) -> subprocess.CompletedProcess[Any]:
    """A run of its own, without a key, a proxy, or a home."""
    ended = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=directory,
        env={"PATH": os.environ["PATH"], "PYTHONHASHSEED": str(seed)},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert ended.returncode == 0, ended.stderr
    return ended
