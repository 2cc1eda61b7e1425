"""The internet of a test: what names mean, and which server of the test stands at a public address.

It takes the place of the two calls by which Python leaves the machine, so nothing under test needs to know of it; a
name or an address that it does not have is an error that the test sees.
"""

from __future__ import annotations

import socket
from asyncio.selector_events import BaseSelectorEventLoop
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

    from .http import ModelServer

PUBLIC = "93.184.216.34"


class Internet:
    """`asked` are the names that were looked up, `reached` the addresses that were connected to, ours included."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        self.reached: list[tuple[str, int]] = []
        self._names: dict[str, list[list[str]]] = {}
        self._places: dict[str, int] = {}
        patch.setattr(socket, "getaddrinfo", self._looked_up)
        patch.setattr(BaseSelectorEventLoop, "sock_connect", self._connection())

    def name(self, host: str, *answers: str) -> None:
        """What a name is looked up as, one answer after another; the last stays. Addresses of one answer are
        separated by spaces."""
        self._names[host] = [answer.split() for answer in answers]

    def place(self, server: ModelServer, address: str = PUBLIC) -> None:
        """Let a server stand at a public address, on every port."""
        self._places[address] = server.port

    def visited(self) -> list[tuple[str, int]]:
        """The connections to anything but this machine."""
        return [one for one in self.reached if not ip_address(one[0]).is_loopback]

    def _looked_up(self, host: Any, port: Any, *args: Any, **kwargs: Any) -> list[Any]:
        if host in self._names:
            self.asked.append(host)
            answers = self._names[host]
            found = answers.pop(0) if len(answers) > 1 else answers[0]
        elif host == "localhost":
            found = ["127.0.0.1"]
        else:
            self.asked.append(str(host))
            raise socket.gaierror(socket.EAI_NONAME, f"nobody in this test is called {host}")
        return [_info(address, port) for address in found]

    def _connection(self) -> Any:
        connect = BaseSelectorEventLoop.sock_connect

        async def sock_connect(loop: BaseSelectorEventLoop, sock: socket.socket, address: Any) -> None:
            self.reached.append(address[:2])
            if (port := self._places.get(address[0])) is not None:
                address = ("127.0.0.1", port)
            elif address[0] != "127.0.0.1":
                raise OSError(f"nothing in this test stands at {address[0]}")
            await connect(loop, sock, address)

        return sock_connect


def _info(address: str, port: Any) -> tuple[Any, ...]:
    if ip_address(address).version == 6:
        return socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0)
    return socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)
