"""What a worker is asked to do, by control or, with ``workers = 0``, in its own process."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from greenlb.admin.runtime.patterns import apply
from greenlb.exchange import Exchange
from greenlb.process.channel import Message
from greenlb.proxy import sessions
from greenlb.proxy.farm_state import Follower
from greenlb.proxy.frontend_state import FrontendFollower

if TYPE_CHECKING:
    from greenlb.process.worker import Worker

Answer = dict[str, Any]


class Requests:
    """Each kind of request with what does it: given the request's message, it gives the
    answer's fields."""

    def __init__(
        self,
        worker: Worker,
        follower: Follower,
        fronts: FrontendFollower,
        take: Callable[[Message], None],
        row: int = 0,
    ) -> None:
        self._fronts = fronts
        self._row = row
        self._take = take
        self._worker = worker
        self._follower = follower
        self._kinds: Mapping[str, Callable[[Message], Answer]] = {
            "servers": self._servers,
            "reopen": self._reopen,
            "drain": self._drain,
            "certificate": self._certificate,
            "errors": self._errors,
            "frontends": self._frontends,
            "patterns": self._patterns,
            "sessions": self._sessions,
            "shut": self._shut,
        }

    def ask(self, kind: str, descriptors: Sequence[int] = (), **fields: Any) -> list[Answer]:
        """As control asks all workers, where this process is the only one."""
        return [self.answer(kind, Message(kind, fields, [os.dup(each) for each in descriptors]))]

    def answer(self, kind: str, message: Message) -> Answer:
        """Do it.  An unknown kind is one of another version's: it is answered with nothing."""
        do = self._kinds.get(kind)
        try:
            return {} if do is None else do(message)
        finally:
            message.close()

    def _servers(self, message: Message) -> Answer:
        return {"moved": self._follower.follow()}

    def _reopen(self, message: Message) -> Answer:
        self._worker.log.reopen()
        return {}

    def _certificate(self, message: Message) -> Answer:
        """Serve with the certificate that came along: it was found good by who sends it."""
        self._take(message)
        return {}

    def _frontends(self, message: Message) -> Answer:
        self._fronts.follow()
        return {}

    def _errors(self, message: Message) -> Answer:
        return self._worker.plane.captures.plain()

    def _patterns(self, message: Message) -> Answer:
        fields = message.fields
        apply(
            self._worker.config.patterns,
            fields["map"],
            fields["name"],
            fields["edits"],
            fields.get("part", 0),
            fields.get("parts", 1),
        )
        return {}

    def _sessions(self, message: Message) -> Answer:
        running = sessions.running(self._worker.frontends)
        return {"sessions": [sessions.facts(carrier, x, self._row) for carrier, x in running]}

    def _shut(self, message: Message) -> Answer:
        """End one ``session``, or those of a ``server`` (its backend, a slash, its name), with the log's flag
        ``cause``."""
        fields = message.fields
        number, (backend, _, server) = fields.get("session"), fields.get("server", "").partition("/")

        def wanted(x: Exchange) -> bool:
            if number is not None:
                return bool(sessions.identity(x, self._row) == number)
            if x.server is None or x.backend is None:
                return False
            return (x.backend.name, x.server.name) == (backend, server)

        return {"ended": sessions.shut(self._worker.frontends, wanted, fields.get("cause", "K"))}

    def _drain(self, message: Message) -> Answer:
        self._worker.stop_soft()
        return {}
