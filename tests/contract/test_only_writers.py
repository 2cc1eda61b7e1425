"""Who may start a run, where only writers may: that is not the same as whose words it reads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.ci import events
from tests.ci.events import BOT, FORK, HERE, OWNER, READER, STRANGER, TOKEN, GitHub, user
from tests.servers import Answer, OpenAIServer, WebServer
from tests.workspace import Outcome, Workspace, chain, workflow


@pytest.fixture
def model() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


@pytest.fixture(scope="module")
def github() -> Iterator[GitHub]:
    with GitHub() as server:
        yield server


def act(workspace: Workspace, model: OpenAIServer, host: WebServer, name: str, payload: Any, **inputs: str) -> Outcome:
    workspace.event(name, payload, API_URL=host.url, REPOSITORY="octocat/hello", SHA=events.BASE)
    inputs = {"only_writers": "true", "github_token": TOKEN, **inputs}
    return workspace.action(prompt="Go.", provider="openai", model_id="m", host=model.url, **inputs)


@pytest.mark.parametrize("by", [READER, STRANGER])
@pytest.mark.parametrize("trust", ["auto", "trusted"])
def test_nothing_runs_for_who_may_not_write_and_that_is_no_failure(
    workspace: Workspace, model: OpenAIServer, github: GitHub, by: int, trust: str
):
    outcome = act(workspace, model, github, "issue_comment", events.comment(user(by)), trust=trust)
    assert (outcome.exit_code, outcome.outputs["status"]) == (0, "skipped")
    assert model.requests == []
    why = f"'only-writers'): {events.LOGINS[by]} may not write to the repository"
    [warning] = outcome.annotations
    assert warning.startswith("::warning title=Skipped::")
    assert why in warning
    assert why in outcome.summary.replace("\\", "")
    assert why in outcome.log.replace(warning, "")


def test_a_writer_may_have_a_strangers_pull_request_looked_at(
    workspace: Workspace, model: OpenAIServer, github: GitHub
):
    payload = events.comment(user(OWNER), on_pull=True)
    assert payload["issue"]["user"]["id"] == STRANGER
    assert act(workspace, model, github, "issue_comment", payload).exit_code == 0
    outcome = act(workspace, model, github, "pull_request_target", events.pull_request(FORK) | {"sender": user(OWNER)})
    assert (outcome.exit_code, outcome.outputs["status"], outcome.outputs["trust"]) == (0, "success", "untrusted")
    assert len(model.requests) == 2


STARTED = [
    ("push", {}, True),
    ("schedule", {}, True),
    ("pull_request", events.pull_request(HERE), True),
    ("pull_request", events.pull_request(FORK, STRANGER), False),
    ("pull_request", events.pull_request(HERE, READER), False),
    ("issues", events.issue(STRANGER), False),
    ("issues", events.issue(STRANGER, OWNER), True),
    ("issue_comment", events.comment(user(OWNER), user(STRANGER)), False),
    ("issue_comment", events.comment({**user(STRANGER), "login": "octocat"}), False),
    ("workflow_run", events.workflow_run(), True),
    ("workflow_run", events.workflow_run(FORK, actor=STRANGER), False),
    ("watch", {"sender": user(OWNER)}, True),
]


@pytest.mark.parametrize(("name", "payload", "runs"), STARTED)
def test_every_event_has_somebody_who_caused_it(
    workspace: Workspace, model: OpenAIServer, github: GitHub, name: str, payload: Any, runs: bool
):
    outcome = act(workspace, model, github, name, payload, mode="plan")
    assert (outcome.exit_code, outcome.outputs["status"]) == (0, "success" if runs else "skipped")


@pytest.mark.parametrize(("bots", "runs"), [("", False), (str(BOT), True)])
def test_a_bot_may_where_its_number_is_named(
    workspace: Workspace, model: OpenAIServer, github: GitHub, bots: str, runs: bool
):
    outcome = act(workspace, model, github, "issues", events.issue(BOT), trusted_bots=bots)
    assert (outcome.outputs["status"] == "success", bool(model.requests)) == (runs, runs)


@pytest.mark.parametrize(
    ("token", "said", "why"),
    [
        ("", Answer(), "there is no github-token to ask the host with"),
        (TOKEN, Answer(status=502), "the host answers with status 502"),
        (TOKEN, Answer(status=401), "the host does not take the github-token"),
        (TOKEN, Answer('{"message": "Not Found"}', status=404), "nothing is there (status 404), or the token may not"),
    ],
)
def test_where_nobody_can_tell_nothing_runs_and_that_is_a_failure(
    workspace: Workspace, model: OpenAIServer, token: str, said: Answer, why: str
):
    with WebServer(said) as host:
        outcome = act(workspace, model, host, "issues", events.issue(OWNER), github_token=token)
    assert (outcome.exit_code, outcome.outputs["status"]) == (2, "invalid")
    assert f"input 'only-writers' is set, and nobody can tell whether octocat may write: {why}" in outcome.log
    assert model.requests == []


@pytest.mark.parametrize(
    ("name", "payload", "why"),
    [
        ("watch", {}, "the payload does not say who 'sender' is"),
        ("workflow_run", {"sender": user(OWNER)}, "the payload does not say who 'workflow_run.triggering_actor' is"),
        ("issue_comment", "[", "the payload of the event tells nothing: it is not JSON"),
    ],
)
def test_a_payload_that_does_not_say_who_it_was_is_a_failure_too(
    workspace: Workspace, model: OpenAIServer, github: GitHub, name: str, payload: Any, why: str
):
    outcome = act(workspace, model, github, name, payload)
    assert (outcome.exit_code, outcome.outputs["status"]) == (2, "invalid")
    assert f"input 'only-writers' is set, and {why}" in outcome.log
    assert model.requests == []


def test_an_app_that_the_host_knows_no_permission_of_is_no_writer(workspace: Workspace, model: OpenAIServer):
    no_user = Answer('{"message": "dependabot[bot] is not a user"}', status=404)
    with WebServer(lambda request: no_user if request.path.endswith("/permission") else '{"id": 1}') as host:
        outcome = act(workspace, model, host, "issues", events.issue(events.DEPENDABOT))
    assert (outcome.exit_code, outcome.outputs["status"]) == (0, "skipped")
    assert "the host knows of no permission that dependabot[bot] has" in outcome.log


def test_without_it_everybody_may_start_a_run(workspace: Workspace, model: OpenAIServer, github: GitHub):
    outcome = act(workspace, model, github, "issues", events.issue(STRANGER), only_writers="false")
    assert (outcome.exit_code, outcome.outputs["status"], outcome.outputs["trust"]) == (0, "success", "untrusted")


def test_where_there_is_no_host_it_asks_nobody(workspace: Workspace, model: OpenAIServer):
    workspace.write("workflow.yaml", workflow(model.url, chain("go")))
    assert workspace.command("run", "workflow.yaml", "--only-writers").exit_code == 0
