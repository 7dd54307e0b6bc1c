"""Commands that change frontends, and limits of the whole process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from greenlb.admin.runtime.command import Command, command
from greenlb.admin.runtime.session import Session
from greenlb.model import Frontend
from greenlb.proxy.frontend_state import OPEN, PAUSED, RATES, STOPPED, FrontendState

_WARNING: Final = 4
_ALL: Final = ""
_RATE_LIMITS: Final = """'set rate-limit' only supports :
   - 'connections global' to set the per-process maximum connection rate
   - 'sessions global' to set the per-process maximum session rate
   - 'ssl-sessions global' to set the per-process maximum SSL session rate
"""
_NOTHING: Final = "has no 'maxconn' in the configuration: it cannot be given one at run time.\n"

Change = Callable[[Session, Frontend, FrontendState, Sequence[str]], str]


def _on_frontend(change: Change) -> Callable[[Session, Sequence[str]], str]:
    """A command about one frontend, its name first."""

    def run(session: Session, words: Sequence[str]) -> str:
        if not words:
            return "A frontend name is expected.\n"
        for frontend in session.farm.config.frontends:
            if frontend.name == words[0]:
                state = session.farm.fronts.read(frontend.name)
                return change(session, frontend, state, words[1:])
        return "No such frontend.\n"

    return run


def _write(session: Session, name: str, state: FrontendState) -> None:
    session.farm.fronts.write(name, state)
    session.farm.ask("frontends")


def _say(session: Session, frontend: Frontend, text: str) -> None:
    session.farm.log.event(_WARNING, text, frontend.log_targets)


def _disable(session: Session, frontend: Frontend, state: FrontendState, words: Sequence[str]) -> str:
    if state.state == STOPPED:
        return "Frontend was previously shut down, cannot disable.\n"
    if state.state == PAUSED:
        return "All sockets are already disabled.\n"
    _write(session, frontend.name, replace(state, state=PAUSED))
    session.farm.gate(frontend, PAUSED)
    _say(session, frontend, f"Paused frontend {frontend.name}.")
    return ""


def _enable(session: Session, frontend: Frontend, state: FrontendState, words: Sequence[str]) -> str:
    if state.state == STOPPED:
        return "Frontend was previously shut down, cannot enable.\n"
    if state.state == OPEN:
        return "All sockets are already enabled.\n"
    session.farm.gate(frontend, OPEN)
    _write(session, frontend.name, replace(state, state=OPEN))
    _say(session, frontend, f"Resumed frontend {frontend.name}.")
    return ""


def _shutdown(session: Session, frontend: Frontend, state: FrontendState, words: Sequence[str]) -> str:
    if state.state == STOPPED:
        return "Frontend was already shut down.\n"
    _write(session, frontend.name, replace(state, state=STOPPED))
    session.farm.gate(frontend, STOPPED)
    rows = {row.pxname: row.values for row in session.farm.books.read() if row.kind in "FB"}
    total = rows.get(frontend.name, {}).get("stot", 0)
    _say(session, frontend, f"Proxy {frontend.name} stopped (cumulated conns: FE: {total}, BE: 0).")
    return ""


def _set_maxconn(session: Session, frontend: Frontend, state: FrontendState, words: Sequence[str]) -> str:
    if not words or not words[0].lstrip("-").isdecimal():
        return "Integer value expected.\n"
    if int(words[0]) < 0:
        return "Value out of range.\n"
    if not frontend.maxconn:
        return f"This frontend {_NOTHING}"
    _write(session, frontend.name, replace(state, maxconn=int(words[0])))
    return ""


def _set_global_maxconn(session: Session, words: Sequence[str]) -> str:
    if not words or not words[0].lstrip("-").isdecimal():
        return "Expects an integer value.\n"
    most = session.farm.config.settings.maxconn
    if not most:
        return f"[global] {_NOTHING}"
    if not 0 <= int(words[0]) <= most:
        return "Value out of range.\n"
    _write(session, _ALL, FrontendState(maxconn=int(words[0]) or None))
    return ""


def _set_rate_limit(session: Session, words: Sequence[str]) -> str:
    if len(words) < 2 or words[0] not in RATES or words[1] != "global":
        return _RATE_LIMITS
    number = words[2] if len(words) > 2 else ""
    if not number.lstrip("-").isdecimal():
        return "Expects an integer value.\n"
    if int(number) < 0:
        return "Value out of range.\n"
    _write(session, RATES[words[0]], FrontendState(maxconn=int(number)))
    return ""


def _show_backends(session: Session, words: Sequence[str]) -> str:
    return "# name\n" + "".join(f"{backend.name}\n" for backend in session.farm.config.backends)


def _named(words: str, arguments: str, help: str, change: Change) -> Command:
    return command(words, "admin", arguments, help, _on_frontend(change))


COMMANDS: Final[tuple[Command, ...]] = (
    _named("disable frontend", "<frontend>", "temporarily disable specific frontend", _disable),
    _named("enable frontend", "<frontend>", "re-enable specific frontend", _enable),
    _named("set maxconn frontend", "<frontend> <value>", "change a frontend's maxconn setting", _set_maxconn),
    command(
        "set maxconn global",
        "admin",
        "<value>",
        "change the per-process maxconn setting",
        _set_global_maxconn,
    ),
    command("set rate-limit", "admin", "<setting> <value>", "change a rate limiting value", _set_rate_limit),
    command("show backend", "user", "", "list backends in the current running config", _show_backends),
    _named("shutdown frontend", "<frontend>", "stop a specific frontend", _shutdown),
)
