"""A run ends in seconds when it should, whatever hangs, with all that had finished; and nothing outlives it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runner import watchdog
from runner.agents.live import LiveAgents
from runner.processes import descendants
from runner.tape.store import read
from tests.contract.test_reuse import AWS
from tests.servers import Answer, BedrockServer, OpenAIServer
from tests.servers.http import ModelServer
from tests.workspace import Workspace, chain, push, read_outputs, workflow
from tests.zygote import Asked, Ended, Zygote

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
SOAK = bool(os.environ.get("STRANDS_SOAK"))

STUCK = """
import asyncio, ctypes, pathlib, sys, threading, time
import runner.agents.live as live
asked, closed = live.LiveAgents.invoke, live.LiveAgents.close

def when_asked(hang):
    async def invoke(self, call):
        if call.user == "a":
            return await asked(self, call)
        pathlib.Path("stuck").write_text("here")
        return await hang()
    live.LiveAgents.invoke = invoke

async def asleep():
    await asyncio.sleep(60)

async def deaf():
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass

def for_ever(library):
    # To take a lock twice: no signal interrupts it.
    lock = ctypes.create_string_buffer(64)
    library.pthread_mutex_lock(lock)
    library.pthread_mutex_lock(lock)
"""
"""What a run's process has in hand to hang by. The first step of its chain is answered."""

HANGS = {
    "a loop that is kept busy": """
async def busy():
    while True:
        pass
when_asked(busy)""",
    "a call that never comes back": """
async def lost():
    for_ever(ctypes.CDLL(None))
when_asked(lost)""",
    "a task that does not let itself be cancelled": "when_asked(deaf)",
    "a thread that waits for a name": """
async def looking_up():
    await asyncio.to_thread(time.sleep, 60)
when_asked(looking_up)""",
    "a client that does not close": """
async def close(self):
    await deaf()
live.LiveAgents.close = close
when_asked(asleep)""",
}


QUICK = """
import runner.run, runner.watchdog
runner.watchdog.GRACE_LOOKS, runner.run.CLOSING_S = 3, 0.1
"""
"""So much patience as a test has."""


@dataclass
class Left:
    """What a run left in its workspace."""

    root: Path

    @property
    def outputs(self) -> dict[str, str]:
        return read_outputs((self.root / "output").read_text())

    @property
    def results(self) -> Any:
        return json.loads((self.root / "strands-artifacts/results.json").read_text())

    @property
    def statuses(self) -> list[str]:
        return [step["status"] for step in self.results["steps"]]

    @property
    def spans(self) -> list[Any]:
        return json.loads((self.root / self.outputs["trace-path"]).read_text())["spans"]  # type: ignore[no-any-return]


def workspace(root: Path, server: ModelServer, **content: Any) -> dict[str, str]:
    """A directory with a workflow in it, and the environment of a run there."""
    root.mkdir(exist_ok=True)
    (root / "output").touch()
    written = workflow(server.url, content.pop("pattern", chain("a", "b", "c")), **content)
    (root / "workflow.yaml").write_text(json.dumps(written))
    return {"GITHUB_OUTPUT": str(root / "output"), **AWS}


@pytest.fixture(scope="module")
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer("an answer") as started:
        yield started


def run(zygote: Zygote, root: Path, environ: dict[str, str], *arguments: str, **how: Any) -> tuple[Ended, Left]:
    """One run, from its beginning to its end."""
    ended = zygote.run(Asked(["run", "workflow.yaml", *arguments], str(root), environ, **how))
    assert not ended.hung
    return ended, Left(root)


@pytest.mark.parametrize("name", HANGS)
def test_a_signal_ends_a_run_that_hangs_with_all_that_had_finished(
    zygote: Zygote, server: OpenAIServer, tmp_path: Path, name: str
):
    code = STUCK + HANGS[name] + QUICK
    ended, left = run(zygote, tmp_path, workspace(tmp_path, server), code=code, signal=signal.SIGTERM)

    assert ended.code == 130, ended.log
    assert left.outputs["status"] == left.results["status"] == "cancelled"
    assert left.statuses == ["success", "cancelled", "skipped"]
    assert left.results["steps"][0]["response"] == "an answer"
    assert left.results["usage"]["total_tokens"] == 15
    assert [*read(tmp_path / "strands-artifacts/tape", "tape")] == ["steps[0]"]
    assert (tmp_path / "strands-artifacts/summary.md").read_text()
    steps = [span for span in left.spans if span["name"] == "step"]
    assert {one["attributes"]["path"]: one["status"] for one in steps} == {"steps[0]": "unset", "steps[1]": "error"}
    assert {"workflow.execute", "pattern.chain"} <= {span["name"] for span in left.spans}


def test_where_it_stood_is_told_without_a_value(zygote: Zygote, server: OpenAIServer, tmp_path: Path):
    environ = workspace(tmp_path, server)
    code = STUCK + HANGS["a loop that is kept busy"] + QUICK
    _, left = run(zygote, tmp_path, environ, code=code, signal=signal.SIGINT)
    told = left.results["failure"]["message"]

    assert told.startswith("the run was asked to stop; 0.75 s later it stood at <string>:")
    assert " busy < " in told


def test_a_loop_that_is_blocked_when_the_time_of_the_run_is_over(zygote: Zygote, server: OpenAIServer, tmp_path: Path):
    environ = workspace(tmp_path, server, pattern=chain("b", "c"))
    code = STUCK + HANGS["a loop that is kept busy"] + QUICK
    ended, left = run(zygote, tmp_path, environ, "--timeout", "0.2", code=code)

    assert ended.code == 21
    assert left.outputs["status"] == "timeout"
    assert left.statuses == ["cancelled", "skipped"]
    assert " busy < " in left.results["failure"]["message"]


KEPT = """
async def close(self):
    asyncio.get_running_loop().left = asyncio.create_task(deaf())
    await closed(self)
live.LiveAgents.close = close"""


def test_a_run_that_is_over_is_not_held_by_what_does_not_let_go(zygote: Zygote, server: OpenAIServer, tmp_path: Path):
    ended, left = run(zygote, tmp_path, workspace(tmp_path, server), code=STUCK + KEPT + QUICK)

    assert ended.code == 0, ended.log
    assert ended.seconds < 5
    assert left.outputs["status"] == "success"


def test_a_success_that_could_not_be_written_in_time_is_none(zygote: Zygote, server: OpenAIServer, tmp_path: Path):
    slow = "\nimport runner.deliver\nrunner.deliver.results_json = lambda report: time.sleep(60)"
    ended, left = run(zygote, tmp_path, workspace(tmp_path, server), code=STUCK + KEPT + QUICK + slow)

    assert (ended.code, left.outputs["status"]) == (70, "failed")


def test_a_stream_of_bedrock_that_stalls_does_not_hold_the_exit(zygote: Zygote, tmp_path: Path):
    stalled = Answer("never ending words", chunk_delay=60)
    with BedrockServer(lambda request: stalled if request.user_texts == ["b"] else Answer("ok")) as server:
        environ = workspace(tmp_path, server, provider="bedrock", pattern=chain("b"))
        ended, left = run(zygote, tmp_path, environ, signal=signal.SIGTERM, after_s=1.0)

    assert ended.code == 130
    assert ended.took < 2
    assert left.statuses == ["cancelled"]


# -- a loop that does not turn ----------------------------------------------------------------------------------------


def test_a_loop_that_stands_still_is_told_once_with_its_place(
    tmp_path: Path, server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
):
    asked = LiveAgents.invoke

    async def slow(self: LiveAgents, call: Any) -> Any:
        time.sleep(0.6)
        return await asked(self, call)

    monkeypatch.setattr(watchdog, "TICK_S", 0.05)
    monkeypatch.setattr(watchdog, "STILL_TICKS", 1_000)  # given up is the process, and that is the test's
    monkeypatch.setattr(LiveAgents, "invoke", slow)
    outcome = Workspace(tmp_path).run(workflow(server.url, chain("a")))
    # So much haste finds that modules are imported, too.
    [line] = [one for one in outcome.logged("loop_blocked") if " slow < " in one]
    [warning] = [one["message"] for one in outcome.results["warnings"] if " slow < " in one["message"]]

    assert outcome.exit_code == 0
    assert re.search(r'WARNING loop_blocked seconds=0 at="tests/contract/test_stopping.py:\d+ slow < ', line)
    assert warning.startswith("the run stood still for 0 s at tests/contract/test_stopping.py:")


def test_a_loop_that_stands_still_for_very_long_is_given_up(zygote: Zygote, server: OpenAIServer, tmp_path: Path):
    code = STUCK + HANGS["a loop that is kept busy"] + "\nimport runner.watchdog\nrunner.watchdog.TICK_S = 0.01"
    ended, left = run(zygote, tmp_path, workspace(tmp_path, server), code=code)

    assert (ended.code, left.outputs["status"]) == (70, "failed")
    assert left.statuses == ["success", "cancelled", "skipped"]
    assert left.results["failure"]["message"].startswith("the run stood still for 1 s at ")


def test_a_process_that_was_frozen_did_not_stand_still(server: OpenAIServer, tmp_path: Path):
    waiting = """
import runner.watchdog
async def waiting():
    runner.watchdog.TICK_S = 0.1
    while not pathlib.Path("go").exists():
        await asyncio.sleep(0.01)
    raise live.ModelProblem("enough")
when_asked(waiting)"""
    process = started(tmp_path, server, STUCK + waiting, pattern=chain("a", "b"))
    told(tmp_path / "stuck")
    frozen = [*descendants(process.pid)]
    for number, seconds in ((signal.SIGSTOP, 0.8), (signal.SIGCONT, 0)):
        for one in frozen:
            os.kill(one, number)
        time.sleep(seconds)
    (tmp_path / "go").touch()
    _, log = process.communicate(timeout=60)

    assert process.returncode == 10, log
    assert "loop_blocked" not in log


# -- processes --------------------------------------------------------------------------------------------------------


def started(root: Path, server: ModelServer, code: str, *arguments: str, **content: Any) -> subprocess.Popen[str]:
    """The command line in a process of its own, which leads a group."""
    environ = {"PATH": os.environ["PATH"], "GITHUB_ACTIONS": "true", **push(root), **workspace(root, server, **content)}
    script = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}\nfrom runner.main import cli; cli()"
    command = [sys.executable, "-c", script, "run", "workflow.yaml", *arguments]
    return subprocess.Popen(command, cwd=root, env=environ, stderr=subprocess.PIPE, text=True, start_new_session=True)


def told(file: Path) -> str:
    """What is written in a file, as soon as it is."""
    until = time.monotonic() + 60
    while not file.exists() or not file.read_text():
        assert time.monotonic() < until, f"no {file.name}"
        time.sleep(0.01)
    return file.read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="nobody guards a run there")
def test_a_signal_is_heard_while_everything_is_still_being_read(server: OpenAIServer, tmp_path: Path):
    environ = {"PATH": os.environ["PATH"], "GITHUB_ACTIONS": "true", **push(tmp_path), **workspace(tmp_path, server)}
    command = [sys.executable, str(ROOT / "entrypoint.py"), "run", "workflow.yaml"]
    process = subprocess.Popen(command, cwd=tmp_path, env=environ, stderr=subprocess.PIPE, text=True)
    while not any(descendants(process.pid)):
        time.sleep(0.001)
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=60)

    assert process.returncode == 130, log
    assert "asked to stop before the run began" in log
    assert Left(tmp_path).outputs["status"] == "cancelled"


def test_a_log_that_nobody_reads_holds_nothing(server: OpenAIServer, tmp_path: Path):
    talking = 'async def talking():\n    while True:\n        print("x" * 1000)\nwhen_asked(talking)'
    process = started(tmp_path, server, STUCK + talking + ("" if SOAK else QUICK))
    told(tmp_path / "stuck")
    before = time.monotonic()
    process.send_signal(signal.SIGTERM)
    code, seconds = process.wait(60), time.monotonic() - before
    process.communicate()

    assert code == 130
    assert seconds < 5  # as much as it may take, whatever hangs
    assert Left(tmp_path).outputs["status"] == "cancelled"
    assert Left(tmp_path).statuses == ["success", "cancelled", "skipped"]


def test_a_signal_to_a_whole_group_is_one_wish(server: OpenAIServer, tmp_path: Path):
    process = started(tmp_path, server, STUCK + "when_asked(asleep)")
    told(tmp_path / "stuck")
    os.killpg(process.pid, signal.SIGTERM)  # to the run, and to the guard, who passes it on
    _, log = process.communicate(timeout=60)

    assert process.returncode == 130, log
    assert Left(tmp_path).outputs["status"] == "cancelled"


@pytest.mark.skipif(sys.platform != "linux", reason="nobody guards a run there")
def test_a_terminal_that_hangs_up_tells_the_guard_alone(server: OpenAIServer, tmp_path: Path):
    terminal, ours = os.openpty()
    code = (
        f"import os\nos.open({os.ttyname(ours)!r}, os.O_RDWR)  # by the first of a session, whose terminal it is then"
    )
    process = started(tmp_path, server, f"{code}\n{STUCK}\nwhen_asked(asleep)")
    os.close(ours)
    told(tmp_path / "stuck")
    os.close(terminal)
    _, log = process.communicate(timeout=60)

    assert process.returncode == 130, log
    assert Left(tmp_path).outputs["status"] == "cancelled"


def test_a_signal_that_another_thread_is_sent_is_heard(zygote: Zygote, server: OpenAIServer, tmp_path: Path):
    """The system prefers the first, but need not."""
    elsewhere = """
import signal
async def sending():
    [watching] = [one for one in threading.enumerate() if one.name == "watchdog"]
    threading.Timer(0.1, signal.pthread_kill, [watching.ident, signal.SIGTERM]).start()
    await asyncio.sleep(60)
when_asked(sending)"""
    ended, left = run(zygote, tmp_path, workspace(tmp_path, server), code=STUCK + elsewhere)

    assert ended.code == 130
    assert left.results["failure"]["message"] == "the run was asked to stop"


def test_a_signal_while_the_run_is_being_made_ends_it_before_it_began(
    zygote: Zygote, server: OpenAIServer, tmp_path: Path
):
    slow = """
import runner.run
def importing(*_):
    pathlib.Path("stuck").touch()
    time.sleep(60)
runner.run._live_agents = importing"""
    environ = workspace(tmp_path, server)
    ended, left = run(zygote, tmp_path, environ, code=STUCK + slow, signal=signal.SIGTERM)

    assert ended.code == 130
    assert ended.took < 2
    assert left.outputs["status"] == "cancelled"


STILL = (
    STUCK
    + """
async def held():
    for_ever(ctypes.PyDLL(None))
when_asked(held)
"""
)
"""Nothing of the interpreter's runs any more, the watchdog neither."""


def test_an_interpreter_that_stands_still_is_ended_by_the_guard(server: OpenAIServer, tmp_path: Path):
    cores = "from resource import *\nsetrlimit(RLIMIT_CORE, (getrlimit(RLIMIT_CORE)[1],) * 2)\n"
    process = started(tmp_path, server, cores + STILL + "import runner.guard\nrunner.guard.PATIENCE_S = 0.5")
    told(tmp_path / "stuck")
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=60)

    assert process.returncode == 130
    assert Left(tmp_path).outputs["status"] == "failed"  # as it has stood there from the beginning
    assert " in for_ever" in log
    assert not [*tmp_path.glob("core*")]  # the memory of a run has every secret in it


def test_an_interpreter_that_stands_still_is_ended_without_a_signal_too(server: OpenAIServer, tmp_path: Path):
    code = STILL + "import runner.main\nrunner.main.LAST_S = 0.5"
    process = started(tmp_path, server, code, "--timeout", "1", pattern=chain("b"))
    _, log = process.communicate(timeout=60)

    assert process.returncode == 1
    assert Left(tmp_path).outputs["status"] == "failed"
    assert "Timeout (0:00:01.500000)!" in log


DAEMON = """
import os, time
for name, seconds in {"ends": 0, "stays": 60}.items():
    if not os.fork():
        os.setsid()
        if os.fork():
            os._exit(0)  # what it leaves behind is nobody's child any more
        for descriptor in range(3):
            os.close(descriptor)
        with open(name, "w") as file:
            file.write(str(os.getpid()))
        time.sleep(seconds)
        os._exit(0)
    os.wait()
"""
"""A tool that leaves processes behind: one that ends while the run goes on, and one that would stay."""


def daemons() -> str:
    return (
        STUCK
        + f"""
from runner.errors import ModelProblem
async def leaving_behind():
    ended = await asyncio.create_subprocess_exec(sys.executable, "-c", {DAEMON!r}, start_new_session=True)
    pathlib.Path("code").write_text(str(await ended.wait()))
    while not pathlib.Path("go").exists():
        await asyncio.sleep(0.01)
    raise ModelProblem("enough")
when_asked(leaving_behind)"""
    )


def state(process: int) -> str:
    """As the system has it: Z for a zombie; nothing for one that is not there."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def gone(process: int) -> bool:
    """Whether nothing is left of it within some seconds, a zombie neither."""
    until = time.monotonic() + 5
    while state(process) and time.monotonic() < until:
        time.sleep(0.01)
    return not state(process)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux hands orphans over")
@pytest.mark.parametrize("number", [signal.SIGHUP, None], ids=["a signal", "its own end"])
def test_no_process_outlives_the_run_and_none_is_a_zombie(server: OpenAIServer, tmp_path: Path, number: int | None):
    process = started(tmp_path, server, daemons(), pattern=chain("a", "b"))
    heard = told(tmp_path / "code")
    ends, stays = (int(told(tmp_path / name)) for name in ("ends", "stays"))
    meanwhile = gone(ends), state(stays)
    if number is None:
        (tmp_path / "go").touch()
    else:
        process.send_signal(number)
    _, log = process.communicate(timeout=60)

    assert heard == "0"  # of its own children the run hears itself
    assert meanwhile == (True, "S")
    assert state(stays) == ""
    assert process.returncode == (10 if number is None else 130), log
