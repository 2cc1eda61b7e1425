"""Amazon Bedrock by the Converse API.

boto3 is synchronous: the SDK runs each call in a thread of the loop's executor, which the run makes wide enough.
Closing the client cuts the connections of calls that are still waiting, or a stalled stream would hold the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import weakref
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import boto3
import urllib3.exceptions
from botocore import awsrequest
from botocore.config import Config
from botocore.eventstream import ParserError
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    ResponseStreamingError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError
from strands.models.bedrock import BedrockModel
from strands.models.model import CacheConfig

from runner.agents.pool import Client
from runner.agents.providers import Provider
from runner.agents.providers.faults import Fault, broke_off
from runner.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator, Mapping

    from strands.types.streaming import StreamEvent

    from runner.agents.providers import Home
    from runner.plan.plan import AgentRecipe, ModelRecipe

DEFAULT_REGION: Final = "us-east-1"

TRY_S: Final = 2.0
"""The longest that one try at a connection takes. What waits for an answer to it has nothing yet that could be cut."""

SLACK_S: Final = 5.0
"""By how much a thread is more patient than the turn that waits for it, which is the one to say why it gave up."""


def address(recipe: ModelRecipe) -> str:
    return f"{recipe.region or ''} {recipe.host or ''}"


async def open_client(where: str, home: Home) -> Client:
    region, host = where.split(" ", 1)
    # Reading configuration and service descriptions takes some 50 ms, and looking for credentials may ask a server.
    raw, connections = await asyncio.to_thread(_connect, region, host, home)

    async def close() -> None:
        connections.cut(lambda _: True)
        raw.close()

    def begin() -> Callable[[], None]:
        turn = _Turn()
        _TURN.set(turn)

        def cut_off() -> None:
            turn.over = True
            connections.cut(lambda connection: connection.turn is turn)

        return cut_off

    return Client(raw, close, begin)


@dataclass(eq=False)
class _Turn:
    """A turn of a model. Once it is `over`, no request of its own begins any more."""

    over: bool = False


_TURN: Final[ContextVar[_Turn | None]] = ContextVar("turn", default=None)
"""The turn in hand; the thread that makes its request has a copy of the context."""


def _connect(region: str, host: str, home: Home) -> tuple[Any, _Connections]:
    try:
        return _connected(region, host, home)
    except BotoCoreError as error:  # a profile that is not there, a region that is none
        raise UsageError(f"provider 'bedrock': {error}") from error


def _connected(region: str, host: str, home: Home) -> tuple[Any, _Connections]:
    environ = home.environ
    session = boto3.Session(
        aws_access_key_id=environ.get("AWS_ACCESS_KEY_ID") or None,
        aws_secret_access_key=environ.get("AWS_SECRET_ACCESS_KEY") or None,
        aws_session_token=environ.get("AWS_SESSION_TOKEN") or None,
        profile_name=environ.get("AWS_PROFILE") or None,
        region_name=region or environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or DEFAULT_REGION,
    )
    if not environ.get("AWS_BEARER_TOKEN_BEDROCK") and session.get_credentials() is None:
        raise UsageError(
            "provider 'bedrock' needs AWS credentials: run aws-actions/configure-aws-credentials before this step, "
            "or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    config = Config(
        connect_timeout=home.timeouts.connect_s,
        read_timeout=home.timeouts.longest_s + SLACK_S,
        max_pool_connections=home.max_parallel,
        retries={"total_max_attempts": 1},
        user_agent_extra="strands-agents",
    )
    client = session.client("bedrock-runtime", config=config, endpoint_url=host or None)
    return client, _watched_connections(client)


class _Connections:
    """The connections of a client that are alive, those that are still being made among them. They are made and used
    in threads, and cut from another."""

    def __init__(self) -> None:
        self._alive: weakref.WeakSet[Any] = weakref.WeakSet()
        self._lock = threading.Lock()

    def add(self, connection: Any) -> None:
        with self._lock:
            self._alive.add(connection)

    def cut(self, which: Callable[[Any], bool]) -> None:
        with self._lock:
            found = [connection for connection in self._alive if which(connection)]
        for connection in found:
            _cut(connection)


def _watched_connections(client: Any) -> _Connections:
    """Every connection the client will open, while it lives. botocore has no public way to ask for them."""
    connections = _Connections()

    def watched(pool_class: Any) -> Any:
        class Connection(pool_class.ConnectionCls):  # type: ignore[misc]
            turn: _Turn | None = None
            timeout: float

            def connect(self) -> None:
                self.turn = _TURN.get()
                connections.add(self)
                super().connect()
                self.check()

            def _new_conn(self) -> socket.socket:
                """In several tries: between two of them it is seen that nobody waits any more."""
                whole_s: float = self.timeout
                left_s = whole_s
                while True:
                    self.check()
                    self.timeout = min(left_s, TRY_S)
                    left_s -= self.timeout
                    try:
                        found: socket.socket = super()._new_conn()
                    except urllib3.exceptions.ConnectTimeoutError:
                        if left_s <= 0:
                            raise
                    else:
                        found.settimeout(whole_s)
                        return found
                    finally:
                        self.timeout = whole_s

            def request(self, *args: Any, **kwargs: Any) -> None:
                self.turn = _TURN.get()
                self.check()
                super().request(*args, **kwargs)

            def check(self) -> None:
                if self.turn is not None and self.turn.over:
                    self.close()
                    raise ConnectionAbortedError("nobody waits for this turn any more")

        return type(pool_class.__name__, (pool_class,), {"ConnectionCls": Connection})

    classes = client._endpoint.http_session._pool_classes_by_scheme
    classes["http"] = watched(awsrequest.AWSHTTPConnectionPool)
    classes["https"] = watched(awsrequest.AWSHTTPSConnectionPool)
    return connections


def _cut(connection: Any) -> None:
    """End a connection under the thread that reads from it."""
    if connection.sock is not None:
        with contextlib.suppress(OSError):  # closed already
            # The plain socket's shutdown: that of a TLS socket changes state which the reading thread still uses.
            socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)


class _Lent:
    """A boto session that hands out a client made elsewhere, for BedrockModel takes a session but no client; and that
    client, as far as the SDK uses it."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.region_name = client.meta.region_name

    def client(self, **_: Any) -> Any:
        return self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def converse_stream(self, **request: Any) -> dict[str, Any]:
        """The SDK reads a stream and never closes it: the connection of one that broke would stay open."""
        answer = self._client.converse_stream(**request)
        return {**answer, "stream": _closed_behind(answer["stream"])}


def _closed_behind(stream: Any) -> Iterator[Any]:
    with contextlib.closing(stream):
        yield from stream


def make_model(recipe: AgentRecipe, client: Client) -> BedrockModel:
    model = recipe.model
    given: dict[str, Any] = {"temperature": model.temperature, "top_p": model.top_p, "max_tokens": model.max_tokens}
    config = {key: value for key, value in given.items() if value is not None}
    if model.params:
        config["additional_request_fields"] = dict(model.params)
    if model.prompt_cache:
        config["cache_config"] = CacheConfig(tools_ttl=True)
    return StrictBedrockModel(boto_session=_Lent(client.raw), model_id=model.model_id, **config)


_PARTS: Final[Mapping[str, str]] = {
    "messageStart": "role",
    "contentBlockStart": "start",
    "contentBlockDelta": "delta",
    "messageStop": "stopReason",
}
"""What an event must hold for the SDK to read it."""


class StrictBedrockModel(BedrockModel):
    """The SDK's model ends without a word when the stream does, and passes on whatever a stream holds."""

    async def stream(self, *args: Any, **kwargs: Any) -> AsyncGenerator[StreamEvent, None]:
        ended = False
        async with contextlib.aclosing(super().stream(*args, **kwargs)) as events:
            async for event in events:
                held: Any = event
                if any(name in held and key not in held[name] for name, key in _PARTS.items()):
                    raise ParserError
                ended = ended or "messageStop" in event
                yield event
        if not ended:
            raise broke_off()


_PASSING_IN_A_STREAM: Final = frozenset(
    f"{name}exception"
    for name in (
        "throttling",
        "internalserver",
        "modelstreamerror",
        "serviceunavailable",
        "modeltimeout",
        "modelnotready",
    )
)

_UNAUTHORIZED: Final = frozenset(
    {"UnrecognizedClientException", "InvalidSignatureException", "ExpiredTokenException", "ExpiredToken"}
)
"""What AWS says of credentials; one that knows them and does not allow a model is AccessDeniedException."""


def read_fault(error: BaseException) -> Fault | None:
    match error:
        case ClientError():
            details = error.response.get("Error", {})
            answer = error.response.get("ResponseMetadata", {})
            code, status = details.get("Code", "error"), answer.get("HTTPStatusCode")
            # One that came inside a stream has the 200 that the stream began with, or no status at all.
            passing = code.lower() in _PASSING_IN_A_STREAM if status in (None, 200) else None
            told = f"{code}: {details.get('Message', error)}"
            return Fault(
                told,
                None if status == 200 else status,
                passing,
                answer.get("HTTPHeaders", {}),
                throttled=status == 429 or code.lower().startswith("throttling"),
                unauthorized=code in _UNAUTHORIZED,
            )
        case ConnectTimeoutError():
            told = "no connection in time (timeouts.connect_s)"
            return Fault(f"cannot reach {error.kwargs['endpoint_url']}: {told}", transient=True)
        case EndpointConnectionError():
            return Fault(f"cannot reach Bedrock: {error}", transient=True)
        case ResponseStreamingError() | urllib3.exceptions.HTTPError():  # their words are a repr of what is below
            return Fault("the connection to Bedrock was lost in the middle of the answer", transient=True, lost=True)
        case BotoConnectionError() | HTTPClientError():
            return Fault(f"the connection to Bedrock failed: {error}", transient=True, lost=True)
        case ParserError():
            return Fault(
                "what Bedrock's address sent is no event stream of AWS, or a broken one", transient=True, lost=True
            )
        case CredentialRetrievalError():
            return Fault(str(error), unauthorized=True)
        case BotoCoreError():
            return Fault(str(error))
    return None


PROVIDER: Final = Provider(
    address=address,
    open=open_client,
    model=make_model,
    fault=read_fault,
    native_schema=lambda _: False,
    cached_apart=True,
)
