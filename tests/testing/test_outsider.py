"""The package as somebody else has it: built, installed, and used by a project that is the one of the documentation."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from runner.inputs import ActionInputs
from runner.testing.harness import Harness
from tests.build import NOON
from tests.servers import Answer, OpenAIServer, Request
from tests.servers.http import Json

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/pytest.md").read_text()
FLOW = "flows/triage.yaml"
TITLES = {
    "test_an_outage_is_a_bug": "The login page is down",
    "test_a_question_is_one-How-do-I-log-in": "How do I log in?",
    "test_a_question_is_one-Where-is-the-login-page": "Where is the login page?",
}
"""Directories of recordings, and what the documented tests ask."""


def block(language: str) -> str:
    [text] = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    return str(text)


def triager(request: Request) -> Answer | Json:
    if not any(message["role"] == "tool" for message in request.messages):
        return Answer("", tool_calls=[("grep", {"pattern": "login", "path": "docs"})])
    return {"label": "question" if "?" in request.user_texts[-1].partition("this?")[2] else "bug"}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the package as its wheel has it, and nothing else."""
    wheels, target = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("installed")
    build = ["hatchling", "build", "-t", "wheel", "-d", str(wheels)]
    install = ["pip", "install", "--quiet", "--no-index", "--no-deps", "--no-compile", "--target", str(target)]
    subprocess.run([sys.executable, "-m", *build], cwd=ROOT, check=True, capture_output=True)
    subprocess.run([sys.executable, "-m", *install, *map(str, wheels.iterdir())], check=True, capture_output=True)
    return target


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project of the documentation, with its recordings."""
    root = tmp_path_factory.mktemp("project")
    files = {FLOW: block("yaml"), "tests/test_triage.py": block("python"), "docs/faq.md": "login: see there\n"}
    for name, content in {**files, "pytest.ini": "[pytest]\nfilterwarnings = error\n"}.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(content)
    with OpenAIServer(triager) as server:
        for recordings, title in TITLES.items():
            inputs = ActionInputs((FLOW,), variables={"title": title}, mode="record", host=server.url)
            ran = Harness(root, {}, lambda: NOON).run(inputs, recordings=recordings)
            assert ran.report.status == "success"
    return root


@pytest.fixture(scope="module")
def told(project: Path, installed: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What pytest prints where the package is installed: for the project, and for one with another prompt."""
    changed = tmp_path_factory.mktemp("changed") / "project"
    shutil.copytree(project, changed)
    (changed / FLOW).write_text((project / FLOW).read_text().replace("You sort issues", "You judge issues"))
    running = {"as it is": start(project, installed), "changed": start(changed, installed, "-k", "outage")}
    return {name: process.communicate()[0] for name, process in running.items()}


def start(project: Path, installed: Path, *options: str) -> subprocess.Popen[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "OPENAI"))}
    environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(installed), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options]
    return subprocess.Popen(
        command, cwd=project, env=environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def test_the_documented_example_passes_where_the_package_is_installed(told: dict[str, str], project: Path):
    assert re.search(r"^plugins:.*\bstrands-action-\d", told["as it is"], re.MULTILINE), told
    assert re.search(r"^=+ 3 passed in", told["as it is"], re.MULTILINE), told
    assert len([*project.rglob("*.json")]) == len(TITLES)


def test_with_another_prompt_it_fails_and_says_what_is_documented(told: dict[str, str]):
    assert " ".join(block("text").split()) in " ".join(told["changed"].split()), told
    assert "1 test without the right recordings" in told["changed"]


def test_the_wheel_is_built_with_what_the_package_says():
    said = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert {*said["build-system"]["requires"]} <= {*said["project"]["optional-dependencies"]["dev"]}
