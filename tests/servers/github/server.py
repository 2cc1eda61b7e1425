"""The socket of the stand-in: whose token it is, limits and faults around both APIs, and the account of every request
and answer that does not fit what the host publishes. GraphQL is loaded where it is used: it takes a while, and most who
import this only collect tests.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from email.utils import formatdate
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final, Self

from tests.programs import needed
from tests.servers.http import Answer
from tests.servers.web import WebServer

from .described import UNKNOWN, described
from .events import Events
from .faults import Fault, Limit
from .operations import Given
from .repository import Pull, Repository
from .rest import Rest
from .shapes import Shapes
from .state import ACCOUNTS, Account, Ids, account

if TYPE_CHECKING:
    from tests.servers.http import Request

    from .diff import Tree

TOKEN: Final = "ghs_theTokenOfTheJob0123"
LIMIT: Final = 5000
READS: Final = ("GET ", "QUERY ")
JOBS: Final = {"contents": "read", "pull_requests": "write"}
"""What the token of a job may, where its workflow says what a review needs."""


class Violated(AssertionError):
    """A request or an answer that the host's description does not allow."""


@dataclass(frozen=True)
class Token:
    """Whose it is, and what it may."""

    account: Account
    permissions: Mapping[str, str]

    def may(self, accepted: str) -> bool:
        """Whether it has all of one of the sets, as `X-Accepted-GitHub-Permissions` tells them."""
        return not accepted or any(all(map(self._has, one.split(","))) for one in accepted.split("; "))

    def _has(self, needed: str) -> bool:
        name, _, level = needed.partition("=")
        has = "read" if name == "metadata" else self.permissions.get(name, "none")
        return has in ("read", "write") if level == "read" else has == "write"


class GitHub(WebServer):
    """A host with one repository, and more by `also`. `with` starts it; on leaving, all violations are raised."""

    def __init__(
        self,
        permissions: Mapping[str, str] = JOBS,
        *,
        repository: str = "octocat/hello",
        files: Tree | None = None,
        private: bool = False,
        enterprise: bool = False,
    ) -> None:
        needed("git")  # tells what of two commits differs
        super().__init__(self._answer)
        self.ids = Ids()
        self.accounts = dict(ACCOUNTS)
        self.repositories: dict[str, Repository] = {}
        self.repository = self.also(repository, files=files, private=private)
        self.tokens = {TOKEN: Token(account("github-actions[bot]"), dict(permissions))}
        self.violations: list[str] = []
        self.too_early: list[str] = []
        """Requests that came while a limit held."""
        self.base, self._graphql = ("/api/v3", "/api/graphql") if enterprise else ("", "/graphql")
        self._planned: list[tuple[str, Fault]] = []
        self._limit: Limit | None = None
        self._ahead = 0.0
        self._before = self.repositories
        self._spent = 0
        self._kept: dict[str, bytes] = {}
        self._storage = WebServer(self._stored)
        self._rest = Rest(self)

    def __enter__(self) -> Self:
        from . import graph

        described(), graph.schema()  # once in a process, and not while a client waits
        super().__enter__()
        self._storage.__enter__()
        self.shapes = Shapes(self.url, self.api_url)
        self.events = Events(self.shapes)
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        try:
            super().__exit__(kind, error, traceback)
        finally:
            self._storage.__exit__(kind, error, traceback)
        told = "\n".join(["GitHub's description of its API does not allow this:", *self.violations])
        if self.violations and error:
            error.add_note(told)
        elif self.violations:
            raise Violated(told)

    # -- what a test says ---------------------------------------------------------------------------------------------

    def also(self, name: str, *, files: Tree | None = None, private: bool = False, fork: bool = False) -> Repository:
        """Another repository on the same host."""
        made = Repository(name, self.ids, files or {}, private=private, fork=fork)
        self.repositories[name.lower()] = made
        return made

    def pull(self, files: Mapping[str, tuple[Any, Any]] | None = None, **more: Any) -> Pull:
        """A pull request in the repository: see `Repository.pull`."""
        return self.repository.pull(files, **more)

    def token(self, login: str = "mona", **permissions: str) -> str:
        """A token of somebody's."""
        made = f"ghp_{login}_{len(self.tokens)}"
        self.tokens[made] = Token(account(login), permissions)
        return made

    def fail(self, fault: Fault, on: str = "*", times: int = 1) -> None:
        """The next requests like `POST */reviews` (a pattern of the method and the path) meet with a fault. A mutation
        of GraphQL is `MUTATION /graphql`, a query is `QUERY /graphql`."""
        self._planned += [(on, fault)] * times

    def later(self, seconds: float) -> None:
        """Its clock goes on by this, for whoever waits without waiting."""
        self._ahead += seconds

    @property
    def _now(self) -> float:
        return time.time() + self._ahead

    # -- what a test sees ---------------------------------------------------------------------------------------------

    @property
    def api_url(self) -> str:
        return self.url + self.base

    @property
    def environ(self) -> dict[str, str]:
        """What the host's runner says of itself."""
        return {
            "GITHUB_API_URL": self.api_url,
            "GITHUB_GRAPHQL_URL": self.url + self._graphql,
            "GITHUB_SERVER_URL": self.url,
            "GITHUB_REPOSITORY": self.repository.full_name,
        }

    @property
    def asked(self) -> list[str]:
        """Every request, as `GET /repos/…`; those of GraphQL as `QUERY` or `MUTATION /graphql`."""
        return [self._called(request) for request in self.requests]

    @property
    def writes(self) -> list[str]:
        """Those requests that ask for a change, also where they were refused."""
        return [one for one in self.asked if not one.startswith(READS)]

    @property
    def fetched_elsewhere(self) -> list[str]:
        """The paths that the store of logs and archives was asked for, which is another host."""
        return [request.path for request in self._storage.requests]

    def violation(self, told: str) -> None:
        self.violations.append(told)
        print(f"GitHub's description does not allow: {told}")  # pytest shows it where the test fails for it

    # -- a request ----------------------------------------------------------------------------------------------------

    def _called(self, request: Request) -> str:
        if request.path == self._graphql:
            from . import graph

            return f"{'MUTATION' if graph.question(request.body).changes else 'QUERY'} /graphql"
        return f"{request.method} {request.path.removeprefix(self.base)}"

    def _answer(self, request: Request) -> Answer:
        self._spent += 1
        called = self._called(request)
        fault = self._fault_of(called)
        if any(planned.kind == "stale" for _, planned in self._planned) and not called.startswith(READS):
            self._before = deepcopy(self.repositories)
        if fault is not None and not fault.after:
            return self._broken(fault)
        if self._limit is not None and self._limit.until > self._now:
            self.too_early.append(called)
            return self._refused_by(self._limit)
        if fault is not None and fault.kind == "stale":
            return self._done_before(request)
        given = self._done(request)
        if fault is None:
            return given
        if fault.kind == "slow":
            return replace(given, delay=fault.seconds)
        return self._broken(fault)

    def _done_before(self, request: Request) -> Answer:
        """What would have been answered before the last write."""
        now, self.repositories = self.repositories, self._before
        try:
            return self._done(request)
        finally:
            self.repositories = now

    def _fault_of(self, called: str) -> Fault | None:
        for at, (pattern, fault) in enumerate(self._planned):
            if fnmatchcase(called, pattern):
                del self._planned[at]
                return fault
        return None

    def _broken(self, fault: Fault) -> Answer:
        if fault.kind == "dropped":
            return Answer(reset="before")
        if fault.kind == "broken":
            return self._json({"message": "Server Error"}, fault.status)
        self._limit = Limit.of(fault, self._now)
        return self._refused_by(self._limit)

    def _refused_by(self, limit: Limit) -> Answer:
        told = {"message": limit.message, "documentation_url": "https://docs.github.com/rest"}
        return self._json(told, 403, limit.headers(self._now))

    def rate(self) -> dict[str, int]:
        used = min(self._spent, LIMIT)
        reset = math.ceil(self._now) + 3600
        return {"limit": LIMIT, "used": used, "remaining": LIMIT - used, "reset": reset}

    def _json(self, body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
        text = "" if body is UNKNOWN else body if isinstance(body, str) else json.dumps(body)
        rate = {f"x-ratelimit-{name}": str(value) for name, value in self.rate().items()}
        date = formatdate(self._now, usegmt=True)
        told = {"content-type": "application/json; charset=utf-8", "date": date, **rate, **(headers or {})}
        return Answer(text, status=status, content_type=told.pop("content-type"), headers=told)

    def _done(self, request: Request) -> Answer:
        """Carry it out, and see that it and its answer fit."""
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        token = self.tokens.get(secret) if scheme.lower() in ("bearer", "token") else None
        if token is None:
            return self._json({"message": "Bad credentials", "documentation_url": "https://docs.github.com/rest"}, 401)
        if not request.headers.get("user-agent"):
            return self._json({"message": "Request forbidden by administrative rules: no User-Agent"}, 403)
        if request.path == self._graphql:
            return self._asked_in_graphql(request, token)
        if not request.path.startswith(f"{self.base}/"):
            return self._json({"message": "Not Found"}, 404)
        return self._json(*self._rest.answer(request, token))

    def _asked_in_graphql(self, request: Request, token: Token) -> Answer:
        from . import graph

        asked = graph.question(request.body)
        for wrong in asked.wrong:
            self.violation(f"POST {request.path}: {wrong}")
        return self._json(graph.answer(self, token, asked))

    # -- another host -------------------------------------------------------------------------------------------------

    def elsewhere(self, path: str, content: bytes) -> Given:
        """Content that is kept on another host, which must not be told the token."""
        self._kept[path] = content
        return Given(status=302, headers={"location": f"{self._storage.url}{path}?sig=signed"})

    def _stored(self, request: Request) -> Answer:
        if "authorization" in request.headers:
            self.violation(f"GET {request.path}: another host is told the token")
        if request.path not in self._kept:
            return Answer("no such thing", status=404)
        return Answer(raw=self._kept[request.path], content_type="text/plain; charset=utf-8")
