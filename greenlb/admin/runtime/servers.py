"""Commands that change servers: their state, weight, health, address, limits."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from greenlb.admin.runtime.asking import ASKING
from greenlb.admin.runtime.command import Command, command
from greenlb.admin.runtime.session import Session
from greenlb.model import Address, Server
from greenlb.proxy.backend import LiveBackend, ServerState
from greenlb.proxy.standing import AGENT_CHECK, DRAIN, HEALTH_CHECK, MAINTENANCE

_NUMBER: Final = re.compile(r"([+-]?\d+)(.*)", re.DOTALL)
_HEAVIEST: Final = 256
_BY_CLI: Final = ", changed from CLI"


class Mistake(Exception):
    """What is wrong with a command: the answer to it."""


def find(session: Session, words: Sequence[str]) -> tuple[LiveBackend, ServerState]:
    """The server that ``backend/server`` names.  Raises Mistake."""
    backend_name, _, server_name = (words[0] if words else "").partition("/")
    if not backend_name or not server_name:
        raise Mistake("Require 'backend/server'.\n")
    backend = session.farm.backends.get(backend_name)
    if backend is None:
        raise Mistake("No such backend.\n")
    for state in backend.states:
        if state.server.name == server_name:
            return backend, state
    raise Mistake("No such server.\n")


Change = Callable[[Session, LiveBackend, ServerState, Sequence[str]], str]


def _on_server(change: Change) -> Callable[[Session, Sequence[str]], str]:
    """A command about one server, its name first."""

    def run(session: Session, words: Sequence[str]) -> str:
        try:
            return change(session, *find(session, words), words[1:])
        except Mistake as mistake:
            return str(mistake)

    return run


# --- state -------------------------------------------------------------------------------------------


def _ready(admin: int) -> int:
    return admin & ~(MAINTENANCE | DRAIN)


ADMIN: Final[Mapping[str, Callable[[int], int]]] = {
    "ready": _ready,
    "drain": lambda admin: _ready(admin) | DRAIN,
    "maint": lambda admin: _ready(admin) | MAINTENANCE,
}
"""What the states of ``set server ... state`` make of ``admin``."""


def administer(session: Session, backend: LiveBackend, state: ServerState, admin: int) -> None:
    """Give a server new bits of ``admin``, and say so."""
    server = state.server
    before = session.farm.read(server)
    if before.admin == admin:
        return
    changes: dict[str, Any] = {"admin": admin}
    if before.admin & MAINTENANCE and not admin & MAINTENANCE and server.check is not None:
        changes["health"] = server.check.rise  # one failed check from being down: nobody looked meanwhile
        changes["stopping"] = False
    session.farm.checks.turning.administer(backend, state, changes)


def _set_state(session: Session, backend: LiveBackend, state: ServerState, words: Sequence[str]) -> str:
    if not words or words[0] not in ADMIN:
        return "'set server <srv> state' expects 'ready', 'drain' and 'maint'.\n"
    administer(session, backend, state, ADMIN[words[0]](session.farm.read(state.server).admin))
    return ""


def _enable(session: Session, backend: LiveBackend, state: ServerState, words: Sequence[str]) -> str:
    administer(session, backend, state, session.farm.read(state.server).admin & ~MAINTENANCE)
    return ""


def _disable(session: Session, backend: LiveBackend, state: ServerState, words: Sequence[str]) -> str:
    administer(session, backend, state, session.farm.read(state.server).admin | MAINTENANCE)
    return ""


# --- weight ------------------------------------------------------------------------------------------


def _set_weight(session: Session, backend: LiveBackend, state: ServerState, words: Sequence[str]) -> str:
    if not words:
        return "Require <weight> or <weight%>.\n"
    found = _NUMBER.fullmatch(words[0])
    if found is None:
        return "Empty weight string empty or preceded by garbage\n"
    weight, unit = int(found[1]), found[2]
    initial = state.server.weight
    if unit == "%":
        if weight < 0:
            return "Relative weight must be positive.\n"
        weight = min(_HEAVIEST, initial * weight // 100)
    elif unit:
        return "Trailing garbage in weight string\n"
    elif not 0 <= weight <= _HEAVIEST:
        return "Absolute weight can only be between 0 and 256 inclusive.\n"
    session.farm.checks.turning.weigh(backend, state, None if weight == initial else weight)
    return ""


def _get_weight(session: Session, backend: LiveBackend, state: ServerState, words: Sequence[str]) -> str:
    server = state.server
    return f"{session.farm.read(server).user_weight(server)} (initial {server.weight})\n"


# --- health ------------------------------------------------------------------------------------------


def _set_health(session: Session, backend: LiveBackend, state: ServerState, words: Sequence[str]) -> str:
    check = state.server.check
    if state.server.track:
        return "cannot change health on a tracking server.\n"
    if not words or words[0] not in ("up", "stopping", "down"):
        return "'set server <srv> health' expects 'up', 'stopping', or 'down'.\n"
    if check is None:
        return "Health checks are not configured on this server: use 'set server <srv> state'.\n"
    changes = {
        "health": 0 if words[0] == "down" else check.rise + check.fall - 1,
        "stopping": words[0] == "stopping",
    }
    session.farm.checks.turning.stand(backend, state, changes, _BY_CLI)
    return ""


def _set_agent(session: Session, backend: LiveBackend, state: ServerState, words: Sequence[str]) -> str:
    agent = state.server.agent
    if agent is None:
        return "agent checks are not enabled on this server.\n"
    if not words or words[0] not in ("up", "down"):
        return "'set server <srv> agent' expects 'up' or 'down'.\n"
    count = 0 if words[0] == "down" else agent.check.rise + agent.check.fall - 1
    session.farm.checks.turning.stand(backend, state, {"agent": count}, _BY_CLI)
    return ""


def _pausing(bit: int, pause: bool) -> Change:
    def run(session: Session, backend: LiveBackend, state: ServerState, words: Sequence[str]) -> str:
        server = state.server
        if not pause and bit == HEALTH_CHECK and server.check is None:
            return "Health check was not configured on this server, cannot enable.\n"
        if not pause and bit == AGENT_CHECK and server.agent is None:
            return "Agent was not configured on this server, cannot enable.\n"
        paused = session.farm.read(server).paused
        session.farm.change([server], paused=paused | bit if pause else paused & ~bit)
        return ""

    return run


# --- address -----------------------------------------------------------------------------------------


def _set_address(session: Session, backend: LiveBackend, state: ServerState, words: Sequence[str]) -> str:
    by = " by 'stats socket command'\n"
    if not words:
        return "set server <b>/<s> addr requires an address and optionally a port.\n"
    old = state.address
    if old.unix or not old.host:
        return f"the address of this server cannot be changed{by}"
    try:
        host = str(ipaddress.ip_address(words[0]))
    except ValueError:
        return f"Invalid addr '{words[0]}'{by}"
    new = replace(old, host=host, name="")
    said = "no need to change the addr"
    if host != old.host:
        said = f"IP changed from '{old.host}' to '{host}'"
    if words[1:2] == ["port"] and len(words) > 2:
        if not words[2].isdecimal() or not 1 <= int(words[2]) <= 65535:
            return f"{said}, invalid port '{words[2]}': expected 1 to 65535, nothing was changed{by}"
        new = replace(new, port=int(words[2]))
        same = new.port == old.port
        said += (
            ", no need to change the port" if same else f", port changed from '{old.port}' to '{new.port}'"
        )
    if (new.host, new.port) != (old.host, old.port):
        session.farm.change([state.server], address=_unless_configured(state.server, new))
    return said + by


def _unless_configured(server: Server, address: Address) -> Address | None:
    configured = server.address
    return None if (configured.host, configured.port) == (address.host, address.port) else address


def _set_name(session: Session, backend: LiveBackend, state: ServerState, words: Sequence[str]) -> str:
    names = session.farm.names
    if not words:
        return "set server <b>/<s> fqdn requires a FQDN.\n"
    try:
        return f"{names.rename(state.server, words[0]) if names is not None else ''}\n"
    except ValueError as error:
        return f"{error}\n"


# --- limits ------------------------------------------------------------------------------------------


def _set_maxconn(session: Session, backend: LiveBackend, state: ServerState, words: Sequence[str]) -> str:
    if not words:
        return "Require <maxconn>.\n"
    if not words[0].isdecimal():
        return "maxconn string empty or preceded by garbage\n"
    if state.slots is None:
        return "This server has no 'maxconn' in the configuration: it cannot be given one at run time.\n"
    maxconn = int(words[0])
    session.farm.change([state.server], maxconn=None if maxconn == state.server.maxconn else maxconn)
    return ""


# --- TLS ---------------------------------------------------------------------------------------------


def _set_tls(session: Session, backend: LiveBackend, state: ServerState, words: Sequence[str]) -> str:
    if state.server.tls is None:
        return "'set server <srv> ssl' cannot be set.  default-server should define ssl settings\n"
    if not words or words[0] not in ("on", "off"):
        return "'set server <srv> ssl' expects 'on' or 'off'.\n"
    session.farm.change([state.server], plain=words[0] == "off")
    return "server ssl setting updated.\n"


# --- set server --------------------------------------------------------------------------------------

WHAT: Final[Mapping[str, Change]] = {
    "addr": _set_address,
    "agent": _set_agent,
    "fqdn": _set_name,
    "health": _set_health,
    "ssl": _set_tls,
    "state": _set_state,
    "weight": _set_weight,
    **ASKING,
}
"""What ``set server`` sets."""


def _set_server(session: Session, backend: LiveBackend, state: ServerState, words: Sequence[str]) -> str:
    change = WHAT.get(words[0] if words else "")
    if change is None:
        return f"usage: set server <backend>/<server> {' | '.join(sorted(WHAT))}\n"
    return change(session, backend, state, words[1:])


def _named(words: str, arguments: str, help: str, change: Change, level: str = "admin") -> Command:
    return command(words, level, arguments, help, _on_server(change))


COMMANDS: Final[tuple[Command, ...]] = (
    _named("disable agent", "", "disable agent checks", _pausing(AGENT_CHECK, True)),
    _named("disable health", "", "disable health checks", _pausing(HEALTH_CHECK, True)),
    _named(
        "disable server",
        "(DEPRECATED)",
        "disable a server for maintenance (use 'set server' instead)",
        _disable,
    ),
    _named("enable agent", "", "enable agent checks", _pausing(AGENT_CHECK, False)),
    _named("enable health", "", "enable health checks", _pausing(HEALTH_CHECK, False)),
    _named("enable server", " (DEPRECATED)", "enable a disabled server (use 'set server' instead)", _enable),
    _named("get weight", "<bk>/<srv>", "report a server's current weight", _get_weight, "user"),
    _named("set maxconn server", "<bk>/<srv>", "change a server's maxconn setting", _set_maxconn),
    _named("set server", "<bk>/<srv> [opts]", "change a server's state, weight, address or ssl", _set_server),
    _named(
        "set weight",
        "<bk>/<srv>  (DEPRECATED)",
        "change a server's weight (use 'set server' instead)",
        _set_weight,
    ),
)
