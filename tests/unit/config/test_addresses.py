"""Addresses as written, and what they mean."""

import socket

import pytest

from greenlb.config import addresses
from greenlb.config.addresses import bind_addresses, resolve, server_address
from greenlb.config.values import ConfigError
from greenlb.model import Address


@pytest.fixture
def resolver(monkeypatch):
    """A resolver that knows one name."""
    resolve.cache_clear()
    asked = []

    def getaddrinfo(host, port, family, kind):
        asked.append((host, family))
        if host != "web.example":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        number = "2001:db8::1" if family == socket.AF_INET6 else "192.0.2.1"
        return [(family, kind, 6, "", (number, 0))]

    monkeypatch.setattr(addresses.socket, "getaddrinfo", getaddrinfo)
    yield asked
    resolve.cache_clear()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("*:443", [("", 443)]),
        (":80", [("", 80)]),
        ("127.0.0.1:80", [("127.0.0.1", 80)]),
        ("[::1]:80", [("::1", 80)]),
        ("::1:80", [("::1", 80)]),
        (":::80", [("::", 80)]),
        ("ipv6@:80", [("::", 80)]),
        ("ipv4@127.0.0.1:80", [("127.0.0.1", 80)]),
        (":80-82", [("", 80), ("", 81), ("", 82)]),
        ("*:1,127.0.0.1:2", [("", 1), ("127.0.0.1", 2)]),
        ("[2001:DB8::0:1]:80", [("2001:db8::1", 80)]),
    ],
)
def test_bind(text, expected):
    assert [(address.host, address.port) for address in bind_addresses(text)] == expected


@pytest.mark.parametrize("text", ["unix@/run/x.sock", "/run/x.sock"])
def test_unix(text):
    expected = Address("/run/x.sock", unix=True, name=text)
    assert bind_addresses(text) == [expected]
    assert server_address(text) == expected


def test_names_are_resolved_once(resolver):
    assert server_address("web.example:80") == Address("192.0.2.1", 80, name="web.example:80")
    assert server_address("web.example:81").host == "192.0.2.1"
    assert server_address("ipv6@web.example:80").host == "2001:db8::1"
    assert resolver == [("web.example", socket.AF_UNSPEC), ("web.example", socket.AF_INET6)]


@pytest.mark.parametrize(
    ("make", "text", "message"),
    [
        (bind_addresses, "*", "'*' has no port: expected an address with a port, such as *:80"),
        (bind_addresses, "*:0", "'0' in '*:0' is no port: expected 1 to 65535"),
        (bind_addresses, "*:65536", "is no port"),
        (bind_addresses, "*:9-8", "'9-8' in '*:9-8' is no port: expected 1 to 65535, the lower one first"),
        (bind_addresses, "*:http", "'http' in '*:http' is no port"),
        (bind_addresses, "1.2.3:80", "'1.2.3' is no IPv4 address: expected four numbers from 0 to 255"),
        (bind_addresses, "[::1]80", "expected [IPV6]:PORT, not '[::1]80'"),
        (bind_addresses, "udp@x:1", "'udp@' addresses are not supported by this version of greenlb"),
        (bind_addresses, "abns@", "expected a path after 'unix@' and a name after 'abns@', not 'abns@'"),
        (bind_addresses, "fd@x", "expected fd@N, the number of an open descriptor, not 'fd@x'"),
        (bind_addresses, "ipv6@1.2.3.4:80", "'1.2.3.4' is not of the family that the prefix asks for"),
        (server_address, "nosuch:80", "could not resolve address 'nosuch': Name or service not known"),
        (server_address, "1.2.3.4", "takes its port from the client's, which is not supported"),
        (server_address, "1.2.3.4:+1", "takes its port from the client's, which is not supported"),
        (server_address, "1.2.3.4:80-81", "expected one port, not '80-81'"),
        (server_address, "*:80", "'*:80' is no address to connect to"),
    ],
)
def test_refused(make, text, message, resolver):
    with pytest.raises(ConfigError) as raised:
        make(text)
    assert message in str(raised.value)


def test_a_check_s_address_takes_the_server_s_port():
    assert server_address("10.0.0.1", port=8080).port == 8080
    assert server_address("10.0.0.1:81", port=8080).port == 81
