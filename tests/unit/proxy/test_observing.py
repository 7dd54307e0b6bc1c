"""observe: which ends of exchanges a server is blamed for, and when that is told."""

from __future__ import annotations

import pytest

from greenlb.board import Board
from greenlb.exchange import Client, Exchange
from greenlb.message import Fields, Response
from greenlb.model import NOWHERE, Address, Backend, Bind, Check, Config, Frontend, Global, Server
from greenlb.observe.stats import Books
from greenlb.proxy import observing
from greenlb.script import Observe

BIND = Bind("1", Address("127.0.0.1", 80), NOWHERE)
FRONTEND = Frontend("fe", 1, NOWHERE, "http", binds=(BIND,))


class Watched:
    """Books of a farm of one server; ``told`` is what they report."""

    def __init__(self, layer: int, limit: int) -> None:
        observe = Observe(layer, limit)
        self.server = Server("s1", 1, Address("192.0.2.1", 80), NOWHERE, check=Check(), observe=observe)
        self.backend = Backend("be", 2, NOWHERE, "http", servers=(self.server,))
        config = Config(Global(), (FRONTEND,), (self.backend,))
        self.books = observing.books(config, Board(1, Books.width(config)))
        assert isinstance(self.books, observing.ObservingBooks)
        self.told: list[tuple[str, int, str]] = []
        self.books.report = lambda *said: self.told.append(said)

    def ends(self, cause: str = "-", phase: str = "-", status: int = 0, retries: int = 0) -> None:
        """An exchange ends so; with a ``status`` the server has answered it."""
        x = Exchange(Client(FRONTEND, BIND, "127.0.0.1", 1, "127.0.0.1", 80))
        x.backend, x.server, x.retries = self.backend, self.server, retries
        x.start = x.head_done = x.served = 0.0
        if phase != "C":
            x.connected = 0.0
        if status:
            x.response = Response(status, b"", True, Fields())
        x.ended(cause, phase)
        self.books.account(x)


@pytest.mark.parametrize(
    ("end", "layer4", "layer7"),
    [
        (("-", "-", 200), "", ""),
        (("-", "-", 404), "", ""),
        (("-", "-", 501), "", ""),
        (("-", "-", 500), "", "Wrong http response"),
        (("S", "C"), "L4 unsuccessful connection", "L4 unsuccessful connection"),
        (("s", "C"), "L4 unsuccessful connection", "L4 unsuccessful connection"),
        (("S", "H"), "", "Close from server (http)"),
        (("s", "H"), "", "Read timeout (http)"),
        (("P", "H"), "", "Invalid http response (headers)"),
        (("C", "H"), "", ""),
    ],
)
def test_what_a_server_is_blamed_for(end: tuple[str, str, int], layer4: str, layer7: str) -> None:
    for layer, blame in ((4, layer4), (7, layer7)):
        watched = Watched(layer, 1)
        watched.ends(*end)
        assert watched.told == ([("be/s1", 1, blame)] if blame else [])


def test_errors_in_a_row() -> None:
    """A good answer begins anew; one that tells nothing of the server does not; each try counts."""
    watched = Watched(7, 3)
    for status in (500, 500, 200, 500, 503):
        watched.ends(status=status)
    watched.ends("C", "H")
    assert watched.told == []
    watched.ends(status=502)
    assert watched.told == [("be/s1", 3, "Wrong http response")]
    watched.ends("S", "C", retries=3)
    assert watched.told[1:] == [("be/s1", 4, "L4 unsuccessful connection")]


def test_where_nobody_observes_nothing_is_looked_at() -> None:
    config = Config(Global(), (), ())
    assert type(observing.books(config, Board(1, 64))) is Books
