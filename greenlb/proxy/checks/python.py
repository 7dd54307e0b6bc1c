"""``option python-check``: a function of somebody's says whether a server is well.

It runs where all of theirs runs, in a process that serves; the process that checks asks one of those.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from greenlb.live import Hook
from greenlb.policy.transaction import ServerCheck
from greenlb.proxy.checks.applications import Inquire
from greenlb.proxy.health import LONGEST_INFO, Result

if TYPE_CHECKING:
    from greenlb.proxy.backend import LiveBackend, ServerState

PREFIX = "python:"
"""What the names of these questions begin with."""
_WELL, _ILL = b"+", b"-"


class PythonProbe:
    """Asks about one server."""

    def __init__(self, backend: LiveBackend, state: ServerState, inquire: Inquire) -> None:
        self._backend = backend
        self._state = state
        self._inquire = inquire

    def __call__(self) -> Result:
        state, check = self._state, self._state.server.check
        assert check is not None
        address = check.address or state.address
        port = 0 if address.unix else check.port or address.port
        name = f"{PREFIX}{self._backend.model.name}/{state.server.name}"
        start = time.monotonic()
        said = self._inquire(
            name,
            json.dumps((address.host, port)).encode(),
            self._backend.model.timeouts.check or check.inter,
        )
        spent = int((time.monotonic() - start) * 1000)
        if said is None:
            return Result("L7TOUT", "", spent)
        info = said[1:].decode("utf-8", "replace")[:LONGEST_INFO]
        return Result("L7OK" if said[:1] == _WELL else "L7RSP", info, spent)


def answer(hook: Hook, name: str, data: bytes, log: Callable[[str, BaseException], None]) -> bytes:
    """Ask the function of this process about ``backend/server``; a failure is in the log."""
    host, port = json.loads(data)
    backend, _, server = name.partition("/")
    try:
        said = hook.run(hook.function, ServerCheck(backend, server, host, port))
        if not (said is None or isinstance(said, bool | str)):
            raise TypeError(
                f"the function of a check returns True, None, False or what is wrong, not {said!r}"
            )
    except BaseException as error:  # sys.exit() too: it would end the process
        log(f"{hook} failed at the check of {name}", error)
        return _ILL + f"{type(error).__name__}: {error}".encode()
    if said is None or said is True:
        return _WELL
    return _ILL + (said.encode() if isinstance(said, str) else b"")
