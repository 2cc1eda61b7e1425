"""The bounds of programs that are not ours: tried from inside, as an ordinary user. As root: tests/container."""

from __future__ import annotations

import ast
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from runner.agents.tools import confined, rights
from runner.agents.tools.confined import Task
from tests.agents.using import anybodys_python
from tests.workspace import OWNER

HOME = Path(__file__).parents[2]
AS_ROOT = os.geteuid() == 0
USER = OWNER if AS_ROOT else os.geteuid()
GROUP = OWNER if AS_ROOT else os.getegid()

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="programs are bounded on Linux only"),
    pytest.mark.skipif(AS_ROOT and shutil.which("setpriv") is None, reason="needs to be somebody else"),
]

STARTS = """
import asyncio, json, sys
from runner.agents.tools.confined import Line, Task
from runner.guard import guard

async def main(task):
    line = Line()
    process = await line.start(task, stdin=-1, stdout=-1, stderr=-1)
    out, err = await process.communicate(b'')
    print(json.dumps([process.returncode, out.decode(), err.decode(), line.refusal()]))

guard()
asyncio.run(main(Task(**json.load(sys.stdin))))
"""


@pytest.fixture
def own() -> Iterator[Path]:
    """A directory of the ordinary user's."""
    with tempfile.TemporaryDirectory() as directory:
        os.chown(directory, USER, GROUP)
        yield Path(directory)


def ordinary(script: str, given: str = "") -> str:
    """What a script of ours prints, run by an ordinary user who has a secret in the environment."""
    somebody = (
        ["setpriv", f"--reuid={USER}", f"--regid={GROUP}", "--clear-groups", "--inh-caps=-all"] if AS_ROOT else []
    )
    ended = subprocess.run(
        [*somebody, anybodys_python(), "-c", script], input=given, capture_output=True, text=True, timeout=60,
        env={"PYTHONPATH": str(HOME), "PATH": os.environ["PATH"], "THE_KEY": "sesame-of-the-run"}, cwd="/",
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def confine(code: str, own: Path, **changes: Any) -> tuple[int, str, str, str]:
    """How Python code ended, what it printed, and why it was not run, if it was not."""
    (own / "code.py").write_text(code)
    task = Task(
        programs=(anybodys_python(),),
        arguments=("-I", "-S", "-u", "code.py"),
        environ={"TOKEN": "own"},
        directory=str(own),
        user=None,
        writable=(str(own),),
        readable=None,
        network=False,
    )
    ended, out, err, refusal = json.loads(ordinary(STARTS, json.dumps({**asdict(task), **changes})))
    return ended, out, err, refusal


@pytest.mark.skipif(not rights.landlock(), reason="needs Landlock")
@pytest.mark.parametrize(
    ("network", "sockets"), [(False, ["a pair"]), (True, ["tcp", "udp", "tcp6", "netlink", "a pair"])]
)
def test_an_ordinary_users_program_reaches_no_process_no_daemon_and_no_file_elsewhere(
    own: Path, network: bool, sockets: list[str]
) -> None:
    with socket.socket(socket.AF_UNIX) as engine, socket.create_server(("127.0.0.1", 0)) as server:
        engine.bind(str(own / "engine.sock"))
        engine.listen()
        (own / "engine.sock").chmod(0o666)
        asked = {
            "secrets": ["sesame-of-the-run"], "engine": str(own / "engine.sock"), "port": server.getsockname()[1],
            "network": network, "own": ".", "closed": [str(own.parent)], "readable": [], "mark": "no such mark",
        }  # fmt: skip
        probe = (HOME / "tests/agents/probe.py").read_text()
        script = f"{probe}\nimport json\nprint(json.dumps(found({asked!r})))"
        _, out, err, refusal = confine(script, own, network=network)

    assert (err, refusal) == ("", "")
    found = json.loads(out)
    assert found.pop("rights") == ["0" * 16, "0" * 16, "1", "2"]
    assert found.pop("who")[:6] == [USER] * 3 + [GROUP] * 3
    assert found.pop("sockets") == sockets
    assert found.pop("engine") == [True, 0o666]
    assert {name: had for name, had in found.items() if had} == {}


def test_what_it_may_not_read_it_cannot_even_list(own: Path) -> None:
    (own / "note").write_text("x")
    code = "import os; print(os.listdir('.')); print(os.listdir('/etc'))"
    _, out, err, _ = confine(code, own, readable=(sys.base_prefix, *rights.SYSTEM))
    assert sorted(ast.literal_eval(out)) == ["code.py", "note"]
    assert "PermissionError" in err


def test_what_it_is_given_stands_in_no_arguments(own: Path) -> None:
    """Which every process of the machine can read."""
    code = """
import os
process, seen = os.readlink("/proc/self"), ""
while process not in ("0", "1"):
    seen += open(f"/proc/{process}/cmdline").read()
    process = open(f"/proc/{process}/stat").read().rpartition(")")[2].split()[1]
print("confine.py" in seen, os.environ["TOKEN"] in seen)
"""
    assert confine(code, own, environ={"TOKEN": "sesame-of-the-server"})[1:3] == ("True False\n", "")


def test_it_has_the_pipes_that_it_was_given_and_hears_signals_as_any_program(own: Path) -> None:
    code = """
import os, signal, sys
print(sys.stdin.read() == "", signal.getsignal(signal.SIGTERM) == signal.SIG_DFL)
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert confine(code, own)[:2] == (128 + 9, "True True\n")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"directory": "/no/such"}, "user {user} cannot enter /no/such: No such file or directory"),
        ({"programs": ["/no/such", "/etc"]}, "user {user} can start none of: /no/such, /etc: Permission denied"),
        ({"writable": ["/no/such"]}, "what it writes cannot be bounded: No such file or directory"),
    ],
)
def test_why_a_program_was_not_run_is_said(own: Path, changes: dict[str, Any], why: str) -> None:
    assert confine("print('ran')", own, **changes)[1:] == ("", "", why.replace("{user}", str(USER)))


def test_the_process_that_guards_the_run_shows_nobody_its_variables() -> None:
    look = """
from runner.guard import guard
import os, time
guard()
until = time.monotonic() + 10
try:
    while time.monotonic() < until:
        seen = open(f"/proc/{os.getppid()}/environ").read()
        time.sleep(0.01)
except PermissionError:
    seen = "nothing"
print(seen)
"""
    assert ordinary(look) == "nothing\n"


@pytest.mark.skipif(not AS_ROOT, reason="only root is somebody else to a program")
@pytest.mark.parametrize(
    ("owner", "landlock", "user"), [(OWNER, 3, OWNER), (0, 3, rights.NOBODY), (OWNER, 2, rights.NOBODY)]
)
def test_root_works_in_a_workspace_as_its_owner_where_its_writing_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: int, landlock: int, user: int
) -> None:
    os.chown(tmp_path, owner, owner)
    monkeypatch.setattr(rights, "landlock", lambda: landlock)
    assert confined.workspaces_owner(tmp_path) == (user, rights.NOBODY)


@pytest.mark.parametrize("script", ["matcher.py", "verifier.py"])
def test_scripts_of_ours_have_given_up_their_rights_when_they_read_a_models_words(script: str) -> None:
    command = [sys.executable, "-I", str(confined.SCRIPT.with_name(script))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={}) as process:
        wanted = ("2", "1", [str(rights.NOBODY if AS_ROOT else os.geteuid())] * 4)
        found: tuple[str, str, list[str]] | None = None
        until = time.monotonic() + 30
        while found != wanted and time.monotonic() < until:  # a filter may be that of a container around it
            time.sleep(0.02)
            lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
            status = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
            found = (status["Seccomp"], status["NoNewPrivs"], status["Uid"].split())
        process.kill()
    assert found == wanted
