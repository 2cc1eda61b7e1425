"""What becomes of an answer that is to be posted: a plan of it, written among the run's files, and then shown, or made
to stand at the host. Whatever ends a post, there is a report of how far it came.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from runner.ci.refusal import NoAnswer
from runner.ci.rules import never_writes
from runner.deliver import clean, exit_code
from runner.errors import FileProblem, PostProblem, RunCancelled, RunnerError, UsageError
from runner.facts.marker import key_of_job
from runner.facts.target import target_of
from runner.report.results import Failure, Posted, RunReport

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from runner.ci.api import Api
    from runner.ci.event import Event
    from runner.deliver import Delivery
    from runner.facts.facts import Facts, Target
    from runner.folder import Folder
    from runner.inputs import ActionInputs
    from runner.plan.plan import Plan, PostRecipe
    from runner.post.plan import Kind, PostPlan
    from runner.post.send import Sending
    from runner.post.written import Now

MOST_S: Final = 600.0
"""How long a post may take, with all that the host is waited for."""

LEAST_S: Final = 60.0
"""And how long it always may: what a run that took all its time has cost is not to be lost."""

PLAN_FILE: Final = "post-plan.json"


@dataclass
class Posting:
    """One post. `api` waits for the host as long as a post of this run may take; `plan` makes a plan of its answer;
    `send` begins to post it, and is None where it is only shown. `keep` writes one of the run's files and says where it
    is, and `ahead` writes what is to be read of a run whose process is killed."""

    api: Callable[[RunReport], Api]
    plan: Callable[[RunReport, Api], PostPlan]
    send: Callable[[PostPlan, Api], Sending] | None
    keep: Callable[[str, str], str] = lambda name, text: ""
    ahead: Callable[[RunReport], object] = lambda report: None
    fail_on: str = "error"
    by: str = ""
    _report: RunReport | None = field(default=None, init=False)
    _sending: Sending | None = field(default=None, init=False)
    _over: bool = field(default=False, init=False)

    def of(self, report: RunReport) -> RunReport:
        """The report of a run with what was posted of it. A post that failed fails the run."""
        self._report = report
        try:
            self._report = self._posted(report)
        except RunnerError as problem:
            self._report = self._failed(problem)
        self._over = True
        return self._report

    def cut_off(self, report: RunReport) -> RunReport:
        """The report of a run that has ended so, with what was posted by now. Also for another thread than that which
        posts."""
        if report.status != "success":
            return unposted(report)
        if self._report is None:
            self._report = report
        if self._over:
            return self._report
        doing = self._sending.doing if self._sending is not None else ""
        lost = f"; nobody knows whether {doing} arrived" if doing else ""
        return self._failed(RunCancelled(f"the run was asked to stop while it posted{lost}"))

    def _posted(self, report: RunReport) -> RunReport:
        from runner.post.written import dump

        api = self.api(report)
        plan = self.plan(report, api)
        self._report = report = replace(report, post_plan=self.keep(PLAN_FILE, dump(plan)))
        if self.send is None:
            from runner.post.show import shown, summary

            return replace(report, post_shown=shown(plan), post_page=summary(plan, self.by))
        self.ahead(self._failed(PostProblem("the process ended while it posted, and nobody knows how far it came")))
        self._sending = self.send(plan, api)
        return replace(report, posted=self._sending.run())

    def _failed(self, problem: RunnerError) -> RunReport:
        """The report of a run of which this much was posted, and nothing more."""
        assert self._report is not None
        so_far = self._sending.posted if self._sending is not None else None
        failure = Failure(problem.title, problem.message, findings=problem.findings)
        report = replace(
            self._report,
            status=problem.status,
            exit_code=problem.exit_code,
            failure=failure,
            posted=so_far if so_far is not None and so_far.written else None,
        )
        return replace(report, exit_code=exit_code(report, self.fail_on))


def unposted(report: RunReport) -> RunReport:
    """The report of a run that did not succeed: its failure is nothing to post."""
    return replace(report, unposted=f"nothing was posted, for the run did not succeed ({report.status})")


@dataclass(frozen=True)
class Posts:
    """What one step may post. `event` is None where there is no CI host; `foreign` says that whoever caused the event
    may not write. `tell` hears of every wait, `scrub` takes secrets out of a text."""

    inputs: ActionInputs
    environ: Mapping[str, str]
    event: Event | None
    api: Api
    delivery: Delivery
    tell: Callable[[str], object]
    foreign: bool = False

    def target(self) -> Target | None:
        """Where it goes, or what a plan of it is about; None where nothing is posted. Raises UsageError where it cannot
        be posted, before a model is asked."""
        inputs = self.inputs
        if inputs.post == "none" and inputs.post_plan is None:
            return None
        name, shows = "post" if inputs.post_plan is None else "post-plan", inputs.post == "plan"
        if self.event is None and not shows:
            raise UsageError(f"input '{name}': there is no CI host here; post: plan shows what would be posted on one")
        if not inputs.github_token and not shows:
            raise UsageError(f"input '{name}': nothing can be posted without a token; set 'github-token'")
        if self.event is not None and never_writes(self.event) and not shows:
            raise UsageError(
                f"input '{name}': nothing can be posted from here: in a public repository the token of a fork's "
                f"'{self.event.name}' may only read, whatever the job's permissions say; set post: plan, and have "
                "another job post it (docs/review-bots.md#forks has this way, and others)"
            )
        try:
            target = target_of(self.event, self._patient()) if self.event is not None else None
        except NoAnswer as problem:
            raise UsageError(f"input '{name}': nobody can tell what to post on: {problem}") from None
        if target is None and self.event is not None and not shows:
            raise UsageError(f"input '{name}': {_nowhere(self.event)}")
        if inputs.post == "review" and target is not None and not target.is_pull:
            raise UsageError(f"input 'post': number {target.number} is an issue, without lines; set post: comment")
        return target

    def of_run(self, plan: Plan, facts: Facts, target: Target | None, artifacts: Folder) -> Posting:
        """What will be posted of a run of this plan on these facts. Without a `target` its answer is only shown."""
        from runner.facts.facts import Target
        from runner.post.make import looked_at, plan_of
        from runner.post.said import said

        target, change = facts.seen(target)
        where = target or Target("", 0, is_pull=True)
        kind: Kind = "review" if where.is_pull and self.inputs.post != "comment" else "comment"

        def planned(report: RunReport, api: Api) -> PostPlan:
            answer = said(clean(report, self.delivery.scrub).to_post)
            asks = kind == "review" and change is None and target is not None
            diff = _now(where, api).change if asks else change
            # Before, for a text may be cut in the middle of a secret; and behind, for without what nobody sees it may
            # hold one that it did not.
            made = looked_at(plan_of(answer, plan.post, where, diff, kind), facts.since, facts.unseen)
            return clean(made, self.delivery.scrub)

        return Posting(
            partial(self._patient, timeout_s=plan.limits.timeout_s),
            planned,
            None if self.inputs.post == "plan" else partial(self._send, plan.file),
            keep=lambda name, text: artifacts.shown(artifacts.write(name, text)),
            ahead=partial(self.delivery.ahead, artifacts=artifacts),
            fail_on=self.inputs.fail_on,
            by=self._by,
        )

    def idle(self, report: RunReport, facts: Facts) -> RunReport | None:
        """The report of a run that asks nothing, for what was reviewed is what there is; None where there is something
        new."""
        pull = facts.pull
        if pull is None or not pull.reviewed or self.inputs.post not in ("comment", "review"):
            return None
        why = f"nothing has changed since the review of {pull.since[:12]}, which stands at {pull.reviewed}"
        return replace(report, status="skipped", idle=why, posted=Posted(pull.reviewed))

    @property
    def _by(self) -> str:
        """Who posts, for people."""
        return self.environ.get("GITHUB_WORKFLOW") or "strands-action"

    def of_plan(self, workspace: Path, file: str, allowed: PostRecipe | None) -> Posting:
        """The plan of another job. `allowed` is what this job's own `file` says may be set. Raises PostProblem where
        it may not be posted."""
        from runner.post.written import checked, load

        name, target = self.inputs.post_plan or "", self.target()
        assert target is not None
        plan = load(_content(workspace / name, name), name)
        return Posting(
            self._patient,
            lambda _, api: checked(plan, target, _now(target, api), allowed),
            partial(self._send, file),
            fail_on=self.inputs.fail_on,
        )

    def _patient(self, report: RunReport | None = None, timeout_s: float | None = None) -> Api:
        """The host, asked as patiently as there is time to post."""
        from runner.ci.waiting import patient

        left = MOST_S if report is None or timeout_s is None else timeout_s - report.duration_ms / 1000
        return self.api.waiting(patient(min(MOST_S, max(LEAST_S, left)), self.tell))

    def _send(self, file: str, plan: PostPlan, api: Api) -> Sending:
        from runner.post.acts import Author
        from runner.post.send import Sending

        key = key_of_job(self.environ, file, self.inputs.post_key, foreign=self.foreign)
        author = Author(key, self._by, foreign=self.foreign, scrub=self.delivery.scrub)
        return Sending(plan, author, api)


def _nowhere(event: Event) -> str:
    """Why there is nothing to post on, and what would be right."""
    head = event.commit("workflow_run", "head_sha")
    if event.name == "workflow_run" and head:
        return (
            f"no open pull request is at {head[:12]}, which the run before was for: it was closed or has moved on, or "
            "that run was of no pull request"
        )
    return (
        f"the event '{event.name}' is about neither a pull request nor an issue, so there is nothing to post on; post "
        "from an event that is, such as pull_request, or have what would be posted shown by post: plan"
    )


def _now(target: Target, api: Api) -> Now:
    """How what is to be posted on stands at this moment. Raises PostProblem where the host does not say it."""
    from runner.diff.change import Change
    from runner.diff.read import file_of_host
    from runner.facts.from_host import MOST_FILES
    from runner.post.written import Now

    kind = "pulls" if target.is_pull else "issues"
    try:
        told = api.get(f"{kind}/{target.number}")
        files = [*api.pages(f"pulls/{target.number}/files", most=MOST_FILES)] if target.is_pull else []
    except NoAnswer as problem:
        raise PostProblem(f"what is to be posted on cannot be read: {problem}") from None
    change = Change(tuple(file_of_host(one.payload) for one in files), whole=len(files) < MOST_FILES)
    return Now(told.text("state") == "open", told.commit("head", "sha"), change)


def _content(path: Path, shown: str) -> str:
    """A file that somebody else may have put there: a regular one, and no larger than a plan can be."""
    from runner.post.written import MOST_BYTES

    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise FileProblem(f"{shown} is not a regular file")
            return file.read(MOST_BYTES + 1).decode(errors="replace")
    except OSError as error:
        raise FileProblem(f"{shown} cannot be read: {error.strerror}") from None
