"""Addresses as a configuration writes them, and the numeric ones they mean."""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass, replace
from functools import lru_cache

from greenlb.config.values import ConfigError
from greenlb.model import Address

_PORTS = re.compile(r"(\d+)(?:-(\d+))?", re.ASCII)
_PREFIX = re.compile(r"([a-z][a-z0-9+]*)@")
_ROOM = 107
"""Bytes of an abstract name, without the NUL before it (unix(7))."""
_FAMILIES = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address as written: the host (a name, a number, ``*`` or empty), what stood after its last
    colon, the family a prefix asked for, or the path of a unix socket."""

    host: str
    ports: str
    family: int = socket.AF_UNSPEC
    unix: bool = False
    text: str = ""


def parse_endpoint(text: str) -> Endpoint:
    """Cut an address apart.  Raises ConfigError for a kind of address that is not supported."""
    prefix = _PREFIX.match(text)
    rest = text
    family = int(socket.AF_UNSPEC)
    if prefix:
        rest = text[prefix.end() :]
        if prefix[1] == "unix":
            return Endpoint(_path(rest, text), "", unix=True, text=text)
        if prefix[1] == "abns":
            # The name is as long as there is room: all of the address, as HAProxy has it.
            return Endpoint(f"\0{_path(rest, text):\0<{_ROOM}}", "", unix=True, text=text)
        if prefix[1] not in _FAMILIES:
            raise ConfigError(
                f"'{prefix[0]}' addresses are not supported by this version of greenlb;"
                " expected HOST:PORT, [IPV6]:PORT, unix@PATH or abns@NAME"
            )
        family = _FAMILIES[prefix[1]]
    if rest.startswith("/"):
        return Endpoint(rest, "", unix=True, text=text)
    if rest.startswith("["):
        host, bracket, tail = rest[1:].partition("]")
        if not bracket or (tail and not tail.startswith(":")):
            raise ConfigError(f"expected [IPV6]:PORT, not '{text}'")
        return Endpoint(host, tail[1:], family, text=text)
    host, _, port = rest.rpartition(":") if ":" in rest else (rest, "", "")
    return Endpoint(host, port, family, text=text)


def _path(path: str, text: str) -> str:
    if not path:
        raise ConfigError(f"expected a path after 'unix@' and a name after 'abns@', not '{text}'")
    return path


def port_range(endpoint: Endpoint, expected: str) -> range:
    """The ports of an endpoint.  Raises ConfigError: none, or not from 1 to 65535."""
    if not endpoint.ports:
        raise ConfigError(f"'{endpoint.text}' has no port: expected {expected}")
    found = _PORTS.fullmatch(endpoint.ports)
    low = int(found[1]) if found else 0
    high = int(found[2] or found[1]) if found else 0
    if not 1 <= low <= high <= 65535:
        both = ", the lower one first" if found and found[2] else ""
        raise ConfigError(f"'{endpoint.ports}' in '{endpoint.text}' is no port: expected 1 to 65535{both}")
    return range(low, high + 1)


@lru_cache(maxsize=4096)
def resolve(host: str, family: int = socket.AF_UNSPEC) -> str:
    """The numeric address of a host: empty for ``*`` (all of IPv4), itself when it is one, else the
    first that the system's resolver gives.  Raises ConfigError."""
    if host in ("", "*"):
        return "::" if family == socket.AF_INET6 else ""
    try:
        number = ipaddress.ip_address(host)
    except ValueError:
        return _look_up(host, family)
    if family and number.version != (4 if family == socket.AF_INET else 6):
        raise ConfigError(f"'{host}' is not of the family that the prefix asks for")
    return str(number)


def _look_up(host: str, family: int) -> str:
    if re.fullmatch(r"[\d.]+", host):
        raise ConfigError(f"'{host}' is no IPv4 address: expected four numbers from 0 to 255")
    try:
        found = socket.getaddrinfo(host, None, family, socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a host name"
        raise ConfigError(f"could not resolve address '{host}': {reason}") from None
    return str(found[0][4][0])


def bind_addresses(text: str) -> list[Address]:
    """What ``bind`` listens on: addresses separated by commas, a range of ports as many.  Raises
    ConfigError."""
    addresses = []
    for part in text.split(","):
        if part.startswith("fd@"):
            addresses.append(_inherited(part))
            continue
        endpoint = parse_endpoint(part)
        if endpoint.unix:
            addresses.append(Address(endpoint.host, unix=True, name=part))
            continue
        ports = port_range(endpoint, "an address with a port, such as *:80")
        host = resolve(endpoint.host, endpoint.family)
        addresses += [Address(host, port, name=part) for port in ports]
    return addresses


def _inherited(text: str) -> Address:
    if not text[3:].isdecimal():
        raise ConfigError(f"expected fd@N, the number of an open descriptor, not '{text}'")
    return Address("", int(text[3:]), name=text)


def prefixed(address: Address, prefix: str) -> Address:
    """The address with ``prefix`` before its path, where it has one."""
    return replace(address, host=prefix + address.path) if prefix and address.path else address


def source_address(text: str) -> Address:
    """An address of this machine to connect from, without a port.  Raises ConfigError."""
    endpoint = parse_endpoint(text)
    if endpoint.unix or endpoint.ports or endpoint.host in ("", "*"):
        raise ConfigError(f"expected an address of this machine without a port, not '{text}'")
    return Address(resolve(endpoint.host, endpoint.family), 0, name=text)


def server_address(text: str, port: int = 0) -> Address:
    """Where to connect to; ``port`` is used when none is written, 0 makes it required.  Raises
    ConfigError."""
    endpoint = parse_endpoint(text)
    if endpoint.unix:
        return Address(endpoint.host, unix=True, name=text)
    return Address(resolve(endpoint.host, endpoint.family), server_port(endpoint, port), name=text)


def server_port(endpoint: Endpoint, port: int = 0) -> int:
    """The port to connect to; ``port`` as in ``server_address``.  Raises ConfigError."""
    if endpoint.ports.startswith(("+", "-")) or (not endpoint.ports and not port):
        raise ConfigError(
            f"'{endpoint.text}' takes its port from the client's, which is not supported by this version of"
            " greenlb: expected an address with a port, such as 10.0.0.11:80"
        )
    if endpoint.ports:
        ports = port_range(endpoint, "a port")
        if len(ports) > 1:
            raise ConfigError(f"expected one port, not '{endpoint.ports}'")
        port = ports[0]
    if endpoint.host in ("", "*"):
        raise ConfigError(f"'{endpoint.text}' is no address to connect to: expected HOST:PORT")
    return port
