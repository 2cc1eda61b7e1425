"""A fork's pull request in two jobs: the first has no secret and no right to write, and plans; the second runs nothing
of the fork's, and posts exactly what was planned, where that is of the run before it and of the pull request as it is
now."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.reviewing import EXAMPLE, SMALL, SPEC, act, checked_out, seeded
from tests.servers import OllamaServer
from tests.servers.github import TOKEN, GitHub, Pull
from tests.workspace import Outcome, Workspace, jobs_workspace, read_outputs

ENTRYPOINT = Path(__file__).parents[2] / "entrypoint.py"
PLAN = "from-fork/post-plan.json"
FOUND = {
    "path": "stockroom/load.py",
    "line": 18,
    "severity": "high",
    "title": "Every error is lost",
    "body": "Nobody hears of a row that cannot be read.",
}
Json = dict[str, Any]


def reply(request: Any) -> str:
    return json.dumps({"body": "It loses errors.", "findings": [FOUND]})


def analyse(workspace: Workspace, github: GitHub, pull: Pull, model: OllamaServer) -> Outcome:
    """The first job: a token that may read, and no key."""
    token = github.token("github-actions[bot]", contents="read", pull_requests="read")
    payload = github.events.pull_request(pull)
    inputs = {"spec": SMALL, "post": "plan", "host": model.url}
    return act(workspace, github, "pull_request", payload, token=token, **inputs)


def run_before(github: GitHub, pull: Pull, **changes: Any) -> Json:
    """The payload of the event that starts the second job."""
    told = {"head": pull.head, "head_branch": pull.head_ref, "head_repository": pull.head_repository, **changes}
    run = github.repository.run(name="review of a fork", event="pull_request", conclusion="success", **told)
    return github.events.workflow_run(run, by="stranger")


def post(workspace: Workspace, github: GitHub, payload: Json, plan: str, **inputs: str) -> Outcome:
    """The second job, with the artifact of the first."""
    workspace.write(PLAN, plan)
    return act(workspace, github, "workflow_run", payload, post_plan=PLAN, **inputs)


@pytest.fixture(scope="module")
def plan() -> str:
    """The plan that the first job made: it is the same whenever that runs."""
    with jobs_workspace() as workspace, OllamaServer(reply) as model, seeded(fork=True) as (github, pull):
        outcome = analyse(workspace, github, pull, model)
        assert outcome.exit_code == 0, outcome.log
        return (workspace.root / outcome.outputs["post-plan-path"]).read_text()


@pytest.fixture
def planned(plan: str) -> Iterator[tuple[GitHub, Pull, str]]:
    """A fork's pull request, and the plan for it."""
    with seeded(fork=True) as (github, pull):
        assert pull.head in plan
        yield github, pull, plan


@pytest.fixture
def second() -> Iterator[Workspace]:
    with jobs_workspace() as made:
        yield made


# -- as it should go --------------------------------------------------------------------------------------------------


def test_two_processes_with_two_environments_post_what_was_planned(workspace: Workspace, second: Workspace):
    with OllamaServer(reply) as model, seeded(fork=True) as (github, pull):
        token = github.token("github-actions[bot]", contents="read", pull_requests="read")
        asked = {"SPEC": SMALL, "POST": "plan", "HOST": model.url, "GITHUB-TOKEN": token}
        outputs = process(workspace, github, "pull_request", github.events.pull_request(pull), **asked)
        assert (outputs["status"], outputs["trust"]) == ("success", "untrusted")
        assert github.asked
        assert github.writes == []  # not even one that was refused

        plan = (workspace.root / outputs["post-plan-path"]).read_text()
        second.write(PLAN, plan)
        asked_for_answers = len(model.requests)
        given = {"POST-PLAN": PLAN, "GITHUB-TOKEN": TOKEN}
        outputs = process(second, github, "workflow_run", run_before(github, pull), **given)

        assert outputs["posted-url"]
        assert len(model.requests) == asked_for_answers
        assert [(one.path, one.line) for one in pull.threads] == [("stockroom/load.py", 18)]
        for text in ("Every error is lost", "Nobody hears of a row"):
            assert text in pull.threads[0].comments[0].body
        [sticky] = pull.comments
        assert "It loses errors." in sticky.body
        assert github.writes == [
            f"POST /repos/octo/stockroom/{one}" for one in ("pulls/1/reviews", "issues/1/comments")
        ]


def process(workspace: Workspace, github: GitHub, event: str, payload: Json, **inputs: str) -> dict[str, str]:
    """The real entrypoint, in an environment of just this; its outputs."""
    (workspace.root / "event.json").write_text(json.dumps(payload))
    output = workspace.root / "outputs"
    output.touch()
    environ = {
        **github.environ,
        "PATH": os.environ["PATH"],
        "GITHUB_ACTIONS": "true",
        "GITHUB_WORKFLOW": "review",
        "GITHUB_JOB": "review",
        "GITHUB_RUN_ID": "7",
        "GITHUB_SHA": github.repository.branches["main"],
        "GITHUB_EVENT_NAME": event,
        "GITHUB_EVENT_PATH": str(workspace.root / "event.json"),
        "GITHUB_WORKSPACE": str(workspace.root),
        "GITHUB_OUTPUT": str(output),
        **{f"INPUT_{name}": value for name, value in inputs.items()},
    }
    command = [sys.executable, "-W", "error", str(ENTRYPOINT)]
    ended = subprocess.run(
        command,
        cwd=workspace.root,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stdout
    return read_outputs(output.read_text())


def test_a_plan_that_was_posted_is_not_posted_again(planned: tuple[GitHub, Pull, str], workspace: Workspace):
    github, pull, plan = planned
    payload = run_before(github, pull)
    assert post(workspace, github, payload, plan).exit_code == 0
    written = len(github.writes)
    assert post(workspace, github, payload, forged(plan, lambda told: None)).exit_code == 0  # forging nothing is right
    assert len(github.writes) == written
    assert (len(pull.comments), len(pull.threads)) == (1, 1)


def test_a_strangers_plan_takes_nothing_of_another_review_with_the_same_key(
    planned: tuple[GitHub, Pull, str], workspace: Workspace, second: Workspace
):
    """Neither its comment, nor its places: who says something harmless at every line would silence it."""
    github, pull, plan = planned
    assert post(workspace, github, run_before(github, pull), plan, post_key="review").exit_code == 0
    checked_out(second)
    payload = github.events.pull_request(pull)
    inputs = {"spec": SPEC, "mode": "replay", "post": "review", "post_key": "review"}
    outcome = act(second, github, "pull_request_target", payload, **inputs)

    assert outcome.exit_code == 0, outcome.log
    assert ["anybody's words" in one.body for one in pull.comments] == [True, False]
    assert [("It loses errors." in one.body, "It is not ready" in one.body) for one in pull.comments] == [
        (True, False),
        (False, True),
    ]
    assert [(one.path, one.line) for one in pull.threads].count(("stockroom/load.py", 18)) == 2


# -- as it may not ----------------------------------------------------------------------------------------------------


def forged(plan: str, change: Callable[[Json], object]) -> str:
    """A plan that says something else, with a digest that is right."""
    told = json.loads(plan)
    change(told["plan"])
    canonical = json.dumps(told["plan"], sort_keys=True, separators=(",", ":"))
    told["digest"] = "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()
    return json.dumps(told, indent=2) + "\n"


def refused(github: GitHub, outcome: Outcome, says: str) -> None:
    """Nothing was written, and the log says why in a sentence."""
    assert outcome.exit_code in (2, 11), outcome.log
    assert says in outcome.log
    assert github.writes == []
    assert outcome.outputs["status"] in ("failed", "invalid")
    assert not outcome.outputs.get("posted-url")


@pytest.mark.parametrize(
    ("tamper", "says"),
    [
        (lambda plan: plan.replace("Nobody", "Somebody"), "digest"),
        (lambda plan: plan[: len(plan) // 2], "post-plan.json"),
        (lambda plan: forged(plan, lambda told: told.update(labels=["bug"])), "label"),
        (lambda plan: forged(plan, lambda told: told.update(check="ci", conclusion="success")), "check"),
        (lambda plan: forged(plan, lambda told: told.update(repository="octo/other")), "octo/other"),
        (lambda plan: forged(plan, lambda told: told.update(number=2)), "2"),
        (lambda plan: forged(plan, lambda told: told.update(head="1" * 40)), "1111111"),
        (lambda plan: forged(plan, lambda told: told["comments"][0].update(line=900)), "900"),
        (lambda plan: forged(plan, lambda told: told["comments"][0].update(path="other.py")), "other.py"),
        (lambda plan: forged(plan, lambda told: told.update(kind="approve")), "kind"),
    ],
    ids=["a word", "half", "a label", "a check", "repository", "number", "head", "line", "path", "kind"],
)
def test_a_plan_that_was_tampered_with_is_refused(
    planned: tuple[GitHub, Pull, str], workspace: Workspace, tamper: Callable[[str], str], says: str
):
    github, pull, plan = planned
    refused(github, post(workspace, github, run_before(github, pull), tamper(plan)), says)


def test_a_plan_for_another_pull_request_of_the_same_author_is_refused(
    planned: tuple[GitHub, Pull, str], workspace: Workspace
):
    github, pull, plan = planned
    other = github.pull({"a.txt": ("a\n", "b\n")}, author="stranger", head="other", fork=pull.head_repository)
    refused(
        github, post(workspace, github, run_before(github, other), plan), "it is for number 1, and the event is about 2"
    )


def test_a_plan_is_refused_when_the_pull_request_has_moved_on(planned: tuple[GitHub, Pull, str], workspace: Workspace):
    github, pull, plan = planned
    payload = run_before(github, pull)
    pull.push(diff=github.repository.difference(pull.base, pull.head))
    refused(github, post(workspace, github, payload, plan), "no open pull request")


def test_a_plan_for_a_branch_of_ours_is_refused_when_that_has_moved_on(plan: str, workspace: Workspace):
    with seeded() as (github, pull):
        payload = run_before(github, pull, pulls=[pull])
        made = forged(plan, lambda told: told.update(head=pull.head))
        pull.push(diff=github.repository.difference(pull.base, pull.head))
        refused(github, post(workspace, github, payload, made), "by now")


def test_a_plan_for_a_pull_request_that_was_closed_is_refused(planned: tuple[GitHub, Pull, str], workspace: Workspace):
    github, pull, plan = planned
    payload = run_before(github, pull)
    pull.state = "closed"
    refused(github, post(workspace, github, payload, plan), "no open pull request")


def test_labels_are_set_where_this_jobs_own_file_allows_them(plan: str, workspace: Workspace):
    allows = (EXAMPLE / "workflow.yaml").read_text() + "    labels: [bug]\n"
    asked = forged(plan, lambda told: told.update(labels=["bug"]))
    with seeded(fork=True, also={"allows.yaml": allows}) as (github, pull):
        outcome = post(workspace, github, run_before(github, pull), asked, spec="allows.yaml")
        assert outcome.exit_code == 0, outcome.log
        assert pull.labels == ["bug"]


def test_a_token_that_may_not_write_is_told_which_permission_is_missing(
    planned: tuple[GitHub, Pull, str], workspace: Workspace
):
    github, pull, plan = planned
    workspace.write(PLAN, plan)
    token = github.token("github-actions[bot]", contents="read", pull_requests="read")
    outcome = act(workspace, github, "workflow_run", run_before(github, pull), token=token, post_plan=PLAN)
    assert outcome.exit_code == 11
    assert "pull-requests: write" in outcome.log
    assert (pull.comments, pull.threads) == ([], [])
