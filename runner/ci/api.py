"""The host's own API: questions and wishes to it, and what it answers. Nobody else talks to the host.

Answers are somebody else's words: they come as `Told`, which believes no shape. It is asked seldom, so the standard
library does; what it takes to start is loaded when it is asked.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from functools import cached_property
from io import BytesIO
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode, urljoin, urlsplit

from runner.ci.asked import Asked
from runner.ci.event import Told
from runner.ci.graphql import refused_in_graphql
from runner.ci.refusal import NoAnswer, broken, refused
from runner.ci.waiting import Patience

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import IO, Any

    from runner.ci.event import Account
    from runner.ci.http import Ask, Heard, Sink, Wire

MAX_ANSWER: Final = 32 * 1024 * 1024
MAX_ARCHIVE: Final = 200 * 1024 * 1024
MAX_TEXT: Final = 200 * 1024 * 1024
KEPT: Final = 1024 * 1024
"""Bytes of the end of a text that are kept."""

PAGE: Final = 100
MOST_PAGES: Final = 120
MOST: Final = 3000
"""Things on all pages of a list; the host tells no more files of a pull request than this."""

WRITES: Final = ("admin", "maintain", "write")

_PATH: Final = re.compile(r"/?(?!\.\.?(/|$))[\w.%:@=+~,-]+(/(?!\.\.?(/|$))[\w.%:@=+~,-]+)*", re.ASCII)
_NEXT: Final = re.compile(r'<([^<>]+)>\s*;[^,<]*\brel="?next"?', re.ASCII)
_MUTATION: Final = re.compile(r"\bmutation\b")
"""In a document that changes something, and perhaps in others, which are not asked again then."""

_TOKEN: Final = re.compile(r"[!-~]+", re.ASCII)


@dataclass(frozen=True)
class Api:
    """The API at `url`, as the job's own repository sees it. Paths are of the repository; one with a slash before it is
    of the whole host. What a caller puts into a path is quoted by the caller.

    `token` is sent to the host and to nowhere else, also where the host sends us on. Without a `patience` that says
    otherwise nothing is waited for, and what fails is tried once more.
    """

    url: str
    repository: str
    token: str = field(repr=False)
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    graphql: str = ""
    """The address of its GraphQL; empty where that is where it usually is."""
    from_fork: bool = False
    """Whether the job is for a pull request from a fork: its token may not write."""
    patience: Patience = field(default=Patience(), repr=False)

    def waiting(self, patience: Patience) -> Api:
        """The same, and as patient as this."""
        return replace(self, patience=patience)

    # -- what can be asked of any API ---------------------------------------------------------------------------------

    def get(self, path: str, /, **query: str | int) -> Told:
        """The JSON object at a path. Raises NoAnswer."""
        return _object(self._json(Asked("GET", path, writes=False), self._address(path, query))[0])

    def pages(self, path: str, /, *, within: str = "", most: int = MOST, **query: str | int) -> Iterator[Told]:
        """The objects of a list, over all its pages, and `most` of them; `within` names the key of the list where it
        stands in an object. Raises NoAnswer, also behind the first ones."""
        asked = Asked("GET", path, writes=False)
        url = self._address(path, {"per_page": min(PAGE, most), **query})
        left = most
        for _ in range(MOST_PAGES):
            found, heard = self._json(asked, url)
            items = found.get(within) if within and isinstance(found, dict) else found
            if not isinstance(items, list):
                raise NoAnswer("the host's answer is not a list")
            yield from map(_object, items[:left])
            left -= len(items)
            further = _NEXT.search(heard.headers.get("link", ""))
            if left <= 0 or further is None:
                return
            url = self._here(url, further[1])
        raise NoAnswer(f"the host's list has more than {MOST_PAGES} pages", status=heard.status)

    def send(self, method: str, path: str, body: Mapping[str, Any] | None = None, /) -> Told:
        """Have the host change something, once, and the object that it answers; empty where that is none. Raises
        NoAnswer, `lost` where nobody knows whether it has."""
        asked = Asked(method, path, writes=True, from_fork=self.from_fork)
        found, _ = self._json(asked, self._address(path, {}), body)
        return Told(found if isinstance(found, dict) else {})

    def ask(self, query: str, /, **variables: Any) -> Told:
        """The data of a query or a mutation of GraphQL; errors beside it are none. Raises NoAnswer as `send` does."""
        writes = _MUTATION.search(query) is not None
        asked = Asked("POST", "graphql", writes=writes, from_fork=self.from_fork)
        found, _ = self._json(asked, self._graphql, {"query": query, "variables": variables})
        return Told(found["data"])

    def text(self, path: str, /, *, kept: int = KEPT) -> str:
        """The end of a text, such as a log, at most `kept` bytes of it. Raises NoAnswer."""
        end = _End(kept)
        self._fetch(path, end.begin, MAX_TEXT)
        return end.content.decode("utf-8", errors="replace")

    # -- what is asked before a run -----------------------------------------------------------------------------------

    def may_write(self, account: Account) -> str:
        """Why an account may not write, or why nobody can tell; empty where it may."""
        try:
            return self.no_writer(account)
        except NoAnswer as problem:
            return str(problem)

    def no_writer(self, account: Account) -> str:
        """Why an account may not write; empty where it may. Raises NoAnswer where nobody can tell."""
        try:
            told = self.get(f"collaborators/{quote(account.login, safe='')}/permission")
        except NoAnswer as problem:
            if problem.status == 404 and self._is_there():  # as of an app, which is no user
                return f"the host knows of no permission that {account.login} has"
            why = f"nobody can tell whether {account.login} may write: {problem}"
            raise NoAnswer(why, status=problem.status) from None
        if told.id("user") != account.id:
            return f"the account that is called {account.login} now is not the one that caused the event"
        return "" if told.text("permission") in WRITES else f"{account.login} may not write to the repository"

    def _is_there(self) -> bool:
        """Whether the token may see the repository: of one that it may not the host says that nothing is there."""
        try:
            return self.get(f"/repos/{self.repository}").id() is not None
        except NoAnswer:
            return False

    def is_fork(self, number: int) -> bool:
        """Whether a pull request comes from another repository than this. Raises NoAnswer."""
        told = self.get(f"pulls/{number}")
        head = told.id("head", "repo")
        return head is None or head != told.id("base", "repo")

    def archive(self, commit: str, into: IO[bytes]) -> None:
        """Write the repository's files at a commit, as a compressed tar archive. Raises NoAnswer."""

        def begin() -> Sink:
            into.seek(0)
            into.truncate()
            return into

        self._fetch(f"tarball/{commit}", begin, MAX_ARCHIVE)

    # -- how ----------------------------------------------------------------------------------------------------------

    @cached_property
    def _wire(self) -> Wire:
        from runner.ci.http import Wire

        return Wire((self.url, self._graphql), self.token, self.proxies)

    @property
    def _graphql(self) -> str:
        return self.graphql or _graphql_of(self.url)

    def _address(self, path: str, query: Mapping[str, str | int]) -> str:
        if not self.repository and not path.startswith("/"):
            raise NoAnswer("GITHUB_REPOSITORY does not say which repository this is")
        if not _PATH.fullmatch(path):
            raise NoAnswer("what is asked for is no path of the API")
        base = "" if path.startswith("/") else f"/repos/{self.repository}/"
        return f"{self.url.rstrip('/')}{base}{path}" + (f"?{urlencode(query)}" if query else "")

    def _here(self, url: str, further: str) -> str:
        """The address of a next page, if it is the host's. Raises NoAnswer."""
        from runner.ci.http import origin

        try:
            there = urljoin(url, further)
            if origin(there) == origin(self.url):
                return there
        except ValueError:
            pass
        raise NoAnswer("the next page of the host's answer is said to be somewhere else")

    def _json(self, asked: Asked, url: str, body: Mapping[str, Any] | None = None) -> tuple[Any, Heard]:
        from runner.ci.http import Ask

        content = None if body is None else json.dumps(body).encode()
        ask = Ask(asked.method, url, content, MAX_ANSWER)

        def attempt() -> tuple[Any, Heard]:
            into = BytesIO()
            heard = self._once(asked, ask, into)
            return self._read(asked, heard, into.getvalue()), heard

        return self.patience.through(asked.path, attempt, again=not asked.writes)

    def _fetch(self, path: str, begin: Callable[[], Sink], most: int) -> None:
        """Write what is at a path to what each attempt begins anew."""
        from runner.ci.http import Ask

        asked = Asked("GET", path, writes=False)
        ask = Ask("GET", self._address(path, {}), most=most)
        self.patience.through(path, lambda: self._once(asked, ask, begin()), again=True)

    def _once(self, asked: Asked, ask: Ask, into: Sink) -> Heard:
        """One success. Raises NoAnswer."""
        from runner.ci.http import Unheard

        if not self.token:
            raise NoAnswer("there is no github-token to ask the host with")
        if not _TOKEN.fullmatch(self.token):
            raise NoAnswer("the github-token has characters that no token has")
        if not _is_web(ask.url):
            raise NoAnswer("GITHUB_API_URL is not the address of an API")
        try:
            heard = self._wire.exchange(ask, into, self.patience.left())
        except Unheard as problem:
            raise broken(asked, str(problem), passing=problem.passing, arrived=problem.arrived) from None
        if not heard.good:
            raise refused(asked, heard)
        return heard

    def _read(self, asked: Asked, heard: Heard, content: bytes) -> Any:
        """The JSON of a success; None where it is empty. Raises NoAnswer."""
        try:
            found = json.loads(content.replace(self.token.encode(), b"***")) if content else None
        except (ValueError, RecursionError):
            raise NoAnswer("the host's answer is not JSON", lost=asked.writes) from None
        problem = refused_in_graphql(asked, heard, found) if asked.path == "graphql" else None
        if problem is not None:
            raise problem
        return found


class _End:
    """The last bytes of what is written to it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept = bytearray()

    def begin(self) -> _End:
        self._kept.clear()
        return self

    def write(self, piece: bytes) -> None:
        self._kept += piece
        if len(self._kept) > 2 * self._most:
            del self._kept[: -self._most]

    @property
    def content(self) -> bytes:
        return bytes(self._kept[-self._most :])


def _object(found: Any) -> Told:
    if not isinstance(found, dict):
        raise NoAnswer("the host's answer is not a JSON object")
    return Told(found)


def _is_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _graphql_of(url: str) -> str:
    """Where the GraphQL of an API is: that of a server of one's own has its version in the path, and this has none."""
    return f"{url.rstrip('/').removesuffix('/v3')}/graphql"


def api_of(environ: Mapping[str, str], repository: str, token: str, *, from_fork: bool = False) -> Api:
    """The API of this job's host."""
    names = ("http", "https", "no")
    proxies = {name: environ.get(f"{name}_proxy") or environ.get(f"{name}_proxy".upper(), "") for name in names}
    url = environ.get("GITHUB_API_URL") or "https://api.github.com"
    graphql = environ.get("GITHUB_GRAPHQL_URL") or ""
    return Api(url, repository, token, {name: one for name, one in proxies.items() if one}, graphql, from_fork)
