"""Tools in the real container, as root and under the engine's own restrictions."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, Any

import docker
import pytest

from tests.build import as_text
from tests.container.job import ROOT, Job
from tests.servers import Answer, OpenAIServer, Request
from tests.workspace import chain, workflow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.container, pytest.mark.timeout(600)]

SECRETS = [
    *("key-of-the-provider", "runtime-token-that-must-not-be-printed", "token-that-must-not-be-printed"),
    "of-the-server-alone",
]
ENGINE = "/var/run/docker.sock"
PROBE = (ROOT / "tests/agents/probe.py").read_text()
SERVER = (ROOT / "tests/servers/mcp_server.py").read_text()
NOTHING = {
    "rights": ["0" * 16, "0" * 16, "1", "2"],
    "descriptors": [],
    "secrets": [],
    "processes": [],
    "sockets": ["a pair"],
    "engine": [True, 0o666],
    "calls": [],
    "written": [],
    "read": [],
    "marked": [],
}
"""What the probe finds where nothing can be done; the engine's socket is there, and open to everybody."""


def told(job: Job, image: str, *calls: tuple[str, dict[str, Any]], **changes: Any) -> str:
    """What the tools told the model, in one run of the image."""
    with OpenAIServer(reply=[Answer("", tool_calls=list(calls)), Answer("done")]) as server:
        (job.workspace / "workflow.yaml").write_text(as_text(workflow(server.url, chain("go"), **changes)))
        outcome = job.run(image, {"spec": "workflow.yaml"}, {"OPENAI_API_KEY": "key-of-the-provider"})
    assert outcome.exit_code == 0, outcome.stderr
    return str([message for message in server.requests[-1].messages if message["role"] == "tool"])


def asks(port: int, **changes: Any) -> dict[str, Any]:
    """What the probe is to look for."""
    given = {
        "secrets": SECRETS,
        "engine": ENGINE,
        "port": port,
        "network": False,
        "own": ".",
        "closed": [],
        "readable": [],
        "mark": "none",
    }
    return {**given, **changes}


@pytest.fixture
def engine_socket() -> Iterator[socket.socket]:
    """A stand-in for the engine's socket, which the runner gives to every container: everybody may connect."""
    with tempfile.TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{directory}/docker.sock")
        os.chmod(f"{directory}/docker.sock", 0o666)
        listening.listen()
        listening.setblocking(False)
        yield listening


def test_tool_processes_are_at_arms_length(tmp_path: Path, image: str, engine_socket: socket.socket) -> None:
    """Code of a model's and an MCP server try all they can, twice: what has been left behind is looked for as well."""
    job = Job(tmp_path, {"server.py": SERVER, ".git/config": "token-of-the-checkout"})
    server = {"id": "own", "command": "python3", "args": ["server.py"], "env": {"TOKEN": SECRETS[-1]}}
    readable = ["/github/workspace/.git/config", "/github/workflow/event.json", "/etc/hosts", "/opt/strands-action"]

    def probing(asked: dict[str, Any], more: str = "None") -> dict[str, Any]:
        return {"code": f"{PROBE}\nimport json\nprint(json.dumps([found({asked!r}), {more}]))", "timeout": 30}

    def reply(request: Request) -> Answer:
        port = int(str(request.headers["host"]).rpartition(":")[2])
        closed = {"closed": ["/github/workspace"], "readable": readable, "mark": "left-by-code"}
        of_server = probing(asks(port, secrets=SECRETS[:-1], mark="left-by-code"), "used_up('.')")
        turns: list[list[tuple[str, dict[str, Any]]]] = [
            [("python_exec", {"code": f"{PROBE}\nescape('left-by-code')"})],
            [("python_exec", probing(asks(port, **closed), "used_up('.')"))],
            [("python", of_server)],
        ]
        at = sum(message["role"] == "assistant" for message in request.messages)
        return Answer("", tool_calls=turns[at]) if at < len(turns) else Answer("done")

    with OpenAIServer(reply=reply) as model:
        spec = workflow(
            model.url,
            chain("go"),
            agents={"writer": {"prompt": "p", "tools": ["own", "python_exec"]}},
            tools={"mcp": [server], "python": ["python_exec"]},
            security={"guardrails": {"allow_tools": ["python_exec", "own"], "deny_network": True}},
        )
        (job.workspace / "workflow.yaml").write_text(as_text(spec))
        mounts = [docker.types.Mount(ENGINE, str(engine_socket.getsockname()), type="bind")]
        key = {"OPENAI_API_KEY": SECRETS[0]}
        outcome = job.run(image, {"spec": "workflow.yaml"}, key, mounts=mounts)
    assert outcome.exit_code == 0, outcome.stderr

    of_code, of_server = (said(model.requests[turn]) for turn in (2, 3))
    assert of_code[0] == {**NOTHING, "who": [65534] * 6}
    assert of_server[0] == {**NOTHING, "who": [job.owner[0]] * 3 + [65534] * 3}
    assert (of_code[1][0] <= 64, of_code[1][1:]) == (True, [30, 26, 0])
    assert (of_server[1][0] <= 512, of_server[1][1:]) == (True, [32, 30, 0])
    with pytest.raises(BlockingIOError):  # nobody connected
        engine_socket.accept()


def test_a_server_over_http_is_asked(tmp_path: Path, image: str) -> None:
    program = str(ROOT / "tests/servers/mcp_server.py")
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-P", program, "http"], **pipes) as process:
        assert process.stdin
        assert process.stdout
        url = f"http://127.0.0.1:{int(process.stdout.readline())}/mcp"
        far = {"id": "far", "url": url, "headers": {"X-Key": "k3y-of-http"}, "timeout_s": 5}
        agents = {"writer": {"prompt": "p", "tools": ["far"]}}
        found = told(Job(tmp_path, {}), image, ("add", {"a": 20, "b": 22}), agents=agents, tools={"mcp": [far]})
        process.stdin.close()
    assert "42" in found


def said(request: Request) -> Any:
    """The data that the last tool printed."""
    content = request.messages[-1]["content"]
    text = content if isinstance(content, str) else content[0]["text"]
    try:
        return json.loads(text[text.index("[{") :])
    except ValueError:
        pytest.fail(text)


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
