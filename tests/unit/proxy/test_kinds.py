"""Whatever a backend's options are, there is something that carries requests there."""

from __future__ import annotations

from itertools import product

import pytest

from greenlb.model import NOWHERE, Address, Backend, Server, Wsgi
from greenlb.proxy import http_mode
from greenlb.proxy.careful import CarefulForward
from greenlb.proxy.compressing import CompressingForward
from greenlb.proxy.naming import Naming
from greenlb.proxy.upstream.wsgi import kind

NETWORK = Server("n", 1, Address("192.0.2.1", 80), NOWHERE)
APP = Server("a", 2, Address(""), NOWHERE, app=Wsgi("module", "app"))


@pytest.mark.parametrize(
    ("servers", "abort", "header", "compresses"),
    list(product([(NETWORK,), (NETWORK, APP), (APP,)], [False, True], [b"", b"X-Server"], [False, True])),
)
def test_every_kind_has_its_way(
    servers: tuple[Server, ...], abort: bool, header: bytes, compresses: bool
) -> None:
    model = Backend("b", 2, NOWHERE, "http", servers=servers, abortonclose=abort, name_header=header)
    way = http_mode._FORWARDS[kind(model, compresses)]
    if servers != (APP,):
        assert issubclass(way, CarefulForward) == abort
        assert issubclass(way, Naming) == bool(header)
        assert issubclass(way, CompressingForward) == compresses
