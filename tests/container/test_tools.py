"""Tools in the real container, as root and under the engine's own restrictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.build import as_text
from tests.container.job import Job
from tests.servers import Answer, OpenAIServer
from tests.workspace import chain, workflow

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.container, pytest.mark.timeout(600)]

TRIES = """
import os, socket
print("user", os.geteuid(), "key" if "OPENAI_API_KEY" in os.environ else "no key")
try:
    socket.socket()
    print("a socket")
except OSError as error:
    print("no socket")
for name in os.listdir("/github/file_commands"):
    try:
        open(f"/github/file_commands/{name}", "a")
        print("the job's files")
    except OSError as error:
        print("not", name)
"""


def told(job: Job, image: str, *calls: tuple[str, dict[str, Any]], **changes: Any) -> str:
    """What the tools told the model, in one run of the image."""
    with OpenAIServer(reply=[Answer("", tool_calls=list(calls)), Answer("done")]) as server:
        (job.workspace / "workflow.yaml").write_text(as_text(workflow(server.url, chain("go"), **changes)))
        outcome = job.run(image, {"spec": "workflow.yaml"}, {"OPENAI_API_KEY": "key-of-the-provider"})
    assert outcome.exit_code == 0, outcome.stderr
    return str([message for message in server.requests[-1].messages if message["role"] == "tool"])


def test_code_has_no_right_no_key_and_no_network(tmp_path: Path, image: str) -> None:
    found = told(
        Job(tmp_path, {}),
        image,
        ("python_exec", {"code": TRIES}),
        tools={"python": ["python_exec"]},
        security={"guardrails": {"allow_tools": ["python_exec"], "deny_network": True}},
    )
    assert "user 65534 no key" in found
    assert "no socket" in found
    assert "not set_output" in found
    assert "the job's files" not in found


def test_files_are_read_and_written_in_the_workspace_alone(tmp_path: Path, image: str) -> None:
    job = Job(tmp_path, {"notes.md": "the notes", ".git/config": "token-of-the-checkout"})
    found = told(
        job,
        image,
        ("file_read", {"path": "notes.md"}),
        ("file_read", {"path": ".git/config"}),
        ("file_read", {"path": "/github/workflow/event.json"}),
        ("file_write", {"path": "made.txt", "content": "by a model"}),
        tools={"python": ["file_read", "file_write"]},
    )
    assert "the notes" in found
    assert "token-of-the-checkout" not in found
    assert found.count("Error") == 2
    made = job.workspace / "made.txt"
    assert made.read_text() == "by a model"
    assert (made.stat().st_uid, made.stat().st_gid) == job.owner
