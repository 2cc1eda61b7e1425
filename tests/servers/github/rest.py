"""The REST API around its operations: a request is checked against the description, let in or not, and carried out; of
a list one page is answered, and the answer is checked as the request was.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlencode

from .described import UNKNOWN, Operation, described
from .operations import OPERATIONS, Asked, Given, Refused
from .repository import Pull

if TYPE_CHECKING:
    from tests.servers.http import Request

    from .server import GitHub, Token

Said = tuple[Any, int, Mapping[str, str]]
"""The body of an answer, its status and its headers."""

KINDS: Final = {"", "*/*", "application/json", "application/vnd.github+json", "application/vnd.github.v3+json"}
RAW: Final = "application/vnd.github.raw+json"
VERSIONS: Final = {"", "2022-11-28"}
NOT_FOUND: Final[Said] = {"message": "Not Found", "documentation_url": "https://docs.github.com/rest"}, 404, {}


@dataclass(frozen=True)
class Rest:
    """The REST API of one host."""

    host: GitHub

    def answer(self, request: Request, token: Token) -> Said:
        path = self._by_name(request.path.removeprefix(self.host.base))
        found = described().operation(request.method, path)
        if found is None:
            self.host.violation(f"{request.method} {path} is no operation")
            return NOT_FOUND
        operation, params = found
        called = f"{request.method} {path} ({operation.id})"
        query = dict(parse_qsl(request.query, keep_blank_values=True))
        body = json.loads(request.content) if request.content else UNKNOWN
        wrong = [*operation.wrong_in(params, query, body), *wrong_headers(request.headers, operation.id)]
        if operation.id not in OPERATIONS:
            wrong = [f"the stand-in does not know {operation.id}; teach it in operations.py"]
        for one in wrong:
            self.host.violation(f"{called}: {one}")
        if wrong:
            return {"message": "Invalid request.\n\n" + "\n".join(wrong)}, 422, {}
        accept = request.headers.get("accept", "")
        asked = Asked(self.host, token, params, query, None if body is UNKNOWN else body, accept)
        given = carried_out(operation.id, asked)
        if given.text is not None:
            return given.text, given.status, {"content-type": f"{RAW}; charset=utf-8"}
        return self._checked(called, operation, given, self._page(given.items, asked, path))

    def _by_name(self, path: str) -> str:
        """Links to further pages name a repository by its number."""
        parts = path.split("/", 3)
        if len(parts) < 3 or parts[1] != "repositories":
            return path
        names = {str(one.id): one.full_name for one in self.host.repositories.values()}
        return "/".join(["/repos", names.get(parts[2], "nobody/nothing"), *parts[3:]])

    def _page(self, items: Sequence[Any] | None, asked: Asked, path: str) -> tuple[list[Any] | None, str]:
        """One page of a list, and the links to the others."""
        if items is None:
            return None, ""
        size = max(1, min(int(asked.query.get("per_page", 30)), 100))
        page, last = int(asked.query.get("page", 1)), max(1, -(-len(items) // size))
        further = {"prev": page - 1, "first": 1} if page > 1 else {}
        further |= {"next": page + 1, "last": last} if page < last else {}
        rest = path.split("/", 4)[4]
        url = f"{self.host.api_url}/repositories/{asked.repository.id}/{rest}"
        links = [f'<{url}?{urlencode({**asked.query, "page": to})}>; rel="{rel}"' for rel, to in further.items()]
        return list(items[(page - 1) * size : page * size]), ", ".join(links)

    def _checked(self, called: str, operation: Operation, given: Given, page: tuple[list[Any] | None, str]) -> Said:
        items, links = page
        body = UNKNOWN if given.status in (204, 302) else given.body
        if items is not None:
            body = {**given.body, given.within: items} if given.within else items
        if body is not UNKNOWN:
            body = operation.whole(given.status, body)
        if wrong := operation.wrong_answer(given.status, body):
            self.host.violation(f"the answer {given.status} to {called}: {wrong}")
        return body, given.status, {**given.headers, **({"link": links} if links else {})}


def carried_out(name: str, asked: Asked) -> Given:
    carry_out, accepts = OPERATIONS[name]
    try:
        see_permission(accepts, asked)
        return carry_out(asked)
    except Refused as refused:
        return Given(refused.body, refused.status, refused.headers)


def see_permission(accepts: str, asked: Asked) -> None:
    """What is public anybody may read. What may write to pull requests may not write to an issue that is none."""
    if "repo" not in asked.path or not accepts:
        return
    if "issues=" in accepts and asked.path.keys() & {"issue_number", "comment_id"}:
        accepts = accepts if isinstance(asked.issue, Pull) else accepts.partition("; ")[0]
    public = not asked.repository.private and "=write" not in accepts
    if not public and not asked.token.may(accepts):
        message = "Resource not accessible by integration"
        raise Refused(403, message, headers={"x-accepted-github-permissions": accepts})


def wrong_headers(headers: Mapping[str, str], operation: str) -> Iterator[str]:
    """What of the headers the stand-in would take no notice of, and the host would."""
    accept, version = headers.get("accept", ""), headers.get("x-github-api-version", "")
    if accept not in KINDS and (operation, accept) != ("repos/get-content", RAW):
        yield f"the stand-in does not know how to answer as {accept}"
    if version not in VERSIONS:
        yield f"{version} is no version of the API"
