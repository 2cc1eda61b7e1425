"""Recordings in the real container: made as the job's own files, replayed without key and network, and gone on with
after a kill."""

import time
from pathlib import Path
from typing import Final

import pytest

from tests.container.job import Job
from tests.servers import Answer, OpenAIServer

pytestmark = [pytest.mark.container, pytest.mark.timeout(600)]

KEY: Final = {"OPENAI_API_KEY": "key-that-must-not-be-printed"}
CHAIN: Final = """\
version: 1
name: four
runtime: {provider: openai, model_id: scripted}
agents: {writer: {prompt: You write.}}
pattern:
  type: chain
  config:
    steps:
      - {agent: writer, input: "one"}
      - {agent: writer, input: "two after {{ last_response }}"}
      - {agent: writer, input: "three after {{ last_response }}"}
      - {agent: writer, input: "four after {{ last_response }}"}
"""


def test_a_recording_is_the_owners_and_replays_without_key_and_network(image: str, tmp_path: Path) -> None:
    job = Job(tmp_path, {"flows/four.yaml": CHAIN})
    with OpenAIServer(reply=lambda request: f"<{request.user_texts[-1]}>") as server:
        recorded = job.run(image, {"spec": "flows/four.yaml", "mode": "record", "host": server.url}, KEY)
    assert recorded.exit_code == 0, recorded.stderr
    fixtures = job.workspace / "flows/fixtures/four"
    assert len([*fixtures.iterdir()]) == 4
    found = (job.workspace / "flows/fixtures", fixtures, *fixtures.iterdir())
    assert {(path.stat().st_uid, path.stat().st_gid) for path in found} == {job.owner}
    assert not [path for path in fixtures.iterdir() if "must-not-be-printed" in path.read_text()]

    replayed = job.run(image, {"spec": "flows/four.yaml", "mode": "replay"}, network="none")
    assert replayed.exit_code == 0, replayed.stderr
    assert replayed.outputs["response"] == recorded.outputs["response"]
    assert replayed.outputs["steps-replayed"] == "4"


def test_a_killed_run_goes_on_where_it_was(image: str, tmp_path: Path) -> None:
    job = Job(tmp_path, {"four.yaml": CHAIN})
    with OpenAIServer(reply=lambda request: Answer(f"<{request.user_texts[-1]}>", delay=0.5)) as server:
        inputs = {"spec": "four.yaml", "host": server.url}
        with job.started(image, inputs, KEY) as running:
            until = time.monotonic() + 60
            while not (job.workspace / "strands-artifacts/tape/steps[1].json").exists():
                assert time.monotonic() < until, "no second step in a minute"
                time.sleep(0.05)
            running.signal("SIGKILL")
            assert running.outcome().exit_code == 137
        resumed = job.run(image, {**inputs, "mode": "resume"}, KEY)
        asked = [request.user_texts[-1].split()[0] for request in server.requests]

    assert resumed.exit_code == 0, resumed.stderr
    assert resumed.outputs["response"] == "<four after <three after <two after <one>>>>"
    assert asked.count("one") == asked.count("two") == asked.count("four") == 1
