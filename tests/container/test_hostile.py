"""A run among hostile models, tools and files in the real container, judged by what the runner would read of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest

from tests.build import as_text
from tests.container.job import FILE_COMMANDS, Job, Outcome
from tests.hostile_run import FILES, Hostile, judge, tokens, workflow
from tests.servers import OpenAIServer

pytestmark = [pytest.mark.container, pytest.mark.timeout(600)]

LONGEST: Final = 10_000_000 if os.environ.get("STRANDS_SOAK") else 500_000
"""Characters of a line. In ten million that repeat themselves secrets are looked for half a minute."""

KEY = {"OPENAI_API_KEY": "key-of-the-provider"}


def test_nothing_that_anybody_else_says_steers_the_job(image: str, tmp_path: Path) -> None:
    job, hostile = Job(tmp_path, FILES), Hostile(LONGEST)
    with OpenAIServer(reply=hostile) as server:
        (job.workspace / "workflow.yaml").write_text(as_text(workflow(server.url, "python3")))
        outcome = job.run(image, {"spec": "workflow.yaml"}, KEY)
    assert outcome.exit_code == 0, outcome.stderr
    assert sum("pwned" in told for told in hostile.told) == 5, "each tool was told or told something"
    judge(outcome.stdout, outcome.stderr, {name: _read(outcome, name) for name in FILE_COMMANDS})
    (token,) = tokens(outcome.stderr)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and token.encode() in path.read_bytes()]


def _read(outcome: Outcome, name: str) -> str:
    return outcome.job.command_file(name).read_bytes().decode()  # as it is, with every kind of line end
