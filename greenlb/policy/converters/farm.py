"""Converters from the name of a backend or a server to how it is now: ``var(txn.be),nbsrv``."""

from __future__ import annotations

from collections.abc import Mapping

from greenlb.exchange import Exchange
from greenlb.policy.farm import Handle
from greenlb.policy.vocabulary import Argument, Convert, Converter


def _usable(backends: Mapping[str, Handle]) -> Convert:
    def convert(x: Exchange, value: bytes) -> int | None:
        handle = backends.get(value.decode("utf-8", "surrogateescape"))
        return None if handle is None else int(handle.now.usable())

    return convert


def _queued(servers: Mapping[str, Handle]) -> Convert:
    def convert(x: Exchange, value: bytes) -> int | None:
        name = value.decode("utf-8", "surrogateescape")
        if "/" not in name and x.backend is not None:
            name = f"{x.backend.name}/{name}"
        handle = servers.get(name)
        return None if handle is None else int(handle.now.queued())

    return convert


ROWS = (
    Converter(
        "nbsrv",
        "str",
        "int",
        "How many servers of the backend of that name may be chosen.",
        _usable,
        (Argument("", "backends", True),),
    ),
    Converter(
        "srv_queue",
        "str",
        "int",
        "How many wait for the server of that name: BACKEND/SERVER, or a server of the request's backend.",
        _queued,
        (Argument("", "servers", True),),
    ),
)
