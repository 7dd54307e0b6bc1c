"""The control role: what is done once for all workers.

It runs the checks, writes how the servers stand, samples the maxima, and asks all workers at once what
has to be asked of each.  All that it knows lies in cells of the board, so the one that comes after it
goes on where it ended; traffic does not depend on it.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gevent import get_hub
from gevent.event import AsyncResult, Event
from gevent.timeout import Timeout

from greenlb.admin.runtime.commands import TABLE
from greenlb.admin.runtime.mastery import Mastery
from greenlb.admin.runtime.operations import Operations
from greenlb.admin.runtime.runtime import Runtime
from greenlb.admin.runtime.server import Server
from greenlb.board import HEARTBEAT, Board
from greenlb.model import NOWHERE, Config, Frontend
from greenlb.net import greenlets, timers
from greenlb.net.certs import TlsConfigError
from greenlb.observe.log import Log
from greenlb.observe.sampler import OFTEN, Sampler
from greenlb.observe.stats import Books
from greenlb.observe.vitals import Vitals, began
from greenlb.process.certificates import Bundle, Certificates, Desk, to_descriptor
from greenlb.process.channel import Message
from greenlb.process.inbox import Inbox
from greenlb.process.listening import key
from greenlb.process.packing import send_packed, unpack
from greenlb.process.parcels import Parcels
from greenlb.process.prepared import Prepared
from greenlb.process.seat import Seat, milliseconds
from greenlb.proxy.checks.runner import Runner, listens
from greenlb.proxy.checks.turning import Turning
from greenlb.proxy.farm_state import FarmState
from greenlb.proxy.frontend_state import FrontendStates
from greenlb.proxy.names.names import Names
from greenlb.proxy.plane import Plane
from greenlb.proxy.queue import pause
from greenlb.proxy.standing import Standings

PULSE: Final = 1.0
"""Seconds between two heartbeats."""
MASTERS_TIME: Final = 5.0
"""Seconds that the master has to answer."""
DEADLINE: Final = 1.0
"""Seconds that workers have to answer; who does not is left out."""


@dataclass(slots=True)
class _Asked:
    """A question that is out.  ``open``: who has not answered yet."""

    open: set[int]
    answers: list[dict[str, Any]]
    done: Event


class Workers:
    """The workers, as control can reach them: by channels of its own, not through the master.  ``execute``
    answers what they ask: a runtime command at a level."""

    def __init__(self, execute: Callable[[str, str], str] = lambda text, level: "") -> None:
        self._execute = execute
        self._inboxes: dict[int, Inbox] = {}
        self._asked: dict[int, _Asked] = {}
        self.observed: Callable[[str, int, str], None] = lambda name, errors, last: None
        self._questions = 0
        self._turn = 0
        self._links = 0

    def __len__(self) -> int:
        return len(self._inboxes)

    def add(self, message: Message) -> bool:
        """One more, with its channel in a message of the master's; False when it was lost on the way, as no
        descriptor was left for it."""
        if not message.descriptors:
            return False
        self._links += 1
        link = self._links

        def answered(reply: Message) -> None:
            self._answered(link, reply)

        inbox = self._inboxes[link] = Inbox(message.channel(), answered, lambda: self._gone(link))
        inbox.send("servers", number=0)  # how they stand may have changed since it looked
        return True

    def ask(
        self, kind: str, descriptors: Sequence[int] = (), deadline: float = DEADLINE, **fields: Any
    ) -> list[dict[str, Any]]:
        """Tell every worker, old ones that still drain too, and wait for their answers: those that came in
        ``deadline`` seconds."""
        return self._ask(list(self._inboxes), kind, descriptors, deadline, fields)

    def ask_one(self, kind: str, deadline: float, **fields: Any) -> dict[str, Any] | None:
        """Ask one worker, the next in turn; None when it has no answer in time."""
        links = list(self._inboxes)
        self._turn += 1
        chosen = links[self._turn % len(links) :][:1] if links else []
        return next(iter(self._ask(chosen, kind, (), deadline, fields)), None)

    def _ask(
        self,
        links: Sequence[int],
        kind: str,
        descriptors: Sequence[int],
        deadline: float,
        fields: dict[str, Any],
    ) -> list[dict[str, Any]]:
        self._questions += 1
        number = self._questions
        asked = self._asked[number] = _Asked(set(), [], Event())
        for link in links:
            inbox = self._inboxes[link]
            if inbox.send(kind, list(descriptors), number=number, **fields):
                asked.open.add(link)
        if asked.open:
            asked.done.wait(deadline)
        del self._asked[number]
        return asked.answers

    def _answered(self, link: int, reply: Message) -> None:
        if reply.kind == "observed":
            fields = reply.fields
            greenlets.run(lambda: self.observed(fields["server"], fields["errors"], fields["last"]))
            return
        if reply.kind == "command":
            greenlets.run(lambda: self._obey(link, reply))
            return
        unpack(reply)
        asked = self._asked.get(reply.fields.pop("number", 0))
        if asked is not None:
            asked.answers.append(reply.fields)
            self._settle(asked, link)

    def _obey(self, link: int, message: Message) -> None:
        """Do what a worker passes on, and tell it what came of it."""
        said = self._execute(message.fields["text"], message.fields["level"])
        inbox = self._inboxes.get(link)
        if inbox is not None:
            send_packed(inbox, "said", number=message.fields["number"], said=said)

    def _gone(self, link: int) -> None:
        del self._inboxes[link]
        for asked in list(self._asked.values()):
            self._settle(asked, link)

    @staticmethod
    def _settle(asked: _Asked, link: int) -> None:
        asked.open.discard(link)
        if not asked.open:
            asked.done.set()


class Control:
    """The one process of its kind.  ``plane`` carries no traffic: its servers are those that are checked."""

    def __init__(
        self,
        config: Config,
        prepared: Prepared,
        books: Books,
        log: Log,
        standings: Standings,
        certificates: Certificates | None = None,
    ) -> None:
        self.config = config
        self.books = books
        self.sampler = Sampler(books)
        self.log = log
        self.standings = standings
        self.workers = Workers(self.execute)
        self.plane = Plane(config, log, books, prepared.contexts, 1)
        self.farm = FarmState(self.plane.backends.values(), standings, books, self._tell)
        backends = list(self.plane.backends.values())
        turning = Turning(backends, self.farm, books, log.event, log.failure, listens(config))
        self.checks = Runner(backends, turning, config, prepared.contexts.of_check, self._inquire)
        self.workers.observed = turning.observed
        self.names = Names(config, backends, self.farm, log.event, log.failure)
        turning.timed_out = self.names.hurry
        self.certificates = certificates or Certificates(prepared, lambda severity, text: None)
        self.desk = Desk(self.certificates)
        operations = Operations(
            *(config, books, log, self.plane.backends, self.farm, self.checks, self.sampler),
            FrontendStates(config, books.board),
            ask=self.workers.ask,
            workers=1,
            desk=self.desk,
            names=self.names,
            started=began(books.board),
        )
        self.operations = operations
        self.runtime = Runtime(operations, TABLE)
        self._servers: list[Server] = []

    def execute(self, text: str, level: str) -> str:
        """The answer to a runtime command of a client of ``level``."""
        return self.runtime.execute(text, level)

    def host(
        self, sockets: Iterable[tuple[socket.socket, str]], masters: Iterable[tuple[socket.socket, str]] = ()
    ) -> None:
        """Answer runtime commands on listening ``sockets``, each with the level of its clients, and the
        master's on ``masters``, from the first worker on."""
        mastery = Mastery(self.operations, self.runtime)
        self._servers = [Server(self.runtime, sockets), Server(mastery, masters)]

    def met(self) -> None:
        """There is a worker who can do what is asked for."""
        for server in self._servers:
            server.start()

    def _inquire(self, name: str, data: bytes, seconds: float) -> bytes | None:
        """What an application answers to its check, in a worker: it is not here.  While there is no worker
        yet nobody can say that it is ill."""
        while not self.workers:
            pause(0.05)
        fields = {"name": name, "data": data.decode("latin-1"), "seconds": seconds}
        answer = self.workers.ask_one("application", seconds, **fields)
        return None if answer is None else answer["said"].encode("latin-1")

    def _tell(self) -> list[dict[str, int]]:
        """Every worker is to look how the servers stand; what each has moved out of their queues."""
        return [answer.get("moved", {}) for answer in self.workers.ask("servers")]

    # -- counters --------------------------------------------------------------------------------

    def clear_counters(self, everything: bool = True) -> None:
        """Maxima, or all counters, from 0 on.  Each worker goes on adding to its own cells; what they show
        now is taken off in ours, so nothing that is counted meanwhile is lost."""
        self.sampler.clear(everything)


class Seated:
    """Control among the others: its channels, its heartbeat, its end."""

    def __init__(self, control: Control, seat: Seat, board: Board, vitals: Vitals) -> None:
        self.control = control
        self._vitals = vitals
        self.stopped = Event()
        self._cells = board.row(seat.row)
        self._master = Inbox(seat.channel, self._from_master, lambda: os._exit(1))
        self._parcels = Parcels(control.certificates, control.log, self._master)
        self._timers: list[Any] = []
        self._asked: AsyncResult[str] | None = None
        control.desk.spread = self._spread
        control.operations.gate = self._gate
        control.operations.reload = lambda: self._master.send("reload")
        control.operations.reloads = seat.generation - 1
        control.operations.remember = lambda edits: self._ask_master("patterns", **edits)
        loop = get_hub().loop
        self._repeat(PULSE, self._beat)
        self._repeat(OFTEN, control.sampler.sample)
        # The one watcher that keeps the loop alive when there is nothing to check.
        stop = loop.signal(signal.SIGTERM)
        stop.start(self.stopped.set)
        self._timers.append(stop)

    def run(self) -> int:
        """Work until told to end."""
        self.control.checks.start()
        self.control.names.start()
        self._master.send("ready")
        self.stopped.wait()
        self.control.names.stop()
        self.control.checks.stop()
        return 0

    def _gate(self, frontend: Frontend, state: int) -> None:
        """The master has a frontend's sockets too."""
        self._ask_master("gate", keys=[key(bind) for bind in frontend.binds], state=state)

    def _ask_master(self, kind: str, descriptors: Sequence[int] = (), **fields: Any) -> str:
        """What is wrong with what the master is asked to do; empty when nothing is."""
        while self._asked is not None:  # one question at a time
            self._asked.wait(MASTERS_TIME)
        self._asked = AsyncResult()
        try:
            self._master.send(kind, list(descriptors), **fields)
            return str(self._asked.get(timeout=MASTERS_TIME))
        except Timeout:
            return "the master does not answer"
        finally:
            self._asked = None

    def _spread(self, bundle: Bundle) -> None:
        """Have the master serve with a certificate, for the workers to come, and those that there are.
        Raises TlsConfigError."""
        descriptor = to_descriptor(bundle)
        about: dict[str, Any] = {"file": bundle.file, "length": len(bundle.pem)}
        try:
            error = self._ask_master("commit", [descriptor], **about)
            if error:
                raise TlsConfigError(NOWHERE, error)
            self.control.workers.ask("certificate", [descriptor], **about)
        finally:
            os.close(descriptor)

    def _repeat(self, seconds: float, action: Callable[[], None]) -> None:
        self._timers.append(timers.every(seconds, action, first=0.0, ref=False))

    def _beat(self) -> None:
        self._cells[HEARTBEAT] = milliseconds()
        self._vitals.beat()

    def _from_master(self, message: Message) -> None:
        if message.kind == "worker":
            if self.control.workers.add(message):
                self.control.met()
            else:
                self._master.send("introduce", row=message.fields["row"])
        elif message.kind == "certificate":
            self._parcels.certificate(message)
        elif message.kind in ("commit", "gate", "patterns"):
            if self._asked is not None:
                self._asked.set(message.fields.get("error", ""))
        elif message.kind == "log":
            self._parcels.log(message)
        else:
            message.close()
