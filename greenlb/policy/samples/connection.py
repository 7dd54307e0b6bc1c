"""Samples of the client's connection, and of who serves it."""

from __future__ import annotations

from greenlb.exchange import Exchange
from greenlb.policy.addresses import parse_address, peer_address
from greenlb.policy.vocabulary import Sample


def _backend_name(x: Exchange) -> bytes:
    return (x.frontend if x.backend is None else x.backend).name.encode()


def _server_name(x: Exchange) -> bytes | None:
    return None if x.server is None else x.server.name.encode()


def _server_address(x: Exchange) -> object:
    return None if x.server is None else parse_address((x.ends[2] or x.server.address).host)


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
        lambda: lambda x: round((x.frontend.timeouts.client or 0) * 1000),
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
)
