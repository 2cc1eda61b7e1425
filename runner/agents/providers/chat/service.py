"""Who is asked: an address, the key that is shown there, and the connections that lead to it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from multidict import CIMultiDict
from yarl import URL

from runner.agents.aio import aiohttp
from runner.agents.providers.chat.faults import Failed, refused, told_inside
from runner.agents.providers.faults import Fault
from runner.agents.providers.http import A_DOCUMENT, A_PAGE, LONGEST_DOCUMENT, lost
from runner.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runner.agents.providers.http import Transport

HEADERS: Final = {
    "Accept": "application/json",  # as OpenAI's own client does, which every server knows
    "Accept-Encoding": "gzip, deflate",
    "Content-Type": "application/json",
    "User-Agent": "strands-action",
}


class Service:
    """A server of chat completions at the `base` address; `path` is where below it a model is asked. Names and
    passwords that the address holds go before `headers`."""

    def __init__(self, http: Transport, base: URL, headers: Mapping[str, str], path: Callable[[str], str]) -> None:
        self._base, self.origin = base.with_user(None), base.origin()
        self._path, self._addresses = path, dict[str, URL]()
        self._session, self._proxy = http.session(base), http.proxy(base) or None
        self._timeout = aiohttp.ClientTimeout(connect=http.connect_s, sock_connect=http.connect_s)
        login = aiohttp.encode_basic_auth(base.user or "", base.password or "") if base.user or base.password else None
        self.headers = CIMultiDict(fit({**HEADERS, **headers, **({"Authorization": login} if login else {})}))

    def address(self, model_id: str) -> URL:
        """Where a model is asked."""
        if model_id not in self._addresses:
            self._addresses[model_id] = (self._base / self._path(model_id)).with_query(self._base.query)
        return self._addresses[model_id]

    async def ask(self, url: URL, headers: CIMultiDict[str], content: bytes) -> aiohttp.ClientResponse:
        """An answer that has begun, and is a stream. Raises Failed, or ContextWindowOverflowException, for every
        other, and aiohttp's errors of a connection."""
        response = await self._session.post(
            url, headers=headers, data=content, proxy=self._proxy, allow_redirects=False, timeout=self._timeout
        )
        try:
            if response.status // 100 != 2:
                raise refused(response.status, response.headers, await _document(response))
            if response.status == 200:
                await self._refuse_what_is_no_stream(response)
        except BaseException:
            response.close()
            raise
        return response

    def lost(self, error: BaseException) -> Failed:
        """What aiohttp reports."""
        return Failed(lost(error, self.origin))

    def unreadable(self, what: str) -> Failed:
        """What came is no answer of a model's server."""
        return Failed(Fault(f"{self.origin} sent {what}", transient=True, lost=True))

    async def _refuse_what_is_no_stream(self, response: aiohttp.ClientResponse) -> None:
        kind = response.headers.get("Content-Type", "").lower()
        if "text/html" in kind:
            raise self.unreadable(A_PAGE)
        if "application/json" in kind:
            error = _error(await _document(response))
            raise told_inside(error) if error else self.unreadable(A_DOCUMENT)


def fit(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Headers that can be sent. Raises UsageError for others, such as a key that was pasted with a line's end."""
    for name, value in headers.items():
        if any(ord(one) < 32 or one == "\x7f" for one in (*name, *value) if one != "\t"):
            what = f"header {name!r}" if name != "Authorization" and name != "api-key" else "key"
            raise UsageError(f"the {what} has a line break or another control character in it")
    return headers


async def _document(response: aiohttp.ClientResponse) -> str:
    """What came in place of a stream, as far as it came."""
    document = b""
    try:
        async for chunk in response.content.iter_any():
            document += chunk
            if len(document) > LONGEST_DOCUMENT:
                break
    except aiohttp.ClientError:
        if response.status == 200:
            raise
    return document.decode(errors="replace")


def _error(document: str) -> Any:
    """The error in a document; None where there is none."""
    try:
        told = json.loads(document)
    except (ValueError, RecursionError):
        return None
    return told.get("error") if isinstance(told, dict) else None
