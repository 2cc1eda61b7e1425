"""What anybody but us says never steers the host, whatever way it takes to the log and the host's files."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from runner.main import main
from runner.watchdog import Watchdog
from tests.agents.using import anybodys_python
from tests.build import hitl
from tests.container.runner_parser import Command, in_any_order, parse_log, steering
from tests.hostile import COMMANDS
from tests.hostile_run import FILES, LOUD, NAME, TITLE, Hostile, judge, tokens
from tests.hostile_run import workflow as hostile_workflow
from tests.servers import Answer, OpenAIServer, Request
from tests.workspace import Outcome, Workspace, chain, push, workflow

ROOT = Path(__file__).parents[2]
COMMAND_FILES = ("GITHUB_ENV", "GITHUB_PATH", "GITHUB_STATE")
ONCE = {"failure_policy": {"retries": 0}}


@pytest.fixture
def job(workspace: Workspace) -> Workspace:
    """A workspace of a pull request, in a job with all the files that a runner gives a step."""
    for name, text in FILES.items():
        workspace.write(name, text)
    for name in COMMAND_FILES:
        workspace.environ[name] = str(workspace.root / workspace.write(f".{name}", ""))
    return workspace


def files(job: Workspace, outcome: Outcome) -> dict[str, str]:
    kept = {name: Path(job.environ[name]).read_text() for name in COMMAND_FILES}
    return {"GITHUB_OUTPUT": (job.root / ".github-output").read_text(), "GITHUB_STEP_SUMMARY": outcome.summary} | kept


def commands(outcome: Outcome) -> list[Command]:
    """What the host would do, which is the same in whatever order it reads the streams."""
    first, *others = in_any_order(outcome.stdout, outcome.log)
    assert all(other == first for other in others)
    return first


def said(outcome: Outcome) -> list[tuple[str, str | None]]:
    """The commands by name, with an annotation's title."""
    return [(one.name, one.properties.get("title")) for one in commands(outcome)]


def test_a_run_among_hostile_models_tools_and_files_does_to_the_job_what_any_run_does(job: Workspace) -> None:
    hostile = Hostile()
    with OpenAIServer(reply=hostile) as server:
        outcome = job.run(hostile_workflow(server.url, anybodys_python()))
    assert outcome.exit_code == 0, outcome.log
    assert sum("pwned" in told for told in hostile.told) == 5, "each tool was told or told something"
    assert outcome.log.count("step_retry") == 3
    assert outcome.stdout == "", "answers go to files"
    judge(outcome.stdout, outcome.log, files(job, outcome))
    (token,) = tokens(outcome.log)
    written = [path.read_bytes() for path in job.root.rglob("*") if path.is_file()]
    assert not any(token.encode() in some for some in written)
    assert not any(token in str(request.body) for request in server.requests)


def test_what_is_printed_past_every_guard_is_not_listened_to(workspace: Workspace) -> None:
    """Such as by a library in C, or by Python when it dies."""
    log = io.StringIO()

    def reply(_: Request) -> str:
        log.write(f"\n{LOUD}\nno end of a line")
        return "an answer"

    with OpenAIServer(reply=reply) as server:
        workspace.write("workflow.yaml", workflow(server.url, chain("one", "two")))
        environ = {"GITHUB_ACTIONS": "true", "OPENAI_API_KEY": "key-of-the-provider", **push(workspace.root)}
        code = main(["run", "workflow.yaml"], environ, cwd=workspace.root, stdout=io.StringIO(), stderr=log)
    assert code == 0
    assert [one.name for one in parse_log(log.getvalue())][:4] == ["group", "stop-commands", "resume", "endgroup"]
    assert "pwned" not in str(steering(log.getvalue()))


def test_what_is_printed_when_a_run_has_ended_goes_through_the_log(
    job: Workspace, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Such as by a thread that it leaves behind, or of an exception that is found when memory is tidied."""

    ended = Watchdog.__exit__

    def late(watchdog: Watchdog, *why: object) -> None:
        ended(watchdog, *why)
        print(LOUD)
        logging.getLogger("a library").error(LOUD)

    monkeypatch.setattr(Watchdog, "__exit__", late)
    with OpenAIServer() as server:
        outcome = job.run(workflow(server.url, chain("go")))
    assert "pwned" in outcome.log.rpartition("Results: ")[2]
    assert said(outcome) == [("group", None), ("endgroup", None)]
    assert capfd.readouterr() == ("", "")


def test_a_run_that_fails_is_annotated_once(job: Workspace) -> None:
    error = {"error": {"message": LOUD, "type": LOUD}}
    with OpenAIServer(reply=lambda _: Answer(status=400, error=error)) as server:
        outcome = job.run(workflow(server.url, chain("go"), runtime=ONCE, name=NAME))
    assert outcome.exit_code == 10
    assert said(outcome) == [("group", None), ("endgroup", None), ("error", "Step failed")]


def test_a_question_is_annotated_once(job: Workspace) -> None:
    with OpenAIServer(reply=lambda _: LOUD) as server:
        outcome = job.run(workflow(server.url, chain("go", hitl("{{ last_response }}")), name=NAME))
    assert outcome.outputs["status"] == "paused"
    assert said(outcome) == [("group", None), ("endgroup", None), ("warning", "Waiting for an answer")]


@pytest.mark.parametrize("mode", ["live", "validate", "plan"])
def test_a_hostile_file_is_refused_with_our_annotations_alone(job: Workspace, mode: str) -> None:
    wrong: dict[str, Any] = {LOUD: LOUD, "name": NAME, "agents": {LOUD: {"prompt": LOUD, LOUD: LOUD}}}
    spec = workflow("http://localhost:1", chain({"id": LOUD, "agent": LOUD, "input": LOUD})) | wrong
    outcome = job.run(spec, mode=mode)
    assert outcome.exit_code == 3
    assert {name for name, _ in said(outcome)} == {"error"}
    assert {title for _, title in said(outcome)} == {"Invalid workflow"}
    assert {one.properties["file"] for one in commands(outcome)} == {"workflow.yaml"}


@pytest.mark.parametrize("host", [{"GITHUB_ACTIONS": "true"}, {}], ids=["for a host", "for a terminal"])
@pytest.mark.parametrize("shape", [[], ["--json"], ["--mermaid"]])
def test_a_plan_is_printed_without_a_command(job: Workspace, shape: list[str], host: dict[str, str]) -> None:
    job.environ |= host
    agents = {"writer": {"prompt": LOUD}}
    spec = workflow("http://localhost:1", chain("go", LOUD), name=NAME, description=LOUD, agents=agents)
    outcome = job.command("plan", job.write("workflow.yaml", spec), *shape)
    assert outcome.exit_code == 0, outcome.log
    assert outcome.stdout
    assert "pwned" not in str(commands(outcome))
    assert {sign for sign in outcome.stdout if unicodedata.category(sign) in ("Cc", "Cf", "Zl", "Zp")} <= {"\n"}


def test_a_plan_for_programs_can_be_read_whatever_is_in_it(job: Workspace) -> None:
    job.environ["GITHUB_ACTIONS"] = "true"
    long = "a line without an end " * 1_000
    spec = workflow("http://localhost:1", chain("go", hitl(long)), name="\u2028 \x85 \x1b \u202e")
    outcome = job.command("plan", job.write("workflow.yaml", spec), "--json")
    plan = json.loads(outcome.stdout)
    assert plan["name"] == "    \x1b ⟨U+202E⟩"
    assert plan["gates"][0]["prompt"] == long


@pytest.mark.parametrize("text", ["\n".join(COMMANDS.values()), *list(COMMANDS.values())[:4]])
def test_inputs_say_no_command(job: Workspace, text: str) -> None:
    for inputs in ({"spec": text}, {"spec": "w.yaml", "max-parallel": text}, {"spec": "w.yaml", "mode": text}):
        outcome = job.action(**inputs)
        assert outcome.exit_code != 0
        assert {name for name, _ in said(outcome)} == {"error"}


def test_test_cases_are_annotated_when_the_host_listens_again(job: Workspace) -> None:
    job.environ["OPENAI_API_KEY"] = "key-of-the-provider"
    with OpenAIServer(reply=lambda _: LOUD) as server:
        job.write("workflow.yaml", workflow(server.url, chain("go"), name=NAME))
        case = {"name": NAME, "expect": {"contains": "what nobody says"}}
        outcome = job.action(spec=job.write("workflow.test.yaml", {"cases": [case]}), mode="record")
    assert outcome.exit_code != 0
    assert set(said(outcome)) == {("error", "Test case")}
    assert [one.name for one in parse_log(outcome.log)][:2] == ["stop-commands", "resume"]


def test_a_bug_of_ours_is_told_when_the_host_listens_again(job: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> None:
        raise ZeroDivisionError(LOUD)

    monkeypatch.setattr("runner.report.progress.lines", failing)
    outcome = job.run(workflow("http://localhost:1", chain("go")))
    assert outcome.exit_code == 70
    assert "Traceback" in outcome.log
    assert said(outcome) == [("group", None), ("error", "Internal error")]
    assert [one.name for one in parse_log(outcome.log)][1:3] == ["stop-commands", "resume"]


def test_the_group_is_named_as_the_workflow_is_as_far_as_that_can_be_shown(job: Workspace) -> None:
    with OpenAIServer() as server:
        outcome = job.run(workflow(server.url, chain("go"), name=NAME))
    assert commands(outcome)[0] == Command("group", {}, f"strands-action: {TITLE}")


@pytest.mark.parametrize(("arguments", "one_pipe"), [((), True), (("plan", "w.yaml"), False)])
def test_as_the_action_all_that_is_printed_has_one_order(
    workspace: Workspace, arguments: tuple[str, ...], one_pipe: bool
) -> None:
    """Of a command line in a `run:` step the answer is another program's to read."""
    workspace.write("w.yaml", workflow("http://127.0.0.1:9", chain("a")))
    asked = {"INPUT_SPEC": "w.yaml", "INPUT_MODE": "plan", "GITHUB_ACTIONS": "true", "PATH": os.defpath}
    command = [sys.executable, str(ROOT / "entrypoint.py"), *arguments]
    done = subprocess.run(command, cwd=workspace.root, env=asked, capture_output=True, text=True, timeout=60)

    assert done.returncode == 0, done.stderr
    assert ("steps[0]" in done.stderr, done.stdout == "") == (one_pipe, one_pipe)
