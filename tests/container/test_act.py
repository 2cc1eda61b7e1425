"""A workflow that says `uses: ./`, run by act: a second, independent reading of action.yml and of the file commands."""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import docker
import pytest

from runner.report.results import OUTPUTS
from tests.container.job import ROOT
from tests.hostile_run import LOUD
from tests.servers import Answer, OpenAIServer

pytestmark = [pytest.mark.container, pytest.mark.timeout(600)]

ACT: Final = Path(sys.executable).with_name("act")
ACTION: Final = ("action.yml", "Dockerfile", ".dockerignore", "entrypoint.py", "runner", "requirements")
IMAGE: Final = "act-dockeraction:latest"
TOOL_CACHE: Final = "act-toolcache"
SPEC: Final = """\
version: 0
name: spoken
runtime: {provider: openai, model_id: scripted}
agents:
  speaker: {prompt: You are brief., tools: []}
pattern:
  type: chain
  config:
    steps:
      - {agent: speaker, input: "Greet {{ name }}"}
      - {agent: speaker, input: "Say it all"}
inputs:
  required: {name: string}
outputs:
  step_outputs: {greeting: "{{ steps[0].response }}", hostile: "{{ last_response }}"}
"""
WORKFLOW: Final = """\
on: push
jobs:
  run:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v6
      - id: good
        uses: ./
        env: {OPENAI_API_KEY: key}
        with:
          spec: spec.yaml
          variables: "name: Ada"
          host: HOST
          max-parallel: 2
      - id: bad
        uses: ./
        continue-on-error: true
        with: {spec: nowhere.yaml}
      - env:
          SEEN: >-
            good=${{ steps.good.outcome }},${{ steps.good.outputs.status }},${{ steps.good.outputs.greeting }}
            bad=${{ steps.bad.outcome }},${{ steps.bad.outputs.status }}
          RESULTS: ${{ steps.good.outputs.results-path }}
          OUTPUTS: ${{ toJSON(steps.good.outputs) }}
        run: |
          echo "seen $SEEN"
          test -s "$RESULTS"
          printf '%s' "$OUTPUTS" | base64 -w 0 | sed 's/^/outputs=/'; echo
          env | base64 -w 0 | sed 's/^/env=/'; echo
"""


@pytest.fixture
def tidy(engine: docker.DockerClient) -> Iterator[None]:
    """Takes away what act keeps in the engine, unless it was there before."""
    had_cache = any(volume.name == TOOL_CACHE for volume in engine.volumes.list())
    yield
    if engine.images.list(IMAGE):
        engine.images.remove(IMAGE, force=True, noprune=True)  # its layers are the next run's cache
    if not had_cache and any(volume.name == TOOL_CACHE for volume in engine.volumes.list()):
        engine.volumes.get(TOOL_CACHE).remove(force=True)


def test_outputs_reach_later_steps(base_image: str, tidy: None, tmp_path: Path) -> None:
    repository = _repository(tmp_path / "repository")
    with OpenAIServer(reply=[Answer("Good morning, Ada."), Answer(LOUD)]) as server:
        _add(repository, {"spec.yaml": SPEC, ".github/workflows/use.yml": WORKFLOW.replace("HOST", server.url)})
        log = _act(repository, base_image, home=tmp_path / "home")
        assert [request.user_texts for request in server.requests] == [["Greet Ada"], ["Say it all"]], log
    assert "seen good=success,success,Good morning, Ada. bad=failure,invalid" in log, log
    assert "Job succeeded" in log, log
    _unsteered(log)


def _unsteered(log: str) -> None:
    """What a model said became an output, and nothing else of the job changed by it."""
    outputs, env = (base64.b64decode(text).decode() for text in re.findall(r"\| (?:outputs|env)=([\w+/=]+)", log))
    seen = json.loads(outputs)
    assert seen["status"] == "success"
    assert set(seen) == {"greeting", "hostile", *OUTPUTS}
    assert "pwned" in seen["hostile"]
    assert not re.search("(?im)^pwned=|^PATH=.*pwned", env)


def _repository(folder: Path) -> Path:
    # The working tree as it is, not the last commit: what is tested is what would be committed.
    folder.mkdir()
    for name in ACTION:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, folder / name)
    return folder


def _add(repository: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_text(text)
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.invalid", "-c", "commit.gpgsign=false"]
    for command in (["init", "--quiet"], ["add", "--all"], [*identity, "commit", "--quiet", "--message", "files"]):
        subprocess.run(["git", *command], cwd=repository, check=True, capture_output=True, timeout=30)


def _act(repository: Path, base_image: str, home: Path) -> str:
    home.mkdir()
    done = subprocess.run(
        [ACT, "push", "--rm", "--pull=false", "--no-cache-server", "--platform", f"ubuntu-latest={base_image}"],
        cwd=repository,
        # A home of its own: no settings of the developer's, nothing left in their cache.
        env={**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": str(home), "XDG_CACHE_HOME": str(home)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout
