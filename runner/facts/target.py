"""Which pull request or issue an event is about. Facts are asked of it, and what is posted goes there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from runner.ci.event import Told
from runner.facts.facts import Target

if TYPE_CHECKING:
    from runner.ci.api import Api
    from runner.ci.event import Event

OF_A_PULL: Final = ("pull_request", "pull_request_target", "pull_request_review", "pull_request_review_comment")
OF_AN_ISSUE: Final = ("issues", "issue_comment")


def target_of(event: Event, api: Api) -> Target | None:
    """What an event is about; None where that is neither a pull request nor an issue.

    The host is asked where the payload does not say it: for the head of a pull request that was commented on, and for
    the pull request of a run. Raises NoAnswer.
    """
    if not event.repository:
        return None
    if event.name in OF_A_PULL:
        return _pull(event, event.part("pull_request"))
    if event.name in OF_AN_ISSUE:
        number = _number(event.at("issue", "number"))
        if number is None:
            return None
        if event.at("issue", "pull_request") is None:
            return Target(event.repository, number)
        return _pull(event, api.get(f"pulls/{number}"))
    return _of_a_run(event, api) if event.name == "workflow_run" else None


def _of_a_run(event: Event, api: Api) -> Target | None:
    """The pull request whose head a run was for. That of a fork is not in the payload: the host is asked for what is
    open from that branch. The commit and the repository decide: a fork may have a commit of somebody else's."""
    run = "workflow_run"
    head, branch, home = event.commit(run, "head_sha"), event.text(run, "head_branch"), event.id(run, "head_repository")
    if not head or home is None:
        return None

    def is_its(told: Told) -> bool:
        return told.commit("head", "sha") == head and told.id("head", "repo") == home

    own = event.id("repository")
    for told in event.each(run, "pull_requests"):
        if is_its(told) and told.id("base", "repo") == own:
            return _pull(event, told)
    owner = event.text(run, "head_repository", "owner", "login")
    asked = api.pages("pulls", state="open", head=f"{owner}:{branch}") if owner and branch else ()
    return next((_pull(event, told) for told in asked if is_its(told)), None)


def _pull(event: Event, told: Told) -> Target | None:
    number, head = _number(told.at("number")), told.commit("head", "sha")
    return None if number is None or not head else Target(event.repository, number, head, is_pull=True)


def _number(found: Any) -> int | None:
    return found if type(found) is int and found > 0 else None
