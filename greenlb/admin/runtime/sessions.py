"""Commands about sessions: those of all workers, listed and ended."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from greenlb.admin.runtime.command import Command, command
from greenlb.admin.runtime.servers import Mistake, find
from greenlb.admin.runtime.session import Session

_WAITING: Final = 2
_STATES: Final = {0: "INI", 2: "QUE", 5: "CON", 8: "EST"}
_UNITS: Final = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def ago(seconds: float) -> str:
    """A time as HAProxy tells it, in its two largest units: ``27m35s``."""
    left = int(seconds)
    parts: list[str] = []
    for unit, size in _UNITS:
        if left >= size or (parts and len(parts) < _WAITING) or unit == "s":
            parts.append(f"{left // size}{unit}")
            left %= size
        if len(parts) == _WAITING:
            break
    return "".join(parts)


def _all(session: Session) -> list[dict[str, Any]]:
    answers = session.farm.ask("sessions")
    found = [each for answer in answers for each in answer.get("sessions", ())]
    return sorted(found, key=lambda each: each["began"])


def _source(facts: Mapping[str, Any]) -> str:
    return f"unix:{facts['port']}" if facts["proto"] == "unix_stream" else f"{facts['src']}:{facts['port']}"


def _line(facts: Mapping[str, Any]) -> str:
    return (
        f"{facts['id']:#x}: proto={facts['proto']} src={_source(facts)} fe={facts['frontend']}"
        f" be={facts['backend'] or '<NONE>'} srv={facts['server'] or '<none>'} ts=00 epoch=0"
        f" age={ago(facts['age'])} calls=1 rate=0 cpu=0 lat=0"
        " rq[f=00h,i=0,an=00h,rx=,wx=,ax=] rp[f=00h,i=0,an=00h,rx=,wx=,ax=]"
        f" scf=[8,00h,fd={facts['fd']}] scb=[{facts['state']},00h,fd={facts['server_fd']}]"
        f" exp= rc={facts['retries']} c_exp=\n"
    )


def _at(address: str) -> str:
    return f" addr={address}" if address else ""


def _details(facts: Mapping[str, Any]) -> str:
    began, mode = facts["began"], facts["mode"] if facts["backend"] else "-"
    date = time.strftime("%d/%b/%Y:%H:%M:%S", time.localtime(began))
    return (
        f"{facts['id']:#x}: [{date}.{int(began % 1 * 1e6):06d}] id={facts['id'] & (1 << 40) - 1}"
        f" proto={facts['proto']} source={_source(facts)}\n"
        f"  conn_retries={facts['retries']} age={ago(facts['age'])} request={facts['line'] or '<none>'}\n"
        f"  frontend={facts['frontend']} (id={facts['ids'][0]} mode={facts['mode']}),"
        f" listener={facts['listener']} addr={facts['dst']}:{facts['dst_port']}\n"
        f"  backend={facts['backend'] or '<NONE>'} (id={facts['ids'][1]} mode={mode}){_at(facts['from'])}\n"
        f"  server={facts['server'] or '<NONE>'} (id={facts['ids'][2]}){_at(facts['to'])}\n"
        f"  scf=(state=EST fd={facts['fd']})\n"
        f"  scb=(state={_STATES[facts['state']]} fd={facts['server_fd']})\n"
    )


def _show(session: Session, words: Sequence[str]) -> str:
    if not words:
        return "".join(map(_line, _all(session)))
    if words[0] == "all":
        return "".join(map(_details, _all(session)))
    wanted = _identity(words[0])
    for facts in _all(session):
        if facts["id"] == wanted:
            return _details(facts)
    return "Session not found.\n"


def _identity(text: str) -> int:
    try:
        return int(text, 16)
    except ValueError:
        return 0


def _shutdown(session: Session, words: Sequence[str]) -> str:
    if not words:
        return "Session pointer expected (use 'show sess').\n"
    answers = session.farm.ask("shut", session=_identity(words[0]))
    if not any(answer.get("ended") for answer in answers):
        return "No such session (use 'show sess').\n"
    return ""


def _shutdown_of_server(session: Session, words: Sequence[str]) -> str:
    try:
        backend, state = find(session, words)
    except Mistake as mistake:
        return str(mistake)
    session.farm.ask("shut", server=f"{backend.model.name}/{state.server.name}")
    return ""


COMMANDS: Final[tuple[Command, ...]] = (
    command(
        "show sess",
        "operator",
        "[id]",
        "report the list of current sessions or dump this exact session",
        _show,
    ),
    command("shutdown session", "admin", "[id]", "kill a specific session", _shutdown),
    command(
        "shutdown sessions server", "admin", "<bk>/<srv>", "kill sessions on a server", _shutdown_of_server
    ),
)
