"""A run that is recorded, the same run replayed when nobody is there to be asked any more, and what may differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tests import same
from tests.servers import SERVERS
from tests.workspace import Outcome, Workspace, workflow

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.http import ModelServer, Reply, Request

OF_THE_OUTPUTS: Final = {"duration-ms", "clients-created", "client-hits", "steps-replayed", "cost-usd"}
"""What of the outputs may differ, by its name; of the rest `tests.same` says so."""

OF_THE_DIRECTORY: Final = {"results-path", "trace-path", "review-path"}
"""Which directory a run took, and that a replay is not reviewed."""

FAST: Final = {"wait_min": 0.01, "wait_max": 0.02}
"""A failure policy that does not wait."""


def told(outcome: Outcome) -> dict[str, Any]:
    """Everything that a run left for others, without what may differ between a recording and its replay."""
    outputs = {k: v for k, v in outcome.outputs.items() if k not in OF_THE_OUTPUTS | OF_THE_DIRECTORY}
    return {
        "exit code": outcome.exit_code,
        "outputs": outputs,
        "results": same.results(outcome.results),
        "summary": same.summary(outcome.summary),
        "annotations": outcome.annotations,
    }


@dataclass(frozen=True)
class Both:
    """A recording run and the replay of what it recorded, which said the same."""

    record: Outcome
    replay: Outcome
    requests: list[Request]
    spec: dict[str, Any]

    @property
    def paths(self) -> list[str]:
        """The steps that were answered."""
        return [step["path"] for step in self.record.results["steps"] if step["status"] == "success"]


def record(
    workspace: Workspace, pattern: dict[str, Any], reply: Reply, *, provider: str = "openai", **changes: Any
) -> tuple[Outcome, ModelServer, dict[str, Any]]:
    """A recording run against a server that is gone when it ends, and the file that ran."""
    inputs = changes.pop("inputs_of_action", {})
    with SERVERS[provider](reply) as server:
        spec = workflow(server.url, pattern, provider=provider, **changes)
        return workspace.run(at_this_server(spec, server), mode="record", **inputs), server, spec


def at_this_server(spec: dict[str, Any], server: ModelServer) -> dict[str, Any]:
    """A file whose fallbacks are asked at the same server as its agents."""
    for one in spec["runtime"].get("fallbacks", ()):
        one["host"] = server.url
    return spec


def both(workspace: Workspace, pattern: dict[str, Any], reply: Reply, **changes: Any) -> Both:
    """Record, then replay without a server and without a key. Fails where they do not say the same."""
    inputs = changes.get("inputs_of_action", {})
    recorded, server, spec = record(workspace, pattern, reply, **changes)
    assert recorded.outputs["steps-replayed"] == "0", recorded.log
    assert recorded.exit_code != 70, recorded.log
    keys, workspace.environ = workspace.environ, {}
    replayed = workspace.run(spec, mode="replay", **inputs)
    workspace.environ = keys
    assert replayed.outputs["results-path"], recorded.log + replayed.log
    assert told(replayed) == told(recorded)
    ran = [step for step in replayed.results["steps"] if step["status"] == "success"]
    assert {step["source"] for step in ran} <= {"tape"}
    assert replayed.outputs["steps-replayed"] == str(len(ran))
    assert replayed.outputs["clients-created"] == "0"
    return Both(recorded, replayed, server.requests, spec)


def fixtures(workspace: Workspace) -> dict[str, Path]:
    """The files of a workspace's only recordings, by their names."""
    return {file.name: file for file in sorted((workspace.root / "fixtures/test").iterdir())}
