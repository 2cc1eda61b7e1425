"""What stands in the pictures: runs through the real entrypoint, asked of the scripted server that the tests have."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.servers.http import Answer, Request
from tests.servers.openai import AzureServer

ROOT = Path(__file__).parents[1]
COLUMNS, LINES = 80, 50
KEY = {"AZURE_OPENAI_API_KEY": "none"}

CHANGE = "\n".join(f"+    retry(attempt={number}, wait={2 * number} s)" for number in range(170))
ASPECTS = {
    "security": "Nothing that comes from outside reaches a command. The token is read once and never logged.",
    "tests": "The new retry has a test for its last attempt, none for a `Retry-After` in the past.",
    "docs": "`--retries` is told in `--help`; the page on limits still says three.",
}
VERDICT = """\
**Merge it once the page on limits is right.**

- must: `docs/limits.md` says three retries, the code makes five
- could: a test for a `Retry-After` that is already over
"""


@dataclass(frozen=True)
class Scene:
    """A run to look at: a workflow whose agents are all asked at the scripted server, and what `reply` answers them."""

    workflow: dict[str, Any]
    reply: Callable[[Request], Answer]
    status: str
    variables: dict[str, str] = field(default_factory=dict)

    def summary(self, directory: Path) -> str:
        """The summary of a job, in Markdown. `directory` is its workspace, and empty."""
        files = {name: directory / name.lower() for name in ("EVENT_PATH", "OUTPUT", "STEP_SUMMARY")}
        files["EVENT_PATH"].write_text("{}")
        host = {f"GITHUB_{name}": str(file) for name, file in files.items()}
        host |= {"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "push", "GITHUB_WORKSPACE": str(directory)}
        with AzureServer(reply=self.reply) as server:
            self._write(directory, server)
            given = {"INPUT_SPEC": "workflow.yaml", "INPUT_VARIABLES": json.dumps(self.variables)}
            command = [sys.executable, ROOT / "entrypoint.py"]
            subprocess.run(
                command, cwd=directory, env={**KEY, **host, **given}, capture_output=True, check=False
            )  # some shall fail
        told = files["STEP_SUMMARY"].read_text()
        assert told.splitlines()[0].endswith(f": {self.status}"), told
        return told

    def screen(self, directory: Path) -> str:
        """What a terminal is sent by the same run from the command line, colours and all."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        command = [sys.executable, ROOT / "entrypoint.py", "run", "workflow.yaml"]
        command += ["--variables", json.dumps(self.variables)]
        with AzureServer(reply=self.reply) as server:
            self._write(directory, server)
            with subprocess.Popen(command, cwd=directory, env=KEY | {"TERM": "xterm"}, stdout=theirs, stderr=theirs):
                os.close(theirs)
                return _read(ours)

    def _write(self, directory: Path, server: AzureServer) -> None:
        runtime = {"provider": "azure_openai", "model_id": "gpt-5-mini", "host": server.url}
        runtime |= self.workflow.get("runtime", {})
        (directory / "workflow.yaml").write_text(yaml.safe_dump({"version": 1, **self.workflow, "runtime": runtime}))


def _read(terminal: int) -> str:
    parts = []
    with suppress(OSError):  # how Linux tells that nobody has the other end any more
        while part := os.read(terminal, 65536):
            parts.append(part)
    os.close(terminal)
    return b"".join(parts).decode()


def _review(**budget: Any) -> dict[str, Any]:
    branches = [
        {"id": name, "steps": [{"agent": "reviewer", "input": f"{{{{ change }}}}\nLook at the {name}."}]}
        for name in ASPECTS
    ]
    reduce = {"agent": "editor", "input": "{% for one in branches %}{{ one.response }}\n{% endfor %}"}
    return {
        "name": "review",
        "runtime": {"max_tokens": 800, "budgets": {"max_tokens": 40_000, **budget}},
        "inputs": {"required": {"change": "string"}},
        "agents": {"reviewer": {"prompt": "You review a change."}, "editor": {"prompt": "You weigh what was found."}},
        "pattern": {"type": "parallel", "config": {"branches": branches, "reduce": reduce}},
    }


def _reviewed(request: Request) -> Answer:
    asked = request.user_texts[-1]
    for at, (name, found) in enumerate(ASPECTS.items()):
        if asked.endswith(f"Look at the {name}."):
            return Answer(found, usage=(2400 + 310 * at, 180), delay=0.6 + 0.3 * at, cached=(2048, 0))
    return Answer(VERDICT, usage=(900, 220), delay=0.7)


def _refused(request: Request) -> Answer:
    if request.user_texts[-1].endswith("Look at the tests."):
        return Answer(
            "",
            delay=0.3,
            status=401,
            error={"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}},
        )
    return _reviewed(request)


def _many(request: Request) -> Answer:
    number = int(request.user_texts[-1].split()[-1])
    if number == 217:
        return Answer("I cannot", finish="length", usage=(60, 800))
    return Answer(f"File {number} is fine.", usage=(60 + number % 7, 8), delay=0.02 + 0.001 * (number % 50))


def _files(count: int) -> dict[str, Any]:
    tasks = [{"id": f"file-{number}", "agent": "reader", "input": f"Check file {number}"} for number in range(count)]
    return {
        "name": "every file",
        "runtime": {"max_tokens": 800, "max_parallel": 10, "failure_policy": {"on_failure": "continue"}},
        "agents": {"reader": {"prompt": "You check a file."}},
        "pattern": {"type": "workflow", "config": {"tasks": tasks}},
    }


SCENES = {
    "success": Scene(_review(), _reviewed, "success", {"change": CHANGE}),
    "failure": Scene(_review(), _refused, "failed", {"change": CHANGE}),
    "budget": Scene(_review(max_tokens=7_000), _reviewed, "budget", {"change": CHANGE}),
    "many": Scene(_files(500), _many, "failed"),
}
