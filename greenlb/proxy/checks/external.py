"""``option external-check``: a program says whether a server is well, by its exit status.

It runs in a process group of its own, which is killed whole when its time is up, with nothing of ours but
what HAProxy's documentation promises: four arguments and an environment.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import Any, Final

from greenlb.model import Frontend
from greenlb.net.sockets import READ, Timeout, wait_for
from greenlb.proxy.backend import LiveBackend, ServerState
from greenlb.proxy.checks.wire import patience
from greenlb.proxy.health import Result
from greenlb.script import External

_NOT_USED: Final = "NOT_USED"


class ExternalProbe:
    """Runs the program for one server.  ``frontend`` is that of a ``listen``, whose first address it is
    told."""

    def __init__(
        self, backend: LiveBackend, state: ServerState, external: External, frontend: Frontend | None
    ) -> None:
        self._backend = backend
        self._state = state
        self._external = external
        self._child = 0
        bind = frontend.binds[0].address if frontend is not None and frontend.binds else None
        self._proxy = (_NOT_USED, _NOT_USED)
        if bind is not None:
            self._proxy = (bind.host or "0.0.0.0", _NOT_USED if bind.unix else str(bind.port))

    def __call__(self) -> Result:
        start = time.monotonic()
        status, info, code = self._run()
        return Result(status, info, int((time.monotonic() - start) * 1000), code)

    def _run(self) -> tuple[str, str, int]:
        model, check = self._backend.model, self._state.server.check
        assert check is not None
        limit = patience(model, check.inter)
        try:
            child = os.posix_spawn(
                self._external.command,
                self._arguments(),
                self._environment(),
                file_actions=_descriptors(),
                setpgroup=0,
                setsigmask=(),
                setsigdef=signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP},
            )
        except OSError as error:
            return "SOCKERR", error.strerror or str(error), 0
        self._child = child
        try:
            return _outcome(child, limit)
        finally:
            self._child = 0

    def stop(self) -> None:
        """End the program that runs, if one does."""
        if self._child:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._child, signal.SIGKILL)

    def _arguments(self) -> list[str]:
        return [self._external.command, *self._proxy, *self._server()]

    def _server(self) -> tuple[str, str]:
        address, check = self._state.address, self._state.server.check
        if address.unix:
            return address.host, _NOT_USED
        return address.host, str((check.port if check else 0) or address.port)

    def _environment(self) -> dict[str, str]:
        model, server = self._backend.model, self._state.server
        host, port = self._server()
        proxy_host, proxy_port = ("" if word == _NOT_USED else word for word in self._proxy)
        return {
            "PATH": self._external.path,
            "HAPROXY_PROXY_NAME": model.name,
            "HAPROXY_PROXY_ID": str(model.number),
            "HAPROXY_PROXY_ADDR": proxy_host,
            "HAPROXY_PROXY_PORT": proxy_port,
            "HAPROXY_SERVER_NAME": server.name,
            "HAPROXY_SERVER_ID": str(server.number),
            "HAPROXY_SERVER_ADDR": host,
            "HAPROXY_SERVER_PORT": "" if port == _NOT_USED else port,
            "HAPROXY_SERVER_MAXCONN": str(self._state.maxconn),
            "HAPROXY_SERVER_CURCONN": str(self._state.load),
            "HAPROXY_SERVER_SSL": "1" if server.tls is not None else "0",
            "HAPROXY_SERVER_PROTO": "h1" if model.mode == "http" else "tcp",
        }


def _descriptors() -> list[tuple[int, ...]]:
    """Nothing of ours is left open in the program, and its standard streams lead nowhere."""
    actions: list[tuple[int, ...]] = []
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            if int(name) > 2 and os.get_inheritable(int(name)):
                actions.append((os.POSIX_SPAWN_CLOSE, int(name)))
    null: list[Any] = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
    return [*actions, *null]


def _outcome(child: int, limit: float) -> tuple[str, str, int]:
    """How a program ended.  It is gone then, and all of its group with it."""
    end = os.pidfd_open(child)
    late = False
    try:
        wait_for(end, READ, limit)
    except Timeout:
        late = True
    finally:
        os.close(end)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)  # at once: it has ended, or was just killed
    if late:
        return "PROCTOUT", "", 0
    code = os.waitstatus_to_exitcode(status)
    return ("PROCERR" if code else "PROCOK"), "", max(code, 0)
