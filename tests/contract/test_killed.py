"""A run that is killed, at any moment, is finished by a resume: with the result of a run that nobody disturbed, and
without a question that was answered before."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import pytest

from runner.tape.store import file_name, read
from tests import same
from tests.build import chain, dag, parallel, workers
from tests.servers import Answer, OpenAIServer
from tests.workspace import workflow
from tests.zygote import KILLED, Asked, Zygote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from runner.tape.recording import Recording
    from tests.servers import Request
    from tests.zygote import Ended

PLAN = {"tasks": [{"id": one, "task": f"Look at {one}."} for one in "xyz"]}
SHORT_S = 0.004
"""What an answer takes. A run is longer than its answers, so that a moment may well lie between two of them."""


def talk(text: str) -> dict[str, Any]:
    return {"input": text, "session": "talk"}


PATTERNS = {
    "chain": chain("Begin.", *(f"{i}: {{{{ last_response }}}}" for i in range(4))),
    "parallel": parallel(
        *({"id": one, "steps": [f"First {one}.", f"Then {one}: {{{{ last_response }}}}"]} for one in "abc"),
        reduce="Join {{ branches.a.response }} {{ branches.b.response }} {{ branches.c.response }}",
    ),
    "dag": dag(
        {"id": "a"},
        {"id": "b", "deps": ["a"], "input": "b of {{ tasks.a.response }}"},
        {"id": "c", "deps": ["a"], "input": "c of {{ tasks.a.response }}"},
        {"id": "d", "deps": ["b", "c"], "input": "{{ tasks.b.response }} and {{ tasks.c.response }}"},
    ),
    "workers": workers(
        reduce="Join {% for one in workers %}{{ one.response }} {% endfor %}",
        writeup="Tell {{ last_response }}",
    ),
    "tools": chain("Use it.", {"input": "Use it again: {{ last_response }}"}, "End: {{ last_response }}"),
    "session": chain(talk("One."), "Aside.", talk("Two: {{ last_response }}"), talk("Three.")),
}


def answer(request: Request) -> Answer:
    """The same to the same question, and of a length that tells it from others in what is counted."""
    asked = request.user_texts[-1]
    text = json.dumps(PLAN) if asked == "Plan." else sha256(asked.encode()).hexdigest()[: 8 + len(asked) % 11]
    used = sum(message["role"] == "tool" for message in request.messages)
    calls = [("calculator", {"expression": f"6 * {used}"})] if asked.startswith("Use") and used < 2 else []
    counted = (100 * len(request.messages) + len(asked), 1 + len(text))
    return Answer("" if calls else text, delay=SHORT_S, usage=counted, tool_calls=calls)


@pytest.fixture(scope="module")
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer(reply=answer) as started:
        yield started


@dataclass
class Job:
    """One workspace, and the runs in it, one after the other."""

    root: Path
    name: str
    zygote: Zygote
    server: OpenAIServer

    def __post_init__(self) -> None:
        self.root.mkdir()
        tools = {"tools": ["calculator"]} if self.name == "tools" else {}
        agents = {"writer": {"prompt": "You write.", **tools}}
        content = workflow(
            self.server.url, PATTERNS[self.name], agents=agents, tools={"python": ["calculator"]} if tools else None
        )
        (self.root / "workflow.yaml").write_text(json.dumps(content))

    def run(self, mode: str = "live", **death: Any) -> tuple[Ended, Counter[str]]:
        """A run, and the questions that it asked."""
        key = f"key-{len(self.server.requests)}-{self.root}"  # what a killed run asked may arrive when it is gone
        environ = {"OPENAI_API_KEY": key}
        ended = self.zygote.run(Asked(["run", "workflow.yaml", "--mode", mode], str(self.root), environ, **death))
        assert not ended.hung, "a run that nobody killed hangs"
        assert ended.code in ((0, KILLED) if death else (0,)), ended.log
        mine = [one for one in self.server.requests if one.headers["authorization"] == f"Bearer {key}"]
        return ended, Counter(request.user_texts[-1] for request in mine)

    @property
    def runs(self) -> list[Path]:
        """Every run's directory, the latest last."""
        base = self.root / "strands-artifacts"
        number = len([*base.glob("run-*")])
        return [base, *(base / f"run-{one}" for one in range(2, number + 2))]

    @property
    def fixtures(self) -> Path:
        return self.root / "fixtures" / "test"

    def finished(self) -> dict[str, Recording]:
        """The steps that have a whole recording, in whichever run's tape. Raises for a file that is broken."""
        return {path: one for run in self.runs for path, one in read(run / "tape", "tape").items()}

    def result(self) -> dict[str, Any]:
        """What the latest run made, without how and when."""
        found = same.results(json.loads((self.runs[-1] / "results.json").read_text()))
        del found["cache"]  # what is taken over needs no agent
        return {**found, "steps": sorted(found["steps"], key=lambda step: str(step["path"]))}


@dataclass(frozen=True)
class Undisturbed:
    """A run that nobody killed: what it made and asked, how long it took, and how often it changed the disk."""

    result: dict[str, Any]
    questions: Counter[str]
    seconds: float
    changes: int


@pytest.fixture(scope="module")
def undisturbed(
    zygote: Zygote, server: OpenAIServer, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Undisturbed]:
    found = {}
    for name in PATTERNS:
        job = Job(tmp_path_factory.mktemp("undisturbed") / name, name, zygote, server)
        if not found:
            job.run()  # here everything is imported
        ended, questions = job.run()
        found[name] = Undisturbed(job.result(), questions, ended.seconds, ended.changes)
    return found


@dataclass(frozen=True)
class Scene:
    """What every test here needs, and a workspace of its own for each."""

    root: Path
    zygote: Zygote
    server: OpenAIServer
    undisturbed: dict[str, Undisturbed]

    def job(self, name: str) -> tuple[Job, Undisturbed]:
        return Job(self.root / name, name, self.zygote, self.server), self.undisturbed[name]


@pytest.fixture
def scene(tmp_path: Path, zygote: Zygote, server: OpenAIServer, undisturbed: dict[str, Undisturbed]) -> Scene:
    return Scene(tmp_path, zygote, server, undisturbed)


def left(expected: Undisturbed, finished: Mapping[str, Recording]) -> Counter[str]:
    """The questions that are still to be asked."""
    return expected.questions - Counter(one.prompt.user for one in finished.values() for _ in one.turns)


SEED: Final = random.SystemRandom().randrange(10**6)


@pytest.mark.parametrize("number", range(50))
def test_a_resume_finishes_what_was_killed_at_any_moment(number: int, scene: Scene):
    rng = random.Random(f"{SEED} {number}")
    job, expected = scene.job([*PATTERNS][number % len(PATTERNS)])
    after = rng.uniform(0, 1.1 * expected.seconds)
    told = f"seed {SEED}: {job.name} killed after {1000 * after:.1f} ms"

    job.run(after_s=after)
    finished = job.finished()
    _, asked = job.run("resume")

    assert asked == left(expected, finished), told
    assert job.result() == expected.result, told


def test_a_resume_finishes_what_was_killed_at_any_change_of_the_disk(scene: Scene):
    expected = scene.undisturbed["chain"]
    for number in count(1):
        job = Job(scene.root / f"chain-{number}", "chain", scene.zygote, scene.server)
        ended, _ = job.run(at_change=number)
        if ended.code == 0:
            break
        finished = job.finished()
        _, asked = job.run("resume")

        assert asked == left(expected, finished), f"killed at change {number}"
        assert job.result() == expected.result, f"killed at change {number}"

    assert number > 3 * len(expected.questions)  # making, filling and naming each file


@pytest.mark.parametrize("name", PATTERNS)
def test_a_resume_that_is_killed_itself_is_finished_by_the_next(name: str, scene: Scene):
    rng = random.Random(f"{SEED} {name}")
    job, expected = scene.job(name)
    told = f"seed {SEED}"
    ended, _ = job.run(after_s=rng.uniform(0, expected.seconds))
    for _ in range(30):
        finished = job.finished()
        ended, asked = job.run("resume", after_s=rng.uniform(0, 1.2 * expected.seconds))
        assert asked <= left(expected, finished), told
        if ended.code == 0:
            break
    else:
        job.run("resume")

    assert job.result() == expected.result, told


@pytest.mark.parametrize("number", range(12))
def test_a_recording_that_is_killed_leaves_whole_files_and_is_finished_by_the_next(number: int, scene: Scene):
    rng = random.Random(f"{SEED} {number}")
    job, expected = scene.job([*PATTERNS][number % len(PATTERNS)])
    deaths = [{"after_s": rng.uniform(0, 1.1 * expected.seconds)}, {"at_change": rng.randint(4, expected.changes)}]
    told = f"seed {SEED}: {job.name} killed at {deaths[number % 2]}"

    job.run("record", **deaths[number % 2])
    finished = read(job.fixtures, "fixtures")
    _, asked = job.run("record")
    recorded = read(job.fixtures, "fixtures")

    assert asked == left(expected, finished), told
    assert job.result() == expected.result, told
    assert sorted(recorded) == sorted(step["path"] for step in expected.result["steps"]), told
    assert sorted(file.name for file in job.fixtures.iterdir()) == sorted(map(file_name, recorded)), told

    _, asked = job.run("replay")

    assert not asked
    assert job.result() == expected.result, told
