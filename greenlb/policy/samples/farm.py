"""Samples of the farm as it is now, in all processes: ``nbsrv(be)``, ``srv_conn(be/s1)``, ``fe_conn``.

A name that is left out is that of the section.
"""

from __future__ import annotations

from collections.abc import Callable

from greenlb.policy.farm import Handle
from greenlb.policy.vocabulary import Argument, Fetch, Kind, Sample

_BACKEND = (Argument("backend", "backend", True),)
_FRONTEND = (Argument("frontend", "frontend", True),)
_SERVER = (Argument("[backend/]server", "server"),)


def _asks(question: str) -> Callable[[Handle], Fetch]:
    """A fetch that calls a function of what the handle stands for."""

    def make(handle: Handle) -> Fetch:
        handle.asked.add(question)
        return lambda x: getattr(handle.now, question)()

    return make


def _average(handle: Handle) -> Fetch:
    def fetch(x: object) -> int:
        queued: int = handle.now.queued()
        usable: int = handle.now.usable()
        return -(-queued // usable) if usable else 2 * queued

    return fetch


def _row(name: str, question: str, arguments: tuple[Argument, ...], doc: str, kind: Kind = "int") -> Sample:
    return Sample(name, kind, "", doc, _asks(question), arguments)


def _priority(part: int) -> Fetch:
    return lambda x: 0 if x.wishes is None else x.wishes.priority[part]


ROWS = (
    Sample("prio_class", "int", "", "The class that set-priority-class gave it.", lambda: _priority(0)),
    Sample("prio_offset", "int", "", "The offset that set-priority-offset gave it.", lambda: _priority(1)),
    _row("nbsrv", "usable", _BACKEND, "How many servers of a backend may be chosen."),
    _row("be_conn", "sessions", _BACKEND, "Requests, or connections in mode tcp, that a backend has."),
    _row("be_conn_free", "free", _BACKEND, "How many more its usable servers take; -1: one has no maxconn."),
    _row(
        "connslots",
        "slots",
        _BACKEND,
        "How many more its servers and their queues take; -1: one has no maxconn or no maxqueue.",
    ),
    _row("queue", "queued", _BACKEND, "How many wait in a backend's queue and in its servers'."),
    Sample(
        "avg_queue",
        "int",
        "",
        "The same for each server that may be chosen, rounded up; twice that when there is none.",
        _average,
        _BACKEND,
    ),
    _row("be_sess_rate", "rate", _BACKEND, "How many a backend got in the last second."),
    _row("fe_conn", "sessions", _FRONTEND, "Client connections of a frontend."),
    _row("fe_sess_rate", "rate", _FRONTEND, "How many of them came in the last second."),
    _row("fe_req_rate", "request_rate", _FRONTEND, "How many requests came in the last second."),
    _row("srv_is_up", "up", _SERVER, "Whether a server is up and not in maintenance.", "bool"),
    _row("srv_conn", "sessions", _SERVER, "What a server has."),
    _row("srv_conn_free", "free", _SERVER, "How many more it takes; -1: it has no maxconn."),
    _row("srv_queue", "queued", _SERVER, "How many wait in its queue."),
    _row("srv_sess_rate", "rate", _SERVER, "How many it got in the last second."),
    _row("srv_weight", "weight", _SERVER, "Its weight as it counts now."),
    _row("srv_uweight", "user_weight", _SERVER, "Its weight as it was last set."),
    _row("srv_iweight", "initial_weight", _SERVER, "Its weight in the configuration."),
)
