"""The process of an MCP server: what it is given, its lines as messages, and its end with all that it started.

On Linux it runs in the bounds of `confined`. Elsewhere nothing bounds it but its user, so that one must not be root.
Not the transport of `mcp`: that one inherits more of the environment, hands our stderr on, holds lines of any length
and takes longer to stop than a cancelled run has.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from asyncio.subprocess import PIPE
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

import anyio
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter

from runner import walk
from runner.agents.tools.confined import Line, Task, kill, own_directory, workspaces_owner

if TYPE_CHECKING:
    from asyncio.subprocess import Process as Child
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

    from runner.agents.tools.confined import User
    from runner.plan.tools import McpServer

BOUNDED: Final = sys.platform == "linux"

INHERITED: Final = ("PATH", "LANG")
"""All that a server knows of our environment besides what the file gives it."""

OWN: Final = ("HOME", "TMPDIR")
"""The names of its own directory, which is empty at first and deleted after it."""

LIMITS: Final = {"DATA": 4 * 1024**3, "FSIZE": 1024**3, "NPROC": 512, "NOFILE": 4096, "CORE": 0}
"""Enough for any server; of memory only what is written to is counted, since some reserve more than there is."""

MAX_LINE: Final = 16 * 1024 * 1024
"""Bytes of one message."""

MAX_STRAYS: Final = 100
"""Lines in a row that are no message a server may print, such as a greeting."""

MAX_KEPT: Final = 4096
"""Bytes of its stderr that are kept for an error message, of which the last are shown."""

MAX_SHOWN: Final = 300
GRACE_S: Final = 0.5
"""Seconds to end when its input ends, and again when it is asked to."""

POLL_S: Final = 0.01


class Process:
    """One server's process, in a session of its own. `unusable` says why it cannot be started, where that is known
    before, `refused` why it was not started then, and `ended` how it ended, if it did before it was stopped."""

    def __init__(self, recipe: McpServer, workspace: Path, environ: Mapping[str, str], *, network: bool) -> None:
        self._arguments, self._workspace = recipe.args, workspace
        self._environ = {name: environ[name] for name in INHERITED if name in environ} | dict(recipe.env)
        self._program = _found(str(recipe.command), workspace, self._environ.get("PATH", os.defpath))
        self.unusable = "" if self._program else f"there is no program '{recipe.command}' that can be run"
        if not BOUNDED:
            self.unusable = self.unusable or unbounded(network=network)
        self._network, self._stopping = network, False
        self.ended = self.refused = ""
        self._stray = self._stderr = b""
        self._strays = 0

    def seen(self, scrub: Callable[[str], str]) -> str:
        """How it ended and what it printed that was no message; nothing where there was nothing. Secrets are taken
        out before anything is cut: half of one is still one."""
        stray, stderr = (_flat(scrub(text.decode(errors="replace"))) for text in (self._stray, self._stderr))
        stray, stderr = stray[:MAX_SHOWN], stderr[-MAX_SHOWN:]
        told = [
            self.refused or self.ended,
            f"it printed what is no MCP message: {stray!r}" if stray else "",
            f"its stderr ends: {stderr!r}" if stderr else "",
        ]
        return "; ".join(part for part in told if part)

    @asynccontextmanager
    async def streams(self, lost: Callable[[], None]) -> AsyncIterator[tuple[Any, Any]]:
        """Start it, for as long as the streams of messages from and to it are used."""
        user = workspaces_owner(self._workspace) if BOUNDED else None
        home, line = own_directory("mcp-server-", user), Line()
        environ = dict.fromkeys(OWN, str(home)) | self._environ
        try:
            pipes: dict[str, Any] = {"stdin": PIPE, "stdout": PIPE, "stderr": PIPE, "limit": MAX_LINE}
            child = await (
                line.start(self._task(user, home, environ), **pipes)
                if BOUNDED
                else asyncio.create_subprocess_exec(
                    str(self._program), *self._arguments,
                    env=environ, cwd=self._workspace, start_new_session=True, **pipes,
                )
            )  # fmt: skip
            async with self._spoken_to(child, line, lost) as both:
                yield both
        finally:
            line.hang_up()
            walk.delete(home)

    def _task(self, user: User | None, home: Path, environ: Mapping[str, str]) -> Task:
        return Task(
            programs=(str(self._program),),
            arguments=self._arguments,
            environ=environ,
            directory=str(self._workspace),
            user=user,
            writable=(str(self._workspace), str(home)),
            readable=None,
            network=self._network,
            limits=LIMITS,
        )

    @asynccontextmanager
    async def _spoken_to(self, child: Child, line: Line, lost: Callable[[], None]) -> AsyncIterator[tuple[Any, Any]]:
        incoming, read = anyio.create_memory_object_stream[Any](0)
        write, outgoing = anyio.create_memory_object_stream[Any](0)
        listening = asyncio.create_task(self._listen(child))
        reading = asyncio.create_task(self._read(child, incoming, listening, line, lost))
        pumps = [reading, listening, asyncio.create_task(self._write(child, outgoing))]
        try:
            yield read, write
        finally:
            self._stopping = True
            try:
                await _ended_by_itself(child)
            finally:
                await _finish(child, line, pumps)
                for stream in (incoming, read, write, outgoing):
                    stream.close()

    async def _read(
        self, child: Child, incoming: Any, listening: asyncio.Task[None], line: Line, lost: Callable[[], None]
    ) -> None:
        """Its lines as messages; the stream ends when they do, and when it is known how."""
        assert child.stdout is not None
        with suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
            async with incoming:
                try:
                    while self._strays <= MAX_STRAYS and (text := await child.stdout.readline()):
                        if (message := self._message(text)) is not None:
                            await incoming.send(SessionMessage(message))
                    problem = "its output ended" if self._strays <= MAX_STRAYS else "it prints too much else"
                except ValueError:
                    problem = f"it printed a line of more than {MAX_LINE:,} bytes"
                if not self._stopping:
                    await _exited(child, GRACE_S)
                    await asyncio.wait([listening], timeout=GRACE_S if child.returncode is not None else 0)
                    self.ended = problem if child.returncode is None else _how(child.returncode)
                    self.refused = line.refusal()
                    lost()

    def _message(self, line: bytes) -> Any:
        try:
            message = jsonrpc_message_adapter.validate_json(line, by_name=False)
        except ValueError:
            self._stray = self._stray or line[:MAX_KEPT].strip()
            self._strays += 1
            return None
        self._strays = 0
        return message

    @staticmethod
    async def _write(child: Child, outgoing: Any) -> None:
        assert child.stdin is not None
        with suppress(OSError):  # it reads no more; its output says the rest
            async with outgoing:
                async for message in outgoing:
                    line = message.message.model_dump_json(by_alias=True, exclude_unset=True)
                    child.stdin.write(line.encode() + b"\n")
                    await child.stdin.drain()

    async def _listen(self, child: Child) -> None:
        """Keep the end of its stderr, which goes nowhere else: a CI host reads commands in a log."""
        assert child.stderr is not None
        while chunk := await child.stderr.read(MAX_KEPT):
            self._stderr = (self._stderr + chunk)[-MAX_KEPT:]


async def _ended_by_itself(child: Child) -> None:
    """Let it go: by the end of its input, else by SIGTERM to it and what it started."""
    assert child.stdin is not None
    child.stdin.close()
    if not await _exited(child, GRACE_S):
        kill(child, signal.SIGTERM)
        await _exited(child, GRACE_S)


async def _finish(child: Child, line: Line, pumps: list[asyncio.Task[None]]) -> None:
    """End for certain whatever of it still runs, and the pipes to it."""
    line.hang_up()
    if BOUNDED:
        await _exited(child, GRACE_S)  # when all that it started has
    kill(child)
    await _exited(child, GRACE_S)
    for pump in pumps:
        pump.cancel()
    await asyncio.gather(*pumps, return_exceptions=True)
    # A process that left the session may hold a pipe; nothing public closes our end of it.
    child._transport.close()  # type: ignore[attr-defined]
    await asyncio.sleep(0)


async def _exited(child: Child, seconds: float) -> bool:
    """Whether it exits in time. Asked again and again: waiting for it would be waiting for its children's pipes."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while child.returncode is None and loop.time() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(POLL_S)
    return child.returncode is not None


def unbounded(*, network: bool) -> str:
    """Why a server may not run where the system has nothing to bound it with; nothing where it may."""
    if os.geteuid() == 0:
        return "as root it is started on Linux only, where it can be kept from being root"
    return "" if network else "guardrails.deny_network forbids it the network, which is taken away on Linux only"


def _found(command: str, workspace: Path, path: str) -> str | None:
    return shutil.which(str(workspace / command) if os.sep in command else command, path=path)


def _how(code: int) -> str:
    number = -code if code < 0 else code - 128
    return f"it was ended by signal {number}" if number > 0 else f"it exited with code {code}"


def _flat(text: str) -> str:
    return " ".join(text.split())
