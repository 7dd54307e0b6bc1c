"""Questions to all workers at once, with a deadline; and a control that goes on where another ended."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import gevent
import pytest

from greenlb.admin.runtime.runtime import Unreachable
from greenlb.board import Board
from greenlb.model import NOWHERE, Address, Backend, Check, Config, Global, Server
from greenlb.observe.log import setup
from greenlb.observe.stats import Books
from greenlb.process.channel import Channel, Message
from greenlb.process.control import Control, Workers
from greenlb.process.inbox import Inbox
from greenlb.process.packing import send_packed
from greenlb.process.prepared import prepare
from greenlb.process.relay import Relay
from greenlb.proxy.health import Result
from greenlb.proxy.standing import DRAIN, Standing, Standings


def worker(workers: Workers, answer: Callable[[Inbox, Message], object]) -> Inbox:
    """A worker of ``workers`` that does ``answer`` with each question."""
    ours, theirs = Channel.pair()
    workers.add(Message("worker", {}, [os.dup(theirs.fileno())]))
    theirs.close()

    def heard(message: Message) -> None:
        answer(inbox, message)

    inbox = Inbox(ours, heard)
    return inbox


def tell(inbox: Inbox, message: Message) -> None:
    inbox.send("answer", number=message.fields["number"], said=message.kind)


def test_all_are_asked_and_all_answers_come() -> None:
    workers = Workers()
    inboxes = [worker(workers, tell) for _ in range(3)]
    assert workers.ask("servers") == [{"said": "servers"}] * 3
    for inbox in inboxes:
        inbox.close()


def test_who_does_not_answer_is_left_out() -> None:
    workers = Workers()
    inboxes = [worker(workers, tell), worker(workers, lambda inbox, message: None)]
    before = time.monotonic()
    assert workers.ask("servers", deadline=0.1) == [{"said": "servers"}]
    assert 0.05 < time.monotonic() - before < 2
    for inbox in inboxes:
        inbox.close()


def test_who_ends_is_not_waited_for() -> None:
    workers = Workers()
    worker(workers, lambda inbox, message: inbox.close())
    other = worker(workers, tell)
    assert workers.ask("servers", deadline=30.0) == [{"said": "servers"}]
    assert len(workers) == 1
    other.close()
    gevent.sleep(0)


def test_a_channel_that_was_lost_on_the_way_is_missed() -> None:
    """As when no descriptor was left to take it: it has to be asked for once more."""
    workers = Workers()
    assert not workers.add(Message("worker", {"row": 1}))
    assert len(workers) == 0


def test_a_long_answer_comes_beside_the_message() -> None:
    workers = Workers()
    text = "x" * 300_000
    inbox = worker(workers, lambda i, message: send_packed(i, "answer", message.fields["number"], said=text))
    assert workers.ask("sessions") == [{"said": text}]
    inbox.close()


def test_what_a_worker_passes_on_is_done_here() -> None:
    """A command of its pages; the answer may be long."""
    workers = Workers(lambda text, level: f"{level}: {text}" * 5000)
    relay = Relay()

    def heard(inbox: Inbox, message: Message) -> None:
        relay.said(message)

    relay.control = inbox = worker(workers, heard)
    assert relay.ask("show stat", "user") == "user: show stat" * 5000
    relay.lost()
    with pytest.raises(Unreachable):
        relay.ask("show stat", "user")
    inbox.close()


def test_nobody_is_there() -> None:
    assert Workers().ask("servers", deadline=30.0) == []


def control(config: Config, board: Board) -> Control:
    books = Books(config, board)
    return Control(config, prepare(config), books, setup(config.settings), Standings(config, board))


def farm() -> tuple[Config, Server]:
    server = Server("s1", 1, Address("127.0.0.1", 80), NOWHERE, weight=5, check=Check(rise=2, fall=3))
    return Config(Global(), (), (Backend("be", 2, NOWHERE, "http", servers=(server,)),)), server


def test_the_next_control_goes_on_where_this_one_ended() -> None:
    config, server = farm()
    board = Board(2, 512)
    first = control(config, board)
    (checked,) = first.checks.checked
    first.checks.turning.check_ended(checked, Result("L4CON"))
    second = control(config, board)
    (checked,) = second.checks.checked
    assert checked.health.count == 0
    assert not checked.state.up
    assert not second.standings.read(server).up(server)


def test_what_an_operator_sets_is_there_for_workers_and_later_controls() -> None:
    config, server = farm()
    board = Board(2, 512)
    control(config, board).farm.change([server], admin=DRAIN)
    assert Standings(config, board).read(server) == Standing(health=2, admin=DRAIN)
    later = control(config, board)
    (state,) = later.plane.backends["be"].states
    assert (state.weight, state.up) == (0, True)
    later.farm.change([server], admin=0, weight=9)
    assert state.weight == 9
