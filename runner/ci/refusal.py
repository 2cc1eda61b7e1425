"""Why the host did not do what it was asked, as half a sentence that says what would help.

A host tells one failure in several ways, and several in the same: a limit is a 403 like a missing permission, and what
a token may not see is a 404. Whether to ask again is for `waiting`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from runner.ci.event import Told

if TYPE_CHECKING:
    from runner.ci.http import Heard

MOST_TOLD: Final = 300
"""Characters of the host's own words that a message repeats."""


class NoAnswer(Exception):
    """The host did not say, or not do, what it was asked; the half sentence tells why.

    `status` is that of its answer, 0 where there was none. `lost` says that it was asked to change something, and that
    nobody knows whether it has. `kinds` are the types of errors of GraphQL.
    """

    def __init__(self, told: str, *, status: int = 0, lost: bool = False, kinds: Collection[str] = ()) -> None:
        super().__init__(told)
        self.status, self.lost, self.kinds = status, lost, frozenset(kinds)


class Passing(NoAnswer):
    """What may be otherwise a moment later; `after` is how many seconds the host wants to be left alone."""

    after: float | None = None


class Limited(NoAnswer):
    """Too much was asked for, and nothing was done; `after` is when to ask again, in seconds, where the host says it.
    https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
    """

    after: float | None = None


@dataclass(frozen=True)
class Asked:
    """What was asked: a method and a path of the API, or a mutation of GraphQL."""

    method: str
    path: str
    writes: bool
    from_fork: bool = False
    """Whether the job is for a pull request from a fork: its token may only read, whatever `permissions` say."""


def refused(asked: Asked, heard: Heard) -> NoAnswer:
    """What an answer that is no success means."""
    status, said = heard.status, _said(heard.told)
    if (limited := _limited(heard, said)) is not None:
        return limited
    if status >= 500:
        passing = Passing(f"the host answers with status {status}", status=status, lost=asked.writes)
        passing.after = _seconds(heard.headers.get("retry-after"))
        return passing
    return NoAnswer(_why(asked, heard, said), status=status)


def broken(asked: Asked, told: str, *, passing: bool, arrived: bool) -> NoAnswer:
    """What it means that there is no answer, or none that can be read."""
    return (Passing if passing else NoAnswer)(told, lost=asked.writes and arrived)


def _why(asked: Asked, heard: Heard, said: str) -> str:
    words = f": {said}" if said else ""
    match heard.status:
        case 401:
            return "the host does not take the github-token: it is not one, or has expired (status 401)"
        case 403 if _is_of_permissions(said):
            return f"{_denied(asked, _accepted(heard.headers) or _wanted(asked))} (status 403{words})"
        case 403:
            return f"the host forbids it (status 403{words})"
        case 404:
            wanted = _accepted(heard.headers) or _wanted(asked)
            takes = f", which takes {wanted}" if wanted else ""
            return f"nothing is there (status 404), or the token may not see it{takes}"
        case status if 300 <= status < 400:
            return f"the host answers with status {status}: what is asked for has moved"
        case status:
            return f"the host answers with status {status}{words}"


# -- limits -----------------------------------------------------------------------------------------------------------

_LIMIT: Final = re.compile(r"secondary rate limit|rate limit (already )?exceeded|abuse detection", re.IGNORECASE)


def _limited(heard: Heard, said: str) -> Limited | None:
    used_up = heard.headers.get("x-ratelimit-remaining") == "0"
    after = _seconds(heard.headers.get("retry-after"))
    if heard.status != 429 and not (heard.status == 403 and (used_up or after is not None or _LIMIT.search(said))):
        return None
    return _limit(heard, used_up, after)


def _limit(heard: Heard, used_up: bool, after: float | None) -> Limited:
    kind = "rate limit" if used_up and after is None else "secondary rate limit"
    limited = Limited(f"the host's {kind} is reached", status=heard.status)
    limited.after = after if after is not None else _until_reset(heard.headers) if used_up else None
    return limited


def _seconds(value: str | None) -> float | None:
    return float(value) if value and re.fullmatch(r"[0-9]{1,12}", value) else None


def _until_reset(headers: Mapping[str, str]) -> float | None:
    """Seconds until the limit begins anew, by the host's own clock, which its answer tells, and no other."""
    reset = _seconds(headers.get("x-ratelimit-reset"))
    try:
        now = parsedate_to_datetime(headers.get("date", "")).timestamp()
    except (ValueError, OverflowError):
        return None
    return None if reset is None else max(0.0, reset - now) + 1


# -- permissions ------------------------------------------------------------------------------------------------------

_OF_JOBS: Final = frozenset(
    "actions attestations checks contents deployments discussions issues models packages pages pull-requests "
    "security-events statuses".split()
)
"""Permissions that a job can be given.
https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#permissions
"""

_BY_PART: Final[Mapping[str, str]] = {
    "pulls": "pull-requests",
    "issues": "issues",
    "labels": "issues",
    "check-runs": "checks",
    "check-suites": "checks",
    "actions": "actions",
    "statuses": "statuses",
    "status": "statuses",
    **dict.fromkeys(("contents", "tarball", "compare", "commits", "git", "releases", "branches"), "contents"),
}
"""What a part of the API takes, where the host's answer does not say it."""

_BY_MUTATION: Final[Mapping[str, str]] = {
    "resolveReviewThread": "contents",  # not pull-requests, https://github.com/orgs/community/discussions/44650
    "unresolveReviewThread": "contents",
}

_DENIED: Final = re.compile(r"not accessible by|must have|requires? .*(permission|access|scope)", re.IGNORECASE)


def _is_of_permissions(said: str) -> bool:
    """Whether a 403 is about permissions: a locked issue or an archived repository are others, and none would help."""
    return not said or bool(_DENIED.search(said))


def _denied(asked: Asked, wanted: str) -> str:
    if asked.from_fork and asked.writes:
        return (
            "the token may not write: that of a pull request from a fork never may, whatever the job's permissions say "
            "(docs/review-bots.md has another way)"
        )
    does = "do this" if asked.writes else "read this"
    return f"the token may not {does}" + (f": give the job {wanted}" if wanted else "")


def _accepted(headers: Mapping[str, str]) -> str:
    """What the host says it takes: sets with semicolons between, of which one is enough.
    https://github.blog/changelog/2023-08-10-x-accepted-github-permissions-header-for-fine-grained-permission-actors/
    """
    told = headers.get("x-accepted-github-permissions", "")[:MOST_TOLD].replace("_", "-")
    return " or ".join(dict.fromkeys(filter(None, map(_as_permissions, told.split(";")))))


def _as_permissions(told: str) -> str:
    """One set as a job's file has it; empty where it has something that a job cannot be given."""
    pairs = [pair.strip().partition("=")[::2] for pair in told.split(",")]
    pairs = [(name, level) for name, level in pairs if name != "metadata"]  # which every token has
    if not all(name in _OF_JOBS and level in ("read", "write") for name, level in pairs):
        return ""
    return _permissions(*pairs)


def _wanted(asked: Asked) -> str:
    level = "write" if asked.writes else "read"
    if asked.path == "graphql":
        return _permissions(("pull-requests", level))
    first, *others = asked.path.split("/")
    of_commit = _BY_PART.get(others[1]) if first == "commits" and len(others) > 1 else None
    part = of_commit or _BY_PART.get(first)
    return _permissions((part, level)) if part else ""


def _permissions(*pairs: tuple[str, str]) -> str:
    told = ", ".join(f"{name}: {level}" for name, level in pairs)
    return f"`permissions: {{{told}}}`" if told else ""


# -- the host's own words ---------------------------------------------------------------------------------------------


def _said(content: bytes) -> str:
    """What the host says of a failure, in one short line; empty where it says nothing that can be read."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(found, dict):
        return ""
    told = Told(found)
    return one_line("; ".join(filter(None, [told.text("message"), *_details(told.at("errors"))])))


def _details(errors: Any) -> Iterator[str]:
    for one in errors if isinstance(errors, list) else ():
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            told = Told(one)
            yield told.text("message") or " ".join(filter(None, map(told.text, ("resource", "field", "code"))))


def one_line(text: str) -> str:
    text = " ".join(text[: 4 * MOST_TOLD].split())
    return text if len(text) <= MOST_TOLD else f"{text[:MOST_TOLD]}…"


# -- GraphQL ----------------------------------------------------------------------------------------------------------

_KIND: Final = re.compile(r"[A-Z_]{1,60}", re.ASCII)
_LIMITS: Final = frozenset({"RATE_LIMITED", "RATE_LIMIT"})
_PASSING: Final = frozenset({"SERVICE_UNAVAILABLE", "INTERNAL", "TIMEOUT"})
_WENT_WRONG: Final = "Something went wrong while executing your query"


def refused_in_graphql(asked: Asked, heard: Heard, found: Any) -> NoAnswer | None:
    """What it means when a success of GraphQL has errors, or no data; None where it is one. Data beside errors is not
    whole, and so is no answer.
    https://docs.github.com/en/graphql/overview/rate-limits-and-query-limits-for-the-graphql-api
    """
    told = Told(found if isinstance(found, dict) else {})
    data, errors = told.at("data"), _errors(told)
    said = one_line("; ".join(filter(None, [told.text("message"), *_details(told.at("errors"))])))
    if not told.at("errors") and not said:
        return None if isinstance(data, dict) else NoAnswer("the host's answer has no data", lost=asked.writes)
    kinds = frozenset(kind for one in errors if _KIND.fullmatch(kind := one.text("type")))
    done = asked.writes and isinstance(data, dict) and any(value is not None for value in data.values())
    if not done and (kinds & _LIMITS or _LIMIT.search(said)):
        used_up = bool(kinds & _LIMITS) or heard.headers.get("x-ratelimit-remaining") == "0"
        return _limit(heard, used_up, _seconds(heard.headers.get("retry-after")))
    if kinds & _PASSING or _WENT_WRONG in said:
        return Passing(f"the host fails: {said}", status=heard.status, lost=asked.writes, kinds=kinds)
    return NoAnswer(_why_not(asked, heard, kinds, said, errors), status=heard.status, lost=done, kinds=kinds)


def _errors(told: Told) -> list[Told]:
    found = told.at("errors")
    return [Told(one) for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _why_not(asked: Asked, heard: Heard, kinds: frozenset[str], said: str, errors: list[Told]) -> str:
    if kinds & {"FORBIDDEN", "INSUFFICIENT_SCOPES"}:
        paths = [one.at("path") for one in errors]
        first = next((path[0] for path in paths if isinstance(path, list) and path and isinstance(path[0], str)), "")
        special = _BY_MUTATION.get(first)
        wanted = _permissions((special, "write")) if special else _accepted(heard.headers) or _wanted(asked)
        return f"{_denied(asked, wanted)} ({said})"
    if "NOT_FOUND" in kinds:
        return f"the host has nothing there, or nothing that the token may see ({said})"
    return f"the host refuses the query: {said}"
