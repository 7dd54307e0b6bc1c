"""``resolvers`` sections, and how a server's name becomes its first address."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from greenlb.config.addresses import Endpoint, parse_endpoint, port_range, resolve, server_port
from greenlb.config.context import Context
from greenlb.config.schema import RESOLVE_OPTS
from greenlb.config.sections import Given, Settings
from greenlb.config.values import ConfigError
from greenlb.model import Address
from greenlb.names import Nameserver, Resolution, Resolvers
from greenlb.policy.vocabulary import nearest
from greenlb.protocol.dns import check_name

_DNS_PORT: Final = 53
_METHODS: Final = ("last", "libc")
"""``init-addr`` of a server that does not say."""
_RESOLV_CONF: Final = "/etc/resolv.conf"
_TRANSPORT: Final = re.compile(r"(tcp|udp)(?:4|6)?@")

VARIABLE: Final = "GREENLB_ADDRESSES"
"""In the environment of a program that takes over from another: where servers were, as JSON."""
_LONGEST: Final = 100_000
"""Bytes of it; the kernel takes no more than 128 KiB in one variable (execve(2))."""


def remember(addresses: Mapping[str, str]) -> dict[str, str]:
    """Numeric addresses, by ``backend/server`` and the address as configured, for the environment of the next
    program."""
    text = json.dumps(addresses, separators=(",", ":"))
    return {VARIABLE: text} if addresses and len(text) <= _LONGEST else {}


def remembered(environment: Mapping[str, str]) -> dict[str, str]:
    """What the program before has left."""
    try:
        found: dict[str, str] = json.loads(environment.get(VARIABLE, "{}"))
    except ValueError:  # somebody else's variable of that name
        return {}
    return found


# --- sections ----------------------------------------------------------------------------------------


def resolvers(context: Context, sections: Mapping[str, Settings]) -> tuple[Resolvers, ...]:
    """The resolvers sections of a configuration."""
    return tuple(_section(context, settings) for settings in sections.values())


def _section(context: Context, settings: Settings) -> Resolvers:
    fields = {item.option.field: item.value for item in settings if item.option.field}
    servers: dict[str, Nameserver] = {}
    for item in settings.given("nameserver"):
        with context.problems.at(item.where, f"'nameserver {item.words[0]}': "):
            servers[item.words[0]] = _nameserver(item.words)
    if settings.value("parse-resolv-conf"):
        for address in _of_the_system(context, settings):
            servers.setdefault(address.host, Nameserver(address.host, address))
    return Resolvers(settings.name, settings.where, tuple(servers.values()), **fields)


def _nameserver(words: tuple[str, ...]) -> Nameserver:
    if len(words) != 2:
        raise ConfigError("expected an address with a port, such as 10.0.0.53:53, and nothing more")
    name, text = words
    transport = _TRANSPORT.match(text)
    endpoint = parse_endpoint(text[transport.end() :] if transport else text)
    if endpoint.unix or endpoint.host in ("", "*") or not _is_number(endpoint):
        raise ConfigError(f"expected a numeric address with a port, such as 10.0.0.53:53, not '{text}'")
    (port, *more) = port_range(endpoint, "a port, such as 53")
    if more:
        raise ConfigError(f"expected one port, not '{endpoint.ports}'")
    address = Address(resolve(endpoint.host, endpoint.family), port, name=text)
    return Nameserver(name, address, tcp=bool(transport and transport[1] == "tcp"))


def _is_number(endpoint: Endpoint) -> bool:
    try:
        ipaddress.ip_address(endpoint.host)
    except ValueError:
        return False
    return True


def _of_the_system(context: Context, settings: Settings) -> Iterator[Address]:
    """The name servers of /etc/resolv.conf (resolv.conf(5))."""
    item = settings.last("parse-resolv-conf")
    where = settings.where if item is None else item.where
    try:
        with open(_RESOLV_CONF, encoding="utf-8", errors="replace") as file:
            lines = [line.split() for line in file]
    except OSError as error:
        context.problems.error(where, f"cannot read '{_RESOLV_CONF}': {error.strerror}")
        return
    for words in lines:
        if len(words) > 1 and words[0] == "nameserver":
            host = words[1].partition("%")[0]  # a scope has no meaning to a socket that knows no interface
            try:
                yield Address(str(ipaddress.ip_address(host)), _DNS_PORT)
            except ValueError:
                context.problems.warning(where, f"'{words[1]}' in {_RESOLV_CONF} is no address: left out")


# --- servers -----------------------------------------------------------------------------------------


class Located(NamedTuple):
    """Where a server is at first, and how it is looked up later.  ``forget`` as in the model; ``warning``:
    its name could not be resolved, and it may start without."""

    address: Address
    resolution: Resolution | None = None
    forget: bool = False
    warning: str = ""


def locate(text: str, fields: Mapping[str, Any], known: Mapping[str, Settings], last: str = "") -> Located:
    """What a server's address says, with the keywords beside it; ``known`` are the resolvers sections,
    ``last`` is where it was before a reload, if it had moved.  Raises ConfigError."""
    resolution = _resolution(fields, known)
    endpoint = parse_endpoint(text)
    if endpoint.unix:
        return Located(Address(endpoint.host, unix=True, name=text))
    if endpoint.host.startswith("_"):
        return Located(*_srv(endpoint, resolution))
    port = server_port(endpoint)
    if _is_number(endpoint):
        return Located(Address(resolve(endpoint.host, endpoint.family), port, name=text), resolution)
    if resolution is not None:
        resolution = _named(resolution, endpoint.host)
    methods = fields.get("init_addr", _METHODS)
    _check_methods(methods)
    host, warning = _first(endpoint, methods, last)
    forget = "last" not in methods
    return Located(Address(host, port, name=text), resolution, forget, warning)


def _first(endpoint: Endpoint, methods: tuple[str, ...], last: str) -> tuple[str, str]:
    """The host that the first method gives that works, and a warning.  Raises ConfigError: none does."""
    failure = f"could not resolve address '{endpoint.host}'"
    tried = False
    for method in methods:
        if method == "none":
            return "", f"{failure}, disabling server." if tried else ""
        if method == "libc":
            try:
                return resolve(endpoint.host, endpoint.family), ""
            except ConfigError as error:
                failure, tried = str(error), True
        elif method != "last":
            return str(ipaddress.ip_address(method)), ""
        elif last:
            return last, ""
    raise ConfigError(f"{failure}; with 'init-addr last,libc,none' it starts without an address")


def _check_methods(methods: tuple[str, ...]) -> None:
    for method in methods:
        if method not in ("last", "libc", "none"):
            try:
                ipaddress.ip_address(method)
            except ValueError:
                raise ConfigError(
                    f"'init-addr': expected some of last, libc, none and an address, not '{method}'"
                    + nearest(method, ("last", "libc", "none"))
                ) from None


def _srv(endpoint: Endpoint, resolution: Resolution | None) -> tuple[Address, Resolution]:
    if resolution is None:
        raise ConfigError(
            f"'{endpoint.host}' is a name of SRV records: that needs 'resolvers NAME' beside it"
        )
    port = server_port(endpoint) if endpoint.ports else 0
    return Address("", port, name=endpoint.text), _named(resolution, endpoint.host)


def _named(resolution: Resolution, name: str) -> Resolution:
    """Raises ConfigError: nobody can be asked for it."""
    try:
        check_name(name)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    return Resolution(
        name.rstrip(".").lower(),
        resolution.resolvers,
        resolution.prefer,
        resolution.networks,
        resolution.duplicates,
        resolution.ignore_weight,
    )


def _resolution(fields: Mapping[str, Any], known: Mapping[str, Settings]) -> Resolution | None:
    """The keywords, for a name that is not known yet; None without ``resolvers``.  Raises ConfigError."""
    options = fields.get("resolve_opts", ())
    for option in options:
        if option not in RESOLVE_OPTS:
            raise ConfigError(
                f"'resolve-opts': expected some of {', '.join(RESOLVE_OPTS)}, not '{option}'"
                + nearest(option, RESOLVE_OPTS)
            )
    networks = []
    for text in fields.get("networks", ()):
        try:
            networks.append(ipaddress.ip_network(text, strict=False))
        except ValueError:
            raise ConfigError(f"'resolve-net': expected a network such as 10.0.0.0/8, not '{text}'") from None
    name = fields.get("resolvers")
    if name is None:
        return None
    if name not in known:
        raise ConfigError(f"'resolvers': there is no [resolvers {name}] section{nearest(name, known)}")
    if not known[name].says("nameserver") and not known[name].value("parse-resolv-conf"):
        raise ConfigError(f"'resolvers': [resolvers {name}] has no 'nameserver NAME = ADDRESS:PORT'")
    said = [option for option in options if option.endswith("-dup-ip")]
    return Resolution(
        "",
        name,
        fields.get("prefer", "ipv6"),
        tuple(networks),
        said[-1:] == ["allow-dup-ip"],
        "ignore-weight" in options,
    )


# --- server-template ---------------------------------------------------------------------------------


def expanded(line: Given) -> list[tuple[str, ...]]:
    """The words of each server that a ``server`` or ``server-template`` line stands for.  Raises
    ConfigError."""
    if line.option.name == "server":
        return [line.words]
    prefix, *rest = line.words
    found = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", rest[0], re.ASCII) if rest else None
    low, high = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if found and not found[2]:
        low = 1
    if not 0 < low <= high:
        raise ConfigError("expected how many there are, or the first and the last number, such as 3 or 1-3")
    return [(f"{prefix}{number}", *rest[1:]) for number in range(low, high + 1)]
