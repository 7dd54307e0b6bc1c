"""Persistence on the wire."""

from __future__ import annotations

from greenlb.model import Address
from greenlb.policy import cookie
from tests.support import cookie_table
from tests.support.lb import Launcher
from tests.support.origin import Origins
from tests.support.stream import get, response

DYNAMIC = """
[frontend fe]
bind = 127.0.0.1:{fe}
default_backend = be

[backend be]
cookie = SRV insert dynamic
dynamic-cookie-key = secret
server s1 = 127.0.0.1:{s1}
server s2 = 127.0.0.1:{s2} cookie fixed
"""


def test_every_case_of_the_table(proxy: Launcher) -> None:
    """What the server sees, what the client gets, and the log's flags."""
    table = cookie_table.Table(proxy)
    try:
        wrong = []
        for case, expected in cookie_table.load():
            outcome = table.ask(case)
            if outcome != expected:
                wrong.append((case, expected, outcome))
    finally:
        table.close()
    assert not wrong, f"{len(wrong)} cases, first {wrong[:3]}"


def test_dynamic_cookies(proxy: Launcher, origin: Origins) -> None:
    """A server without a cookie gets one made of its address, its port and the key; it brings back there."""
    s1, s2 = origin.http("s1"), origin.http("s2")
    lb = proxy(DYNAMIC, s1=s1, s2=s2)
    made = cookie.dynamic_value("secret", Address("127.0.0.1", s1.port))
    given = [lb.ask().get("set-cookie") for _ in range(2)]
    assert given == [f"SRV={made}; path=/", "SRV=fixed; path=/"]
    for value, name in ((made, "s1"), ("fixed", "s2"), (made, "s1")):
        answer = lb.ask(get("/", f"Cookie: SRV={value}"))
        assert answer.get("x-origin") == name
        assert answer.get("set-cookie") is None


CAPTURE = """
[frontend fe]
bind = 127.0.0.1:{fe}
capture = cookie SRV= len 8
default_backend = be

[backend be]
cookie = SRV insert indirect
server s1 = 127.0.0.1:{s1} cookie a1
"""


def test_capture_cookie(proxy: Launcher, origin: Origins) -> None:
    """The log has what the client sent, before it is stripped, and what the server set, before we do."""
    s1 = origin.http(
        "s1", lambda message: response("200 OK", "Set-Cookie: SRVX=no", "Set-Cookie: SRV=from-app")
    )
    lb = proxy(CAPTURE, s1=s1)
    lb.ask(get("/", "Cookie: SRVX=1; SRV=a1; x=y"))
    assert s1.requests[0].message.all("cookie") == ["SRVX=1; x=y"]
    line = lb.log()
    assert (line.cookie, line.set_cookie) == ("SRV=a1", "SRV=from")
    lb.ask()
    line = lb.log()
    assert line.cookie == "-"


REDISPATCH = """
[frontend fe]
bind = 127.0.0.1:{fe}
default_backend = be

[backend be]
retries = 1
option redispatch = yes
timeout connect = 100ms
cookie = SRV insert indirect
server s1 = 127.0.0.1:{s1} cookie a1
server s2 = 127.0.0.1:{s2} cookie a2
"""


def test_a_redispatched_exchange_gets_a_new_cookie(proxy: Launcher, origin: Origins) -> None:
    """The cookie's server refuses: the last retry goes elsewhere, and so will the client from then on."""
    s1, s2 = origin.refusing(), origin.http("s2")
    lb = proxy(REDISPATCH, s1=s1, s2=s2)
    answer = lb.ask(get("/", "Cookie: SRV=a1"))
    assert answer.get("set-cookie") == "SRV=a2; path=/"
    line = lb.log()
    assert (line.to, line.flags, line.retries) == ("be/s2", "--DI", "+1")


def test_option_persist(proxy: Launcher, origin: Origins) -> None:
    """A server that is down is tried nonetheless for a client whose cookie names it."""
    s1, s2 = origin.http("s1"), origin.http("s2")
    ini = REDISPATCH.replace("retries = 1\n", "option persist = yes\n").replace(
        "cookie a1", "cookie a1 disabled"
    )
    lb = proxy(ini, s1=s1, s2=s2)
    answer = lb.ask(get("/", "Cookie: SRV=a1"))
    assert (answer.get("x-origin"), answer.get("set-cookie")) == ("s1", None)
    assert lb.log().flags == "--DN"
    assert lb.ask().get("x-origin") == "s2"
