"""For whom a run is: what the event, the inputs and the workspace's checkouts say together, and what follows from it.

The rules are in `runner.ci.rules`; here they are asked once, before a plan is made. A run for a stranger is read-only,
and what decides about it is read from the base revision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from runner.ci.event import Event, event_of
from runner.ci.refusal import NoAnswer
from runner.ci.rules import Asking, doubt_of, from_fork, no_starter
from runner.errors import FileProblem, UsageError
from runner.plan.telemetry import Telemetry
from runner.records import dataclass
from runner.report.results import Trust

if TYPE_CHECKING:
    from runner.ci.api import Api
    from runner.ci.checkout import Checkout
    from runner.ci.event import Account
    from runner.inputs import ActionInputs
    from runner.plan.plan import Plan

ASKING: Final = ("live", "resume")
"""Modes that ask models, and so are read-only for a stranger. The others ask nobody, but for `record`."""

WHY_NOT: Final = "https://securitylab.github.com/resources/github-actions-preventing-pwn-requests/"

READ_ONLY: Final = (
    "a read-only run: none of the workflow file's secrets is read, and no tool is given that changes anything or "
    "reaches anybody"
)
OF_THE_BASE: Final = "; workflow files are those of the base revision"
NOBODY_ASKED: Final = "no model is asked, no tool is used, and no secret is read"


@dataclass(frozen=True)
class Standing:
    """One invocation: where it runs, and what is asked about it."""

    inputs: ActionInputs
    event: Event | None
    """None where there is no CI host: then it is its user's own."""
    workspace: Path
    reach: Callable[[], Api]
    """Makes what asks the host; most events say by themselves whom they are of, and then there is nothing to ask."""

    @cached_property
    def api(self) -> Api:
        return self.reach()

    @cached_property
    def trust(self) -> Trust:
        """Whether the run is trusted, and why."""
        if self.inputs.trust != "auto":
            return self._trust(self.inputs.trust == "trusted", f"the input 'trust' is {self.inputs.trust}")
        if self.event is None:
            return self._trust(True, "there is no CI host")
        doubt = doubt_of(self.event, Asking(self._may_write, self.inputs.trusted_bots)) or self._strange_files()
        return self._trust(not doubt, doubt or f"only who may write to the repository causes this '{self.event.name}'")

    def _may_write(self, account: Account) -> str:
        return self.api.may_write(account)

    def _no_writer(self, account: Account) -> str:
        return self.api.no_writer(account)

    @property
    def outsider(self) -> str:
        """Why nothing runs, as only writers may start a run and somebody else has; empty where it does. Raises
        UsageError where nobody can tell: a run that is not there must not look as if nobody had asked for it."""
        if self.event is None or not self.inputs.only_writers:
            return ""
        try:
            return no_starter(self.event, Asking(self._no_writer, self.inputs.trusted_bots))
        except NoAnswer as problem:
            raise UsageError(f"input 'only-writers' is set, and {problem}") from None

    @property
    def read_only(self) -> bool:
        return not self.trust.trusted and self.inputs.mode in ASKING

    def refuse(self) -> None:
        """Raise UsageError for what is never done for a stranger."""
        if self._holds_the_forks_head():
            raise UsageError(
                "this is 'pull_request_target' with a checkout of the fork's head, or one that nobody can tell from "
                "it: a stranger's files beside the secrets and the write token of this repository, which whatever "
                "reads them may hand out. Leave out that checkout; or run on 'pull_request', with mode: replay or "
                "test, which need no secret; or let one "
                f"job without secrets look at the files and another one act on its outputs. See {WHY_NOT}"
            )
        if self.inputs.mode == "record" and not self.trust.trusted:
            raise UsageError(
                f"mode: record is for trusted events only, for what it writes is replayed for ever ({self.trust.why})"
            )

    def fitted(self, plan: Plan) -> Plan:
        """The plan, without the secrets that a stranger's file names and the address that it would have spans sent to.
        A read-only one is of the base."""
        if self.trust.trusted or self.read_only:
            return plan
        return replace(plan, secrets=(), telemetry=Telemetry(service_name=plan.telemetry.service_name))

    @contextmanager
    def sources(self) -> Iterator[Path]:
        """The directory from which what decides about a run is read: the workspace, or while it is open another one
        with the files of the base revision. Raises UsageError where those cannot be had."""
        if not self.read_only or self.event is None or self.inputs.prompt is not None or self._at_base():
            yield self.workspace
            return
        from tempfile import TemporaryDirectory

        with TemporaryDirectory(prefix="base-") as directory:
            self._fetch_base(Path(directory))
            try:
                yield Path(directory)
            except FileProblem as problem:
                raise FileProblem(
                    f"{problem.message}. This run is untrusted ({self.trust.why}), so its files are those of the base "
                    f"revision {self._base[:12]}, by their paths in the repository and as the host packs them: without "
                    "links, and without what .gitattributes leaves out",
                    at=problem.at,
                ) from None

    # -- the workspace's files ----------------------------------------------------------------------------------------

    @cached_property
    def _checkouts(self) -> tuple[Checkout, ...]:
        from runner.ci.checkout import checkouts  # where there is no host, or the event says it all, nobody looks

        return checkouts(self.workspace, self.inputs.spec[0] if self.inputs.spec else None)

    @property
    def _base(self) -> str:
        """The commit of the base; empty where the event does not say it. GITHUB_SHA is that of the event's own
        repository, but of a pull request it is the merge."""
        assert self.event is not None
        merged = self.event.name != "pull_request_target" and (
            self.event.name.startswith("pull_request") or self.event.at("pull_request") is not None
        )
        return self.event.commit("pull_request", "base", "sha") if merged else self.event.sha

    def _at_base(self) -> bool:
        """Whether the file, if there is one, is in a checkout of the base revision, and there is none of another
        commit: paths may lead there."""
        above = [*(self.workspace / "".join(self.inputs.spec[:1])).parents]
        there = self.inputs.prompt is not None or any(one.directory in above for one in self._checkouts)
        return there and all(one.head == self._base != "" for one in self._checkouts)

    def _fetch_base(self, into: Path) -> None:
        from tempfile import TemporaryFile

        from runner.ci.archive import NotUnpacked, unpack

        try:
            if not self._base:
                raise NoAnswer("neither GITHUB_SHA nor the event's payload says which commit that is")
            with TemporaryFile() as archive:
                self.api.archive(self._base, archive)
                archive.seek(0)
                unpack(archive, into)
        except (NoAnswer, NotUnpacked) as problem:
            raise UsageError(
                f"this run is untrusted ({self.trust.why}), so its workflow file comes from the base revision, which "
                f"cannot be had: {problem}. Set 'github-token' to one with `contents: read`, or check out the base "
                "revision and nothing else, or use mode: replay, which asks nobody; where nobody but you can start "
                "this, as under act, say trust: trusted"
            ) from None

    def _strange_files(self) -> str:
        """Why a comment of somebody who may write is not trusted: the files may be those of a fork's pull request."""
        assert self.event is not None
        number = self.event.at("issue", "number")
        if self.event.name != "issue_comment" or self.event.at("issue", "pull_request") is None:
            return ""
        if self._at_base():
            return ""
        try:
            fork = type(number) is not int or self.api.is_fork(number)
        except NoAnswer as problem:
            told = "files in the workspace may be those of a fork, and nobody can tell"
            return f"{told} (with `pull-requests: read`, github-token can): {problem}"
        return "files in the workspace may be those of the fork whose pull request is commented on" if fork else ""

    def _holds_the_forks_head(self) -> bool:
        """Whether a `pull_request_target` from a fork has the fork's files beside it, or nobody can tell."""
        event = self.event
        if event is None or event.name != "pull_request_target":
            return False
        if event.id("pull_request", "head", "repo") == event.id("pull_request", "base", "repo") is not None:
            return False
        return any(self._may_be_the_forks(one) for one in self._checkouts)

    def _may_be_the_forks(self, one: Checkout) -> bool:
        event = self.event
        assert event is not None
        if one.head == event.sha != "":  # also where the fork's commits have been merged by now
            return False
        head, merge = event.commit("pull_request", "head", "sha"), event.commit("pull_request", "merge_commit_sha")
        fork = event.text("pull_request", "head", "repo", "full_name").lower()
        return not (one.head and head) or one.head in (head, merge) or one.knows_pulls or _is_of(one, fork)

    def _trust(self, trusted: bool, why: str) -> Trust:
        base = OF_THE_BASE if self.event is not None and self.inputs.prompt is None else ""
        otherwise = READ_ONLY + base if self.inputs.mode in ASKING else NOBODY_ASKED
        return Trust(trusted, why, "" if trusted else otherwise)


def standing_of(inputs: ActionInputs, environ: Mapping[str, str], workspace: Path, *, hosted: bool) -> Standing:
    """How these inputs stand in this job."""
    event = event_of(environ) if hosted else None
    repository = event.repository if event is not None else ""
    forked = event is not None and from_fork(event)

    def reach() -> Api:
        from runner.ci.api import api_of  # what it takes to ask is loaded when somebody does

        return api_of(environ, repository, inputs.github_token, from_fork=forked)

    return Standing(inputs, event, workspace, reach)


def _is_of(checkout: Checkout, repository: str) -> bool:
    """Whether a checkout was fetched from a repository, by its name in lower case."""
    addresses = (one.lower().removesuffix("/").removesuffix(".git") for one in checkout.remotes)
    return bool(repository) and any(one.endswith((f"/{repository}", f":{repository}")) for one in addresses)
