"""One configuration as a farm of processes: what its master, its workers and its control are made of."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
from collections.abc import Callable, Mapping

from gevent import get_hub
from setproctitle import setproctitle

from greenlb.admin.runtime.patterns import apply
from greenlb.board import Board, BoardFull
from greenlb.config import names
from greenlb.model import Backend, Config, Frontend
from greenlb.net import greenlets
from greenlb.net.certs import TlsConfigError
from greenlb.observe import log as logging
from greenlb.observe.stats import Books, gauges
from greenlb.observe.targets import open_file, open_socket
from greenlb.observe.vitals import Vitals, began, places
from greenlb.process import applications, control, privileges, runtime, worker
from greenlb.process.certificates import Certificates, from_message, to_descriptor
from greenlb.process.channel import Message
from greenlb.process.handover import Handover
from greenlb.process.listening import CannotStart, bind_all
from greenlb.process.plan import Plan, Tell
from greenlb.process.prepared import Prepared, descriptors
from greenlb.process.seat import Seat, die_with_parent, set_command_name
from greenlb.proxy import observing
from greenlb.proxy.frontend_state import STOPPED, FrontendStates, gate
from greenlb.proxy.shared import Shared, standing
from greenlb.proxy.standing import Standings
from greenlb.proxy.sticking import TableKeeper

_WIDTH = 1 << 18
"""Cells a row, at least: room for thousands of servers, and for those of configurations to come."""
_ROOM = 4
"""How much more than the first configuration needs there is for later ones."""
_ROWS = 32
"""Rows, at least: one each for control, the workers, and the former workers that still drain."""


def workers_of(config: Config) -> int:
    """How many workers there are to be; 0: everything in one process."""
    count = config.settings.workers
    return len(os.sched_getaffinity(0)) if count is None else count


def name_process(name: str) -> None:
    """What ``ps`` shows; ``killall``, ``pidof`` and ``pgrep`` know every process as greenlb."""
    setproctitle(f"greenlb: {name}")
    set_command_name("greenlb")


def take_board(handover: Handover) -> Board:
    """The board that the program before has left."""
    descriptor, rows, width = handover.board
    return Board(rows, width, descriptor, handover.places)


def make_board(config: Config) -> Board:
    """A board with room for ``config`` and for what will come of it."""
    return Board(max(_ROWS, 8 * workers_of(config) + 8), max(_WIDTH, _ROOM * Books.width(config)))


class Farm:
    """Makes the Plan of a configuration, with the sockets and the other descriptors of ``handover``.
    ``detach`` is called in each child when nothing can go wrong any more.  Raises CannotStart."""

    def __init__(
        self,
        config: Config,
        prepared: Prepared,
        board: Board,
        handover: Handover | None = None,
        passed: Mapping[str, int] | None = None,
        detach: Callable[[], None] = lambda: None,
    ) -> None:
        self._detach = detach
        self.config = config
        self.prepared = prepared
        self.board = board
        self.log = logging.setup(config.settings)
        proxies: list[Frontend | Backend] = [*config.frontends, *config.backends]
        self._targets = dict.fromkeys(
            [*config.settings.log_targets, *(target for proxy in proxies for target in proxy.log_targets)]
        )
        self.certificates = Certificates(prepared, self._say)
        self._files: dict[str, tuple[int, int]] = {}
        if config.settings.chroot or config.settings.uid is not None:
            self._files = {target.address: (0, 0) for target in self._targets if target.kind == "file"}
        held = handover.sockets if handover is not None else dict(passed or {})
        try:
            Books(config, board)
            Standings(config, board)
            FrontendStates(config, board).reset()
            places(board)
            began(board)
            self.shared = Shared(config, board, handover.descriptors if handover is not None else None)
        except BoardFull as full:
            raise CannotStart([f"{full}: restart greenlb to make more"]) from None
        self.sockets = bind_all(config, held)
        try:
            self.runtime_sockets = runtime.bind_all(config.settings, held)
        except CannotStart:
            for name, sock in self.sockets.items():
                if name in held:
                    sock.detach()
                else:
                    sock.close()
            raise
        if handover is not None:
            used = [*self.sockets.values(), *self.runtime_sockets.values()]
            _close_unused(handover.sockets, {sock.fileno() for sock in used})
            _close_unused(handover.descriptors, set(self.shared.descriptors.values()))

    def plan(self) -> Plan:
        """What the master is to do."""
        self._held = {**self.sockets, **self.runtime_sockets}
        gc.freeze()  # what is there now is shared with the children and is no garbage
        settings = self.config.settings
        return Plan(
            workers=workers_of(self.config),
            roles={"worker": self._worker, "control": self._control},
            sockets=self._held,
            descriptors=self.shared.descriptors,
            gauges=[*gauges(self.board), *standing(self.board), *places(self.board)],
            worker_timeout=settings.worker_timeout,
            hard_stop_after=settings.hard_stop_after,
            services={
                "log": self._open_log,
                "certificate": self._certificate,
                "commit": self._commit,
                "gate": self._gate,
                "patterns": self._patterns,
                "reload": self._reload,
            },
            turn=self._turn,
        )

    def addresses(self) -> dict[str, str]:
        """For the environment of the next program: where servers with a name are that have moved since
        the configuration was read, which ``init-addr last`` asks for."""
        standings = Standings(self.config, self.board)
        now = {
            f"{backend.name}/{server.name} {server.address.name}": address.host
            for backend, server in standings.servers()
            if (address := standings.read(server).address) is not None and address.host
        }
        return names.remember(now)

    def _worker(self, seat: Seat) -> int:
        name_process(seat.name)
        config = self.config
        applications.patch(config)
        maxconn = descriptors(config, len(self.shared.descriptors) + len(self.sockets))
        books = observing.books(config, self.board, seat.row)
        served = worker.Worker(
            config, self.prepared, self.sockets, books, self.log, maxconn, self.shared.member(seat.row)
        )
        for sock in self.runtime_sockets.values():
            sock.close()
        served.open()
        vitals = self._vitals(seat)
        self._confine(seat)
        get_hub().loop.signal(signal.SIGUSR1).start(served.stop_soft)
        standings = Standings(config, self.board)
        seated = worker.Seated(served, seat, self.board, standings, self.certificates, vitals)
        seated.ready()
        return served.serve()

    def _control(self, seat: Seat) -> int:
        name_process(seat.name)
        for sock in self.sockets.values():
            sock.close()
        tables = TableKeeper(self.config, self.log.event)
        tables.start()
        vitals = self._vitals(seat)
        self._confine(seat)
        books = Books(self.config, self.board, seat.row)
        standings = Standings(self.config, self.board)
        made = control.Control(self.config, self.prepared, books, self.log, standings, self.certificates)
        settings, opened = self.config.settings, self.runtime_sockets
        made.host(runtime.levels(settings, opened), runtime.levels(settings, opened, master=True))
        status = control.Seated(made, seat, self.board, vitals).run()
        tables.stop()
        return status

    def _vitals(self, seat: Seat) -> Vitals:
        return Vitals(self.board, seat.row, seat.role, seat.number, greenlets.alive, lambda: self.log.dropped)

    def _confine(self, seat: Seat) -> None:
        """Give up what a process that clients talk to must not have."""
        get_hub()  # it looks for parts of itself when it is made
        settings = self.config.settings
        if settings.chroot or settings.uid is not None:

            def ask(path: str) -> None:
                seat.channel.send("log", path=path)

            self.log.confine(self._targets, ask)
        privileges.drop(settings)
        die_with_parent(os.getppid())
        self._detach()

    # -- what the master does for confined children ------------------------------------------------

    def _open_log(self, message: Message) -> tuple[dict[str, object], list[int]]:
        """A log target anew: a child that is confined has lost it, or its file was rotated."""
        path = str(message.fields["path"])
        target = next((target for target in self._targets if target.address == path), None)
        with contextlib.suppress(OSError):
            if target is not None:
                opened = open_file(path) if target.kind == "file" else open_socket(path)
                return {"path": path}, [opened]
        return {"path": path, "away": True}, []

    def _certificate(self, message: Message) -> tuple[dict[str, object], list[int]]:
        """One that a child has missed, as it was out of descriptors."""
        file = str(message.fields["file"])
        bundle = self.certificates.bundle(file)
        if bundle is None:
            return {"file": file, "away": True}, []
        return {"file": bundle.file, "length": len(bundle.pem)}, [to_descriptor(bundle)]

    def _commit(self, message: Message) -> tuple[dict[str, object], list[int]]:
        """A certificate that an operator has set: for the workers to come."""
        if not message.descriptors:
            return {"error": "no descriptor is left to pass it on"}, []
        try:
            self.certificates.use(from_message(message))
        except TlsConfigError as problem:
            return {"error": str(problem)}, []
        self._say(5, f"certificate {message.fields['file']} was set at run time and is in use")
        return {"error": ""}, []

    def _patterns(self, message: Message) -> tuple[dict[str, object], list[int]]:
        """An operator has changed a list or a map: for the processes to come."""
        fields = message.fields
        apply(
            self.config.patterns,
            fields["map"],
            fields["name"],
            fields["edits"],
            fields.get("part", 0),
            fields.get("parts", 1),
        )
        return {}, []

    def _reload(self, message: Message) -> tuple[dict[str, object], list[int]]:
        """An operator asks for it on the master's socket."""
        os.kill(os.getpid(), signal.SIGUSR2)
        return {}, []

    def _gate(self, message: Message) -> tuple[dict[str, object], list[int]]:
        """An operator has paused a frontend, or resumed it, or shut it down for good."""
        state, keys = message.fields["state"], message.fields["keys"]
        gate([self._held[name] for name in keys if name in self._held], state)
        if state == STOPPED:
            for name in keys:
                if name in self._held:
                    self._held.pop(name).close()
        return {}, []

    def _say(self, severity: int, text: str) -> None:
        self.log.event(severity, text, self.config.settings.log_targets)

    def _turn(self, tell: Tell) -> None:
        """Certificates that have changed; log files that were rotated, for children who cannot look."""
        for bundle in self.certificates.look():
            descriptor = to_descriptor(bundle)
            tell("certificate", [descriptor], file=bundle.file, length=len(bundle.pem))
            os.close(descriptor)
        for path, before in list(self._files.items()):
            with contextlib.suppress(OSError):
                now = os.stat(path)
                if (now.st_dev, now.st_ino) == before:
                    continue
            with contextlib.suppress(OSError):
                descriptor = open_file(path)
                opened = os.fstat(descriptor)
                self._files[path] = (opened.st_dev, opened.st_ino)
                tell("log", [descriptor], path=path)
                os.close(descriptor)


def _close_unused(had: Mapping[str, int], used: set[int]) -> None:
    for descriptor in had.values():
        if descriptor not in used:
            os.close(descriptor)
