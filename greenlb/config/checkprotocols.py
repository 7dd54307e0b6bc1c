"""The checks of single protocols: each is a small script."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from greenlb.config.checkwords import Cursor, compile_text, expect
from greenlb.config.values import ConfigError
from greenlb.policy.scope import Scope
from greenlb.policy.vocabulary import octets
from greenlb.protocol import probes
from greenlb.script import Connect, Expect, Script, Send, Step

_PLAIN: Final = Connect(default=True, implicit=True)
_GENTLE: Final = Connect(1, default=True, linger=True)
"""For servers that take a reset for a failure of their clients."""

_HELLO: Final = (
    "16" "0300" "0079"  # a record: handshake, SSLv3, its length
    "01" "000075" "0300"  # ClientHello, its length, SSLv3
    "%[date(),htonl,hex]" "%[str('HAPROXYSSLCHK\nHAPROXYSSLCHK\n'),hex]"  # the time and 28 random bytes
    "00" "004E"  # no session ID, 39 cipher suites
    + "".join(f"{suite:04X}" for suite in (*range(0x01, 0x1C), *range(0x2F, 0x3B)))
    + "01" "00"  # no compression
)  # fmt: skip
"""HAProxy's SSLv3 ClientHello (RFC 6101 section 5.6.1.2), so that servers' logs show what they did."""


def script(name: str, words: Sequence[str], scope: Scope) -> Script:
    """The script of ``option NAME WORDS``.  Raises ConfigError."""
    cursor = Cursor(name, words)
    steps = _FAMILIES[name](cursor, scope)
    cursor.end()
    return Script(name, steps)


def _expect(number: int, scope: Scope, *words: str) -> Expect:
    return expect(number, Cursor("expect", words), scope)


def _ssl_hello(cursor: Cursor, scope: Scope) -> tuple[Step, ...]:
    judged = ("min-recv", "5", "ok-status", "L6OK", "error-status", "L6RSP", "tout-status", "L6TOUT")
    return (
        _PLAIN,
        Send(1, compile_text(_HELLO, scope), hexadecimal=True),
        _expect(2, scope, "rbinary", "^1[56]", *judged),
    )


def _redis(cursor: Cursor, scope: Scope) -> tuple[Step, ...]:
    said = ("on-error", "%[res.payload(0,0),cut_crlf]", "on-success", "Redis server is ok")
    return (
        _PLAIN,
        Send(1, b"*1\r\n$4\r\nPING\r\n"),
        _expect(2, scope, "string", "+PONG\r\n", "error-status", "L7STS", *said),
    )


def _smtp(cursor: Cursor, scope: Scope) -> tuple[Step, ...]:
    greeting = "HELO localhost"
    if word := cursor.accept("EHLO", "HELO"):
        greeting = f"{word} {cursor.take('a name')}"
    if any(character < " " for character in greeting):
        raise ConfigError("a name has no control characters")
    rest = "%[res.payload(4,0),ltrim(' '),cut_crlf]"
    line, code = "%[res.payload(0,0),cut_crlf]", ("status-code", "res.payload(0,3)")
    least = ("min-recv", "4")
    return (
        _GENTLE,
        _expect(2, scope, "rstring", "^[0-9]{3}[ \r]", *least, "error-status", "L7RSP", "on-error", line),
        _expect(
            3, scope, "rstring", "^2[0-9]{2}[ \r]", *least, "error-status", "L7STS", "on-error", rest, *code
        ),
        Send(4, octets(greeting) + b"\r\n"),
        _expect(
            *(5, scope, "rstring", "^2[0-9]{2}[- \r]", *least, "error-status", "L7STS"),
            *("on-error", rest, "on-success", rest, *code),
        ),
    )


def _user(cursor: Cursor, required: bool) -> bytes:
    """``user NAME``; empty when it is not there and need not be."""
    if not cursor.accept("user"):
        if required or not cursor.ended:
            raise ConfigError("expected 'user NAME'")
        return b""
    name = octets(cursor.take("a user's name"))
    if not name or b"\0" in name:
        raise ConfigError("a user's name is not empty and has no NUL")
    return name


def _pgsql(cursor: Cursor, scope: Scope) -> tuple[Step, ...]:
    return (
        _GENTLE,
        Send(2, probes.pgsql_startup(_user(cursor, required=True))),
        _expect(
            *(3, scope, "!rstring", "^E", "min-recv", "5", "error-status", "L7RSP"),
            *("on-error", "%[res.payload(6,0)]"),
        ),
        _expect(
            *(4, scope, "rbinary", "^52000000(08|0A|0C)000000(00|02|03|04|05|06)", "min-recv", "9"),
            *("error-status", "L7STS", "on-success", "PostgreSQL server is ok"),
            *("on-error", "PostgreSQL unknown error"),
        ),
    )


def _mysql(cursor: Cursor, scope: Scope) -> tuple[Step, ...]:
    user = _user(cursor, required=False)
    greeting = partial(probes.mysql_packet, number=0, last=not user)
    if not user:
        return (_GENTLE, Expect(2, "custom", reader=greeting))
    packet = probes.mysql_login(user, old=cursor.accept("post-41", "pre-41") == "pre-41")
    answer = partial(probes.mysql_packet, number=1, last=True)
    # The server speaks first, and what it says to the login is behind its greeting.
    return (
        _GENTLE,
        Send(2, packet),
        Expect(3, "custom", reader=greeting),
        Expect(4, "custom", reader=answer),
    )


def _ldap(cursor: Cursor, scope: Scope) -> tuple[Step, ...]:
    return (
        _PLAIN,
        Send(1, probes.LDAP_BIND),
        _expect(2, scope, "rbinary", "^30", "min-recv", "14", "on-error", "Not LDAPv3 protocol"),
        Expect(3, "custom", reader=probes.ldap_bound),
    )


_FAMILIES: Final[Mapping[str, Callable[[Cursor, Scope], tuple[Step, ...]]]] = {
    "ssl-hello-chk": _ssl_hello,
    "redis-check": _redis,
    "smtpchk": _smtp,
    "mysql-check": _mysql,
    "pgsql-check": _pgsql,
    "ldap-check": _ldap,
}
"""By the second word of the option."""
