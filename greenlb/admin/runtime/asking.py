"""Commands about where the checks and the agent of a server ask, and what."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from greenlb.admin.runtime.session import Session
from greenlb.model import Address

if TYPE_CHECKING:
    from greenlb.proxy.backend import LiveBackend, ServerState
    from greenlb.proxy.checks.runner import Recurring

_INTEGER: Final = re.compile(r"[+-]?\d+")
_ABSENT: Final = {
    "check": "health checks are not enabled on this server\n",
    "agent": "agent checks are not enabled on this server\n",
}
Change = Callable[[Session, "LiveBackend", "ServerState", Sequence[str]], str]


def _asked(session: Session, state: ServerState, kind: str) -> Recurring | None:
    checked = session.farm.checks.of(state)
    if kind == "agent":
        return checked.agent if checked is not None else None
    return checked if checked is not None and checked.enabled else None


def _port(word: str) -> int | str:
    """A port, or what is wrong with it."""
    if not _INTEGER.fullmatch(word):
        return "provided port is not an integer\n"
    port = int(word)
    return port if 0 <= port <= 65535 else "provided port is invalid\n"


def _address(kind: str) -> Change:
    def run(session: Session, backend: LiveBackend, state: ServerState, words: Sequence[str]) -> str:
        if not words:
            return f"set server <b>/<s> {kind}-addr requires an address and optionally a port.\n"
        asked = _asked(session, state, kind)
        if asked is None:
            return _ABSENT[kind]
        try:
            changes: dict[str, Any] = {"address": Address(str(ipaddress.ip_address(words[0])), 0)}
        except ValueError:
            return f"invalid addr '{words[0]}'\n"
        if len(words) > 2 and words[1] == "port":
            port = _port(words[2])
            if isinstance(port, str):
                return port
            changes["port"] = port
        asked.aim(**changes)
        return ""

    return run


def _at_port(kind: str) -> Change:
    def run(session: Session, backend: LiveBackend, state: ServerState, words: Sequence[str]) -> str:
        if not words:
            return f"set server <b>/<s> {kind}-port requires a port.\n"
        asked = _asked(session, state, kind)
        if asked is None:
            return _ABSENT[kind]
        port = _port(words[0])
        if isinstance(port, str):
            return port
        asked.aim(port=port)
        return ""

    return run


def _send(session: Session, backend: LiveBackend, state: ServerState, words: Sequence[str]) -> str:
    checked = session.farm.checks.of(state)
    if checked is None or checked.agent is None:
        return "agent checks are not enabled on this server.\n"
    checked.agent.say((words[0] if words else "").encode(errors="surrogateescape"))
    return ""


ASKING: Final[Mapping[str, Change]] = {
    "agent-addr": _address("agent"),
    "agent-port": _at_port("agent"),
    "agent-send": _send,
    "check-addr": _address("check"),
    "check-port": _at_port("check"),
}
"""What ``set server`` sets of them.  It is forgotten when the configuration is read again."""
