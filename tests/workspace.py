"""A workspace with workflow files in it, and the action run there as a CI host would, in this process."""

from __future__ import annotations

import io
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from runner.main import main
from tests import build
from tests.build import chain as chain  # here beside the other patterns

OWNER = 1234
"""A user without a name, who owns workspaces in tests that root runs."""


def push(directory: Path) -> dict[str, str]:
    """What a host says of the event that starts a job, where it is a push."""
    (directory / ".github-event").write_text("{}")
    return {"GITHUB_EVENT_NAME": "push", "GITHUB_EVENT_PATH": str(directory / ".github-event")}


@dataclass
class Outcome:
    """What a run left: exit code, step outputs, files, log."""

    exit_code: int
    outputs: dict[str, str]
    summary: str
    log: str
    stdout: str
    root: Path

    @property
    def results(self) -> dict[str, Any]:
        return json.loads((self.root / self.outputs["results-path"]).read_text())  # type: ignore[no-any-return]

    @property
    def trace(self) -> list[dict[str, Any]]:
        return json.loads((self.root / self.outputs["trace-path"]).read_text())["spans"]  # type: ignore[no-any-return]

    @property
    def annotations(self) -> list[str]:
        return [line for line in self.log.splitlines() if line.startswith(("::error", "::warning"))]

    def logged(self, word: str) -> list[str]:
        return [line for line in self.log.splitlines() if f" {word}" in line]


class Workspace:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.environ: dict[str, str] = {}
        self._event = "push"

    def write(self, name: str, content: str | dict[str, Any]) -> str:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False))
        return name

    def event(self, name: str, payload: dict[str, Any] | str, **variables: str) -> None:
        """What starts the action from now on, instead of a push; `variables` are the host's, without GITHUB_."""
        self._event = name
        (self.root / ".github-event").write_text(payload if isinstance(payload, str) else json.dumps(payload))
        self.environ |= {f"GITHUB_{variable}": value for variable, value in variables.items()}

    def action(self, **inputs: str) -> Outcome:
        """Run the action with inputs; underscores in names stand for hyphens."""
        if not (self.root / ".github-event").exists():
            self.event("push", {})
        output, summary = self.root / ".github-output", self.root / ".github-summary"
        for file in (output, summary):
            file.write_text("")
        host = {
            "GITHUB_ACTIONS": "true",
            "GITHUB_EVENT_NAME": self._event,
            "GITHUB_EVENT_PATH": str(self.root / ".github-event"),
            "GITHUB_WORKSPACE": str(self.root),
            "GITHUB_OUTPUT": str(output),
            "GITHUB_STEP_SUMMARY": str(summary),
        }
        given = {f"INPUT_{name.replace('_', '-').upper()}": value for name, value in inputs.items()}
        return self._main([], {**self.environ, **host, **given})

    def run(self, content: str | dict[str, Any], **inputs: str) -> Outcome:
        """Run the action on one workflow file with this content."""
        return self.action(spec=self.write("workflow.yaml", content), **inputs)

    def command(self, *arguments: str) -> Outcome:
        """Run the command line."""
        return self._main(list(arguments), self.environ)

    def _main(self, arguments: list[str], environ: dict[str, str]) -> Outcome:
        stdout, log = io.StringIO(), io.StringIO()
        code = main(arguments, environ, cwd=self.root, stdout=stdout, stderr=log)
        outputs = read_outputs(Path(environ["GITHUB_OUTPUT"]).read_text()) if "GITHUB_OUTPUT" in environ else {}
        summary = Path(environ["GITHUB_STEP_SUMMARY"]).read_text() if "GITHUB_STEP_SUMMARY" in environ else ""
        return Outcome(code, outputs, summary, log.getvalue(), stdout.getvalue(), self.root)


@contextmanager
def jobs_workspace() -> Iterator[Workspace]:
    """One of an ordinary user that everybody can enter, as a job's is: what root starts runs as its owner, who cannot
    come by where pytest makes its directories."""
    with tempfile.TemporaryDirectory(prefix="workspace-") as directory:
        root = Path(directory).resolve()
        root.chmod(0o755)
        if os.geteuid() == 0:
            os.chown(root, OWNER, OWNER)
        yield Workspace(root)


def read_outputs(text: str) -> dict[str, str]:
    """The runner's reading of a file of outputs; the last value of a name wins."""
    found, lines = {}, iter(text.split("\n"))
    for line in lines:
        if not line:
            continue
        heading = re.fullmatch(r"([^=<]+)<<(.+)", line)
        assert heading, f"not a heading: {line!r}"
        value = []
        for part in lines:
            if part == heading[2]:
                break
            value.append(part)
        else:
            raise AssertionError(f"{heading[1]} has no end")
        found[heading[1]] = "\n".join(value)
    return found


def workflow(
    host: str, pattern: dict[str, Any], *, agents: dict[str, Any] | None = None, **changes: Any
) -> dict[str, Any]:
    """A workflow file against a server of a test. `agents` are all there are; `provider` goes into runtime too."""
    runtime = {"host": host, "provider": changes.pop("provider", "openai"), **(changes.pop("runtime", None) or {})}
    return build.workflow(
        runtime=runtime,
        pattern=pattern,
        agents={"writer": None, **(agents or {"writer": {"prompt": "You write."}})},
        **changes,
    )


def parallel(reduce: dict[str, Any] | None = None, **branches: Sequence[str | Mapping[str, Any]]) -> dict[str, Any]:
    """Branches by name, each a list of steps."""
    return build.parallel(*({"id": name, "steps": steps} for name, steps in branches.items()), reduce=reduce)


def tasks(**needs: list[str]) -> dict[str, Any]:
    """A DAG of `writer`s, each asked its own name."""
    return build.dag(*({"id": name, "input": name, "deps": deps} for name, deps in needs.items()))
