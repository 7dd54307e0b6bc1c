"""Keys that a connection or a request is counted under: ``track-sc0`` to ``track-sc2``.

A key tracked by the connection (``tcp-request connection``, ``session``) is counted until the connection
ends, one tracked by an exchange (``tcp-request content``, ``http-request``) until the exchange ends.
Where both use one number, the exchange's counts.  What is counted when is HAProxy's:

* tracking itself: ``conn_cnt``, ``conn_rate``, and ``conn_cur`` while it lasts;
* a connection that its rules let in: ``sess_cnt``, ``sess_rate`` of what it tracks by then;
* a request's head: ``http_req_cnt``, ``http_req_rate``;
* a request that was denied or invalid, and a server's 4xx: ``http_err_cnt``, ``http_err_rate``;
* an answer that is invalid, broken or 5xx but for 501 and 505: ``http_fail_cnt``, ``http_fail_rate``;
* at the end of an exchange: its bytes.
"""

from __future__ import annotations

from greenlb.exchange import Client, Exchange
from greenlb.policy.stick.entry import Entry
from greenlb.policy.stick.table import Table

NUMBERS = 3
"""sc0, sc1 and sc2."""

Tracked = list[Entry | None]


def track(holder: Exchange | Client, number: int, table: Table, key: bytes) -> bool:
    """Count ``holder`` under ``key`` from now on.  False: that number tracks something already, or a full
    table takes no more."""
    tracked: Tracked | None = holder.tracked
    if tracked is None:
        tracked = holder.tracked = [None] * NUMBERS
    elif tracked[number] is not None:
        return False
    entry = table.take(key)
    if entry is None:
        return False
    tracked[number] = entry
    entry.use += 1
    entry.current += 1
    entry.add(*table.on_track)
    return True


def tracked(x: Exchange, number: int) -> Entry | None:
    """What the exchange, or else its connection, tracks under ``number``."""
    own: Tracked | None = x.tracked
    if own is not None and own[number] is not None:
        return own[number]
    clients: Tracked | None = x.client.tracked
    return None if clients is None else clients[number]


def track_request(x: Exchange, number: int, table: Table, key: bytes) -> None:
    """``http-request track-sc``: the request counts for the key too, though its head came before."""
    if track(x, number, table, key):
        entry = tracked(x, number)
        if entry is not None:
            entry.add(*table.on_request)


def admitted(client: Client) -> None:
    """The connection passed its rules."""
    for entry in client.tracked or ():
        if entry is not None:
            entry.add(*entry.table.on_session)


def requested(x: Exchange) -> None:
    """The request's head is whole."""
    for number in range(NUMBERS):
        entry = tracked(x, number)
        if entry is not None:
            entry.add(*entry.table.on_request)


def has_failed(x: Exchange) -> bool:
    """Whether the request was denied or invalid, or its server's answer is a 4xx.  A request that did not
    come in time has not."""
    if x.request is None:
        return x.cause != "c"
    if x.response is not None:
        return 400 <= x.response.status < 500
    return x.cause == "P" and x.phase in ("R", "T") and x.status > 0


def has_broken(x: Exchange) -> bool:
    """Whether its server answered 5xx, but for 501 and 505, or with what is no answer, or not at all.
    (HAProxy does not count a body that breaks off.)"""
    if x.response is not None:
        return 500 <= x.response.status < 600 and x.response.status not in (501, 505)
    return x.phase == "H" and x.cause in ("S", "s", "P")


def ended(x: Exchange) -> None:
    """The exchange is over: count how it ended and its bytes, and end its tracking."""
    own: Tracked | None = x.tracked
    http = x.frontend.mode == "http"
    failed = http and has_failed(x)
    broken = http and has_broken(x)
    for number in range(NUMBERS):
        entry = tracked(x, number)
        if entry is not None:
            table = entry.table
            if http and x.request is None:  # it began and never became a request: HAProxy counts it too
                entry.add(*table.on_request)
            if failed:
                entry.add(*table.on_error)
            if broken:
                entry.add(*table.on_failure)
            if x.bytes_in and table.on_bytes_in != _NOTHING:
                entry.add(*table.on_bytes_in, amount=x.bytes_in)
            if x.bytes_out and table.on_bytes_out != _NOTHING:
                entry.add(*table.on_bytes_out, amount=x.bytes_out)
    if own is not None:
        x.tracked = None
        _release(own)


def left(client: Client) -> None:
    """The connection is over."""
    if client.tracked is not None:
        own, client.tracked = client.tracked, None
        _release(own)


def _release(tracked: Tracked) -> None:
    for entry in tracked:
        if entry is not None:
            entry.use -= 1
            entry.current -= 1
            entry.touch()


_NOTHING: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())
