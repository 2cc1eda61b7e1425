"""What may be reached, and by which spelling: every address, however it is written, gets the verdict of the address."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.agents.tools import guard
from runner.agents.tools.connections import Connections, Request
from runner.agents.tools.tool import ToolProblem
from tests.servers import Internet, WebServer
from tests.servers.internet import PUBLIC

# -- every address ----------------------------------------------------------------------------------------------------


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """The rule, written once more and in another way: what the standard library calls global, less what it misses."""
    number = int(address)
    if isinstance(address, IPv4Address):
        missed = {0xC00000, 0xC05863} | {0xC00002, 0xC63364, 0xCB0071}
        return address.is_global and not address.is_multicast and number >> 8 not in missed and number != 0xA83F8110
    if number >> 32 == 0x64FF9B << 64:
        return is_public(IPv4Address(number & 0xFFFFFFFF))
    top, second = number >> 112, number >> 96 & 0xFFFF
    special = top == 0x2002 or (top == 0x2001 and (second < 0x200 or second == 0xDB8)) or number >> 108 == 0x3FFF0
    return 0x2000 <= top <= 0x3FFF and not special and address.is_global


INNER = st.sampled_from("64:ff9b:: ::ffff:0:0 :: 2002:: 64:ff9b:1:: 2001:: ::ffff:0:0:0".split())
CARRIED = st.builds(lambda base, inner: IPv6Address(int(IPv6Address(base)) + int(inner)), INNER, st.ip_addresses(v=4))
ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6), CARRIED)


@settings(deadline=None)
@given(ADDRESSES)
def test_an_address_is_reached_if_and_only_if_it_is_public(address: IPv4Address | IPv6Address) -> None:
    assert (guard.refusal(address) is None) == is_public(address)


@settings(deadline=None)
@given(ADDRESSES)
def test_private_ones_may_be_admitted_and_nothing_else_with_them(address: IPv4Address | IPv6Address) -> None:
    own = "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 127.0.0.0/8 100.64.0.0/10 ::1/128 fc00::/7"
    is_own = any(address in network for network in map(guard.ip_network, own.split()))
    is_clouds = str(address) == "100.100.100.200" or int(address) >> 96 == 0xFD000EC2 or str(address) == "fd20:ce::254"
    assert (guard.refusal(address, private=True) is None) == (is_public(address) or (is_own and not is_clouds))


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("169.254.169.254", "a link local address"),
        ("fd00:ec2::254", "an address of the cloud itself"),
        ("168.63.129.16", "an address of the cloud itself"),
        ("127.0.0.1", "a loopback address"),
        ("::1", "a loopback address"),
        ("10.1.2.3", "a private address"),
        ("100.64.0.1", "a private address"),
        ("fd12::1", "a private address"),
        ("0.0.0.0", "a reserved address"),
        ("::", "a reserved address"),
        ("255.255.255.255", "a reserved address"),
        ("192.0.0.192", "a reserved address"),
        ("::7f00:1", "a reserved address"),
        ("fec0::1", "a reserved address"),
        ("224.0.0.1", "a multicast address"),
        ("ff02::1", "a multicast address"),
        ("192.0.2.1", "an address for documentation"),
        ("::ffff:8.8.8.8", "an address with another inside"),
        ("2002:7f00:1::", "an address with another inside"),
        ("64:ff9b::7f00:1", "a loopback address"),
    ],
)
def test_what_an_address_is_refused_as(address: str, kind: str) -> None:
    assert guard.refusal(ip_address(address)) == kind


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "192.31.196.1"])
def test_the_public_internet_is_reached(address: str) -> None:
    assert guard.refusal(ip_address(address)) is None


@pytest.mark.parametrize("address", ["169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16", "0.0.0.0"])
def test_what_gives_out_a_clouds_credentials_is_never_admitted(address: str) -> None:
    assert guard.refusal(ip_address(address), private=True)


# -- every spelling ---------------------------------------------------------------------------------------------------


def number(value: int, base: str) -> str:
    return {"decimal": str(value), "octal": f"0{value:o}", "hex": f"{value:#x}", "HEX": f"0X{value:X}"}[base]


@st.composite
def spelt_4(draw: st.DrawFn) -> tuple[str, IPv4Address]:
    """An address with one to four parts, each in some base, perhaps with a dot behind, perhaps in wide characters."""
    address = draw(st.ip_addresses(v=4))
    whole, count = int(address), draw(st.integers(1, 4))
    heads = [whole >> (24 - 8 * at) & 0xFF for at in range(count - 1)]
    values = [*heads, whole & ((1 << (32 - 8 * (count - 1))) - 1)]
    bases = draw(st.lists(st.sampled_from(["decimal", "octal", "hex", "HEX"]), min_size=count, max_size=count))
    text = ".".join(number(value, base) for value, base in zip(values, bases, strict=True))
    text += draw(st.sampled_from(["", ".", ".."]))
    wide = {ord(one): ord(one) + 0xFEE0 for one in "0123456789xXabcdefABCDEF"} | {ord("."): 0x3002}
    return (text.translate(wide) if draw(st.booleans()) and ".." not in text else text), address


@settings(deadline=None)
@given(spelt_4())
def test_every_spelling_of_an_ipv4_address_is_the_address(spelt: tuple[str, IPv4Address]) -> None:
    text, address = spelt
    assert guard.parsed(f"http://{text}/").raw_host == str(address)


@settings(deadline=None)
@given(st.ip_addresses(v=6), st.sampled_from(["compressed", "exploded", "upper", "dotted"]))
def test_every_spelling_of_an_ipv6_address_is_the_address(address: IPv6Address, form: str) -> None:
    dotted = f"{address.exploded[:30]}{IPv4Address(int(address) & 0xFFFFFFFF)}"
    text = {"upper": address.exploded.upper(), "dotted": dotted}.get(form) or getattr(address, form)
    assert ip_address(guard.parsed(f"http://[{text}]/").raw_host or "") == address


@settings(deadline=None)
@given(spelt_4())
def test_a_url_has_the_verdict_of_its_address(spelt: tuple[str, IPv4Address]) -> None:
    text, address = spelt
    try:
        guard.public(f"http://{text}/")
        reached = True
    except ToolProblem:
        reached = False
    assert reached == is_public(address)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://example.com/", "does not begin with http"),
        ("file:///etc/passwd", "does not begin with http"),
        ("//example.com/", "does not begin with http"),
        ("http://me:secret@example.com/", "a user or a password"),
        ("http://example.com\\@evil.test/", "backslashes"),
        ("http://example.com/\r\nHost: evil", "control characters"),
        ("http://exa\tmple.com/", "control characters"),
        ("http://example.com:22/", "port 22"),
        ("http://example.com:8080/", "port 8080"),
        ("http://example.com:0/", "no host and port"),
        ("http://example.com:99999/", "not a URL"),
        ("http://[fe80::1%25eth0]/", "no host and port"),
        ("http://127.0.0.%31/", "no host and port"),
        ("http:///path", "no host and port"),
        ("http://[::1/", "not a URL"),
    ],
)
def test_a_url_that_says_something_else_than_a_place_is_refused(url: str, said: str) -> None:
    with pytest.raises(ToolProblem, match=said):
        guard.public(url)


# -- names ------------------------------------------------------------------------------------------------------------


async def visited(url: str, *, times: int = 1, private: bool = False) -> list[int]:
    """Ask a URL through connections of its own, without what tools check before; the statuses of the answers."""
    connections = Connections({})
    try:
        request = Request("GET", guard.URL(url), private=private)
        return [(await connections.visit(request, lambda _: None)).status for _ in range(times)]
    finally:
        await connections.close()


def test_a_name_is_looked_up_once_and_what_was_checked_is_connected_to(internet: Internet) -> None:
    internet.name("rebinding.test", PUBLIC, "127.0.0.1")
    with WebServer() as server:
        internet.place(server)
        assert asyncio.run(visited("http://rebinding.test/", times=3)) == [200] * 3

        assert internet.asked == ["rebinding.test"]
        assert internet.reached == [(PUBLIC, 80)]
        assert server.requests[0].headers["host"] == "rebinding.test"


def test_a_name_that_became_private_is_not_connected_to_again(internet: Internet) -> None:
    internet.name("rebinding.test", PUBLIC, "127.0.0.1")

    async def twice() -> None:
        await visited("http://rebinding.test/")
        with pytest.raises(ToolProblem, match=r"127\.0\.0\.1 is a loopback address"):
            await visited("http://rebinding.test/")

    with WebServer() as server:
        internet.place(server)
        asyncio.run(twice())

    assert internet.reached == [(PUBLIC, 80)]


@pytest.mark.parametrize("answer", ["10.0.0.1", f"{PUBLIC} 10.0.0.1", f"fd00::1 {PUBLIC}", "::ffff:10.0.0.1"])
def test_one_private_address_is_enough_to_refuse_a_name(internet: Internet, answer: str) -> None:
    internet.name("half.test", answer)
    with pytest.raises(ToolProblem, match="is not asked"):
        asyncio.run(visited("http://half.test/"))
    assert internet.reached == []


def test_the_next_address_of_a_name_is_tried_when_one_does_not_answer(internet: Internet) -> None:
    internet.name("two.test", f"1.1.1.1 {PUBLIC}")
    with WebServer() as server:
        internet.place(server)
        assert asyncio.run(visited("http://two.test/")) == [200]


def test_a_name_that_nobody_knows_is_told(internet: Internet) -> None:
    with pytest.raises(ToolProblem, match=r"no address is known for 'nowhere\.test'"):
        asyncio.run(visited("http://nowhere.test/"))


def test_an_address_that_nobody_looked_at_ends_at_the_socket(internet: Internet) -> None:
    with WebServer() as server, pytest.raises(ToolProblem, match=r"cannot ask 127\.0\.0\.1"):
        asyncio.run(visited(server.url))
    assert internet.reached == []
