"""The master: forks the roles and keeps them alive; stops and reloads as signals tell it.

It carries no traffic and reads no configuration: what its children do, how they are logged and which
sockets they serve comes in a Plan.  It imports the standard library and its neighbours here that do the
same, so that the process on which all others depend has little in it that could fail.

A reload has three steps.  A fresh process of the program that is now installed reads the new
configuration (``Plan.check``); when it has nothing against it, the master becomes that program, with its
sockets, its board and its children; when the new workers are ready, it tells the former ones to end.
"""

from __future__ import annotations

import contextlib
import functools
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from greenlb.board import HEARTBEAT, Board
from greenlb.process.channel import Channel, Message
from greenlb.process.checker import Checker, Said
from greenlb.process.child import Child, Slot
from greenlb.process.handover import Handover
from greenlb.process.notify import Notifier
from greenlb.process.plan import Launch, Log, Plan
from greenlb.process.seat import OURS, Seat, ending, fork, milliseconds
from greenlb.process.timers import Timers

ALERT, WARNING, NOTICE = 1, 4, 5
"""Severities of what is logged."""
CONTROL, WORKER = "control", "worker"
CONTROL_ROW: Final = 0

TURN: Final = 1.0
"""Seconds between two looks at the heartbeats."""
LAST_WORDS: Final = 1.0
"""Seconds a hung child has to write its stacks, and a stopping one to stop."""


class Master:
    """One master.  ``plan`` None: the new configuration cannot be used, and what the program before has
    left (``handover``) is kept going until the next reload."""

    def __init__(
        self,
        plan: Plan | None,
        board: Board,
        log: Log,
        launch: Launch,
        handover: Handover | None = None,
        notifier: Notifier | None = None,
        serving: Callable[[], None] = lambda: None,
        failed: Callable[[BaseException], None] = lambda error: None,
    ) -> None:
        self.plan = plan
        self.board = board
        self.log = log
        self.launch = launch
        self.notifier = notifier or Notifier({})
        self.timers = Timers()
        self.children: list[Child] = []
        self.status: int | None = None
        self._serving = serving
        self._failed = failed
        self._left = handover if plan is None else None
        self._own: list[int] = []
        self._exit = 0
        self._selector = selectors.DefaultSelector()
        self._checker: Checker | None = None
        self._again = False  # a reload was asked for while one was under way
        self._stopping = 0  # the signal that told us to
        self._started = False
        self._looked = time.monotonic()
        before = handover.generation if handover is not None else 0
        self.generation = before + 1 if plan is not None else before
        self.slots = [Slot(CONTROL, 0)] if plan is not None else []
        self.slots += [Slot(WORKER, number) for number in range(1, (plan.workers if plan else 0) + 1)]
        for former in handover.children if handover is not None else ():
            self._adopt(Child.adopt(former))

    # -- the loop --------------------------------------------------------------------------------

    def run(self) -> int:
        """Serve until told to stop; the exit status."""
        wakeup, write = socket.socketpair()
        wakeup.setblocking(False)
        write.setblocking(False)
        signal.set_wakeup_fd(write.fileno(), warn_on_full_buffer=False)
        for number in OURS:
            signal.signal(number, lambda *_: None)
        self._selector.register(wakeup, selectors.EVENT_READ)
        self._own = [wakeup.fileno(), write.fileno(), self._selector.fileno()]
        signal.pthread_sigmask(signal.SIG_UNBLOCK, OURS)
        self._clear_free_rows()
        self._reap()  # who ended while the program changed
        self._fill()
        if self.notifier.interval:
            self._watchdog()
        self._turn()
        if self.plan is None:
            self.notifier.ready("Serving; the new configuration could not be used")
        while self.status is None:
            try:
                self._step(wakeup)
            except Exception as error:  # a bug must not end those who serve
                self._failed(error)
        wakeup.close()
        write.close()
        self._selector.close()
        return self.status

    def _step(self, wakeup: socket.socket) -> None:
        blocked = [child for child in self.children if child.seat.channel.blocked]
        events = self._selector.select(self.timers.wait(0.02 if blocked else 3600.0))
        for key, _ in events:
            if key.fileobj is not wakeup:
                key.data()
        for child in blocked:
            child.seat.channel.flush()
        self.timers.run()
        # Signals come last: they end children, whose descriptors may be among the events.
        if any(key.fileobj is wakeup for key, _ in events):
            self._signals(wakeup)

    def _signals(self, wakeup: socket.socket) -> None:
        numbers = set(wakeup.recv(4096))
        # Who ended before we were told to stop is not replaced after.
        for number in sorted(numbers - {signal.SIGCHLD}):
            match number:
                case signal.SIGTERM | signal.SIGINT:
                    self.stop_hard(number)
                case signal.SIGUSR1:
                    self.stop_soft()
                case signal.SIGUSR2 | signal.SIGHUP:
                    self.reload()
        if signal.SIGCHLD in numbers:
            self._reap()

    def _watchdog(self) -> None:
        self.notifier.alive()
        self.timers.after(self.notifier.interval, self._watchdog)

    # -- children --------------------------------------------------------------------------------

    def _fill(self) -> None:
        """Fork what is missing."""
        if self._stopping:
            return
        for slot in self.slots:
            if slot.child is None and slot.pause is None and not self._control_is_taken(slot):
                self._fork(slot)

    def _control_is_taken(self, slot: Slot) -> bool:
        """Control writes cells that have one writer: the former one must be gone."""
        return slot.role == CONTROL and any(child.seat.role == CONTROL for child in self.children)

    def _fork(self, slot: Slot) -> None:
        assert self.plan is not None
        row = CONTROL_ROW if slot.role == CONTROL else self._free_row()
        if row is None:
            self._make_room(slot)
            return
        ours, theirs = Channel.pair()
        dump, write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        seat = Seat(slot.role, slot.number, self.generation, row, theirs)
        self.board.row(row)[HEARTBEAT] = milliseconds()
        inherited = [
            *self._own,
            ours.fileno(),
            dump,
            *(fd for child in self.children for fd in child.descriptors()),
        ]
        pid = fork(seat, self.plan.roles[slot.role], write, inherited, self._failed)
        theirs.close()
        os.close(write)
        seat.channel = ours
        child = slot.child = Child(pid, seat, dump, time.monotonic())
        self._watch(child)
        self.log(NOTICE, f"New {seat.name} ({pid}) forked")
        if self._started or slot.role == CONTROL:
            self._introduce(child)

    def _free_row(self) -> int | None:
        taken = {child.seat.row for child in self.children}
        return next((row for row in range(1, self.board.rows) if row not in taken), None)

    def _make_room(self, slot: Slot) -> None:
        """So many reloads ago that the board has no row left: the oldest must end now."""
        oldest = min(self.children, key=lambda child: child.started)
        self.log(WARNING, f"{oldest}: too many former workers, performing a hard-stop.")
        self._end(oldest)
        self._pause(slot, LAST_WORDS)

    def _pause(self, slot: Slot, seconds: float) -> None:
        def again() -> None:
            slot.pause = None
            self._fill()

        slot.pause = self.timers.after(seconds, again)

    def _watch(self, child: Child) -> None:
        self.children.append(child)
        channel = child.seat.channel
        self._selector.register(channel, selectors.EVENT_READ, lambda: self._receive(child))
        self._selector.register(child.dump, selectors.EVENT_READ, lambda: self._read_stacks(child))

    def _adopt(self, child: Child) -> None:
        self._watch(child)
        if child.deadline:
            self.timers.after(child.deadline - time.monotonic(), lambda: self._too_long(child))

    def _introduce(self, child: Child) -> None:
        """Connect control and a worker to one another; they talk without us from then on."""
        control = self.slots[0].child if self.slots else None
        if control is None:
            return
        workers = [c for c in self.children if c.seat.role == WORKER] if child is control else [child]
        for worker in workers:
            one, other = Channel.pair()
            worker.seat.channel.send("control", [one.fileno()])
            control.seat.channel.send("worker", [other.fileno()], name=worker.seat.name, row=worker.seat.row)
            one.close()
            other.close()

    def _receive(self, child: Child) -> None:
        try:
            while (message := child.seat.channel.receive()) is not None:
                self._heard(child, message)
        except EOFError:
            with contextlib.suppress(KeyError):
                self._selector.unregister(child.seat.channel)

    def _heard(self, child: Child, message: Message) -> None:
        if message.kind == "ready":
            child.ready = True
            self._note_ready()
            return
        if message.kind == "introduce":  # a descriptor was lost on the way: again, when there may be room
            for each in self.children:
                if each.seat.role == WORKER and each.seat.row == message.fields["row"]:
                    self.timers.after(TURN, functools.partial(self._introduce, each))
            return
        service = self.plan.services.get(message.kind) if self.plan is not None else None
        if service is not None:
            fields, descriptors = service(message)
            child.seat.channel.send(message.kind, descriptors, **fields)
            for fd in descriptors:
                os.close(fd)
        for fd in message.descriptors:
            os.close(fd)

    def tell(self, kind: str, descriptors: Sequence[int] = (), **fields: object) -> None:
        """Tell every child of this configuration."""
        for child in self._current():
            child.seat.channel.send(kind, list(descriptors), **fields)

    def _current(self) -> Iterator[Child]:
        return (slot.child for slot in self.slots if slot.child is not None)

    def _note_ready(self) -> None:
        """When all are ready for the first time: say so, and let those before us end."""
        workers = [slot.child for slot in self.slots if slot.role == WORKER]
        ready = [child for child in workers if child is not None and child.ready]
        if self._started or len(ready) < len(workers):
            return
        self._started = True
        for child in ready:
            self._introduce(child)
        self.log(NOTICE, "Loading success.")
        for child in self.children:
            if child.seat.generation != self.generation and not child.deadline:
                self._retire(child)
        self._serving()
        self.notifier.ready(f"Serving with {len(workers)} workers")
        if self._again:
            self._again = False
            self.reload()

    def _retire(self, child: Child) -> None:
        """A child of a configuration that is no longer: it ends when its connections have."""
        if child.seat.role == CONTROL:
            child.signal(signal.SIGTERM)
            return
        child.signal(signal.SIGUSR1)
        limit = self.plan.hard_stop_after if self.plan is not None else None
        if limit is not None:
            child.deadline = time.monotonic() + limit
            self.timers.after(limit, lambda: self._too_long(child))

    def _too_long(self, child: Child) -> None:
        if child in self.children:
            self.log(WARNING, f"{child}: soft-stop running for too long, performing a hard-stop.")
            self._end(child)

    # -- ends ------------------------------------------------------------------------------------

    def _end(self, child: Child, number: int = signal.SIGTERM) -> None:
        """End a child now: with ``number``, and when that does not help, for certain."""
        child.killed = True
        child.signal(number)
        child.signal(signal.SIGCONT)  # one that was stopped takes its signal only now
        self.timers.after(LAST_WORDS, lambda: child.kill() if child in self.children else None)

    def _reap(self) -> None:
        if self._checker is not None and (result := self._checker.ended()) is not None:
            self._checked(result)
        for child in list(self.children):
            try:
                pid, status = os.waitpid(child.pid, os.WNOHANG)
            except ChildProcessError:
                pid, status = child.pid, 0
            if pid:
                self._ended(child, *ending(status))
        if self._stopping:
            self._note_end()
        elif self.plan is None and not any(child.seat.role == WORKER for child in self.children):
            self.log(ALERT, "No worker is left, and there is no configuration to make one from.")
            self.stop_hard(signal.SIGTERM, status=1)
        else:
            self._fill()

    def _ended(self, child: Child, code: int, how: str) -> None:
        """Take leave of a child: say what it said last, free what it had, see to who comes after it."""
        self._unwatch(child)
        for line in child.stacks.decode(errors="replace").splitlines():
            self.log(ALERT, f"{child}: {line}")
        seat = child.seat
        current = seat.generation == self.generation
        wanted = not current or bool(self._stopping)
        self.log(
            WARNING if wanted and code in (0, 143) else ALERT,
            f"{'Current' if current else 'Former'} {child} exited with code {code} ({how})",
        )
        self._clear_gauges(seat.row)
        slot = next((slot for slot in self.slots if slot.child is child), None)
        if slot is not None and not self._stopping:
            self._see_to_replacement(slot, child, code)

    def _clear_gauges(self, row: int) -> None:
        """Nobody is there any more whose sessions they could be."""
        cells = self.board.row(row)
        for gauge in self.plan.gauges if self.plan is not None else ():
            cells[gauge] = 0

    def _clear_free_rows(self) -> None:
        """Of those who ended while nobody knew what their gauges are."""
        taken = {child.seat.row for child in self.children}
        for row in range(self.board.rows):
            if row not in taken and self.board.row(row)[HEARTBEAT]:
                self._clear_gauges(row)

    def _unwatch(self, child: Child) -> None:
        """Hear the last of a child and let go of it."""
        self._receive(child)
        self._read_stacks(child)
        self.children.remove(child)
        for watched in child.descriptors():
            with contextlib.suppress(KeyError):
                self._selector.unregister(watched)
        child.close()

    def _read_stacks(self, child: Child) -> None:
        if not child.read_stacks():
            with contextlib.suppress(KeyError):
                self._selector.unregister(child.dump)

    def _see_to_replacement(self, slot: Slot, child: Child, code: int) -> None:
        pause = slot.lost()
        if not self._started and not child.ready and slot.role == WORKER and not self._formers():
            # Nothing has worked yet: it is the start that failed.
            self.log(ALERT, "Loading failure!")
            self.stop_hard(signal.SIGTERM, status=code or 1)
        elif pause:
            self.log(WARNING, f"{child.seat.name} keeps dying: it is started again in {pause:g} s")
            self._pause(slot, pause)

    def _formers(self) -> bool:
        return any(child.seat.generation != self.generation for child in self.children)

    # -- hung children ---------------------------------------------------------------------------

    def _turn(self) -> None:
        """Look at the heartbeats, now and then."""
        now = time.monotonic()
        late = now - self._looked > 3 * TURN
        self._looked = now
        limit = self.plan.worker_timeout if self.plan is not None else None
        if limit is not None and not late:  # who was stopped himself does not blame others
            for child in self.children:
                silent = (milliseconds() - self.board.row(child.seat.row)[HEARTBEAT]) / 1000
                if silent > limit and not child.killed:
                    self.log(ALERT, f"{child} has done nothing for {silent:.1f} s: killing it")
                    self._end(child, signal.SIGABRT)  # it writes its stacks and dies
        if self.plan is not None and self.plan.turn is not None and self._started:
            self.plan.turn(self.tell)
        self.timers.after(TURN, self._turn)

    # -- stop ------------------------------------------------------------------------------------

    def stop_hard(self, number: int, status: int | None = None) -> None:
        """End everything now."""
        if status is None:
            status = 0 if number == signal.SIGTERM else 128 + number
        self._begin_stop(number, status)
        for child in self.children:
            self._end(child, number)
        self._note_end()

    def stop_soft(self) -> None:
        """End when every connection has ended."""
        if self._stopping:
            return
        self._begin_stop(signal.SIGUSR1, 0)
        for child in self.children:
            if child.seat.role == WORKER:
                self._retire(child)
        self._note_end()

    def _begin_stop(self, number: int, status: int) -> None:
        if not self._stopping:
            self.log(WARNING, "Exiting Master process...")
            self.notifier.stopping()
        self._stopping = number
        self._exit = status
        if self._checker is not None:
            self._checker.kill()
        for sock in self.plan.sockets.values() if self.plan is not None else ():
            sock.close()
        if self._left is not None:
            for fd in self._left.sockets.values():
                os.close(fd)
            self._left = None

    def _note_end(self) -> None:
        """Control ends after the last worker, the master after the last child."""
        if any(child.seat.role == WORKER for child in self.children):
            return
        for child in self.children:
            if not child.killed:
                self._end(child)
        if not self.children and self.status is None:
            self.log(WARNING, f"All workers exited. Exiting... ({self._exit})")
            self.status = self._exit

    # -- reload ----------------------------------------------------------------------------------

    def reload(self) -> None:
        """SIGUSR2, SIGHUP: have the new configuration checked, and go on in ``_checked``."""
        if self._stopping:
            return
        if self._checker is not None or (self.plan is not None and not self._started and self._formers()):
            self._again = True
            return
        self.log(NOTICE, "Reloading greenlb")
        self.notifier.reloading()
        self._checker = Checker(self.launch.check, self.launch.surroundings, self._sockets(), self.timers)

    def _sockets(self) -> dict[str, int]:
        if self.plan is not None:
            return {key: sock.fileno() for key, sock in self.plan.sockets.items()}
        return self._left.sockets if self._left is not None else {}

    def _checked(self, result: tuple[int, list[Said]]) -> None:
        self._checker = None
        if self._stopping:
            return
        code, lines = result
        for severity, line in lines:
            self.log(severity, line)
        if code:
            self._keep_going(f"the configuration has errors (exit status {code})")
            return
        try:
            self._handover().execute(list(self.launch.command), self.launch.surroundings)
        except OSError as error:
            self._keep_going(f"{self.launch.command[0]} cannot be executed: {error.strerror}")

    def _keep_going(self, why: str) -> None:
        self.log(WARNING, f"Loading failure: {why}; the old configuration goes on")
        self.notifier.ready("Serving; the last reload failed")
        if self._again:
            self._again = False
            self.reload()

    def _handover(self) -> Handover:
        left = self.plan or self._left
        return Handover(
            board=(self.board.descriptor, self.board.rows, self.board.width),
            places=self.board.known(),
            generation=self.generation,
            sockets=self._sockets(),
            descriptors=dict(left.descriptors) if left is not None else {},
            children=[child.former() for child in self.children],
        )
