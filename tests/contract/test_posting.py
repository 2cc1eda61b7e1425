"""A run whose answer is posted, from its event to what stands at the host: what is refused before anything is spent,
and what is left when it fails."""

from __future__ import annotations

import json
import os
import signal
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import pytest

from runner.ci.api import Api
from runner.inputs import ActionInputs
from runner.post import send
from runner.posting import Posts
from runner.report.results import RunReport
from tests.servers import Answer, OpenAIServer
from tests.servers.github import TOKEN, GitHub, secondary, slow
from tests.workspace import Workspace, chain, read_outputs, workflow
from tests.zygote import Asked, Zygote

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runner.deliver import Delivery
    from tests.servers.github import Fault, Pull
    from tests.workspace import Outcome
    from tests.zygote import Ended

BEFORE = "".join(f"line {n}\n" for n in range(1, 41))
AFTER = BEFORE.replace("line 20\n", "other 20\n")
FOUND = {
    "summary": "One thing is wrong.",
    "findings": [{"path": "src/a.py", "line": 20, "title": "Wrong", "body": "It should be line 20."}],
    "labels": ["bug"],
}


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The host of a test does not mind to be written to at once."""
    monkeypatch.setattr(send, "BETWEEN_S", 0)


@pytest.fixture
def github() -> Iterator[GitHub]:
    with GitHub({"contents": "read", "pull_requests": "write"}) as host:
        yield host


@pytest.fixture
def model() -> Iterator[OpenAIServer]:
    with OpenAIServer(json.dumps(FOUND)) as server:
        yield server


@pytest.fixture
def pull(github: GitHub) -> Pull:
    return github.pull({"src/a.py": (BEFORE, AFTER)})


@pytest.fixture
def job(tmp_path: Path, github: GitHub, model: OpenAIServer, pull: Pull) -> Workspace:
    """A job for the pull request, with a workflow file that reviews."""
    made = Workspace(tmp_path)
    made.environ = {
        **github.environ,
        "OPENAI_API_KEY": "sk-ofTheJob",
        "GITHUB_WORKFLOW": "review",
        "GITHUB_JOB": "review",
        "GITHUB_ACTION": "__self",
    }
    made.event("pull_request", github.events.pull_request(pull))
    made.write("review.yaml", reviewing(model))
    return made


def reviewing(model: OpenAIServer, **post: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"summary": {"type": "string"}}, "additionalProperties": True}
    return workflow(
        model.url,
        chain("Review it."),
        agents={"writer": {"prompt": "You review.", "output_schema": schema}},
        outputs={"post": {"labels": ["bug"], **post}},
    )


def review(job: Workspace, **inputs: str) -> Outcome:
    given = {"spec": "review.yaml", "post": "review", "github_token": TOKEN, **inputs}
    return job.action(**{name: value for name, value in given.items() if value})


def test_an_answer_is_posted_where_it_belongs_and_the_second_time_nothing_is(
    job: Workspace, pull: Pull, github: GitHub
) -> None:
    first = review(job)
    assert (first.exit_code, first.outputs["status"]) == (0, "success")
    assert [(one.path, one.line) for one in pull.threads] == [("src/a.py", 20)]
    [comment] = pull.comments
    assert pull.labels == ["bug"]
    assert first.outputs["posted-url"] == github.shapes.comment_page(pull, comment)
    assert first.results["posted"]["comments"] == 1
    assert "**Posted** [at the host](" in first.summary
    assert first.logged("Posted: http")
    written = len(github.writes)
    again = review(job)
    assert (again.exit_code, len(github.writes)) == (0, written)
    assert again.outputs["posted-url"] == first.outputs["posted-url"]
    assert again.results["posted"]["written"] == 0
    assert "all of it stood there already" in again.summary


def test_a_plan_is_written_and_shown_and_nothing_is_posted(job: Workspace, github: GitHub) -> None:
    outcome = review(job, post="plan")
    assert outcome.exit_code == 0
    assert github.writes == []
    plan = json.loads((job.root / outcome.outputs["post-plan-path"]).read_text())
    assert plan["plan"]["comments"][0]["line"] == 20
    assert "It should be line 20." in outcome.summary
    assert outcome.outputs["posted-url"] == ""


def test_on_a_laptop_what_would_be_posted_is_printed(tmp_path: Path, model: OpenAIServer) -> None:
    laptop = Workspace(tmp_path)
    laptop.environ = {"OPENAI_API_KEY": "sk-mine"}
    laptop.write("review.yaml", reviewing(model))
    outcome = laptop.command("run", "review.yaml", "--post", "plan")
    assert outcome.exit_code == 0
    assert "One thing is wrong." in outcome.stdout
    assert "src/a.py:20" in outcome.stdout
    nowhere = laptop.command("run", "review.yaml", "--post", "review")
    assert (nowhere.exit_code, len(model.requests)) == (2, 1)
    assert "there is no CI host here; post: plan shows what would be posted on one" in nowhere.log


def test_the_plan_of_another_job_is_posted_and_asks_no_model(job: Workspace, pull: Pull, model: OpenAIServer) -> None:
    path = review(job, post="plan").outputs["post-plan-path"]
    asked = len(model.requests)
    del job.environ["OPENAI_API_KEY"]
    outcome = review(job, post="", post_plan=path)
    assert outcome.exit_code == 0, outcome.log
    assert len(model.requests) == asked
    assert [(one.path, one.line) for one in pull.threads] == [("src/a.py", 20)]
    assert outcome.outputs["posted-url"]
    assert "**Posted**" in outcome.summary


def test_a_plan_with_labels_needs_a_file_that_allows_them(job: Workspace, pull: Pull) -> None:
    path = review(job, post="plan").outputs["post-plan-path"]
    outcome = review(job, spec="", post="", post_plan=path)
    assert (outcome.exit_code, outcome.outputs["status"]) == (11, "failed")
    assert "the label 'bug' is not allowed" in outcome.annotations[0]
    assert (pull.comments, pull.labels) == ([], [])


def test_a_plan_for_a_head_that_is_no_more_says_so(job: Workspace, github: GitHub, pull: Pull) -> None:
    path = review(job, post="plan").outputs["post-plan-path"]
    before = pull.head
    run = github.repository.run(head=before, pulls=[])
    pull.push({"src/a.py": AFTER + "more\n"})
    job.event("workflow_run", github.events.workflow_run(run))
    outcome = review(job, spec="", post="", post_plan=path)
    assert (outcome.exit_code, pull.comments) == (2, [])
    assert f"no open pull request is at {before[:12]}" in outcome.annotations[0]
    assert "post: plan" not in outcome.annotations[0]


def test_a_plan_for_what_was_closed_is_refused(job: Workspace, pull: Pull) -> None:
    path = review(job, post="plan").outputs["post-plan-path"]
    pull.state = "closed"
    outcome = review(job, post="", post_plan=path)
    assert (outcome.exit_code, pull.comments) == (11, [])
    assert "number 1 was closed since" in outcome.annotations[0]


def test_a_plan_that_was_changed_or_is_none_is_refused(job: Workspace, pull: Pull) -> None:
    path = review(job, post="plan").outputs["post-plan-path"]
    job.write("other.json", (job.root / path).read_text().replace("One thing", "No thing"))
    changed, none = (review(job, post="", post_plan=name) for name in ("other.json", "missing.json"))
    assert (changed.exit_code, none.exit_code) == (11, 12)
    assert "its digest is another" in changed.log
    assert pull.comments == []


def test_a_plan_that_is_no_file_is_not_read(job: Workspace, pull: Pull) -> None:
    """Whoever opens a pipe that nobody writes to waits for ever."""
    os.mkfifo(job.root / "pipe")
    (job.root / "link").symlink_to(job.root / "review.yaml")
    told = [review(job, post="", post_plan=name) for name in ("pipe", "link", ".")]
    assert [one.exit_code for one in told] == [12, 12, 12]
    assert "pipe is not a regular file" in told[0].log
    assert pull.comments == []


# -- what is refused before a model is asked --------------------------------------------------------------------------


def test_without_somewhere_to_post_no_model_is_asked(job: Workspace, model: OpenAIServer) -> None:
    job.event("push", {})
    outcome = review(job)
    assert (outcome.exit_code, model.requests) == (2, [])
    assert "the event 'push' is about neither a pull request nor an issue" in outcome.annotations[0]


def test_without_a_token_no_model_is_asked(job: Workspace, model: OpenAIServer) -> None:
    outcome = review(job, github_token="")
    assert (outcome.exit_code, model.requests) == (2, [])
    assert "nothing can be posted without a token; set 'github-token'" in outcome.annotations[0]


@pytest.fixture
def forked(job: Workspace, github: GitHub, pull: Pull) -> Pull:
    """The same pull request, from a fork."""
    pull.head_repository = github.also("stranger/hello", fork=True)
    job.event("pull_request", github.events.pull_request(pull))
    return pull


@pytest.mark.parametrize("inputs", [{"post": "review"}, {"post": "comment"}, {"post": "", "post_plan": "plan.json"}])
def test_from_a_fork_of_a_public_repository_no_model_is_asked(
    job: Workspace, github: GitHub, forked: Pull, model: OpenAIServer, inputs: dict[str, str]
) -> None:
    outcome = review(job, trust="trusted", **inputs)
    assert (outcome.exit_code, model.requests, github.writes) == (2, [], [])
    assert "in a public repository the token of a fork's 'pull_request' may only read" in outcome.annotations[0]
    assert "set post: plan, and have another job post it (docs/review-bots.md#forks" in outcome.annotations[0]


def test_from_a_fork_what_would_be_posted_can_be_shown(job: Workspace, forked: Pull) -> None:
    assert review(job, trust="trusted", post="plan").exit_code == 0


def test_a_private_repository_may_give_its_forks_a_token_that_writes(
    job: Workspace, github: GitHub, forked: Pull
) -> None:
    github.repository.private = True
    job.event("pull_request", github.events.pull_request(forked))
    assert review(job, trust="trusted").exit_code == 0
    assert len(forked.comments) == 1


def test_what_dependabot_may_is_what_its_job_says(job: Workspace, github: GitHub, pull: Pull) -> None:
    job.event("pull_request", github.events.pull_request(pull, by="dependabot[bot]"))
    assert review(job, trust="trusted").exit_code == 0
    assert len(pull.comments) == 1


def test_an_issue_has_no_lines(job: Workspace, github: GitHub, model: OpenAIServer) -> None:
    issue = github.repository.issue(author="mona")
    job.event("issues", github.events.issue(issue))
    refused = review(job)
    assert (refused.exit_code, model.requests) == (2, [])
    assert "number 2 is an issue, without lines; set post: comment" in refused.annotations[0]
    github.tokens[TOKEN] = type(github.tokens[TOKEN])(github.tokens[TOKEN].account, {"issues": "write"})
    assert review(job, post="comment").exit_code == 0
    assert "It should be line 20." in issue.comments[0].body


# -- what fails -------------------------------------------------------------------------------------------------------


def test_a_run_that_failed_is_not_posted(job: Workspace, github: GitHub, tmp_path: Path) -> None:
    with OpenAIServer(Answer(status=400)) as failing:
        job.write("review.yaml", reviewing(failing))
        outcome = review(job)
    assert (outcome.exit_code, github.writes) == (10, [])
    assert "nothing was posted, for the run did not succeed (failed)" in outcome.summary
    assert outcome.results["posted"] is None


def test_a_post_that_failed_fails_the_step_and_keeps_the_answer(job: Workspace, github: GitHub) -> None:
    github.tokens[TOKEN] = type(github.tokens[TOKEN])(github.tokens[TOKEN].account, {"contents": "read"})
    outcome = review(job)
    assert (outcome.exit_code, outcome.outputs["status"]) == (11, "failed")
    assert json.loads(outcome.outputs["structured"]) == FOUND
    assert "give the job `permissions: {pull-requests: write}`" in outcome.annotations[0]
    assert outcome.outputs["post-plan-path"].endswith("post-plan.json")
    assert outcome.results["failure"]["title"] == "Not posted"


def test_a_post_that_failed_may_be_forgiven_as_any_failure(job: Workspace, github: GitHub) -> None:
    github.tokens[TOKEN] = type(github.tokens[TOKEN])(github.tokens[TOKEN].account, {"contents": "read"})
    outcome = review(job, fail_on="never")
    assert (outcome.exit_code, outcome.outputs["status"]) == (0, "failed")
    assert outcome.annotations


def test_an_answer_that_is_no_review_is_not_posted(job: Workspace, github: GitHub) -> None:
    with OpenAIServer('{"verdict": "fine"}') as other:
        job.write("review.yaml", reviewing(other))
        outcome = review(job)
    assert (outcome.exit_code, github.writes) == (11, [])
    assert "what is to be posted has none of these: body" in outcome.log


def test_a_resume_posts_what_was_not_and_asks_no_model_again(
    job: Workspace, github: GitHub, pull: Pull, model: OpenAIServer
) -> None:
    github.fail(secondary(10_000), on="POST */reviews")
    assert review(job).exit_code == 11
    github.later(10_000)
    asked = len(model.requests)
    outcome = review(job, mode="resume")
    assert (outcome.exit_code, len(model.requests)) == (0, asked)
    assert len(pull.comments) == 1


def test_no_secret_is_posted(job: Workspace, pull: Pull, github: GitHub) -> None:
    with OpenAIServer(json.dumps({"body": "The key is sk-ofThe\u200bJob or sk-ofTheJob."})) as telling:
        job.write("review.yaml", reviewing(telling))
        path = review(job, post="plan").outputs["post-plan-path"]
        assert review(job, post="", post_plan=path).exit_code == 0
    [comment] = pull.comments
    assert "sk-ofTheJob" not in (job.root / path).read_text()
    assert "sk-ofTheJob" not in comment.body
    assert "The key is" in comment.body


@pytest.mark.parametrize(("took_s", "timeout_s", "left"), [(10, None, 600), (200, 300, 100), (299, 300, 60)])
def test_the_host_is_waited_for_as_long_as_the_run_has_left_and_always_a_minute(
    took_s: int, timeout_s: float | None, left: float
) -> None:
    posts = Posts(ActionInputs(), {}, None, Api("", "", ""), cast("Delivery", None), print)
    report = RunReport("review", "success", 0, "live", datetime.now(UTC), took_s * 1000)
    assert posts._patient(report, timeout_s).patience.longest == left


# -- being told to stop -----------------------------------------------------------------------------------------------

STUCK = """
import ctypes, pathlib, time
from runner.post import acts, send
send.BETWEEN_S = 0
said = acts.Say.do
def do(self, api):
    pathlib.Path("stuck").write_text("here")
    hang()
    said(self, api)
def hang():
    pass
acts.Say.do = do
"""
"""What hangs, hangs before the comment is sent: the last of what is posted."""

HANGS = {
    "an answer that does not come": "",
    "a limit that is waited for": "hang = lambda: time.sleep(60)",
    "a call that never comes back": """
import runner.watchdog
runner.watchdog.GRACE_LOOKS = 3
def hang():
    library, lock = ctypes.CDLL(None), ctypes.create_string_buffer(64)
    library.pthread_mutex_lock(lock)
    library.pthread_mutex_lock(lock)""",
}


RUN = ["run", "review.yaml", "--post", "review", "--github-token", TOKEN]


def asked(
    job: Workspace, zygote: Zygote, number: int, code: str = "", arguments: list[str] = RUN
) -> tuple[Ended, dict[str, str], Any]:
    """How a run ended that was sent a signal when it was about to post the comment, its outputs and results."""
    job.write("output", "")
    host = {
        **job.environ,
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": "pull_request",
        "GITHUB_EVENT_PATH": str(job.root / ".github-event"),
        "GITHUB_OUTPUT": str(job.root / "output"),
    }
    ended = zygote.run(Asked(arguments, str(job.root), host, signal=number, code=STUCK + code))
    results = json.loads((job.root / "strands-artifacts/results.json").read_text())
    return ended, read_outputs((job.root / "output").read_text()), results


@pytest.mark.parametrize("code", HANGS.values(), ids=HANGS)
def test_a_signal_ends_a_post_and_what_was_posted_is_told(
    job: Workspace, zygote: Zygote, github: GitHub, pull: Pull, code: str
) -> None:
    github.fail(slow(60), on="POST */issues/*/comments")
    ended, outputs, results = asked(job, zygote, signal.SIGTERM, code)
    assert ended.code == 130, ended.log
    assert ended.took < 2
    assert outputs["status"] == results["status"] == "cancelled"
    told = "the run was asked to stop while it posted; nobody knows whether the comment arrived"
    assert results["failure"]["message"] == told
    assert results["data"] == FOUND
    assert results["posted"]["comments"] == len(pull.threads) == 1


ASKED = """
from runner.facts import from_host
def asked(self, base):
    pathlib.Path("stuck").write_text("here")
    return files(self, base)
files, from_host.Asking._files = from_host.Asking._files, asked
"""


@pytest.mark.parametrize("fault", [slow(60), secondary(500)], ids=["an answer", "the end of a limit"])
def test_a_signal_ends_a_run_that_waits_for_its_facts(
    job: Workspace, zygote: Zygote, github: GitHub, model: OpenAIServer, fault: Fault
) -> None:
    job.write("review.yaml", workflow(model.url, chain("{{ pr.diff }}")))
    github.fail(fault, on="GET */pulls/*/files")
    ended, outputs, _ = asked(job, zygote, signal.SIGTERM, ASKED)
    assert (ended.code, outputs["status"]) == (130, "cancelled"), ended.log
    assert ended.took < 2
    assert model.requests == []


def test_a_run_that_is_killed_while_it_posts_leaves_its_answer_and_its_plan(job: Workspace, zygote: Zygote) -> None:
    ended, outputs, results = asked(job, zygote, signal.SIGKILL, HANGS["a limit that is waited for"])
    assert (ended.code, outputs["status"], results["status"]) == (-signal.SIGKILL, "failed", "failed")
    assert results["data"] == FOUND
    assert results["failure"]["message"] == "the process ended while it posted, and nobody knows how far it came"
    assert (job.root / "strands-artifacts/post-plan.json").exists()


def test_a_signal_ends_the_post_of_another_jobs_plan(
    job: Workspace, zygote: Zygote, github: GitHub, pull: Pull
) -> None:
    path = review(job, post="plan").outputs["post-plan-path"]
    arguments = ["run", "review.yaml", "--post-plan", path, "--github-token", TOKEN]
    ended, outputs, _ = asked(job, zygote, signal.SIGTERM, HANGS["a limit that is waited for"], arguments)
    assert (ended.code, outputs["status"]) == (130, "cancelled"), ended.log
    assert ended.took < 2
    assert len(pull.threads) == 1
