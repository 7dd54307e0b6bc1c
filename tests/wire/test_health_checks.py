"""Health checks that speak: what each is told, and what is logged of it, side by side with HAProxy."""

from __future__ import annotations

import csv
import re

from tests.support.lb import Launcher
from tests.support.origin import Origins
from tests.support.runtime import ask
from tests.support.scripted import Scripted

ANSWERS: dict[str, bytes | None] = {
    "ok": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    "wrong": b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
    "missing": b"HTTP/1.0 404 Not Found\r\n\r\n",
    "garbage": b"garbage\r\n\r\n",
    "empty": b"",
    "half": b"HTTP/1.1 200 OK\r\n",
    "hangs": None,
    "alert": b"\x15\x03\x00\x00\x02\x02\x28",
    "redis": b"+PONG\r\n",
    "mysql": b"\x0a\0\0\0\x0a8.0.36\0xx",
    "ldap": b"0\x0c\x02\x01\x01a\x07\x0a\x01\0\x04\0\x04\0",
    "pgsql": b"R\0\0\0\x08\0\0\0\0",
}

FARM = r"""
[global]
log = 127.0.0.1:{syslog} local0
stats socket = {dir}/stats level admin

[defaults]
log = global
mode = http
timeout connect = 1s
timeout client = 5s
timeout server = 5s
option log-health-checks = yes

[frontend fe]
bind = 127.0.0.1:{fe}
default_backend = http

[backend http]
option httpchk = yes
server ok = 127.0.0.1:{ok} check inter 1500ms
server wrong = 127.0.0.1:{wrong} check inter 1500ms
server missing = 127.0.0.1:{missing} check inter 1500ms
server garbage = 127.0.0.1:{garbage} check inter 1500ms
server empty = 127.0.0.1:{empty} check inter 1500ms
server half = 127.0.0.1:{half} check inter 1500ms
server hangs = 127.0.0.1:{hangs} check inter 1500ms
server refused = 127.0.0.1:{refused} check inter 1500ms
server tls = 127.0.0.1:{ok} check inter 1500ms check-ssl verify none
server tlshangs = 127.0.0.1:{hangs} check inter 1500ms check-ssl verify none

[backend gentle]
option httpchk = GET /x HTTP/1.1\r\nHost:localhost
http-check = disable-on-404
  send-state
server missing = 127.0.0.1:{missing} check inter 1500ms
server wrong = 127.0.0.1:{wrong} check inter 1500ms

[backend body]
option httpchk = GET /
http-check = send meth PUT uri /put ver HTTP/1.1 hdr Host a.b hdr X-A %[str(x)] body hello
  expect string hi
server ok = 127.0.0.1:{ok} check inter 1500ms
server wrong = 127.0.0.1:{wrong} check inter 1500ms
server hangs = 127.0.0.1:{hangs} check inter 1500ms

[backend tcp]
mode = tcp
option httpchk = yes
http-check = expect ! status 200
server ok = 127.0.0.1:{ok} check inter 1500ms
server wrong = 127.0.0.1:{wrong} check inter 1500ms

[backend hello]
mode = tcp
option ssl-hello-chk = yes
server plain = 127.0.0.1:{ok} check inter 1500ms
server alert = 127.0.0.1:{alert} check inter 1500ms
server empty = 127.0.0.1:{empty} check inter 1500ms
server hangs = 127.0.0.1:{hangs} check inter 1500ms
server refused = 127.0.0.1:{refused} check inter 1500ms

[backend plain]
mode = tcp
server ok = 127.0.0.1:{ok} check inter 1500ms
server refused = 127.0.0.1:{refused} check inter 1500ms

[backend steps]
mode = tcp
option tcp-check = yes
tcp-check = comment talk
  send PING\r\n
  expect string +PONG
  send-binary 5155
  expect ! rstring no
server redis = 127.0.0.1:{redis} check inter 1500ms
server ok = 127.0.0.1:{ok} check inter 1500ms
server empty = 127.0.0.1:{empty} check inter 1500ms
server hangs = 127.0.0.1:{hangs} check inter 1500ms
server refused = 127.0.0.1:{refused} check inter 1500ms

[backend ports]
mode = tcp
option tcp-check = yes
tcp-check = connect port {ok}
  send hello
  expect rstring ^HTTP
  connect port {refused} comment second
server ok = 127.0.0.1:{redis} check inter 1500ms

[backend redis]
mode = tcp
option redis-check = yes
server redis = 127.0.0.1:{redis} check inter 1500ms
server ok = 127.0.0.1:{ok} check inter 1500ms

[backend mysql]
mode = tcp
option mysql-check = yes
server mysql = 127.0.0.1:{mysql} check inter 1500ms
server alert = 127.0.0.1:{alert} check inter 1500ms

[backend ldap]
mode = tcp
option ldap-check = yes
server ldap = 127.0.0.1:{ldap} check inter 1500ms
server alert = 127.0.0.1:{alert} check inter 1500ms

[backend pgsql]
mode = tcp
option pgsql-check = user me
server pgsql = 127.0.0.1:{pgsql} check inter 1500ms
"""

SPEAKS = ("mysql",)
MASKED = re.compile(r"check duration: [0-9]+ms|[0-9]+ active and")
SAID = re.compile(r"Health check for server ([a-z]+/[a-z]+) .*")

EXPECTED: dict[str, str] = {
    "http/ok": "succeeded, reason: Layer7 check passed, code: 200, N, status: 3/3 UP.",
    "http/wrong": 'failed, reason: Layer7 wrong status, code: 503, info: "Service Unavailable", N, '
    "status: 0/2 DOWN.",
    "http/missing": 'failed, reason: Layer7 wrong status, code: 404, info: "Not Found", N, status: 0/2 DOWN.',
    "http/garbage": "failed, reason: Layer7 invalid response, N, status: 0/2 DOWN.",
    "http/empty": "failed, reason: Layer7 invalid response, N, status: 0/2 DOWN.",
    "http/half": "failed, reason: Layer7 invalid response, N, status: 0/2 DOWN.",
    "http/hangs": "failed, reason: Layer7 timeout, N, status: 0/2 DOWN.",
    "http/refused": 'failed, reason: Layer4 connection problem, info: "Connection refused", N, '
    "status: 0/2 DOWN.",
    "http/tls": 'failed, reason: Layer6 invalid response, info: "SSL handshake failure", N, '
    "status: 0/2 DOWN.",
    "http/tlshangs": "failed, reason: Layer6 timeout, N, status: 0/2 DOWN.",
    "gentle/missing": "conditionally succeeded, reason: Layer7 check conditionally passed, code: 404, N, "
    "status: 3/3 UP.",
    "gentle/wrong": 'failed, reason: Layer7 wrong status, code: 503, info: "Service Unavailable", N, '
    "status: 0/2 DOWN.",
    "body/ok": "succeeded, reason: Layer7 check passed, code: 200, N, status: 3/3 UP.",
    "body/wrong": 'failed, reason: Layer7 invalid response, info: "HTTP content check could not find a '
    'response body", N, status: 0/2 DOWN.',
    "body/hangs": "failed, reason: Layer7 timeout, N, status: 0/2 DOWN.",
    "tcp/ok": 'failed, reason: Layer7 wrong status, code: 200, info: "OK", N, status: 0/2 DOWN.',
    "tcp/wrong": "succeeded, reason: Layer7 check passed, code: 503, N, status: 3/3 UP.",
    "hello/plain": "failed, reason: Layer6 invalid response, N, status: 0/2 DOWN.",
    "hello/alert": "succeeded, reason: Layer6 check passed, N, status: 3/3 UP.",
    "hello/empty": 'failed, reason: Layer6 invalid response, info: "TCPCHK got an empty response at step 2", '
    "N, status: 0/2 DOWN.",
    "hello/hangs": "failed, reason: Layer6 timeout, N, status: 0/2 DOWN.",
    "hello/refused": 'failed, reason: Layer4 connection problem, info: "Connection refused", N, '
    "status: 0/2 DOWN.",
    "plain/ok": "succeeded, reason: Layer4 check passed, N, status: 3/3 UP.",
    "plain/refused": 'failed, reason: Layer4 connection problem, info: "Connection refused", N, '
    "status: 0/2 DOWN.",
    "steps/redis": 'failed, reason: Layer7 invalid response, info: "TCPCHK got an empty response at step 5", '
    "N, status: 0/2 DOWN.",
    "steps/ok": "failed, reason: Layer7 invalid response, info: \"TCPCHK did not match content '+PONG' at "
    'step 3", N, status: 0/2 DOWN.',
    "steps/empty": 'failed, reason: Layer7 invalid response, info: "TCPCHK got an empty response at step 3", '
    "N, status: 0/2 DOWN.",
    "steps/hangs": 'failed, reason: Layer7 timeout, info: " at step 3 of tcp-check (expect string '
    "'+PONG')\", N, status: 0/2 DOWN.",
    "steps/refused": 'failed, reason: Layer4 connection problem, info: "Connection refused at initial '
    'connection step of tcp-check", N, status: 0/2 DOWN.',
    "redis/redis": 'succeeded, reason: Layer7 check passed, code: 0, info: "Redis server is ok", N, '
    "status: 3/3 UP.",
    "redis/ok": 'failed, reason: Layer7 wrong status, code: 0, info: "HTTP/1.1 200 OK", N, status: 0/2 DOWN.',
    "mysql/mysql": 'succeeded, reason: Layer7 check passed, code: 0, info: "8.0.36", N, status: 3/3 UP.',
    "mysql/alert": "failed, reason: Layer7 timeout, N, status: 0/2 DOWN.",
    "ldap/ldap": 'succeeded, reason: Layer7 check passed, code: 0, info: "Success", N, status: 3/3 UP.',
    "ldap/alert": 'failed, reason: Layer7 invalid response, info: "Not LDAPv3 protocol", N, '
    "status: 0/2 DOWN.",
    "pgsql/pgsql": 'succeeded, reason: Layer7 check passed, code: 0, info: "PostgreSQL server is ok", N, '
    "status: 3/3 UP.",
}
"""The first line of each server's check, as HAProxy 2.6 logs it."""


def check_figures(text: str) -> None:
    """The statistics' columns of checks say the same."""
    rows = {f"{row['# pxname']}/{row['svname']}": row for row in csv.DictReader(text.splitlines())}
    for name, expected in EXPECTED.items():
        row = rows[name]
        failed = "1" if expected.startswith("failed") else "0"
        assert (row["chkfail"], row["chkdown"]) == (failed, failed), name
        assert f"reason: {row['check_desc']}," in expected
        assert (f'info: "{row["last_chk"]}"' in expected) is bool(row["last_chk"]), name
        assert (f", code: {row['check_code']}" in expected) is bool(row["check_code"]), name
        health = ("2", "3", "0" if expected.startswith("failed") else "4")
        assert (row["check_rise"], row["check_fall"], row["check_health"]) == health
        assert row["status"] == ("DOWN" if failed == "1" else "NOLB" if name == "gentle/missing" else "UP")


def test_every_kind_of_check_says_what_haproxy_says(proxy: Launcher, origin: Origins) -> None:
    """The request of each, its status, its text, and the lines of the servers that it turns."""
    made = {name: Scripted(answer, speaks=name in SPEAKS) for name, answer in ANSWERS.items()}
    try:
        lb = proxy(FARM, refused=origin.refusing(), **made)
        seen: dict[str, str] = {}
        told: list[str] = []
        while set(EXPECTED) - set(seen):
            text = MASKED.sub("N", lb.syslog.message(".*(Health check for|Server|backend) .*").text)
            told.append(text)
            found = SAID.fullmatch(text)
            if found:
                seen.setdefault(found[1], text.partition(f"{found[1]} ")[2])
        figures = ask(lb, "show stat")
    finally:
        for each in made.values():
            each.close()
    assert {name: seen[name] for name in EXPECTED} == EXPECTED
    check_figures(figures)
    assert "Connection refused at step 4 of tcp-check (connect port " in seen["ports/ok"]
    left = "0 sessions active, 0 requeued, 0 remaining in queue."
    assert f"Server http/wrong is DOWN. N 0 backup servers left. {left}" in told
    requeued = "0 sessions requeued, 0 total in queue."
    assert f"Server gentle/missing is stopping. N 0 backup servers online. {requeued}" in told
    ok, missing = made["ok"].heard, made["missing"].heard
    assert b"OPTIONS / HTTP/1.0\r\n\r\n" in ok
    assert b"hello" in ok
    put = next(data for data in ok if data.startswith(b"PUT /put HTTP/1.1\r\n"))
    assert put.endswith(b"\r\n\r\nhello")
    assert b"\r\nhost: a.b\r\nx-a: x\r\n" in put.lower()
    assert b"\r\ncontent-length: 5\r\n" in put.lower()
    state = next(data for data in missing if data.startswith(b"GET /x HTTP/1.1\r\n")).lower()
    assert b"\r\nx-haproxy-server-state: up 1/3; address=127.0.0.1; port=" in state
    assert b"; name=gentle/missing; " in state
    assert b"; weight=1/2; scur=0/0; qcur=0\r\n" in state
