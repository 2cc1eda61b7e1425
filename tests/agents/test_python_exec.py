"""`python_exec`: code of a model's runs in bounds, knows nothing of ours, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from runner.agents.tools.python_exec import MAX_OUTPUT
from runner.agents.tools.rights import NOBODY
from tests.agents.using import Told, bench, running, use
from tests.build import findings_of
from tests.servers import Answer, OpenAIServer
from tests.workspace import Workspace, chain, workflow

HOME = Path(__file__).parents[2]
AS_ROOT = os.geteuid() == 0

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it runs on Linux only")


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the directories for code are made."""
    directory = Path(tempfile.mkdtemp(prefix="for-code-"))
    directory.chmod(0o755)
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    yield directory
    shutil.rmtree(directory)


def run(code: str, *, timeout: float = 10, **changes: Any) -> Told:
    return asyncio.run(use("python_exec", bench(Path("/tmp"), **changes), code=code, timeout=timeout))


# -- what it gives ----------------------------------------------------------------------------------------------------


def test_what_code_prints_and_how_it_ends_is_told():
    told = run("import sys; print('out'); print('err', file=sys.stderr); sys.exit(7)")
    assert told == ("success", "exit code: 7\n\nstdout:\nout\n\nstderr:\nerr")


def test_an_error_is_told_with_its_line():
    assert "line 2" in run("x = 1\nx / 0").text


def test_a_signal_is_told_by_its_name():
    assert run("import os; os.abort()").text == "exit code: 134 (SIGABRT)"


def test_what_is_printed_is_kept_to_its_bound_while_it_is_read():
    told = run("import sys\nfor _ in range(300): sys.stdout.write('x' * 100_000)")
    assert (
        told.text == f"exit code: 0\n\nstdout:\n{'x' * MAX_OUTPUT}\n[cut here: {30_000_000 - MAX_OUTPUT:,} more bytes]"
    )


# -- what it knows ----------------------------------------------------------------------------------------------------


def test_it_has_three_variables_an_empty_directory_and_nothing_to_read(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", "the-key")
    seen = json.loads(
        run(
            "import json, os, sys; print(json.dumps([dict(os.environ), os.getcwd(), os.listdir(), sys.stdin.read(),"
            " len(os.listdir('/proc/self/fd'))]))"
        ).text.split("stdout:\n")[1]
    )
    environ, cwd, names, read, descriptors = seen
    assert environ == {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": cwd, "LANG": "C.UTF-8"}
    assert (names, read, descriptors) == (["code.py"], "", 4)  # one is that of the listing


@pytest.mark.skipif(not AS_ROOT, reason="only root has privileges to drop")
def test_root_becomes_nobody_and_has_no_group():
    code = "import os; print(os.getresuid(), os.getresgid(), os.getgroups())"
    assert run(code).text.split("stdout:\n")[1] == f"{(NOBODY,) * 3} {(NOBODY,) * 3} []"


@pytest.mark.skipif(not AS_ROOT, reason="only root has privileges to drop")
def test_it_cannot_write_what_the_workspaces_owner_can(temporary: Path):
    """Such as the files of the job's later steps: their variables, their programs, their outputs."""
    workspace, variables = temporary / "workspace", temporary / "set_env"
    workspace.mkdir()
    variables.touch()
    for path in (workspace, variables):
        os.chown(path, 1234, 1234)
    code = f"open({str(variables)!r}, 'a').write('PATH=/tmp')"
    told = asyncio.run(use("python_exec", bench(workspace), code=code))
    assert "PermissionError" in told.text
    assert variables.read_text() == ""


def test_it_has_no_right_that_root_has():
    code = "print([line.split()[1] for line in open('/proc/self/status') if line.startswith(('CapEff', 'CapPrm'))])"
    assert set("".join(run(code).text.split("stdout:\n")[1]).strip("[]").replace("'", "").split(", ")) == {"0" * 16}


def test_it_cannot_read_our_variables():
    told = run(f"print(open('/proc/{os.getpid()}/environ').read())")
    assert "PermissionError" in told.text


@pytest.mark.parametrize(
    "code",
    [
        "import socket; socket.socket()",
        "import socket; socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)",
        "import socket; socket.socket(socket.AF_UNIX).connect('/var/run/docker.sock')",
        "import urllib.request as u; u.urlopen('http://127.0.0.1:{port}/')",
    ],
)
def test_it_has_no_network_not_even_on_this_machine(code: str):
    with OpenAIServer() as server:
        told = run(code.replace("{port}", server.url.rsplit(":", 1)[1].split("/")[0]), deny_network=True)
        assert "Error" in told.text
        assert server.connections == 0


# -- what it may use --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("x = 'a' * 2 * 1024 ** 3", "MemoryError"),
        ("open('big', 'wb').write(b'x' * 2 ** 27)", "File too large"),
        ("files = [open('code.py') for _ in range(100)]", "Too many open files"),
        ("import resource as r; r.setrlimit(r.RLIMIT_AS, (-1, -1))", "not allowed to raise maximum limit"),
    ],
)
def test_memory_files_and_their_size_are_limited(code: str, said: str):
    assert said in run(code).text


def test_no_core_is_dumped():
    assert run("import resource as r; print(r.getrlimit(r.RLIMIT_CORE))").text.endswith("(0, 0)")


def test_it_ends_when_its_time_is_up():
    codes = [f"print('begun')\n{code}" for code in ("while True: pass", "import signal; signal.pause()")]

    async def together() -> list[Told]:
        return await asyncio.gather(*(use("python_exec", bench(Path("/tmp")), code=one, timeout=3) for one in codes))

    started = time.monotonic()
    assert {one.text for one in asyncio.run(together())} == {"killed: it took longer than 3 s\n\nstdout:\nbegun"}
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("timeout", [0, 61, "1"])
def test_more_time_than_a_minute_is_not_given(timeout: Any):
    assert run("print(1)", timeout=timeout).refused


# -- what it leaves ---------------------------------------------------------------------------------------------------

DAEMON = """
import os, subprocess, sys
if not os.fork():
    os.setsid()
    if not os.fork():
        os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(600)", "{mark}"])
    os._exit(0)
{then}
"""
BOMB = """
import os, sys
while True:
    try:
        if not os.fork():
            sys.argv.append("{mark}")
    except OSError:
        pass
"""


@pytest.mark.parametrize(
    "code",
    [DAEMON.replace("{then}", "import time; time.sleep(0.3)"), DAEMON.replace("{then}", "while True: pass"), BOMB],
    ids=["a daemon of code that ends", "a daemon of code that does not", "a fork bomb"],
)
def test_nothing_that_it_started_lives_on(temporary: Path, code: str):
    run(code.replace("{mark}", str(temporary)), timeout=1)
    assert running(str(temporary)) == []
    assert list(temporary.iterdir()) == []


def test_nothing_lives_on_when_the_call_is_cancelled(temporary: Path):
    async def cancelled() -> None:
        code = DAEMON.replace("{mark}", str(temporary)).replace("{then}", "while True: pass")
        call = asyncio.create_task(use("python_exec", bench(Path("/tmp")), code=code))
        while not any("time.sleep(600)" in command for command in running(str(temporary))):
            await asyncio.sleep(0.02)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    asyncio.run(cancelled())
    assert running(str(temporary)) == []
    assert list(temporary.iterdir()) == []


def test_a_directory_in_a_directory_two_thousand_times_is_deleted(monkeypatch: pytest.MonkeyPatch):
    with tempfile.TemporaryDirectory(dir="/dev/shm") as memory:  # to delete as many from a disk takes seconds
        os.chmod(memory, 0o755)
        monkeypatch.setattr(tempfile, "tempdir", memory)
        code = "import os\nfor _ in range(2000): os.mkdir('d'); os.chdir('d')\nos.mkfifo('p'); os.symlink('/', 'l')"
        assert run(code).text == "exit code: 0"
        assert os.listdir(memory) == []


# -- where the system gives less --------------------------------------------------------------------------------------

USE = """
import asyncio, sys
from pathlib import Path
from tests.agents.using import bench, use
print(asyncio.run(use("python_exec", bench(Path("/tmp"), deny_network=True), code=sys.argv[1], timeout=1)).text)
"""


def run_without(rights: str, code: str, environ: dict[str, str], script: str = USE) -> str:
    """What is told when the process that uses the tool has all rights of root but these."""
    taken = f"--bounding-set={rights}"
    command = ["setpriv", taken, "--inh-caps=-all", sys.executable, "-c", script, code]
    return subprocess.run(
        command, cwd=HOME, env={"PYTHONPATH": str(HOME), "PATH": "", **environ}, executable=shutil.which("setpriv"),
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip


needs_root = pytest.mark.skipif(not AS_ROOT or shutil.which("setpriv") is None, reason="needs rights to give up")


@needs_root
@pytest.mark.parametrize("code", [DAEMON.replace("{then}", "while True: pass"), BOMB], ids=["a daemon", "a fork bomb"])
def test_nothing_lives_on_where_there_are_no_namespaces_either(temporary: Path, code: str):
    told = run_without("-sys_admin", code.replace("{mark}", str(temporary)), {"TMPDIR": str(temporary)})
    assert told.startswith("killed: it took longer than 1 s")
    assert running(str(temporary)) == []
    assert list(temporary.iterdir()) == []


@needs_root
def test_there_is_no_network_where_there_are_no_namespaces_either():
    assert "PermissionError" in run_without("-sys_admin", "import socket; socket.socket()", {})


@needs_root
def test_it_is_not_run_when_root_cannot_drop_its_privileges():
    told = run_without("-setuid,-setgid", "print('ran')", {})
    assert told.strip() == ("Error: python_exec was not run: its privileges cannot be dropped: Operation not permitted")


@needs_root
@pytest.mark.parametrize(
    ("tool", "given"),
    [("grep", {"path": ".", "pattern": "a", "is_regex": True}), ("spec_verify", {"spec_content": "version: 1"})],
)
def test_neither_are_scripts_of_ours_and_they_say_why(temporary: Path, tool: str, given: dict[str, Any]):
    use_it = f"""
import asyncio, sys
from pathlib import Path
from tests.agents.using import bench, use
print(asyncio.run(use({tool!r}, bench(Path({str(temporary)!r})), **{given!r})).text)
"""
    (temporary / "a").write_text("a")
    told = run_without("-setuid,-setgid", "", {}, use_it)
    assert told == "Error: it was not run: its privileges cannot be dropped: Operation not permitted\n"


def test_it_is_not_run_on_a_machine_whose_system_calls_are_not_known():
    """Such as one of 32 bits, which this one says that it is."""
    strange = f"import ctypes; ctypes.CDLL(None).personality(8)\n{USE}"
    told = subprocess.run(
        [sys.executable, "-c", strange, "print('ran')"], cwd=HOME, env={"PYTHONPATH": str(HOME)},
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert told.startswith("Error: python_exec was not run: what it asks of the system cannot be bounded")


# -- when it is offered -----------------------------------------------------------------------------------------------


def test_it_is_offered_only_by_name_in_allow_tools():
    spec = workflow("http://127.0.0.1:1", chain("go"), tools={"python": ["python_exec"]})
    assert [line.split(": ", 1)[1] for line in findings_of(spec)] == [
        "tool 'python_exec' needs to be named in security.guardrails.allow_tools"
    ]
    assert findings_of(spec | {"security": {"guardrails": {"allow_tools": ["python_exec"]}}}) == []


def test_a_model_runs_code_in_a_run_that_denies_the_network(workspace: Workspace):
    guardrails = {"allow_tools": ["python_exec"], "deny_network": True}
    answers = [Answer("", tool_calls=[("python_exec", {"code": "print(6 * 7)"})]), Answer("done")]
    with OpenAIServer(reply=answers) as server:
        spec = workflow(server.url, chain("go"), tools={"python": ["python_exec"]}, security={"guardrails": guardrails})
        outcome = workspace.run(spec)

    assert outcome.outputs["status"] == "success"
    assert "stdout:\n42" in server.requests[1].messages[-1]["content"]
