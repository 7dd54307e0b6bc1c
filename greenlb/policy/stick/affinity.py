"""``stick``: clients that come back to their server, by a key in a table.

A backend's rules in HAProxy's order (src/stream.c, process_sticking_rules and process_store_rules): the
request's rules run once a cookie has had its say; ``match`` asks the table, ``store`` remembers the key;
when the server is connected, or in mode http has answered, the remembered keys and those of the
response's rules are given its name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from greenlb.exchange import Exchange, Undecided
from greenlb.model import Condition, Server
from greenlb.policy.stick.keys import Encode
from greenlb.policy.stick.table import Table
from greenlb.policy.vocabulary import Fetch

MOST: int = 8
"""Keys that one exchange stores, as in HAProxy."""


@dataclass(frozen=True, slots=True)
class StickRule:
    """One ``stick`` line.  ``hello``: its key is a TLS session ID, read from the bytes of a hello;
    ``text``: as it was written."""

    table: Table
    fetch: Fetch
    encode: Encode
    match: bool
    store: bool
    condition: Condition | None = None
    hello: bool = False
    text: str = ""

    def key(self, x: Exchange) -> bytes | None:
        """The key of this exchange; None when the condition or the sample gives none."""
        try:
            if self.condition is not None and not self.condition(x):
                return None
            value = self.fetch(x)
        except Undecided:  # the bytes it asks for did not come in time
            return None
        return None if value is None else self.encode(value)


class Affinity:
    """The rules of one backend, and what they need to know of its servers.  ``wants_hello``: what is
    to be stored, or whether anything is, shows in the server's hello."""

    def __init__(
        self,
        requests: Sequence[StickRule],
        responses: Sequence[StickRule],
        servers: Sequence[Server],
        persist: bool = False,
    ) -> None:
        self._requests = tuple(requests)
        self._responses = tuple(responses)
        self._named = {server.name.encode(): server for server in servers}
        self._numbered = {server.number: server for server in servers}
        self._persist = persist
        self.wants_hello = any(rule.hello for rule in responses) or any(
            rule.hello and rule.store for rule in requests
        )

    def __str__(self) -> str:
        return "; ".join(rule.text for rule in (*self._requests, *self._responses))

    def match(self, x: Exchange, usable: Callable[[Server], bool], decided: bool = False) -> Server | None:
        """The server that the exchange's key belongs to, if it may be used; ``decided`` when a cookie named
        one already.  Notes the keys to store."""
        found: Server | None = None
        keys: list[tuple[StickRule, bytes]] | None = None
        for rule in self._requests:
            key = rule.key(x)
            if key is None:
                continue
            if rule.match and found is None and not decided:
                known = rule.table.server_of(key)
                if known is not None:
                    found = self._server(known, usable)
            if rule.store:
                keys = [] if keys is None else keys
                keys.append((rule, key))
        x.stick_keys = keys
        return found

    def _server(self, known: tuple[bytes, int], usable: Callable[[Server], bool]) -> Server | None:
        name, number = known
        server = self._named.get(name) if name else self._numbered.get(number)
        return server if server is not None and (self._persist or usable(server)) else None

    def store(self, x: Exchange) -> None:
        """The exchange is with its server: the keys belong to that.  Of a TLS 1.3 connection no session ID
        is stored: its hellos bear random ones, which never come again (RFC 8446 section 4.1.2)."""
        keys: list[tuple[StickRule, bytes]] = x.stick_keys or []
        x.stick_keys = None
        for rule in self._responses:
            key = rule.key(x)
            if key is not None:
                keys.append((rule, key))
        server = x.server
        if server is None or not keys or server.non_stick:
            return
        name, number = server.name.encode(), server.number
        for rule, key in keys[:MOST]:
            if not (rule.hello and _is_random(x)):
                rule.table.keep_server(key, name, number)


def _is_random(x: Exchange) -> bool:
    """Whether the server chose TLS 1.3."""
    try:
        hello = None if x.ahead_response is None else x.ahead_response.hello()
    except Undecided:
        return False
    return hello is not None and hello.tls13
