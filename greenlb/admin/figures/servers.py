"""``show servers state`` and ``show servers conn``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from greenlb.admin.figures.standing import Stand
from greenlb.admin.figures.subjects import Subjects
from greenlb.admin.runtime.operations import Operations
from greenlb.model import Address, Backend, Check, Server
from greenlb.proxy.backend import ServerState
from greenlb.proxy.health import STATUSES, Outcome
from greenlb.proxy.standing import AGENT_CHECK, HEALTH_CHECK

VERSION: Final = 1
COLUMNS: Final = (
    "be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight "
    "srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state "
    "srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl "
    "srv_check_port srv_check_addr srv_agent_addr srv_agent_port"
)
STOPPED, STARTING, RUNNING, STOPPING = range(4)
"""HAProxy's numbers of a server's states."""
RUNS, CONFIGURED, ENABLED, PAUSED, AGENT = 1, 2, 4, 8, 16
"""Bits of a check's state."""
CONFIGURED_MAINTENANCE: Final = 4
_NUMBERS: Final = {
    name: number
    for number, name in enumerate(
        ("UNK", "INI", "START", "CHECKED", "HANA", "SOCKERR", "L4OK", "L4TOUT", "L4CON", "L6OK", "L6TOUT",
         "L6RSP", "L7TOUT", "L7RSP", "", "L7OK", "L7OKC", "L7STS", "PROCERR", "PROCTOUT", "PROCOK")
    )
}  # fmt: skip
"""A check's status as it is numbered there."""
_RESULTS: Final = {
    Outcome.UNKNOWN: 0,
    Outcome.NEUTRAL: 1,
    Outcome.FAILED: 2,
    Outcome.PASSED: 3,
    Outcome.CONDITIONAL: 4,
}

CONNECTIONS: Final = (
    "# bkname/svname bkid/svid addr port - purge_delay used_cur used_max need_est unsafe_nb safe_nb "
    "idle_lim idle_cur idle_per_thr[1]"
)
_PURGE_DELAY: Final = 5000
"""Milliseconds that an idle connection is kept."""


def _chosen(farm: Operations, name: str) -> Iterator[tuple[Backend, Server, ServerState]]:
    for backend in farm.config.backends:
        if name in ("", backend.name):
            live = farm.backends[backend.name]
            for server in backend.servers:
                yield backend, server, live.state_of(server)


def state(farm: Operations, name: str) -> str:
    """How the servers of a backend, or of all, stand: what HAProxy could load again."""
    subjects = Subjects(farm)
    lines = [str(VERSION), f"# {COLUMNS}"]
    for backend, _, live in _chosen(farm, name):
        stand = subjects.stand(live)
        changed = subjects.since(stand.standing.changed)
        words = _words(backend, stand, live.address, changed, _names(farm, stand.server))
        lines.append(" ".join(str(word) for word in words))
    return "\n".join([*lines, ""])


def _names(farm: Operations, server: Server) -> tuple[str, str]:
    """The name that it has now, and that of its SRV records."""
    followed = farm.names.of(server) if farm.names is not None else None
    if followed is not None:
        return followed.name or "-", followed.resolution.name if followed.resolution.srv else "-"
    name = server.address.name.rpartition(":")[0].strip("[]")
    return name if name != server.address.host and not server.address.unix and name else "-", "-"


def _words(
    backend: Backend, stand: Stand, address: Address, changed: int, names: tuple[str, str]
) -> Iterable[object]:
    server, standing = stand.server, stand.standing
    check = stand.own.check if server.check is not None and stand.own is not None else None
    agent = stand.own.agent if stand.own is not None else None
    status, result = _result(stand)
    asked = agent.check if agent is not None else None
    return (
        *(backend.number, backend.name, server.number, server.name, _host(address)),
        *(_state(stand), standing.admin | (CONFIGURED_MAINTENANCE if server.disabled else 0)),
        *(stand.weight, server.weight, changed, status, result, _health(stand)),
        *(_check_bits(stand), _agent_bits(stand), 0, 0),
        *(names[0], address.port, names[1]),
        *(int(server.tls is not None and not standing.plain), check.port if check is not None else 0),
        _host(check.address if check is not None else None),
        _host(asked.address if asked is not None else None),
        asked.port if asked is not None else 0,
    )


def _host(address: Address | None) -> str:
    return "-" if address is None or address.unix or not address.host else address.host


def _state(stand: Stand) -> int:
    if not stand.running:
        return STOPPED
    if stand.standing.stopping:
        return STOPPING
    return STARTING if stand.standing.throttle else RUNNING


def _result(stand: Stand) -> tuple[int, int]:
    """How its last check ended, and what that means."""
    last = stand.own.last if stand.own is not None else None
    if stand.server.check is None or last is None:
        return _NUMBERS["INI"], 0
    return _NUMBERS[last.status], _RESULTS[STATUSES[last.status].outcome]


def _health(stand: Stand) -> int:
    if stand.maintained:
        return 0
    if stand.server.check is None or stand.own is None:
        return Check().rise if stand.running else 0
    return stand.own.health.count


def _check_bits(stand: Stand) -> int:
    if stand.server.track:
        return 0
    bits = PAUSED if stand.maintained else 0
    if stand.server.check is not None and stand.own is not None:
        bits |= CONFIGURED | (0 if stand.standing.paused & HEALTH_CHECK else ENABLED)
        bits |= RUNS if stand.own.running else 0
    return bits


def _agent_bits(stand: Stand) -> int:
    agent = stand.own.agent if stand.own is not None else None
    if agent is None:
        return 0
    enabled = 0 if stand.standing.paused & AGENT_CHECK else ENABLED
    return CONFIGURED | AGENT | enabled | (RUNS if agent.running else 0)


def connections(farm: Operations, name: str) -> str:
    """The connections to the servers of a backend, or of all."""
    lines = [CONNECTIONS]
    for backend, server, live in _chosen(farm, name):
        values = farm.books.values(farm.books.server(server))
        idle, safe = values["srv_icur"], values["safe_conn_cur"]
        lines.append(
            f"{backend.name}/{server.name} {backend.number}/{server.number} {_host(live.address)} "
            f"{live.address.port} - {_PURGE_DELAY} {values['scur']} {values['smax']} {values['smax']} "
            f"{max(0, idle - safe)} {safe} -1 {idle} {idle}"
        )
    return "\n".join([*lines, ""])
