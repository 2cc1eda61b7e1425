"""What the host's GraphQL says instead of an answer: its failures come as successes, with errors in them.

https://docs.github.com/en/graphql/overview/rate-limits-and-query-limits-for-the-graphql-api
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from runner.ci.event import Told
from runner.ci.refusal import OF_LIMITS, NoAnswer, Passing, limit, said_by

if TYPE_CHECKING:
    from runner.ci.asked import Asked
    from runner.ci.http import Heard

_KIND: Final = re.compile(r"[A-Z_]{1,60}", re.ASCII)
_LIMITS: Final = frozenset({"RATE_LIMITED", "RATE_LIMIT"})
_PASSING: Final = frozenset({"SERVICE_UNAVAILABLE", "INTERNAL", "TIMEOUT"})
_WENT_WRONG: Final = "Something went wrong while executing your query"


def refused_in_graphql(asked: Asked, heard: Heard, found: Any) -> NoAnswer | None:
    """What it means when a success of GraphQL has errors, or no data; None where it is one. Data beside errors is not
    whole, and so is no answer."""
    told = Told(found if isinstance(found, dict) else {})
    data, errors = told.at("data"), told.each("errors")
    said = said_by(told)
    if not told.at("errors") and not said:
        return None if isinstance(data, dict) else NoAnswer("the host's answer has no data", lost=asked.writes)
    kinds = frozenset(kind for one in errors if _KIND.fullmatch(kind := one.text("type")))
    done = asked.writes and isinstance(data, dict) and any(value is not None for value in data.values())
    if not done and (kinds & _LIMITS or OF_LIMITS.search(said)):
        return limit(heard.headers, heard.status, hourly=bool(kinds & _LIMITS))
    if kinds & _PASSING or _WENT_WRONG in said:
        return Passing(f"the host fails: {said}", status=heard.status, lost=asked.writes, kinds=kinds)
    return NoAnswer(_why_not(asked, heard, kinds, said, errors), status=heard.status, lost=done, kinds=kinds)


def _why_not(asked: Asked, heard: Heard, kinds: frozenset[str], said: str, errors: list[Told]) -> str:
    if kinds & {"FORBIDDEN", "INSUFFICIENT_SCOPES"}:
        paths = [one.at("path") for one in errors]
        fields = [one for path in paths if isinstance(path, list) for one in path if isinstance(one, str)]
        return f"{asked.denied(heard.headers, fields)} ({said})"
    if "NOT_FOUND" in kinds:
        return f"the host has nothing there, or nothing that the token may see ({said})"
    return f"the host refuses the query: {said}"
