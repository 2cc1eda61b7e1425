"""The host's own API, asked for two things: who may write to the repository, and its files at one commit.

It is asked before a run and seldom, so the standard library does; what it takes to start is loaded when it is asked.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

from runner.ci.event import Told

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import IO
    from urllib.request import OpenerDirector, Request

    from runner.ci.event import Account

TIMEOUT_S: Final = 10.0
"""How long the host may keep silent."""

WHOLE_S: Final = 60.0
"""How long one answer may take as a whole."""

MAX_ANSWER: Final = 1024 * 1024
MAX_ARCHIVE: Final = 200 * 1024 * 1024
PIECE: Final = 64 * 1024

WRITES: Final = ("admin", "maintain", "write")


class NoAnswer(Exception):
    """The host did not say; the half sentence tells why."""


@dataclass(frozen=True)
class Api:
    """`token` is sent to `url` and to nowhere else, also where the host sends us on."""

    url: str
    repository: str
    token: str
    proxies: Mapping[str, str]

    def may_write(self, account: Account) -> str:
        """Why an account may not write, or why nobody can tell; empty where it may."""
        try:
            told = self._told(f"collaborators/{quote(account.login, safe='')}/permission")
        except NoAnswer as problem:
            return f"nobody can tell whether {account.login} may write: {problem}"
        if told.id("user") != account.id:
            return f"the account that is called {account.login} now is not the one that caused the event"
        return "" if told.text("permission") in WRITES else f"{account.login} may not write to the repository"

    def is_fork(self, number: int) -> bool:
        """Whether a pull request comes from another repository than this. Raises NoAnswer."""
        told = self._told(f"pulls/{number}")
        head = told.id("head", "repo")
        return head is None or head != told.id("base", "repo")

    def archive(self, commit: str, into: IO[bytes]) -> None:
        """Write the repository's files at a commit, as a compressed tar archive. Raises NoAnswer."""
        self._fetch(f"tarball/{commit}", into, MAX_ARCHIVE)

    def _told(self, path: str) -> Told:
        from io import BytesIO

        into = BytesIO()
        self._fetch(path, into, MAX_ANSWER)
        try:
            found = json.loads(into.getvalue())
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise NoAnswer("the host's answer is not a JSON object")
        return Told(found)

    def _fetch(self, path: str, into: IO[bytes], most: int) -> None:
        if not self.token:
            raise NoAnswer("there is no github-token to ask the host with")
        if not self.repository:
            raise NoAnswer("GITHUB_REPOSITORY does not say which repository this is")
        asked = f"{self.url.rstrip('/')}/repos/{self.repository}/{path}"
        if urlsplit(asked).scheme not in ("http", "https"):
            raise NoAnswer("GITHUB_API_URL is not the address of an API")
        for attempt in (1, 2):
            into.seek(0)
            into.truncate()
            try:
                return self._try(asked, into, most)
            except _Passing as problem:
                if attempt == 2:
                    raise NoAnswer(str(problem)) from None
        return None

    def _try(self, asked: str, into: IO[bytes], most: int) -> None:
        from http.client import HTTPException
        from urllib.error import HTTPError

        until = time.monotonic() + WHOLE_S
        try:
            with self._opener(asked).open(self._request(asked), timeout=TIMEOUT_S) as answer:
                while piece := answer.read1(PIECE):  # what is there: a trickle must not hold up the clock
                    if into.tell() + len(piece) > most:
                        raise NoAnswer(f"the host's answer is larger than {most // 1024 // 1024} MiB")
                    if time.monotonic() > until:
                        raise NoAnswer(f"the host's answer takes longer than {WHOLE_S:g} s")
                    into.write(piece)
        except HTTPError as error:
            error.close()
            told = f"the host answers with status {error.code}"
            raise (_Passing if error.code >= 500 else NoAnswer)(told) from None
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", None) or type(error).__name__
            raise _Passing(f"the host cannot be asked: {reason}") from None
        except ValueError:  # where it sends us on is no address
            raise NoAnswer("the host's answer cannot be read") from None

    def _request(self, asked: str) -> Request:
        from urllib.request import Request

        headers = {"User-Agent": "strands-action", "Accept": "application/vnd.github+json"}
        request = Request(asked, headers=headers)  # noqa: S310 - its scheme has been looked at
        request.add_unredirected_header("Authorization", f"Bearer {self.token}")
        return request

    def _opener(self, asked: str) -> OpenerDirector:
        from urllib.request import ProxyHandler, build_opener, proxy_bypass_environment  # type: ignore[attr-defined]

        direct = proxy_bypass_environment(urlsplit(asked).netloc, {"no": "", **self.proxies})
        return build_opener(ProxyHandler({} if direct else {**self.proxies}))


class _Passing(NoAnswer):
    """What may be otherwise a moment later."""


def api_of(environ: Mapping[str, str], repository: str, token: str) -> Api:
    """The API of this job's host."""
    names = ("http", "https", "no")
    proxies = {name: environ.get(f"{name}_proxy") or environ.get(f"{name}_proxy".upper(), "") for name in names}
    url = environ.get("GITHUB_API_URL") or "https://api.github.com"
    return Api(url, repository, token, {name: value for name, value in proxies.items() if value})
