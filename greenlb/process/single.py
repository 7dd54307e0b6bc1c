"""Everything in one process (``workers = 0``): a worker that does what control does elsewhere."""

from __future__ import annotations

import signal
from typing import Any

from gevent import get_hub

from greenlb.admin.runtime.commands import TABLE
from greenlb.admin.runtime.mastery import Mastery
from greenlb.admin.runtime.operations import Operations
from greenlb.admin.runtime.runtime import Runtime
from greenlb.admin.runtime.server import Server
from greenlb.board import Board
from greenlb.model import Config, Frontend
from greenlb.net import greenlets, timers
from greenlb.observe import log as logging
from greenlb.observe.sampler import OFTEN, Sampler
from greenlb.observe.stats import Books
from greenlb.observe.vitals import Vitals
from greenlb.process import applications, runtime
from greenlb.process.certificates import Certificates, Desk, from_message
from greenlb.process.channel import Message
from greenlb.process.listening import bind_all
from greenlb.process.prepared import Prepared, descriptors
from greenlb.process.requests import Requests
from greenlb.process.worker import PULSE, Worker
from greenlb.proxy import observing, sessions
from greenlb.proxy.checks.runner import Runner, listens
from greenlb.proxy.checks.turning import Turning
from greenlb.proxy.farm_state import FarmState
from greenlb.proxy.frontend_state import FrontendStates, gate
from greenlb.proxy.names.names import Names
from greenlb.proxy.standing import Standings


def run(config: Config, prepared: Prepared) -> int:
    """Serve ``config`` in this process alone until a signal ends it.  Returns the exit status; raises
    CannotStart."""
    applications.patch(config)
    return _Single(config, prepared).run()


class _Single:
    def __init__(self, config: Config, prepared: Prepared) -> None:
        self.config = config
        self.log = log = logging.setup(config.settings)
        states = Standings.width(config) + FrontendStates.width(config)
        board = Board(1, Books.width(config) + states + Vitals.WIDTH)
        self.books = books = observing.books(config, board)
        self.sampler = Sampler(books)
        self.vitals = Vitals(board, 0, "all", 0, greenlets.alive, lambda: log.dropped)
        self.certificates = Certificates(prepared, self._say)
        maxconn = descriptors(config)
        self.worker = worker = Worker(config, prepared, bind_all(config), books, log, maxconn)
        backends = list(worker.plane.backends.values())
        self.farm = FarmState(backends, Standings(config, board), books)
        self.farm.follower.turned = sessions.marked(worker.frontends)
        turning = Turning(backends, self.farm, books, log.event, log.failure, listens(config))
        inquirer = applications.inquirer(config, worker.plane)
        self.checks = Runner(backends, turning, config, prepared.contexts.of_check, inquirer)
        if isinstance(books, observing.ObservingBooks):
            books.report = turning.observed
        self.names = Names(config, backends, self.farm, log.event, log.failure)
        turning.timed_out = self.names.hurry
        self.servers = self._runtime(FrontendStates(config, board))
        self._timers: list[Any] = []

    def _say(self, severity: int, text: str) -> None:
        self.log.event(severity, text, self.config.settings.log_targets)

    def _take(self, message: Message) -> None:
        self.certificates.use(from_message(message))

    def _runtime(self, fronts: FrontendStates) -> list[Server]:
        """What answers runtime commands.  Raises CannotStart."""
        config, worker = self.config, self.worker
        requests = Requests(worker, self.farm.follower, worker.follower_of(fronts), self._take)
        operations = Operations(
            *(config, self.books, self.log, worker.plane.backends, self.farm, self.checks, self.sampler),
            fronts,
            requests.ask,
            names=self.names,
            desk=Desk(self.certificates),
            gate=self._gate,
        )
        commands = Runtime(operations, TABLE)
        worker.execute = commands.execute
        opened = runtime.bind_all(config.settings)
        mastery = Mastery(operations, commands)
        return [
            Server(commands, runtime.levels(config.settings, opened)),
            Server(mastery, runtime.levels(config.settings, opened, master=True)),
        ]

    def _gate(self, frontend: Frontend, state: int) -> None:
        listeners = [each for each in self.worker.listeners if each.live.model is frontend]
        gate([each.socket for each in listeners if each.started], state)

    def run(self) -> int:
        """Until a signal ends it; the exit status."""
        loop, worker = get_hub().loop, self.worker
        for number, handler in (
            (signal.SIGTERM, worker.stop_hard),
            (signal.SIGINT, worker.stop_hard),
            (signal.SIGUSR1, worker.stop_soft),
        ):
            loop.signal(number).start(handler)
        for period, action in ((PULSE, self._beat), (OFTEN, self.sampler.sample)):
            self._timers.append(timers.every(period, action, ref=False))
        worker.open()
        worker.start()
        for server in self.servers:
            server.start()
        self.checks.start()
        self.names.start()
        status = worker.serve()
        for server in self.servers:
            server.stop()
        self.names.stop()
        self.checks.stop()
        for timer in self._timers:
            timer.stop()
        return status

    def _beat(self) -> None:
        list(self.certificates.look())
        self.worker.beat(self.vitals)
