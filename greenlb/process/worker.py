"""The data-plane role: a Config becomes live frontends, and they serve until told to stop."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from gevent.event import Event

from greenlb.board import HEARTBEAT, Board
from greenlb.model import Config
from greenlb.net import greenlets, timers
from greenlb.observe import log as logging
from greenlb.observe.stats import Books
from greenlb.observe.vitals import Vitals
from greenlb.process import applications, services
from greenlb.process.certificates import Certificates
from greenlb.process.channel import Message
from greenlb.process.inbox import Inbox
from greenlb.process.listening import binds, key
from greenlb.process.packing import send_packed
from greenlb.process.parcels import Parcels
from greenlb.process.prepared import Prepared
from greenlb.process.pulse import Pulse
from greenlb.process.relay import Relay
from greenlb.process.requests import Requests
from greenlb.process.seat import Seat, milliseconds
from greenlb.proxy import observing, sessions
from greenlb.proxy.farm_state import Follower
from greenlb.proxy.frontend import LiveFrontend
from greenlb.proxy.frontend_state import FrontendFollower, FrontendStates
from greenlb.proxy.listener import Listener
from greenlb.proxy.plane import Plane
from greenlb.proxy.shared import ALONE, Alone
from greenlb.proxy.standing import Standings
from greenlb.proxy.sticking import TableKeeper

PULSE: Final = 1.0
"""Seconds between two heartbeats, at most."""


def _nothing(text: str, level: str) -> str:
    return ""


class Worker:
    """One process of the data plane.  ``execute`` runs runtime commands."""

    def __init__(
        self,
        config: Config,
        prepared: Prepared,
        sockets: Mapping[str, socket.socket],
        books: Books,
        log: logging.Log,
        maxconn: int,
        shared: Alone = ALONE,
    ) -> None:
        self.config = config
        self.maxconn = maxconn
        self.prepared = prepared
        self.log = log
        self.plane = Plane(config, log, books, prepared.contexts, maxconn, shared)
        self.frontends = [LiveFrontend(f, self.plane) for f in config.frontends if not f.disabled]
        lives = {live.model.name: live for live in self.frontends}
        self.listeners = [
            Listener(sockets[key(bind)], bind, lives[frontend.name], prepared.contexts.of_bind(bind))
            for frontend, bind in binds(config)
            if sockets[key(bind)].fileno() >= 0  # closed: an operator has shut the frontend down
        ]
        self.execute: services.Execute = _nothing
        services.install(config, prepared.look, prepared.secret, lambda *command: self.execute(*command))
        self.tables = TableKeeper(config, log.event)
        self.stopped = Event()
        self._timer: Any = None
        self._pulse: Pulse | None = None

    def follower_of(self, states: FrontendStates) -> FrontendFollower:
        """What keeps our frontends as ``states`` has them."""
        return FrontendFollower(self.frontends, self.listeners, states, self.maxconn)

    def open(self) -> None:
        """What has to be found in the file system."""
        self.tables.start()

    def start(self) -> None:
        """Accept.  Raises CannotImport."""
        self._pulse = applications.install(self.config, self.plane)
        for listener in self.listeners:
            listener.start()

    def serve(self) -> int:
        """Until stopped, once started; the exit status."""
        self.stopped.wait()
        self.tables.stop()
        return 0

    def stop_hard(self) -> None:
        """SIGTERM, SIGINT: end at once."""
        self.stopped.set()

    def stop_soft(self) -> None:
        """SIGUSR1: no new connections; end when the last one has."""
        if self.plane.stopping:
            return
        self.plane.stopping = True
        for listener in self.listeners:
            listener.close()
        for live in self.frontends:
            live.drain()
        self._timer = timers.every(0.05, self._look_for_the_end, first=0.0)

    def beat(self, vitals: Vitals) -> None:
        """Say about once a second how this process is."""
        vitals.beat()
        self.plane.count_idle()

    def _look_for_the_end(self) -> None:
        if not self.plane.connections:
            timers.end(self._timer)
            self.stopped.set()


class Seated:
    """A worker among others: what comes over its channels, and its heartbeat."""

    def __init__(
        self,
        worker: Worker,
        seat: Seat,
        board: Board,
        standings: Standings,
        certificates: Certificates,
        vitals: Vitals,
    ) -> None:
        self.worker = worker
        self._vitals = vitals
        self.follower = Follower(worker.plane.backends.values(), standings)
        self.follower.turned = sessions.marked(worker.frontends)
        self.fronts = worker.follower_of(FrontendStates(worker.config, board))
        self._row = seat.row
        self._cells = board.row(seat.row)
        self._master = Inbox(seat.channel, self._from_master, self._orphaned)
        self._control: Inbox | None = None
        self._parcels = Parcels(certificates, worker.log, self._master)
        take = self._parcels.certificate
        self._requests = Requests(worker, self.follower, self.fronts, take, seat.row)
        self._relay = Relay()
        self._inquirer = applications.inquirer(worker.config, worker.plane)
        worker.execute = self.ask_control
        if isinstance(worker.plane.books, observing.ObservingBooks):
            worker.plane.books.report = self._observed
        self._pulse = timers.every(PULSE, self._beat, first=0.0, ref=False)

    def ready(self) -> None:
        """Serve from now on."""
        self.follower.follow()
        self.worker.start()
        self.fronts.follow()
        self._master.send("ready")

    def _beat(self) -> None:
        self._cells[HEARTBEAT] = milliseconds()
        self.worker.beat(self._vitals)
        self.follower.follow()  # should control have died before it could tell us

    def _orphaned(self) -> None:
        os._exit(1)

    def _from_master(self, message: Message) -> None:
        match message.kind:
            case "control" if message.descriptors:
                self._control = Inbox(message.channel(), self._from_control, self._relay.lost)
                self._relay.control = self._control
            case "control":
                self._master.send("introduce", row=self._row)
            case "log":
                self._parcels.log(message)
            case "certificate":
                self._parcels.certificate(message)
            case _:
                message.close()

    def _from_control(self, message: Message) -> None:
        """Each is a request: it is answered with its number."""
        if message.kind == "said":
            self._relay.said(message)
            return
        if message.kind == "application":
            greenlets.run(partial(self._inquire, message.fields))
            return
        number = message.fields.pop("number", 0)
        answer = self._requests.answer(message.kind, message)
        if self._control is not None:
            send_packed(self._control, "answer", number=number, **answer)

    def _inquire(self, fields: dict[str, Any]) -> None:
        """The health check of an application."""
        said = self._inquirer(fields["name"], fields["data"].encode("latin-1"), fields["seconds"])
        if said is not None and self._control is not None:
            send_packed(self._control, "answer", number=fields["number"], said=said.decode("latin-1"))

    def _observed(self, name: str, errors: int, last: str) -> None:
        """Traffic has seen too many errors of a server."""
        if self._control is not None:
            self._control.send("observed", server=name, errors=errors, last=last)

    def ask_control(self, text: str, level: str) -> str:
        """The answer to a runtime command, from control.  Raises Unreachable."""
        return self._relay.ask(text, level)
