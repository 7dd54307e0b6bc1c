"""Samples of the client's connection, and of who serves it."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable

from greenlb.exchange import Exchange
from greenlb.policy.addresses import parse_address, peer_address
from greenlb.policy.vocabulary import Argument, Fetch, Sample


def _backend_name(x: Exchange) -> bytes:
    return (x.frontend if x.backend is None else x.backend).name.encode()


def _server_name(x: Exchange) -> bytes | None:
    return None if x.server is None else x.server.name.encode()


def _server_address(x: Exchange) -> object:
    return None if x.server is None else parse_address((x.ends[2] or x.server.address).host)


def _is_local(address: Callable[[Exchange], str]) -> Callable[[], Fetch]:
    """Whether a socket can be bound to the address, which asks the system each time: addresses come and
    go."""

    def fetch(x: Exchange) -> bool | None:
        host = address(x)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        if not host:
            return None
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.bind((host, 0))
        except OSError:
            return False
        return True

    return lambda: fetch


def _bind_number(x: Exchange) -> int:
    binds = x.frontend.binds
    return next((number for number, bind in enumerate(binds, 1) if bind is x.client.bind), 1)


def _bind_name(x: Exchange) -> bytes | None:
    """Its number is its name where it was given none."""
    name = x.client.bind.name
    return None if name.isdigit() else name.encode()


def _milliseconds(seconds: float | None) -> int:
    return round((seconds or 0) * 1000)


def _backend_timeout(name: str) -> Callable[[], Fetch]:
    return lambda: lambda x: None if x.backend is None else _milliseconds(getattr(x.backend.timeouts, name))


def _announced(field: int) -> Callable[[], Fetch]:
    """A field of the PROXY header, version 2, that the connection began with."""
    return lambda: lambda x: None if x.client.proxied is None else x.client.proxied.field(field)


def _tcp_info(offset: int, size: int = 4) -> Callable[[str | None], Fetch]:
    """A number of Linux' ``struct tcp_info``; times there are microseconds."""

    def make(unit: str | None = None) -> Fetch:
        if unit not in (None, "", "ms", "us"):
            raise ValueError(f"the unit is 'ms' or 'us', got '{unit}'")
        divisor = 1 if unit == "us" else 1000

        def fetch(x: Exchange) -> int | None:
            info = None if x.client.reach is None else x.client.reach.tcp_info()
            if info is None or len(info) < offset + size:
                return None
            return int.from_bytes(info[offset : offset + size], sys.byteorder) // divisor

        return fetch

    return make


def _tcp_count(offset: int) -> Callable[[], Fetch]:
    return lambda: _tcp_info(offset)("us")


_PP_AUTHORITY, _PP_UNIQUE_ID = 0x02, 0x05
_UNIT = (Argument("unit", "str", True),)

ROWS = (
    Sample(
        "src",
        "ip",
        "",
        "The client's address, as a trusted proxy reported it where there is one.",
        lambda: lambda x: peer_address(x.src),
    ),
    Sample("src_port", "int", "", "The client's port.", lambda: lambda x: x.client.src_port),
    Sample(
        "dst", "ip", "", "The address the client connected to.", lambda: lambda x: peer_address(x.client.dst)
    ),
    Sample("dst_port", "int", "", "The port the client connected to.", lambda: lambda x: x.client.dst_port),
    Sample("fe_name", "str", "", "The frontend's name.", lambda: lambda x: x.frontend.name.encode()),
    Sample("fe_id", "int", "", "The frontend's number.", lambda: lambda x: x.frontend.number),
    Sample(
        "fe_client_timeout",
        "int",
        "",
        "The frontend's client timeout in milliseconds.",
        lambda: lambda x: _milliseconds(x.frontend.timeouts.client),
    ),
    Sample(
        "be_name",
        "str",
        "",
        "The backend's name; the frontend's while none is chosen.",
        lambda: _backend_name,
    ),
    Sample(
        "be_id",
        "int",
        "",
        "The backend's number; the frontend's while none is chosen.",
        lambda: lambda x: (x.frontend if x.backend is None else x.backend).number,
    ),
    Sample("srv_name", "str", "server", "The name of the server that answers.", lambda: _server_name),
    Sample(
        "srv_id",
        "int",
        "server",
        "The number of the server that answers.",
        lambda: lambda x: None if x.server is None else x.server.number,
    ),
    Sample("bc_dst", "ip", "server", "The address of the server that answers.", lambda: _server_address),
    Sample(
        "bc_dst_port",
        "int",
        "server",
        "The port of the server that answers.",
        lambda: lambda x: None if x.server is None else (x.ends[2] or x.server.address).port,
    ),
    # A connection whose handshake failed never comes to have an exchange.
    Sample("fc_err", "int", "", "What went wrong in accepting the connection: 0.", lambda: lambda x: 0),
    Sample(
        "fc_err_str",
        "str",
        "",
        "The same in words: Success.",
        lambda: lambda x: b"Success",
    ),
    Sample("bc_err", "int", "server", "What went wrong in connecting to the server: 0.", lambda: lambda x: 0),
    Sample("bc_err_str", "str", "server", "The same in words: Success.", lambda: lambda x: b"Success"),
    Sample("fc_http_major", "int", "", "The client's HTTP version before the dot: 1.", lambda: lambda x: 1),
    Sample(
        "bc_http_major", "int", "server", "The server's HTTP version before the dot: 1.", lambda: lambda x: 1
    ),
    Sample(
        "bc_src",
        "ip",
        "server",
        "The address that the server is connected from.",
        lambda: lambda x: peer_address(x.ends[0]) if x.ends[0] else None,
    ),
    Sample(
        "bc_src_port",
        "int",
        "server",
        "The port that the server is connected from.",
        lambda: lambda x: x.ends[1] or None,
    ),
    Sample(
        "fc_src",
        "ip",
        "",
        "The client's address as the connection has it, whatever set-src or trusted-proxies say.",
        lambda: lambda x: peer_address(x.client.src),
    ),
    Sample(
        "fc_src_port", "int", "", "The port of the connection's client.", lambda: lambda x: x.client.src_port
    ),
    Sample(
        "fc_dst",
        "ip",
        "",
        "The address that the connection was made to.",
        lambda: lambda x: peer_address(x.client.dst),
    ),
    Sample(
        "fc_dst_port",
        "int",
        "",
        "The port that the connection was made to.",
        lambda: lambda x: x.client.dst_port,
    ),
    Sample(
        "src_is_local", "bool", "", "Whether src is an address of this machine.", _is_local(lambda x: x.src)
    ),
    Sample(
        "dst_is_local",
        "bool",
        "",
        "Whether dst is an address of this machine.",
        _is_local(lambda x: x.client.dst),
    ),
    Sample(
        "fc_src_is_local",
        "bool",
        "",
        "Whether fc_src is an address of this machine.",
        _is_local(lambda x: x.client.src),
    ),
    Sample(
        "fc_dst_is_local",
        "bool",
        "",
        "Whether fc_dst is an address of this machine.",
        _is_local(lambda x: x.client.dst),
    ),
    Sample(
        "fc_rcvd_proxy",
        "bool",
        "",
        "True when the connection began with a PROXY header.",
        lambda: lambda x: x.client.proxied is not None,
    ),
    Sample(
        "fc_pp_authority",
        "str",
        "",
        "The name that the PROXY header says the client asked for.",
        _announced(_PP_AUTHORITY),
    ),
    Sample("fc_pp_unique_id", "str", "", "The unique id in the PROXY header.", _announced(_PP_UNIQUE_ID)),
    *(
        Sample(f"fc_{name}", "int", "", f"{doc}, in ms or us.", _tcp_info(offset), _UNIT, reads="reach")
        for name, offset, doc in (
            ("rtt", 68, "The client's round trip time as the kernel measured it"),
            ("rttvar", 72, "How much that time varies"),
        )
    ),
    *(
        Sample(f"fc_{name}", "int", "", f"{doc} towards the client.", _tcp_count(offset), reads="reach")
        for name, offset, doc in (
            ("unacked", 24, "Segments sent and not acknowledged"),
            ("sacked", 28, "Segments that were acknowledged out of order"),
            ("lost", 32, "Segments that are taken for lost"),
            ("retrans", 36, "Segments that are being sent again"),
            ("fackets", 40, "Segments that are acknowledged up to the furthest one"),
            ("reordering", 88, "How far segments are out of order"),
        )
    ),
    Sample("so_id", "int", "", "Which bind of the frontend it came through, from 1.", lambda: _bind_number),
    Sample("so_name", "str", "", "The name of that bind; absent when it has none.", lambda: _bind_name),
    Sample(
        "fe_defbe",
        "str",
        "",
        "The frontend's default backend.",
        lambda: lambda x: (x.frontend.default_backend or "").encode() or None,
    ),
    Sample(
        "be_server_timeout",
        "int",
        "",
        "The backend's server timeout in milliseconds.",
        _backend_timeout("server"),
    ),
    Sample(
        "be_tunnel_timeout",
        "int",
        "",
        "The backend's tunnel timeout in milliseconds.",
        _backend_timeout("tunnel"),
    ),
    Sample(
        "cur_server_timeout",
        "int",
        "",
        "The server timeout in milliseconds that this exchange has.",
        _backend_timeout("server"),
    ),
    Sample(
        "cur_tunnel_timeout",
        "int",
        "",
        "The tunnel timeout in milliseconds that this exchange has.",
        _backend_timeout("tunnel"),
    ),
)
