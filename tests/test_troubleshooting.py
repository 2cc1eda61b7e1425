"""docs/troubleshooting.md: every kind of error is provoked here, is told with its place and its page, and has a section
there; every message that stands there is one that a run really says."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runner import errors
from runner.errors import HELP, RunnerError, what_to_do
from tests import build
from tests.build import hitl, secrets
from tests.servers import Answer, OpenAIServer, Request
from tests.workspace import Outcome, Workspace, chain, workflow

PAGE = Path(__file__).parents[1] / "docs/troubleshooting.md"
TEXT = PAGE.read_text()
TITLES = re.findall(r"^## (.+)$", TEXT, re.MULTILINE)

WITHIN = {errors.ModelProblem.title}
"""Titles that are never told: a step makes its own failure of what has them."""


def asked(reply: Any = "ok", pattern: dict[str, Any] | None = None, **given: Any) -> Callable[[Workspace], Outcome]:
    """A run of steps that are asked at a server with these replies."""
    inputs = {name: given.pop(name) for name in ("timeout", "mode", "artifacts_dir", "hitl_response") if name in given}

    def run(workspace: Workspace) -> Outcome:
        with OpenAIServer(reply=reply) as server:
            return workspace.run(workflow(server.url, pattern or chain("go"), **given), **inputs)

    return run


def unserved(workspace: Workspace) -> Outcome:
    with OpenAIServer() as server:
        gone = server.url
    policy = {"retries": 0}
    return workspace.run(workflow(gone, chain("go"), runtime={"failure_policy": policy}))


def keyless(workspace: Workspace) -> Outcome:
    return workspace.run(build.workflow())


def without_credentials(workspace: Workspace) -> Outcome:
    workspace.environ |= {"AWS_EC2_METADATA_DISABLED": "true"}
    return workspace.run(build.workflow(runtime={"provider": "bedrock"}))


def stale(workspace: Workspace) -> Outcome:
    with OpenAIServer() as server:
        assert workspace.run(workflow(server.url, chain("go")), mode="record").exit_code == 0
        return workspace.run(workflow(server.url, chain("stop")), mode="replay")


def dearer(workspace: Workspace) -> Outcome:
    def reply(request: Request) -> Answer:
        return Answer("ok", usage=(10, 5) if request.number == 1 else (10, 500))

    with OpenAIServer(reply=reply) as server:
        written = workflow(server.url, chain("go"))
        assert workspace.run(written, mode="record").exit_code == 0
        return workspace.run(written, mode="record", record="all", max_token_increase="50")


def no_plan(workspace: Workspace) -> Outcome:
    workspace.event("issues", {"issue": {"number": 7}, "repository": {"full_name": "a/b"}}, REPOSITORY="a/b")
    workspace.write("post-plan.json", "{}")
    return workspace.action(post_plan="post-plan.json", github_token="a token")


def stopped(workspace: Workspace) -> Outcome:
    def reply(_: Request) -> Answer:
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()
        return Answer(delay=30)

    return asked(reply)(workspace)


def of_a_bug(workspace: Workspace) -> Outcome:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("runner.modes.run.plan_of", lambda *_, **__: {}["missing"])
        return workspace.run(build.workflow())


def unwritable(workspace: Workspace) -> Outcome:
    workspace.write("there/results", "in the way")
    return asked(artifacts_dir="there/results")(workspace)


DATA = {
    "agents": {
        "writer": {"output_schema": {"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}}}
    }
}
TASKS = {"tasks": [{"task": "Read."}]}
ONCE = {"failure_policy": {"retries": 0}}

SCENARIOS: dict[str, Callable[[Workspace], Outcome]] = {
    "nothing to run": lambda workspace: workspace.action(),
    "an unknown input": lambda workspace: workspace.action(prompt="a", modle="b"),
    "no variable": asked(inputs={"required": {"topic": "string"}}, pattern=chain("{{ topic }}")),
    "no key": keyless,
    "no AWS credentials": without_credentials,
    "no secret": asked(env=secrets("TOKEN_OF_OURS")),
    "an unknown key": asked(pattern=chain({"agnet": "writer", "input": "a"})),
    "an undefined name": asked(pattern=chain("{{ topic }}")),
    "not offered": asked(env={"mounts": {"a": "b"}}),
    "credentials refused": asked(Answer(status=401, error={"error": {"message": "Incorrect API key provided"}})),
    "an unknown model": asked(Answer(status=404, error={"error": {"message": "The model m does not exist"}})),
    "throttled": asked(Answer(status=429, headers={"retry-after": "0"}), runtime=ONCE),
    "nobody there": unserved,
    "an empty answer": asked("", runtime=ONCE),
    "a cut answer": asked(Answer("a", finish="length")),
    "a filtered answer": asked(Answer("a", finish="content_filter")),
    "no data": asked("a", runtime={"failure_policy": {"on_malformed": "fail"}}, **DATA),
    "a slow step": asked(Answer(delay=30), runtime={"timeout_s": 0.2, **ONCE}),
    "a silent model": asked(Answer(delay=30), runtime={"timeouts": {"first_token_s": 0.2}, **ONCE}),
    "a graph without a way on": asked(pattern=build.graph("a b", build.way("a", b="false"), on_no_match="fail")),
    "a no": asked(lambda _: TASKS, pattern=build.workers(decomposition_review=hitl()), hitl_response="reject"),
    "a template of the outputs": asked(outputs={"step_outputs": {"a": "{{ 1 // 0 }}"}}),
    "no file": lambda workspace: workspace.action(spec="nothing.yaml"),
    "nowhere to write": unwritable,
    "no recordings": asked(mode="replay"),
    "a stale recording": stale,
    "more than before": dearer,
    "no plan to post": no_plan,
    "a gate": asked(pattern=chain("go", hitl("Publish?"))),
    "out of budget": asked(runtime={"max_tokens": 300, "budgets": {"max_tokens": 200}}),
    "out of time": asked(Answer(delay=30), timeout="0.3"),
    "stopped": stopped,
    "a bug": of_a_bug,
}


def words(log: str) -> str:
    """What a log says of errors, without times and levels."""
    lines = (re.sub(r"^\S+ (?:ERROR|WARNING) ", "", line) for line in log.splitlines())
    return "\n".join(line for line in lines if not line.startswith("::"))


def rows() -> list[tuple[str, str]]:
    """Every message that the page explains, behind the title of its section."""
    found = []
    for section in re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]:
        title, _, rest = section.partition("\n")
        found += [(title, message) for message in re.findall(r"^\| `([^`]+)` \|", rest, re.MULTILINE)]
    return found


@pytest.fixture(scope="module")
def provoked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    return {name: run(Workspace(tmp_path_factory.mktemp("workspace"))) for name, run in SCENARIOS.items()}


def title_of(outcome: Outcome) -> str:
    """Under which title a run told why it ended."""
    told = [title for title in TITLES if f" {title}: " in outcome.log]
    assert len(told) == 1, (told, outcome.log)
    return told[0]


@pytest.mark.parametrize("name", SCENARIOS)
def test_an_error_is_told_with_the_page_that_helps_once_in_log_and_summary(name: str, provoked: dict[str, Outcome]):
    outcome = provoked[name]
    page = what_to_do(title_of(outcome))
    assert outcome.exit_code != 0
    assert outcome.log.count(page) == 1
    assert outcome.summary.count(page) == (0 if outcome.outputs["status"] == "paused" else 1)


def test_every_kind_of_error_has_a_section_and_every_section_is_of_one():
    kinds, found = [RunnerError], set()
    while kinds:
        kind = kinds.pop()
        kinds += kind.__subclasses__()
        found |= {kind.title}
    assert set(TITLES) == found - WITHIN


def test_every_kind_of_error_is_provoked(provoked: dict[str, Outcome]):
    assert {title_of(outcome) for outcome in provoked.values()} == set(TITLES)


@pytest.mark.parametrize(("title", "message"), rows())
def test_a_message_on_the_page_is_one_that_a_run_says(title: str, message: str, provoked: dict[str, Outcome]):
    pattern = ".*".join(re.escape(part) for part in message.split("…"))
    said = [outcome for outcome in provoked.values() if re.search(pattern, words(outcome.log))]
    assert said, message
    assert {title_of(outcome) for outcome in said} == {title}


def test_every_provoked_message_is_on_the_page(provoked: dict[str, Outcome]):
    patterns = [".*".join(re.escape(part) for part in message.split("…")) for _, message in rows()]
    untold = [
        name for name, outcome in provoked.items() if not any(re.search(one, words(outcome.log)) for one in patterns)
    ]
    assert untold == []


@pytest.mark.parametrize("title", TITLES)
def test_the_address_of_a_section_is_the_one_that_the_host_gives_it(title: str):
    assert what_to_do(title) == f"{HELP}#{title.lower().replace(' ', '-')}"


def test_a_file_among_several_that_are_checked_does_not_repeat_the_page(workspace: Workspace):
    for name in ("a.yaml", "b.yaml"):
        workspace.write(name, build.workflow(pattern=chain({"agnet": "writer", "input": "a"})))
    outcome = workspace.command("validate", "a.yaml", "b.yaml")
    assert outcome.log.count(HELP) == 1
