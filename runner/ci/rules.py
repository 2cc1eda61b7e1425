"""Whether an event was caused by somebody who may write to the repository anyway: a table of rules, and nothing else.

Who may write is asked through a function, so that every rule is a plain decision. What is not known is not trusted.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Final, TypeAlias

from runner.ci.event import Account
from runner.ci.refusal import NoAnswer
from runner.records import dataclass

if TYPE_CHECKING:
    from runner.ci.event import Event

DEPENDABOT: Final = 49699333
"""The account `dependabot[bot]`; the host gives its runs no secrets either.
https://docs.github.com/en/code-security/dependabot/troubleshooting-dependabot/troubleshooting-dependabot-on-github-actions
"""

Doubt: TypeAlias = str
"""Why somebody or something is not trusted, as half a sentence; empty where there is no doubt."""

MayWrite: TypeAlias = Callable[[Account], Doubt]
"""Asks the host whether an account may write to the repository."""


@dataclass(frozen=True)
class Asking:
    """What a rule may ask, beside the event: who may write, and the bots that count as if they might."""

    may_write: MayWrite
    bots: Collection[int] = ()

    def doubt(self, event: Event, *paths: tuple[str, ...]) -> Doubt:
        """The first of the accounts at these paths that may not write. Each is asked for once."""
        found: dict[Account, Doubt] = {}
        for path in paths:
            account = event.account(*path)
            if account is None:
                return _nobody_is(path)
            if account not in found:
                found[account] = "" if account.id in self.bots else self.may_write(account)
            if found[account]:
                return found[account]
        return ""


@dataclass(frozen=True)
class Rule:
    """When some events are trusted; `told` is the documentation's sentence for it."""

    events: tuple[str, ...]
    told: str
    doubt: Callable[[Event, Asking], Doubt]


def doubt_of(event: Event, asking: Asking) -> Doubt:
    """Why an event is not trusted; empty where it is."""
    if event.trouble:
        return _nothing_is_told(event)
    rule = BY_EVENT.get(event.name)
    if rule is None:
        return f"nobody has said who can cause the event '{event.name[:40]}'" if event.name else "there is no event"
    if DEPENDABOT in (event.id("sender"), event.actor):
        return "Dependabot caused the event, which carries what others have published"
    return rule.doubt(event, asking)


def from_fork(event: Event) -> bool:
    """Whether the host gives the job of an event a token that may only read, whatever its permissions say, unless a
    private repository has it otherwise.
    https://docs.github.com/en/actions/reference/workflows-and-actions/events-that-trigger-workflows#pull_request
    """
    if event.name not in ("pull_request", "pull_request_review", "pull_request_review_comment"):
        return False
    return event.id("pull_request", "head", "repo") != event.id("pull_request", "base", "repo")


def never_writes(event: Event) -> bool:
    """Whether the token of an event's job may write nothing, whatever anybody has set. Dependabot's is none of these:
    its permissions are those that the job names.
    https://docs.github.com/en/actions/reference/github_token-reference
    """
    return from_fork(event) and event.at("repository", "private") is False


def no_starter(event: Event, asking: Asking) -> Doubt:
    """Why an event was not caused by somebody who may write; empty where it was. Whose words it carries is another
    question: a writer may ask for the review of a stranger's pull request. Raises NoAnswer where nobody can tell."""
    if event.trouble:
        raise NoAnswer(_nothing_is_told(event))
    if event.name in WRITERS_ONLY:
        return ""
    paths = [("sender",), *([("workflow_run", "triggering_actor")] if event.name == "workflow_run" else [])]
    for path in paths:
        if event.account(*path) is None:
            raise NoAnswer(_nobody_is(path))
    return asking.doubt(event, *paths)


def _nothing_is_told(event: Event) -> str:
    return f"the payload of the event tells nothing: {event.trouble}"


def _nobody_is(path: tuple[str, ...]) -> str:
    return f"the payload does not say who '{'.'.join(path)}' is"


# -- the rules --------------------------------------------------------------------------------------------------------


def _caused_by_writers(_event: Event, _asking: Asking) -> Doubt:
    return ""


def _from_this_repository(event: Event, _asking: Asking) -> Doubt:
    head, base = event.id("pull_request", "head", "repo"), event.id("pull_request", "base", "repo")
    if base is None:
        return "the payload does not say which repository the pull request is for"
    if event.at("pull_request", "head", "repo") is None:
        return "the pull request is from a fork that is there no more"
    return "" if head == base else "the pull request is from a fork"


def _reviewed_by_a_writer(event: Event, asking: Asking) -> Doubt:
    said = "review" if event.name == "pull_request_review" else "comment"
    return _from_this_repository(event, asking) or asking.doubt(event, ("sender",), (said, "user"))


def _said_by_writers(event: Event, asking: Asking) -> Doubt:
    said = {"issues": "issue", "discussion": "discussion"}.get(event.name, "comment")
    return asking.doubt(event, ("sender",), (said, "user"))


def _after_a_run_of_this_repository(event: Event, _asking: Asking) -> Doubt:
    run, head = "workflow_run", event.id("workflow_run", "head_repository")
    if head is None or head != event.id("repository"):
        return "the run that it follows is of a fork"
    if DEPENDABOT in (event.id(run, "actor"), event.id(run, "triggering_actor")):
        return "the run that it follows is Dependabot's"
    caused = event.text(run, "event")
    if caused not in (*WRITERS_ONLY, "pull_request"):
        return f"the run that it follows was caused by the event '{caused[:40]}', which others than writers can cause"
    return ""


WRITERS_ONLY: Final = (
    *("push", "schedule", "workflow_dispatch", "repository_dispatch", "merge_group", "release"),
    *("create", "delete", "deployment"),
)
"""Events that nobody causes who may not write."""

RULES: Final = (
    Rule(WRITERS_ONLY, "always: only who may write can cause them", _caused_by_writers),
    Rule(
        ("pull_request", "pull_request_target"),
        "its head is in this repository and not in a fork: who pushed it may write",
        _from_this_repository,
    ),
    Rule(
        ("pull_request_review", "pull_request_review_comment"),
        "the same, and who reviews or comments may write",
        _reviewed_by_a_writer,
    ),
    Rule(
        ("issues", "issue_comment", "discussion", "discussion_comment"),
        "who caused it and who wrote the issue, the comment or the discussion may both write; where it is on a pull "
        "request from a fork, the file is in a checkout of the event's own commit, and none is of another",
        _said_by_writers,
    ),
    Rule(
        ("workflow_run",),
        "the run before it was of this repository, was caused by a `pull_request` or one of the first row, and was not "
        "Dependabot's",
        _after_a_run_of_this_repository,
    ),
)
BY_EVENT: Final[Mapping[str, Rule]] = {name: rule for rule in RULES for name in rule.events}
