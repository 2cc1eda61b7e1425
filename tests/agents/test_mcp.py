"""MCP servers, real ones: started once, shared by the agents that name them, bounded, and gone when the run is."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from runner.agents.tools.names import told_apart, valid
from runner.agents.tools.rights import NOBODY
from runner.credentials.scrub import Scrubber
from tests.agents.using import anybodys_python, running
from tests.build import NOON, findings_of
from tests.build import secrets as declare
from tests.servers import Answer, OpenAIServer, Request
from tests.workspace import OWNER, Outcome, Workspace, chain, parallel, workflow

HOME = Path(__file__).parents[2]
PYTHON = anybodys_python()
PROGRAM = HOME / "tests" / "servers" / "mcp_server.py"


def server(mode: str = "", id: str = "small", **keys: Any) -> dict[str, Any]:  # noqa: A002 - the field's own name
    """A declared server: the small one of these tests, behaving as `mode` says."""
    # -P: the folder of the program is not where it imports from
    return {"id": id, "command": PYTHON, "args": ["-P", str(PROGRAM), mode], **keys}


def asking(
    host: str, *servers: dict[str, Any], pattern: dict[str, Any] | None = None, tools: Sequence[str] = (), **more: Any
) -> dict[str, Any]:
    """A file whose writer has these servers, and built-in `tools`."""
    named = [*(one["id"] for one in servers), *tools]
    agents = more.pop("agents", {"writer": {"prompt": "p", "tools": named}})
    return workflow(host, pattern or chain("go"), agents=agents, tools={"mcp": list(servers)}, **more)


def uses(*calls: tuple[str, dict[str, Any]]) -> list[Answer]:
    """A model that uses one tool a turn and then is done."""
    return [*(Answer("", tool_calls=[call]) for call in calls), Answer("done")]


def said(request: Request) -> str:
    """What the last tool told the model."""
    message = request.messages[-1]
    assert message["role"] == "tool"
    content = message["content"]
    return content if isinstance(content, str) else content[0]["text"]  # type: ignore[no-any-return]


def told(workspace: Workspace, *calls: tuple[str, dict[str, Any]], servers: Sequence[dict[str, Any]] = ()) -> list[str]:
    """What each use of a tool told the model, in a run that succeeds."""
    with OpenAIServer(reply=uses(*calls)) as model:
        outcome = workspace.run(asking(model.url, *(servers or (server(),))))
    assert outcome.outputs["status"] == "success", outcome.log
    return [said(request) for request in model.requests[1:]]


def failed(workspace: Workspace, *servers: dict[str, Any]) -> str:
    """The sentence that a run ended with before anything was asked of the model."""
    with OpenAIServer() as model:
        outcome = workspace.run(asking(model.url, *servers))
    assert (outcome.exit_code, outcome.outputs["status"], model.requests) == (2, "invalid", [])
    [annotation] = outcome.annotations
    return annotation.partition("::MCP server ")[2].replace(str(PROGRAM), "mcp_server.py")


def gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has waited for yet has."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    left = {one for one in threading.enumerate() if one.is_alive()} - before
    assert left == set()


# -- one server, many agents ------------------------------------------------------------------------------------------


def test_an_agent_uses_the_tools_of_a_server(workspace: Workspace) -> None:
    assert told(workspace, ("add", {"a": 2, "b": 40})) == ["42"]


def test_two_agents_in_parallel_share_one_process_that_is_gone_at_the_end(workspace: Workspace) -> None:
    agents = {name: {"prompt": "p", "tools": ["small"]} for name in ("writer", "critic")}
    pattern = parallel(one=["go"], two=[{"agent": "critic", "input": "go"}])

    def reply(request: Request) -> Answer:
        turns = [message for message in request.messages if message["role"] == "tool"]
        called = [("slow", {"seconds": 0.3}), ("pid", {})]
        return Answer("", tool_calls=[called[len(turns)]]) if len(turns) < 2 else Answer(said(request))

    with OpenAIServer(reply=reply) as model:
        outcome = workspace.run(asking(model.url, server(), pattern=pattern, agents=agents))

    pids = {step["response"] for step in outcome.results["steps"]}
    assert len(outcome.results["steps"]) == 2
    assert len(pids) == 1
    assert gone(int(pids.pop()))


def test_a_server_is_started_once_for_all_agents_and_branches(workspace: Workspace) -> None:
    """Nor is one started that nobody speaks to."""
    agents = {name: {"prompt": "p", "tools": ["small"]} for name in ("writer", "critic")}
    pattern = parallel(**{f"b{at}": ["go", {"agent": "critic", "input": "go"}] for at in range(3)})
    counted = {
        "id": "small",
        "command": "/bin/sh",
        "args": ["-c", f"echo x >> starts; exec {PYTHON} -P {PROGRAM}"],
    }
    with OpenAIServer() as model:
        outcome = workspace.run(asking(model.url, counted, pattern=pattern, agents=agents))

    assert outcome.outputs["status"] == "success"
    assert len(model.requests) == 6
    assert (workspace.root / "starts").read_text() == "x\n"


def test_only_agents_that_name_a_server_have_its_tools(workspace: Workspace) -> None:
    agents = {"writer": {"prompt": "p"}, "critic": {"prompt": "p", "tools": ["small"]}}
    with OpenAIServer() as model:
        workspace.run(
            asking(model.url, server(), agents=agents, pattern=chain("go", {"agent": "critic", "input": "go"}))
        )

    offered = [{tool["function"]["name"] for tool in request.body.get("tools") or []} for request in model.requests]
    assert offered[0] == set()
    assert {"add", "pid"} <= offered[1]


def test_a_server_that_no_agent_names_is_not_started(workspace: Workspace) -> None:
    with OpenAIServer() as model:
        outcome = workspace.run(asking(model.url, server("exits"), agents={"writer": {"prompt": "p"}}))

    assert outcome.outputs["status"] == "success"


def test_names_are_made_valid_and_told_apart(workspace: Workspace) -> None:
    with OpenAIServer(reply=uses(("other_add", {"a": 1, "b": 1}), ("dotted_name_with_spaces", {}))) as model:
        content = asking(model.url, server(), server(id="other"), tools=["calculator"])
        content["agents"]["critic"] = {"prompt": "p", "tools": ["small"]}
        content["pattern"] = chain("go", {"agent": "critic", "input": "go"})
        workspace.run(content)

    offered = [tool["function"]["name"] for tool in model.requests[0].body["tools"]]
    assert len(offered) == len(set(offered))
    assert {"calculator", "small_calculator", "other_calculator", "small_add", "other_add"} <= set(offered)
    assert all(re.fullmatch("[A-Za-z0-9_-]{1,64}", name) for name in offered)
    assert said(model.requests[1]) == "2"
    alone = [tool["function"]["name"] for tool in model.requests[-1].body["tools"]]
    assert {"add", "calculator", "dotted_name_with_spaces"} <= set(alone)


@pytest.mark.parametrize(
    ("tools", "names"),
    [
        ([("a", "x"), (None, "y")], ["x", "y"]),
        ([("a", "x"), (None, "x")], ["a_x", "x"]),
        ([("a", "x"), ("b", "x")], ["a_x", "b_x"]),
        ([("a", "x-y"), ("b", "x_y")], ["a_x-y", "b_x_y"]),
        ([("a", "x"), ("a", "x")], ["a_x", "a_x_2"]),
        ([("a", "x"), ("b", "x"), (None, "a_x")], ["a_x_2", "b_x", "a_x"]),
        ([("a", "x" * 64), ("b", "x" * 64)], ["a_" + "x" * 62, "b_" + "x" * 62]),
        ([("a.b", "x"), (None, "x")], ["a_b_x", "x"]),
    ],
)
def test_a_name_that_tools_share_gets_its_servers_in_front(tools: list[Any], names: list[str]) -> None:
    assert list(told_apart(tools)) == names


@pytest.mark.parametrize(("name", "made"), [("a.b/c d", "a_b_c_d"), ("ü", "_"), ("", "tool"), ("x" * 70, "x" * 64)])
def test_a_providers_rule_for_names_is_kept(name: str, made: str) -> None:
    assert valid(name) == made


# -- what a server is given -------------------------------------------------------------------------------------------


def test_a_server_knows_its_own_env_and_no_key_of_ours(workspace: Workspace) -> None:
    workspace.environ |= {"OPENAI_API_KEY": "sk-not-for-servers", "GITHUB_TOKEN": "t", "PATH": "/bin", "LANG": "C"}
    declared = server(env={"TOKEN": "{{ name }}", "LANG": "de_DE"})
    with OpenAIServer(reply=uses(("env", {}))) as model:
        workspace.run(asking(model.url, declared, inputs={"values": {"name": "own"}}))

    found = json.loads(said(model.requests[1]))
    found.pop("LC_CTYPE", None)  # Python's own doing
    home = found.pop("HOME")
    assert found == {"PATH": "/bin", "LANG": "de_DE", "TOKEN": "own", "TMPDIR": home}
    assert not Path(home).exists()


def test_a_secret_that_a_server_repeats_is_not_told_to_the_model(workspace: Workspace) -> None:
    workspace.environ["THE_KEY"] = "sesame-open-9"
    env = {"secrets": [{"source": "env", "key": "THE_KEY"}]}
    with OpenAIServer(reply=uses(("env", {}))) as model:
        workspace.run(asking(model.url, server(env={"TOKEN": "{{ secrets.THE_KEY }}"}), env=env))

    assert json.loads(said(model.requests[1]))["TOKEN"] == "***"


def test_a_server_works_in_the_workspace_and_may_live_there(workspace: Workspace) -> None:
    script = workspace.root / "serve"
    script.write_text(f"#!/bin/sh\nexec {PYTHON} -P {PROGRAM}\n")
    script.chmod(0o755)

    assert told(workspace, ("cwd", {}), servers=[{"id": "own", "command": "./serve"}]) == [str(workspace.root)]


def test_what_a_server_shouts_never_reaches_the_log(workspace: Workspace, capfd: pytest.CaptureFixture[str]) -> None:
    with OpenAIServer(reply=uses(("shout", {}))) as model:
        outcome = workspace.run(asking(model.url, server()))

    assert said(model.requests[1]) == "done"
    assert "from the server" not in outcome.log + "".join(capfd.readouterr())


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone can be somebody else")
@pytest.mark.parametrize(("owner", "user"), [(OWNER, OWNER), (0, NOBODY)], ids=["the owner", "or nobody"])
def test_a_server_of_root_is_the_workspaces_owner(workspace: Workspace, owner: int, user: int) -> None:
    os.chown(workspace.root, owner, owner)
    code = "import os; print(os.getresuid(), os.getresgid(), os.getgroups())"
    assert told(workspace, ("python", {"code": code})) == [f"{(user,) * 3} {(NOBODY,) * 3} []\n"]


def test_a_server_writes_in_the_workspace_and_nowhere_else(workspace: Workspace) -> None:
    code = """
import os, tempfile
for directory in (".", os.environ["HOME"], tempfile.gettempdir(), "/tmp", "/dev/shm"):
    try:
        open(f"{directory}/note", "w").close()
        os.unlink(f"{directory}/note")
        print("yes")
    except PermissionError:
        print("no")
"""
    assert told(workspace, ("python", {"code": code})) == ["yes\nyes\nyes\nno\nno\n"]


def test_behind_a_link_that_a_server_puts_in_the_place_of_the_runs_files_nothing_is_written(
    workspace: Workspace, tmp_path: Path
) -> None:
    """As root we could, wherever it leads: to the files in which a host is told of the job's variables."""
    code = f"import os; os.rename('strands-artifacts', 'moved'); os.symlink({str(tmp_path)!r}, 'strands-artifacts')"
    spec = {"outputs": {"artifacts": [{"path": "set_env", "from": "PATH=/tmp"}]}}
    with OpenAIServer(reply=uses(("python", {"code": code}))) as model:
        outcome = workspace.run(asking(model.url, server(), **spec))

    assert [*tmp_path.iterdir()] == []
    assert (outcome.exit_code, outcome.outputs["status"], outcome.outputs["response"]) == (12, "invalid", "done")
    assert "strands-artifacts/set_env cannot be written: a link is in the way" in outcome.log


@pytest.mark.parametrize(("denied", "said_of_it"), [(True, "PermissionError"), (False, "connected")])
def test_a_server_has_no_network_where_that_is_denied(workspace: Workspace, denied: bool, said_of_it: str) -> None:
    code = """
import socket
try:
    socket.create_connection(("localhost", {port})).close()
    print("connected")
except OSError as error:
    print(type(error).__name__)
"""
    guardrails = {"guardrails": {"deny_network": denied}}
    with socket.create_server(("127.0.0.1", 0)) as reached:
        calls = uses(("python", {"code": code.replace("{port}", str(reached.getsockname()[1]))}))
        with OpenAIServer(reply=calls) as model:
            outcome = workspace.run(asking(model.url, server(), security=guardrails))
    assert outcome.outputs["status"] == "success", outcome.log
    assert said(model.requests[1]) == f"{said_of_it}\n"


ROOTS_START = """
from pathlib import Path
from tests.agents.test_mcp import box_of, refused, server
print(refused(box_of(server(), {}, Path.cwd())))
"""


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs rights to give up")
def test_a_server_is_not_started_when_root_cannot_drop_its_privileges(workspace: Workspace) -> None:
    command = ["setpriv", "--bounding-set=-setuid,-setgid", "--inh-caps=-all", sys.executable, "-c", ROOTS_START]
    ended = subprocess.run(
        command, cwd=workspace.root, env={"PYTHONPATH": str(HOME), "PATH": os.environ["PATH"]},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert ended.stdout.endswith(") cannot be used; its privileges cannot be dropped: Operation not permitted\n")


# -- what a call gives ------------------------------------------------------------------------------------------------


def test_a_result_is_cut_where_a_tools_result_is(workspace: Workspace) -> None:
    [text] = told(workspace, ("much", {}))
    assert len(text) < 61_000
    assert text.startswith("⟨U+202E⟩x")
    assert text.endswith("[cut here: 10,001 more characters]")


def test_a_picture_is_left_out_and_said_to_be(workspace: Workspace) -> None:
    assert told(workspace, ("picture", {})) == ["[image left out]"]


def test_a_tool_that_falls_without_an_answer_is_given_up_in_time(workspace: Workspace) -> None:
    slow = server(timeout_s=1)
    assert told(workspace, ("slow", {"seconds": "many"}), servers=[slow]) == ["Error: no result within 1 s"]


def test_a_call_that_takes_too_long_ends_and_the_connection_is_good(workspace: Workspace) -> None:
    calls = (("slow", {"seconds": 1.3}), ("slow", {"seconds": 0.6}), ("add", {"a": 1, "b": 1}))
    assert told(workspace, *calls, servers=[server(timeout_s=1)]) == ["Error: no result within 1 s", "done", "2"]


def test_a_server_that_dies_is_an_error_to_the_model_and_told_once(workspace: Workspace) -> None:
    with OpenAIServer(reply=uses(("crash", {}), ("add", {"a": 1, "b": 1}))) as model:
        outcome = workspace.run(asking(model.url, server()))

    ended = "Error: the MCP server 'small' has ended; its tools cannot be used any more"
    assert [said(request) for request in model.requests[1:]] == [ended, ended]
    assert outcome.outputs["status"] == "success"
    [line] = outcome.logged("mcp_server_lost")
    assert "server=small" in line
    assert "it exited with code 7; its stderr ends: 'about to fall'" in line


def test_a_step_whose_time_is_over_does_not_wait_for_a_tool(workspace: Workspace) -> None:
    steps = chain({"input": "go", "timeout_s": 1})
    with OpenAIServer(reply=uses(("slow", {"seconds": 20}))) as model:
        before = time.monotonic()
        outcome = workspace.run(asking(model.url, server(), pattern=steps))

    assert outcome.outputs["status"] == "failed"
    assert time.monotonic() - before < 8


# -- how a start ends the run -----------------------------------------------------------------------------------------


def test_a_server_that_never_answers_ends_the_run_at_its_timeout(workspace: Workspace) -> None:
    before = time.monotonic()
    sentence = failed(workspace, server("silent", timeout_s=1))

    assert sentence == (
        f"'small' ({PYTHON} -P mcp_server.py silent) did not answer within 1 s; its stderr ends: 'thinking'"
    )
    assert time.monotonic() - before < 10


@pytest.mark.parametrize(
    ("mode", "seen"),
    [
        ("exits", "ended before it answered; it exited with code 3; its stderr ends: 'no config'"),
        ("garbage", "did not answer within 2 s; it printed what is no MCP message: 'Welcome!'"),
        ("flood", "ended before it answered; it prints too much else; it printed what is no MCP message: 'Welcome!'"),
    ],
)
def test_what_was_seen_of_a_server_is_said(workspace: Workspace, mode: str, seen: str) -> None:
    assert failed(workspace, server(mode, timeout_s=2)).endswith(f"mcp_server.py {mode}) {seen}")


def test_a_program_that_is_not_there_is_said_to_be_missing(workspace: Workspace) -> None:
    assert failed(workspace, {"id": "a", "command": "no-such-server", "args": ["x"]}) == (
        "'a' (no-such-server x) cannot be used: there is no program 'no-such-server' that can be run"
    )


def test_a_server_that_never_stops_listing_tools_is_refused(workspace: Workspace) -> None:
    assert "cannot be used: it has more than 256 tools" in failed(workspace, server("endless", timeout_s=10))


def test_one_server_that_fails_is_not_kept_waiting_by_the_others(workspace: Workspace) -> None:
    before = time.monotonic()
    assert "'bad'" in failed(workspace, server("silent"), server("exits", id="bad"))
    assert time.monotonic() - before < 10


def test_a_greeting_on_stdout_is_passed_over(workspace: Workspace) -> None:
    assert told(workspace, ("add", {"a": 1, "b": 2}), servers=[server("polite")]) == ["3"]


# -- the end ----------------------------------------------------------------------------------------------------------


def test_what_a_server_started_ends_with_it_whatever_it_ignores(workspace: Workspace) -> None:
    pid, child = told(workspace, ("pid", {}), ("child", {}), servers=[server("stubborn")])
    assert gone(int(pid))
    assert gone(int(child))


def test_what_a_server_hides_ends_with_the_run(workspace: Workspace) -> None:
    """A process that has left its session, its parents and its pipes, and hears no signal."""
    mark = f"hidden-{workspace.root.name}"
    escape = f"{(HOME / 'tests/agents/probe.py').read_text()}\nescape({mark!r})\n"
    escape += f"while not [*marked({mark!r})]: time.sleep(0.01)\nprint('it is there')"
    assert told(workspace, ("python", {"code": escape})) == ["it is there\n"]
    assert running(mark) == []


@pytest.mark.parametrize("mode", ["", "silent"])
@pytest.mark.parametrize("end", ["timeout", "signal", "failure"])
def test_a_server_is_gone_however_the_run_ends(workspace: Workspace, mode: str, end: str) -> None:
    note = workspace.write(
        "note.sh", f"read pid rest < /proc/self/stat; echo $pid > pid; exec {PYTHON} -P {PROGRAM} {mode}\n"
    )
    limits = {"budgets": {"max_duration_s": 2}} if end == "timeout" else {}
    declared = {"id": "small", "command": "/bin/sh", "args": [note], "timeout_s": 1.5 if end == "failure" else 30}
    answer = Answer(status=400) if end == "failure" else Answer("", tool_calls=[("slow", {"seconds": 20})])
    with OpenAIServer(reply=answer) as model, signalled(workspace.root / "pid", after=1 if end == "signal" else None):
        before = time.monotonic()
        outcome = workspace.run(asking(model.url, declared, runtime=limits))

    ways = {"timeout": "timeout", "signal": "cancelled", "failure": "invalid" if mode == "silent" else "failed"}
    assert outcome.outputs["status"] == ways[end]
    assert time.monotonic() - before < 10
    assert gone(int((workspace.root / "pid").read_text()))
    assert not [line for line in outcome.annotations if "not closed" in line]


@contextlib.contextmanager
def signalled(started: Path, after: float | None) -> Iterator[None]:
    """SIGTERM to this process, so many seconds after a file is there; none without a time."""

    def send() -> None:
        while not started.exists():
            time.sleep(0.01)
        time.sleep(after or 0)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=send, daemon=True)
    if after is not None:
        thread.start()
    yield
    if after is not None:
        thread.join()


# -- over HTTP --------------------------------------------------------------------------------------------------------


@pytest.fixture
def port() -> Iterator[int]:
    """Where the small server listens over HTTP."""
    command = [sys.executable, "-P", str(PROGRAM), "http"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield int(process.stdout.readline())
        process.stdin.close()


def remote(url: str, key: str = "k3y-of-http") -> dict[str, Any]:
    return {"id": "far", "url": url, "headers": {"X-Key": key}, "timeout_s": 5}


def test_a_server_over_http_is_sent_its_headers(workspace: Workspace, port: int) -> None:
    url = f"http://127.0.0.1:{port}/mcp"
    assert told(workspace, ("add", {"a": 1, "b": 2}), servers=[remote(url)]) == ["3"]


def test_a_redirect_to_another_origin_is_not_followed(workspace: Workspace, port: int) -> None:
    url = f"http://127.0.0.1:{port}/moved/{port}"
    assert failed(workspace, remote(url)) == (
        f"'far' ({url}) cannot be used; it redirects to another origin, http://localhost:{port}"
    )


def test_a_server_that_refuses_says_how(workspace: Workspace, port: int) -> None:
    url = f"http://127.0.0.1:{port}/mcp"
    assert failed(workspace, remote(url, key="wrong")) == f"'far' ({url}) cannot be used; it answered with HTTP 401"


def test_an_address_where_nothing_listens_is_an_error_of_its_own(workspace: Workspace) -> None:
    assert failed(workspace, remote("http://127.0.0.1:1/mcp")) == (
        "'far' (http://127.0.0.1:1/mcp) cannot be used: All connection attempts failed"
    )


def test_a_server_over_http_that_goes_away_is_an_error_to_the_model(workspace: Workspace, port: int) -> None:
    with OpenAIServer(reply=uses(("crash", {}), ("add", {"a": 1, "b": 1}))) as model:
        outcome = workspace.run(asking(model.url, remote(f"http://127.0.0.1:{port}/mcp")))

    assert outcome.outputs["status"] == "success"
    assert all("closed" in said(one) or "has ended" in said(one) for one in model.requests[1:])
    assert len(outcome.logged("mcp_server_lost")) == 1


# -- secrets ----------------------------------------------------------------------------------------------------------


def box_of(declared: Mapping[str, Any], secrets: Mapping[str, str], workspace: Path) -> Any:
    """The tools of a run with one server, opened where a loop runs."""
    from runner.agents.tools.bench import Bench
    from runner.agents.tools.box import ToolBox
    from runner.plan.templates import render
    from tests.build import plan_of

    content = workflow("http://x", chain("go"), agents={"writer": {"prompt": "p", "tools": ["small"]}})
    plan = plan_of({**content, "tools": {"mcp": [declared]}, "env": declare("KEY")})
    names = {"secrets": secrets}
    bench = Bench(workspace, (), lambda: NOON, fill=lambda text: render(text, names), scrub=Scrubber(secrets.values()))
    return ToolBox(plan.tools, bench, lambda _: None)


def refused(box: Any) -> str:
    """What opening says, when it is closed as a run closes it."""

    async def run() -> str:
        try:
            await box.open()
        except Exception as error:
            return str(error)
        finally:
            await box.close()
        raise AssertionError("it was opened")

    return asyncio.run(run())


def test_a_servers_secret_does_not_stand_in_the_error(workspace: Workspace) -> None:
    box = box_of(server("exits", env={"TOKEN": "{{ secrets.KEY }}"}), {"KEY": "sesame-9"}, workspace.root)
    sentence = refused(box)

    assert "its stderr ends: 'no config ***'" in sentence
    assert "sesame" not in sentence


def test_a_secret_that_is_not_there_ends_the_run(workspace: Workspace) -> None:
    box = box_of(server(env={"TOKEN": "{{ secrets.KEY }}"}), {}, workspace.root)
    assert "cannot be used: " in (sentence := refused(box))
    assert "KEY" in sentence


# -- the loop ---------------------------------------------------------------------------------------------------------

BEAT = """
import asyncio, json, sys, time
from pathlib import Path
from tests.agents.test_mcp import box_of, server

import runner.agents.live  # what is imported when a run begins; the rest is the server's

async def longest_gap(work):
    gaps = []

    async def beat():
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0.001)
            gaps.append((now := time.perf_counter()) - last)
            last = now

    beating = asyncio.create_task(beat())
    await asyncio.sleep(0.05)
    await work
    beating.cancel()
    return max(gaps)

def busy():
    end = time.perf_counter() + 0.7
    while time.perf_counter() < end:
        sum(range(1000))

async def main():
    box = box_of(server(), {}, Path.cwd())
    floor = await longest_gap(asyncio.to_thread(busy))
    assert "mcp" not in sys.modules
    gap = await longest_gap(box.open())
    assert "mcp" in sys.modules and list(box.tools(["small"]))
    await box.close()
    print(json.dumps([floor, gap]))

asyncio.run(main())
"""


def test_a_start_never_holds_the_event_loop_for_50_ms(workspace: Workspace) -> None:
    """In a fresh process, where `mcp` is imported for it. A gap of our making is there every time and one of a busy
    machine's is not, so one good run of several will do; where a thread that only counts makes longer gaps than 50 ms,
    the machine has other things to do, and twice those are allowed."""
    measured = []
    for _ in range(8):
        ended = subprocess.run(
            [sys.executable, "-c", BEAT],
            cwd=workspace.root,
            env={"PYTHONPATH": str(HOME)},
            capture_output=True,
            text=True,
            check=True,
        )
        floor, gap = json.loads(ended.stdout)
        measured.append((floor, gap))
        if gap < max(0.05, 2 * floor if floor > 0.05 else 0):
            return
    pytest.fail(f"the loop was held, in seconds (counting thread, start of a server): {measured}")


# -- at planning ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("declared", "finding"),
    [
        ({"command": " "}, "19:14: an MCP server's command cannot be empty"),
        ({"url": "ftp://x"}, "19:10: url 'ftp://x' is not the address of an MCP server"),
        ({"url": "http://"}, "19:10: url 'http://' is not the address of an MCP server"),
        ({"url": "http://{{ host }}/"}, "19:10: url 'http://{{ host }}/' is not the address of an MCP server"),
        ({"url": "http://a:b@x/"}, "19:10: a url cannot carry credentials"),
        ({"command": "a", "env": {"A B": "1"}}, "21:12: 'A B' cannot be the name of an environment variable"),
        ({"url": "http://x", "headers": {"A:": "1"}}, "21:13: 'A:' is not the name of a header"),
        ({"url": "http://x", "headers": {"Host": "1"}}, "21:13: header 'Host' is written by whoever sends the request"),
        (
            {"url": "http://x.test/mcp", "headers": {"A": "{{ secrets.B }}"}},
            "21:10: header 'A' would send a secret over http://, for everybody to read; use https://",
        ),
        ({"command": "a", "headers": {"A": "1"}}, "21:7: 'headers' belong to a url"),
        ({"url": "http://x", "env": {"A": "1"}}, "21:7: 'env' belongs to a command"),
        ({"url": "http://x", "args": ["a"]}, "21:5: 'args' belongs to a command"),
        ({"command": "a", "args": ["{{ a"]}, "21:7: not a valid template"),
        ({"command": "a", "env": {"A": "{{ last_response }}"}}, "21:10: undefined name 'last_response'"),
        ({"url": "http://x", "headers": {"A": "{{ secret.B }}"}}, "21:10: undefined name 'secret'; did you mean"),
    ],
)
def test_a_declaration_that_could_not_work_is_found_where_it_stands(declared: dict[str, Any], finding: str) -> None:
    tools = {"mcp": [{"id": "a", **declared}]}
    [found] = findings_of({**workflow("http://x", chain("go")), "tools": tools, "env": declare("KEY", "B")})
    assert finding in found


def test_templates_over_secrets_and_inputs_are_valid() -> None:
    env = {"A": "{{ secrets.KEY }}", "B": "{{ topic }}"}
    content = {**workflow("http://x", chain("go")), "inputs": {"required": {"topic": "string"}}}
    content |= {"tools": {"mcp": [{"id": "a", "command": "a", "env": env}]}, "env": declare("KEY")}
    assert findings_of(content, variables={"topic": "tea"}) == []


@pytest.mark.parametrize("url", ["https://x.test/mcp", "http://localhost:8000/mcp", "http://10.1.2.3/mcp"])
def test_secrets_go_over_tls_or_to_a_server_nearby(url: str) -> None:
    declared = {"id": "a", "url": url, "headers": {"A": "{{ secrets.KEY }}"}}
    assert findings_of({**workflow("http://x", chain("go")), "tools": {"mcp": [declared]}, "env": declare("KEY")}) == []


def test_a_url_is_refused_where_the_network_is_and_a_command_is_not() -> None:
    agents = {"writer": {"prompt": "p", "tools": ["far", "small"]}}
    guardrails = {"guardrails": {"deny_network": True}}
    content = asking("http://x", remote("http://127.0.0.1:1/mcp"), server(), agents=agents, security=guardrails)
    assert [finding.partition(": ")[2] for finding in findings_of(content)] == [
        "tool 'far' may use the network, which guardrails.deny_network forbids"
    ]


def test_validate_starts_no_server(workspace: Workspace) -> None:
    declared = {"id": "small", "command": "/bin/sh", "args": ["-c", "touch started"]}
    outcome: Outcome = workspace.run(asking("http://x", declared), mode="validate")
    assert outcome.exit_code == 0
    assert not (workspace.root / "started").exists()
