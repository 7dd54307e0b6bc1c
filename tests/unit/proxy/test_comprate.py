"""``maxcomprate``: all processes together, second by second."""

from __future__ import annotations

from greenlb.board import Board
from greenlb.exchange import Client, Exchange
from greenlb.model import NOWHERE, Address, Backend, Bind, Config, Frontend, Global
from greenlb.observe.stats import Books
from greenlb.proxy.comprate import CompressionRate

BIND = Bind("1", Address("", 80), NOWHERE)
FRONT = Frontend("www", 2, NOWHERE, "http", binds=(BIND,))
BACK = Backend("web", 3, NOWHERE, "http")
CONFIG = Config(Global(), (FRONT,), (BACK,))


def test_what_others_compress_counts_for_a_second() -> None:
    board = Board(2, Books.width(CONFIG))
    ours, theirs = (Books(CONFIG, board, writer) for writer in range(2))
    x = Exchange(Client(FRONT, BIND, "192.0.2.1", 1, "192.0.2.9", 80))
    x.backend = BACK
    now = [100.0]
    rate = CompressionRate(CONFIG, ours, 1000, lambda: now[0])
    assert rate.room()
    ours.compressed(x, 600, 60)
    assert rate.room()
    theirs.compressed(x, 600, 60)
    assert not rate.room()
    now[0] += 1.0
    assert rate.room()
    assert ours.values(ours.backend(BACK))["comp_in"] == 1200
    assert ours.values(ours.bind(BIND))["comp_rsp"] == 2
