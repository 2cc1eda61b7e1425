"""Why the host did not do what it was asked, as half a sentence that says what would help.

A host tells one failure in several ways, and several in the same: a limit is a 403 like a missing permission, and what
a token may not see is a 404. Whether to ask again is for `waiting`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from runner.ci.event import Told

if TYPE_CHECKING:
    from runner.ci.asked import Asked
    from runner.ci.http import Heard

MOST_TOLD: Final = 300
"""Characters of the host's own words that a message repeats."""


class NoAnswer(Exception):
    """The host did not say, or not do, what it was asked; the half sentence tells why.

    `status` is that of its answer, 0 where there was none. `lost` says that it was asked to change something, and that
    nobody knows whether it has. `kinds` are the types of errors of GraphQL. `after` is in how many seconds the host
    wants to be asked again, where it says so.
    """

    def __init__(
        self,
        told: str,
        *,
        status: int = 0,
        lost: bool = False,
        kinds: Collection[str] = (),
        after: float | None = None,
    ) -> None:
        super().__init__(told)
        self.status, self.lost, self.kinds, self.after = status, lost, frozenset(kinds), after


class Passing(NoAnswer):
    """What may be otherwise a moment later."""


class Limited(NoAnswer):
    """Too much was asked for, and nothing was done.
    https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
    """


def refused(asked: Asked, heard: Heard) -> NoAnswer:
    """What an answer that is no success means."""
    status, said = heard.status, said_by(_read(heard.told))
    if (limited := _limited(heard, said)) is not None:
        return limited
    if status >= 500:
        told, after = f"the host answers with status {status}", _seconds(heard.headers.get("retry-after"))
        return Passing(told, status=status, lost=asked.writes, after=after)
    return NoAnswer(_why(asked, heard, said), status=status)


def broken(asked: Asked, told: str, *, passing: bool, arrived: bool) -> NoAnswer:
    """What it means that there is no answer, or none that can be read."""
    return (Passing if passing else NoAnswer)(one_line(told), lost=asked.writes and arrived)


_DENIED: Final = re.compile(r"not accessible by|must have|requires? .*(permission|access|scope)", re.IGNORECASE)


def _is_of_permissions(said: str) -> bool:
    """Whether a 403 is about permissions: a locked issue or an archived repository are others, and none would help."""
    return not said or bool(_DENIED.search(said))


def _why(asked: Asked, heard: Heard, said: str) -> str:
    words = f": {said}" if said else ""
    match heard.status:
        case 401:
            return "the host does not take the github-token: it is not one, or has expired (status 401)"
        case 403 if _is_of_permissions(said):
            return f"{asked.denied(heard.headers)} (status 403{words})"
        case 403:
            return f"the host forbids it (status 403{words})"
        case 404:
            takes = asked.takes(heard.headers)
            told = "nothing is there (status 404), or the token may not see it"
            return f"{told}, which takes {takes}" if takes else told
        case status if 300 <= status < 400:
            return f"the host answers with status {status}: what is asked for has moved"
        case status:
            return f"the host answers with status {status}{words}"


# -- limits -----------------------------------------------------------------------------------------------------------

OF_LIMITS: Final = re.compile(r"secondary rate limit|rate limit (already )?exceeded|abuse detection", re.IGNORECASE)


def _limited(heard: Heard, said: str) -> Limited | None:
    headers = heard.headers
    told = _is_used_up(headers) or "retry-after" in headers or OF_LIMITS.search(said)
    return limit(headers, heard.status) if heard.status == 429 or (heard.status == 403 and told) else None


def limit(headers: Mapping[str, str], status: int, *, hourly: bool = False) -> Limited:
    """That a limit is reached, and until when: what `retry-after` says comes first, then the end of the hourly one."""
    hourly = hourly or _is_used_up(headers)
    after = _seconds(headers.get("retry-after"))
    kind = "rate limit" if hourly and after is None else "secondary rate limit"
    after = _until_reset(headers) if after is None and hourly else after
    return Limited(f"the host's {kind} is reached", status=status, after=after)


def _is_used_up(headers: Mapping[str, str]) -> bool:
    return headers.get("x-ratelimit-remaining") == "0"


def _seconds(value: str | None) -> float | None:
    return float(value) if value and re.fullmatch(r"[0-9]{1,12}", value) else None


def _until_reset(headers: Mapping[str, str]) -> float | None:
    """Seconds until the limit begins anew, by the host's own clock, which its answer tells, and no other."""
    from email.utils import parsedate_to_datetime  # a tenth of what it takes to check a file, and few limits are met

    reset = _seconds(headers.get("x-ratelimit-reset"))
    try:
        now = parsedate_to_datetime(headers.get("date", "")).timestamp()
    except (ValueError, OverflowError):
        return None
    return None if reset is None else max(0.0, reset - now) + 1


# -- the host's own words ---------------------------------------------------------------------------------------------


def said_by(told: Told) -> str:
    """What the host says of a failure, in one short line; empty where it says nothing that can be read."""
    return one_line("; ".join(filter(None, [told.text("message"), *_details(told.at("errors"))])))


def _read(content: bytes) -> Told:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        found = None
    return Told(found if isinstance(found, dict) else {})


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
