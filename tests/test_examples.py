"""Every example runs as it is written: on the embedded model, from the command line, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted(path.parent.name for path in ROOT.glob("examples/*/workflow.yaml"))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs_on_the_embedded_model(name: str, tmp_path: Path):
    command = [sys.executable, "-W", "error", "entrypoint.py", "run", f"examples/{name}/workflow.yaml"]
    ended = subprocess.run(
        [*command, "--artifacts-dir", str(tmp_path / "out")],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},  # no key, no proxy, no home
        capture_output=True,
        text=True,
        timeout=280,
    )

    assert ended.returncode == 0, ended.stderr
    results = json.loads((tmp_path / "out/results.json").read_text())
    taken = [step for step in results["steps"] if step["status"] != "skipped"]  # of routes and nodes, some are not
    assert {step["status"] for step in taken} == {"success"}
    assert all(step["response"] and step["usage"]["output_tokens"] for step in taken)
    assert results["clients"]["created"] == 1
    assert "Cache hit rate: " in ended.stderr
    assert "Clients: 1 created" in ended.stderr
    assert f"Summary: {tmp_path}/out/summary.md" in ended.stderr
    assert f"Trace: {tmp_path}/out/trace-" in ended.stderr
    assert ended.stdout.strip() == results["response"]
