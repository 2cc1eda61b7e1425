"""Signals at any moment of a job's step: from when its process hears anything at all to its very end.

A few of them, with another seed in every run of the suite; `make soak` sends fifty.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest
from docker.errors import APIError

from runner.processes import descendants
from runner.tape.store import read
from tests.build import as_text
from tests.container.job import Job, Outcome
from tests.servers import Answer, OpenAIServer, Request
from tests.workspace import workflow

pytestmark = [
    pytest.mark.container,
    pytest.mark.timeout(600),
    pytest.mark.skipif(sys.platform != "linux", reason="looks at the processes of the container"),
]

SOAK: Final = bool(os.environ.get("STRANDS_SOAK"))
SIGNALS: Final = 50 if SOAK else 6
AT_ONCE: Final = 2
SEED: Final = random.SystemRandom().randrange(10**6)

IN_TIME_S: Final = 5.0
ON_ITS_WAY_S: Final = 0.25
"""A request that was being made when the signal came arrives all the same."""

KEY: Final = {"OPENAI_API_KEY": "key-that-must-not-be-printed"}


BRANCHES: Final = ("one", "two", "three")


def branch(name: str) -> dict[str, Any]:
    return {
        "id": name,
        "steps": [
            {"agent": agent, "input": f"{text}: {{{{ last_response }}}}" if at else f"{text}."}
            for at, (agent, text) in enumerate(zip(("reader", "writer", "writer"), steps_of(name), strict=True))
        ],
    }


def written(host: str) -> str:
    """Branches beside each other, tools that are processes, and calls that fail at first."""
    pattern = {
        "type": "parallel",
        "config": {
            "branches": [branch(name) for name in BRANCHES],
            "reduce": {
                "agent": "writer",
                "input": f"Join {' '.join(f'{{{{ branches.{one}.response }}}}' for one in BRANCHES)}",
            },
        },
    }
    return as_text(
        workflow(
            host,
            pattern,
            agents={
                "reader": {"prompt": "You read.", "tools": ["file_read", "grep"]},
                "writer": {"prompt": "You compute.", "tools": ["python_exec"]},
            },
            tools={"python": ["file_read", "grep", "python_exec"]},
            security={"guardrails": {"allow_tools": ["file_read", "grep", "python_exec"]}},
            runtime={"max_parallel": 2, "failure_policy": {"retries": 3, "wait_min": 0.1, "wait_max": 0.1}},
        )
    )


class Model:
    """A tool first, then an answer; some questions fail once. `said` are the answers, by how the questions begin."""

    def __init__(self) -> None:
        self.failed: set[str] = set()
        self.said: dict[str, str] = {}

    def __call__(self, request: Request) -> Answer:
        asked = request.user_texts[-1]
        used = any(message["role"] == "tool" for message in request.messages)
        if asked.startswith("Read") and not used:
            return Answer("", delay=0.05, tool_calls=[("file_read", {"path": "notes.md"}), ("grep", {"pattern": "a"})])
        if asked.startswith("Compute") and not used:
            code = "import subprocess; subprocess.Popen(['sleep', '60'], start_new_session=True); print(6 * 7)"
            return Answer("", delay=0.05, tool_calls=[("python_exec", {"code": code})])
        if asked.startswith("Fail") and asked not in self.failed:
            self.failed.add(asked)
            return Answer(status=503, delay=0.05)
        question = next(one for one in QUESTIONS.values() if asked.startswith(one))
        self.said[question] = f"the answer to {question}".strip()
        return Answer(self.said[question], delay=0.05, chunk_delay=0.02, chunks=4)


def steps_of(name: str) -> list[str]:
    """How the questions of a branch begin, in their order."""
    return [f"Read for {name}", f"Compute for {name}", f"Fail first for {name}"]


QUESTIONS: Final = {
    **{f"branches.{name}.steps[{at}]": text for name in BRANCHES for at, text in enumerate(steps_of(name))},
    "reduce": "Join ",
}
"""By the paths of the steps."""


@dataclass(frozen=True)
class Signalled:
    """One step of a job that was sent a signal at a monotonic time, or ended before it came: then it `sent` none."""

    what: str
    outcome: Outcome
    sent: float | None
    took: float
    model: Model
    requests: list[Request]

    def __str__(self) -> str:
        return f"{self.what}; exit {self.outcome.exit_code} after {self.took:.2f} s\n{self.outcome.stderr}"

    @property
    def folder(self) -> Path:
        return self.outcome.job.workspace / "strands-artifacts"

    @property
    def steps(self) -> dict[str, Any]:
        """Those of results.json, by their paths; none of a run that was stopped before it began."""
        if not self.outcome.outputs["results-path"]:
            return {}
        found = json.loads(self.outcome.artifact("results-path").read_text())
        return {step["path"]: step for step in found["steps"]}

    @property
    def finished(self) -> dict[str, str]:
        return {path: one["response"] for path, one in self.steps.items() if one["status"] == "success"}

    def asked(self, path: str) -> bool:
        return any(request.user_texts[-1].startswith(QUESTIONS[path]) for request in self.requests)


def hears(guard: int) -> bool:
    """Whether signals are heard by now: the run is there. What is sent to the first process of a container before it
    listens is lost."""
    return any(descendants(guard))


def signalled(image: str, root: Path, after_s: float | None, name: str = "") -> Signalled:
    """A run that is sent a signal so long after it hears any; or one that nobody disturbs."""
    root.mkdir()
    model = Model()
    with OpenAIServer(model) as server:
        job = Job(root, {"workflow.yaml": written(server.url), "notes.md": "many notes\n"})
        with job.started(image, {"spec": "workflow.yaml"}, KEY) as running:
            container = running.container.get_wrapped_container()
            container.reload()
            while not hears(container.attrs["State"]["Pid"]):
                time.sleep(0.001)
            begun, sent = time.time(), None
            if after_s is not None:
                time.sleep(after_s)
                with contextlib.suppress(APIError):  # it has ended
                    begun = time.time()
                    running.signal(name)
                    sent = time.monotonic()
            outcome = running.outcome()
            container.reload()
            ended = datetime.fromisoformat(container.attrs["State"]["FinishedAt"][:26] + "+00:00").timestamp()
    what = f"seed {SEED}: {name} after {after_s} s"
    return Signalled(what, outcome, sent, ended - begun, model, server.requests)


@pytest.fixture(scope="module")
def undisturbed(image: str, tmp_path_factory: pytest.TempPathFactory) -> Signalled:
    return signalled(image, tmp_path_factory.mktemp("undisturbed") / "job", None)


@pytest.fixture(scope="module")
def all_of_them(image: str, undisturbed: Signalled, tmp_path_factory: pytest.TempPathFactory) -> list[Signalled]:
    rng = random.Random(SEED)
    root = tmp_path_factory.mktemp("signalled")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        sent = [
            pool.submit(
                signalled,
                image,
                root / str(number),
                # One in each part of a run's time, so that none is left out.
                1.05 * undisturbed.took * (number + rng.random()) / SIGNALS,
                rng.choice(["SIGINT", "SIGTERM", "SIGHUP"]),
            )
            for number in range(SIGNALS)
        ]
    return [one.result() for one in sent]


def test_without_a_signal_it_succeeds(undisturbed: Signalled) -> None:
    assert undisturbed.outcome.outputs["status"] == "success", undisturbed
    assert [*undisturbed.finished] == [*QUESTIONS]


def test_it_ends_in_time_as_what_it_is(all_of_them: list[Signalled], capsys: pytest.CaptureFixture[str]) -> None:
    for one in all_of_them:
        ended = (one.outcome.exit_code, one.outcome.outputs["status"])
        assert ended in [(130, "cancelled"), (0, "success")], one
        assert one.took < IN_TIME_S, one
        assert ended[0] == 130 or [*one.finished] == [*QUESTIONS], one
    took = sorted(one.took for one in all_of_them if one.outcome.exit_code)
    assert took
    if SOAK:
        with capsys.disabled():
            middle, late = took[len(took) // 2], took[len(took) * 9 // 10]
            told = f"median {middle:.2f} s, nine in ten within {late:.2f} s, at most {took[-1]:.2f} s"
            print(f"\nseed {SEED}: {len(took)} of {len(all_of_them)} were cancelled: {told}")


def test_the_server_sees_no_request_afterwards(all_of_them: list[Signalled]) -> None:
    for one in all_of_them:
        late = [] if one.sent is None else [r.user_texts[-1] for r in one.requests if r.at > one.sent + ON_ITS_WAY_S]
        assert late == [], one


def test_every_step_that_finished_is_there_with_its_answer(all_of_them: list[Signalled]) -> None:
    for one in all_of_them:
        paths = [*QUESTIONS]
        for path, following in pairwise(paths[:-1]):
            if path.split(".")[1] == following.split(".")[1] and one.asked(following):
                assert path in one.finished, one
        for path, response in one.finished.items():
            assert response == one.model.said[QUESTIONS[path]], one


def test_summary_trace_and_tape_are_whole(all_of_them: list[Signalled]) -> None:
    for one in all_of_them:
        assert one.outcome.summary.startswith("#"), one
        if not one.outcome.outputs["results-path"]:  # it was told before the run began
            assert not one.requests, one
            continue
        spans = json.loads(one.outcome.artifact("trace-path").read_text())["spans"]
        steps = {span["attributes"]["path"] for span in spans if span["name"] == "step"}
        assert steps >= one.finished.keys(), one
        assert "workflow.execute" in {span["name"] for span in spans} or not steps, one
        tape = read(one.folder / "tape", "tape")
        assert tape.keys() == one.finished.keys(), one
        assert not [path for path in one.folder.rglob("*") if path.name.endswith(".part")], one


def test_all_of_it_belongs_to_the_owner_of_the_workspace(all_of_them: list[Signalled]) -> None:
    for one in all_of_them:
        left = [*one.outcome.job.workspace.rglob("*")]
        assert [path for path in left if (path.stat().st_uid, path.stat().st_gid) != one.outcome.job.owner] == [], one
