"""One step of a job as the runner lays it out on the host, and its `docker run` line (container action handler).

The docker socket, which the runner mounts as well, is left out: nothing of ours may reach for it. The host's network
replaces the bridge, so that the container finds the scripted model servers on the loopback.
"""

import contextlib
import os
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final

import yaml
from testcontainers.core.container import DockerContainer

from tests.container.runner_parser import Command, in_any_order, parse_file_command

ROOT: Final = Path(__file__).parents[2]
LABEL: Final = "strands-action.tests"
RUNNER_UID: Final = 1001
EXIT_TIMEOUT_S: Final = 60
MOUNTS: Final = {
    "workspace": "/github/workspace",
    "home": "/github/home",
    "workflow": "/github/workflow",
    "runner_temp": "/github/runner_temp",
    "file_commands": "/github/file_commands",
}
FILE_COMMANDS: Final = {
    "GITHUB_OUTPUT": "set_output",
    "GITHUB_STATE": "save_state",
    "GITHUB_ENV": "set_env",
    "GITHUB_PATH": "add_path",
    "GITHUB_STEP_SUMMARY": "step_summary",
}


@dataclass(frozen=True)
class Outcome:
    """What the runner has in hand when the container has gone."""

    exit_code: int
    stdout: str
    stderr: str
    job: "Job"

    @cached_property
    def outputs(self) -> dict[str, str]:
        """Read as the runner reads them: a malformed file raises."""
        return parse_file_command(self.job.command_file("GITHUB_OUTPUT").read_text())

    @cached_property
    def summary(self) -> str:
        return self.job.command_file("GITHUB_STEP_SUMMARY").read_text()

    @cached_property
    def commands(self) -> list[Command]:
        """Those that do something, which are the same in whatever order the runner reads the streams."""
        first, *others = in_any_order(self.stdout, self.stderr)
        assert all(other == first for other in others)
        return first

    @property
    def errors(self) -> list[Command]:
        return [command for command in self.commands if command.name == "error"]

    def artifact(self, output: str) -> Path:
        """The file an output names, as a later step on the host would find it from the workspace."""
        return self.job.workspace / self.outputs[output]


class Job:
    """The folders of one job on the host, owned by the runner's user, and one step in them."""

    def __init__(self, root: Path, files: Mapping[str, str]) -> None:
        self.root = root
        self.owner = (RUNNER_UID, RUNNER_UID) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
        self._suffix = str(uuid.uuid4())
        for folder in MOUNTS:
            (root / folder).mkdir()
        self._write(root / "workflow/event.json", "{}")
        for name in FILE_COMMANDS:
            self._write(self.command_file(name), "")
        for name, text in files.items():
            self._write(self.workspace / name, text)
        if os.geteuid() == 0:
            for path in (root, *root.rglob("*")):
                os.chown(path, *self.owner)

    @property
    def workspace(self) -> Path:
        return self.root / "workspace"

    def command_file(self, name: str) -> Path:
        return self.root / "file_commands" / f"{FILE_COMMANDS[name]}_{self._suffix}"

    @contextlib.contextmanager
    def started(
        self, image: str, inputs: Mapping[str, str], env: Mapping[str, str] | None = None, **line: Any
    ) -> Iterator["Running"]:
        """The container, started with the runner's line; `line` adds to it or replaces parts of it."""
        line = {"entrypoint": [action()["runs"]["entrypoint"]], "command": action()["runs"]["args"], **line}
        container = DockerContainer(image, command=line.pop("command"))
        container.env = {**self._environment(inputs), **(env or {})}
        container.with_name(f"strandsaction_{uuid.uuid4().hex[:12]}")
        for folder, target in MOUNTS.items():
            container.with_volume_mapping(self.root / folder, target, "rw")
        container.with_kwargs(
            labels={LABEL: self._suffix}, working_dir=MOUNTS["workspace"], **{"network": "host", **line}
        )
        with container:
            yield Running(container, self)

    def run(self, image: str, inputs: Mapping[str, str], env: Mapping[str, str] | None = None, **line: Any) -> Outcome:
        with self.started(image, inputs, env, **line) as running:
            return running.outcome()

    def _environment(self, inputs: Mapping[str, str]) -> dict[str, str]:
        given = {**_defaults(), **inputs}
        return {
            **{"INPUT_" + name.replace(" ", "_").upper(): value for name, value in given.items()},
            **{name: f"/github/file_commands/{self.command_file(name).name}" for name in FILE_COMMANDS},
            "HOME": "/github/home",
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_ACTION": "__self",
            "GITHUB_ACTOR": "someone",
            "GITHUB_API_URL": "https://api.github.com",
            "GITHUB_EVENT_NAME": "push",
            "GITHUB_EVENT_PATH": "/github/workflow/event.json",
            "GITHUB_JOB": "build",
            "GITHUB_REF": "refs/heads/main",
            "GITHUB_REF_NAME": "main",
            "GITHUB_REF_TYPE": "branch",
            "GITHUB_REPOSITORY": "owner/repository",
            "GITHUB_RUN_ATTEMPT": "1",
            "GITHUB_RUN_ID": "1",
            "GITHUB_RUN_NUMBER": "1",
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_SHA": "0" * 40,
            "GITHUB_WORKFLOW": "ci",
            "GITHUB_WORKSPACE": MOUNTS["workspace"],
            "RUNNER_ARCH": "X64",
            "RUNNER_NAME": "runner",
            "RUNNER_OS": "Linux",
            "RUNNER_TEMP": MOUNTS["runner_temp"],
            # Host paths that mean nothing inside, as with the real one.
            "RUNNER_TOOL_CACHE": "/opt/hostedtoolcache",
            "RUNNER_WORKSPACE": "/home/runner/repository",
            "ACTIONS_RUNTIME_TOKEN": "runtime-token-that-must-not-be-printed",
        }

    def _write(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@dataclass(frozen=True)
class Running:
    """A container on its way, and the job it works for."""

    container: DockerContainer
    job: Job

    def signal(self, name: str) -> None:
        """What the docker CLI does with a signal that it gets: hand it to the first process."""
        self.container.get_wrapped_container().kill(name)

    def outcome(self) -> Outcome:
        wrapped = self.container.get_wrapped_container()
        exit_code = int(wrapped.wait(timeout=EXIT_TIMEOUT_S)["StatusCode"])
        stdout, stderr = (text.decode() for text in self.container.get_logs())
        return Outcome(exit_code, stdout, stderr, self.job)


@cache
def action() -> dict[str, Any]:
    """action.yml as the runner reads it: every scalar is a string, `true` included."""
    read: dict[str, Any] = yaml.load((ROOT / "action.yml").read_text(), Loader=yaml.BaseLoader)
    return read


def _defaults() -> dict[str, str]:
    # The runner passes every declared input, so an omitted one arrives as its default or empty, never unset.
    return {name: _evaluated(about.get("default", "")) for name, about in action()["inputs"].items()}


def _evaluated(default: str) -> str:
    return "token-that-must-not-be-printed" if "${{" in default else default
