"""Which places a tool may reach: addresses of the public internet, however they are written.

Tables of its own and not `ipaddress.is_global`: what that says changes between versions of Python, and it knows
nothing of multicast, of addresses that carry another one inside, and of those at which a cloud hands out credentials.
"""

from __future__ import annotations

import asyncio
import re
import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias

from yarl import URL

from runner.agents.tools.tool import ToolProblem

Address: TypeAlias = IPv4Address | IPv6Address
_Table: TypeAlias = tuple[tuple[IPv4Network | IPv6Network, str], ...]


def _table(**kinds: str) -> _Table:
    return tuple((ip_network(one), kind.replace("_", " ")) for kind, those in kinds.items() for one in those.split())


_PRIVATE: Final = _table(
    a_loopback_address="127.0.0.0/8 ::1/128",
    a_private_address="10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 fc00::/7",
)
"""What only a tool with `allow_private` may reach."""

_NEVER: Final = _table(
    # Azure's own (every hosted runner of GitHub is there), Alibaba's, AWS's, Google's.
    an_address_of_the_cloud_itself="168.63.129.16/32 100.100.100.200/32 fd00:ec2::/32 fd20:ce::254/128",
    a_link_local_address="169.254.0.0/16 fe80::/10",
    a_multicast_address="224.0.0.0/4 ff00::/8",
    an_address_for_documentation="192.0.2.0/24 198.51.100.0/24 203.0.113.0/24 2001:db8::/32 3fff::/20",
    an_address_with_another_inside="::ffff:0:0/96 2002::/16 2001::/32",
    a_reserved_address="0.0.0.0/8 192.0.0.0/24 192.88.99.0/24 198.18.0.0/15 240.0.0.0/4 2001::/23",
)

_PUBLIC_6: Final = IPv6Network("2000::/3")
_NAT64: Final = IPv6Network("64:ff9b::/96")
"""A network without IPv4 reaches it by these; the last four bytes are where the way ends."""

_HOST: Final = re.compile(r"[A-Za-z0-9._-]{1,253}")
PORTS: Final = (80, 443)


def refusal(address: Address, *, private: bool = False) -> str | None:
    """Why an address is not reached; None when it may be. `private` admits one's own machine and network."""
    if address in _NAT64:
        return refusal(IPv4Address(int(address) & 0xFFFF_FFFF))
    if kind := _kind(address, _NEVER):
        return kind
    if kind := _kind(address, _PRIVATE):
        return None if private else kind
    return None if address.version == 4 or address in _PUBLIC_6 else "a reserved address"


def literal(host: str) -> Address | None:
    """The address that a host is in any spelling that a system would take for one: decimal, octal, hexadecimal and
    short forms, a dot at the end. None when it is a name."""
    host = host.rstrip(".")
    try:
        return ip_address(host)
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None


def parsed(text: str) -> URL:
    """The URL of a text, with an address in its usual spelling. Raises ToolProblem for what no tool asks for."""
    if re.search(r"[\x00-\x20\x7f\\]", text):
        raise ToolProblem("the URL has spaces, control characters or backslashes in it")
    try:
        url = URL(text)
        host, port = url.raw_host or "", url.port
    except ValueError as error:
        raise ToolProblem(f"not a URL: {error}") from None
    if url.scheme not in ("http", "https"):
        raise ToolProblem("the URL does not begin with http:// or https://")
    if url.raw_user is not None or url.raw_password is not None:
        raise ToolProblem("the URL has a user or a password in it")
    address = literal(host)
    if not port or not (_HOST.fullmatch(host) or (isinstance(address, IPv6Address) and "%" not in host)):
        raise ToolProblem("the URL has no host and port that can be asked")
    return url.with_host(str(address)) if address is not None else url


def public(text: str) -> URL:
    """The URL of a place on the public internet, as far as that can be known without looking its name up. Raises
    ToolProblem."""
    url = parsed(text)
    if url.port not in PORTS:
        raise ToolProblem(f"port {url.port} is not one of those that are asked: {' '.join(map(str, PORTS))}")
    check_literal(url)
    return url


def check_literal(url: URL, *, private: bool = False) -> None:
    """Raises ToolProblem when the host of a parsed URL is an address that is not reached."""
    host = url.raw_host or ""
    if (address := literal(host)) is not None:
        _check(host, address, private)


async def addresses(host: str, port: int, *, private: bool = False) -> list[Address]:
    """The addresses of a host, looked up once. Raises ToolProblem when any of them is not to be reached."""
    if (address := literal(host)) is not None:
        found = [address]
    else:
        try:
            looked_up = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise ToolProblem(f"no address is known for '{host}'") from None
        found = list(dict.fromkeys(ip_address(info[4][0]) for info in looked_up))
    for address in found:
        _check(host, address, private)
    return found


def _check(host: str, address: Address, private: bool) -> None:
    if kind := refusal(address, private=private):
        raise ToolProblem(f"'{host}' is not asked: {address} is {kind}")


def _kind(address: Address, table: _Table) -> str | None:
    return next((kind for network, kind in table if address in network), None)
