"""Persistence by cookie: what the client is told, what the server sees, what the log says."""

import re
from dataclasses import dataclass

import pytest

from tests.support.lb import Balancer, Launcher
from tests.support.origin import HttpOrigin, Origins
from tests.support.stream import Message, get, post, response

INI = """
[frontend fe]
bind = 127.0.0.1:{fe}
capture = cookie SERVERID len 32
default_backend = be

[backend be]
balance = roundrobin
cookie = %s
server s1 = 127.0.0.1:{s1} cookie a
server s2 = 127.0.0.1:{s2} cookie b
"""


def farm(origin: Origins, *fields: str, line: str = "200 OK") -> tuple[HttpOrigin, HttpOrigin]:
    """Two servers whose answers carry these fields and their name as the body."""
    return (
        origin.http("s1", lambda message: response(line, *fields, body=b"s1")),
        origin.http("s2", lambda message: response(line, *fields, body=b"s2")),
    )


def test_a_newcomer_gets_a_cookie(proxy: Launcher, origin: Origins) -> None:
    """insert: the first answer names the server; --NI in the log."""
    s1, s2 = farm(origin)
    lb = proxy(INI % "SERVERID insert indirect nocache", s1=s1, s2=s2)
    first, second = lb.ask(), lb.ask()
    assert (first.body, first.get("set-cookie")) == (b"s1", "SERVERID=a; path=/")
    assert (second.body, second.get("set-cookie")) == (b"s2", "SERVERID=b; path=/")
    line = lb.log()
    assert (line.flags, line.cookie, line.set_cookie) == ("--NI", "-", "-")


def test_the_cookie_sticks_and_stays_home(proxy: Launcher, origin: Origins) -> None:
    """indirect: a valid cookie leads to its server, is not set again and not shown; --VN."""
    s1, s2 = farm(origin)
    lb = proxy(INI % "SERVERID insert indirect nocache", s1=s1, s2=s2)
    for _ in range(3):
        answer = lb.ask(get("/", "Cookie: x=1; SERVERID=b; y=2"))
        assert (answer.body, answer.get("set-cookie")) == (b"s2", None)
    assert {received.message.get("cookie") for received in s2.requests} == {"x=1; y=2"}
    line = lb.log()
    assert (line.flags, line.cookie, line.to) == ("--VN", "SERVERID=b", "be/s2")


COOKIES = [
    ("SERVERID=b", None),
    ("SERVERID=b; y=2", "y=2"),
    ("x=1; SERVERID=b", "x=1"),
    ("x=1;SERVERID=b;y=2", "x=1; y=2"),
    ("x=1; SERVERID=b; y=2; z=3", "x=1; y=2; z=3"),
    ("x=1; SERVERID = b; y=2", "x=1; y=2"),
    ("XSERVERID=b; SERVERID=b", "XSERVERID=b"),
    ("SERVERID2=a; SERVERID=b", "SERVERID2=a"),
]


@dataclass
class Bench:
    """One balancer with insert indirect nocache; its servers answer /N with the fields of row N."""

    lb: Balancer
    s1: HttpOrigin
    s2: HttpOrigin


@pytest.fixture(scope="module")
def bench(module_proxy: Launcher, module_origin: Origins) -> Bench:
    def answer(message: Message) -> bytes:
        number = message.target.strip("/")
        return response("200 OK", *(CACHEABLE[int(number)][0] if number else ()))

    s1, s2 = module_origin.http("s1", answer), module_origin.http("s2", answer)
    return Bench(module_proxy(INI % "SERVERID insert indirect nocache", s1=s1, s2=s2), s1, s2)


@pytest.mark.parametrize(("sent", "seen"), COOKIES)
def test_the_cookie_is_cut_out_alone(bench: Bench, sent: str, seen: str | None) -> None:
    """Whatever stands around it is left as it was."""
    before = len(bench.s2.requests)
    assert bench.lb.ask(get("/", f"Cookie: {sent}")).status == 200
    assert len(bench.s2.requests) == before + 1
    assert bench.s2.requests[-1].message.get("cookie") == seen


def test_without_indirect_the_server_sees_the_cookie(proxy: Launcher, origin: Origins) -> None:
    """insert alone: it travels, and is set when it was not the right one."""
    s1, s2 = farm(origin)
    lb = proxy(INI % "SERVERID insert", s1=s1, s2=s2)
    assert lb.ask(get("/", "Cookie: SERVERID=b")).get("set-cookie") is None
    assert s2.requests[0].message.get("cookie") == "SERVERID=b"
    assert lb.log().flags == "--VN"


def test_an_unknown_cookie_is_replaced(proxy: Launcher, origin: Origins) -> None:
    """--II: balanced, and told anew; the wrong one does not reach the server."""
    s1, s2 = farm(origin)
    lb = proxy(INI % "SERVERID insert indirect", s1=s1, s2=s2)
    answer = lb.ask(get("/", "Cookie: SERVERID=zz"))
    assert answer.get("set-cookie") == "SERVERID=a; path=/"
    assert s1.requests[0].message.get("cookie") is None
    line = lb.log()
    assert (line.flags, line.cookie) == ("--II", "SERVERID=zz")


def test_the_servers_own_cookie_of_that_name(proxy: Launcher, origin: Origins) -> None:
    """insert: the server's own cookie of that name is dropped for ours; preserve keeps it."""
    s1, s2 = farm(origin, "Set-Cookie: SERVERID=app; path=/x", "Set-Cookie: other=1")
    lb = proxy(INI % "SERVERID insert indirect", s1=s1, s2=s2)
    assert lb.ask().all("set-cookie") == ["other=1", "SERVERID=a; path=/"]
    line = lb.log()
    assert (line.set_cookie, line.flags) == ("SERVERID=app", "--NI")


def test_preserve_keeps_the_servers_own(proxy: Launcher, origin: Origins) -> None:
    """preserve: what the server set is the application's wish."""
    s1, s2 = farm(origin, "Set-Cookie: SERVERID=app; path=/x")
    lb = proxy(INI % "SERVERID insert indirect preserve", s1=s1, s2=s2)
    assert lb.ask().all("set-cookie") == ["SERVERID=app; path=/x"]
    assert lb.log().flags == "--NP"


CACHEABLE = [
    (("ETag: x",), ["private"]),
    (("Last-Modified: Tue, 20 Oct 2026 08:46:05 GMT",), ["private"]),
    (("Expires: Tue, 20 Oct 2037 08:46:05 GMT",), ["private"]),
    (("Cache-Control: max-age=60",), ["max-age=60", "private"]),
    (("Cache-Control: public",), ["public"]),
    (("Cache-Control: no-store", "ETag: x"), ["no-store"]),
    (("Cache-Control: private", "ETag: x"), ["private"]),
    (("Cache-Control: no-cache", "ETag: x"), ["no-cache"]),
    (("Cache-Control: max-age=0", "ETag: x"), ["max-age=0"]),
    (("Pragma: no-cache", "ETag: x"), []),
    ((), []),
]


@pytest.mark.parametrize("number", range(len(CACHEABLE)), ids=lambda n: ",".join(CACHEABLE[n][0]) or "bare")
def test_nocache(bench: Bench, number: int) -> None:
    """nocache: Cache-control: private joins an inserted cookie where a cache might keep the answer."""
    answer = bench.lb.ask(get(f"/{number}"))
    assert answer.get("set-cookie") in ("SERVERID=a; path=/", "SERVERID=b; path=/")
    assert answer.all("cache-control") == CACHEABLE[number][1]


def test_nocache_without_a_cookie(proxy: Launcher, origin: Origins) -> None:
    """Nothing is inserted, so nothing is said about caches."""
    s1, s2 = farm(origin, "ETag: x")
    lb = proxy(INI % "SERVERID insert indirect nocache", s1=s1, s2=s2)
    assert lb.ask(get("/", "Cookie: SERVERID=a")).all("cache-control") == []


def test_postonly(proxy: Launcher, origin: Origins) -> None:
    """postonly: only the answer to a POST brings the cookie."""
    s1, s2 = farm(origin)
    lb = proxy(INI % "SERVERID insert indirect postonly", s1=s1, s2=s2)
    assert lb.ask().get("set-cookie") is None
    assert lb.ask(post("/", b"x")).get("set-cookie") == "SERVERID=b; path=/"
    assert (lb.log().flags, lb.log().flags) == ("--NN", "--NI")


def test_attributes(proxy: Launcher, origin: Origins) -> None:
    """All attributes, in HAProxy's order."""
    s1, s2 = farm(origin)
    spec = "SERVERID insert indirect httponly secure domain .example.com domain .example.org "
    spec += 'attr "SameSite=None"'
    lb = proxy(INI % spec, s1=s1, s2=s2)
    assert (
        lb.ask().get("set-cookie")
        == "SERVERID=a; path=/; domain=.example.com; domain=.example.org; HttpOnly; Secure; SameSite=None"
    )


def test_dates(proxy: Launcher, origin: Origins) -> None:
    """maxidle and maxlife: the cookie carries when it was last and first seen; a fresh one is valid."""
    s1, s2 = farm(origin)
    lb = proxy(INI % "SERVERID insert indirect maxidle 30m maxlife 8h", s1=s1, s2=s2)
    cookie = lb.ask().get("set-cookie")
    assert cookie is not None
    found = re.fullmatch(r"(SERVERID=a\|([A-Za-z0-9+/-]{5})\|([A-Za-z0-9+/-]{5})); path=/", cookie)
    assert found and found[2] == found[3]
    again = lb.ask(get("/", f"Cookie: {found[1]}"))
    assert again.body == b"s1"
    flags = [lb.log().flags, lb.log().flags]
    assert flags[0] == "--NI"
    assert flags[1] in ("--VN", "--VU")


def test_an_undated_cookie_is_dated(proxy: Launcher, origin: Origins) -> None:
    """A cookie from before the dates is taken, and dated."""
    s1, s2 = farm(origin)
    lb = proxy(INI % "SERVERID insert indirect maxidle 30m", s1=s1, s2=s2)
    answer = lb.ask(get("/", "Cookie: SERVERID=b"))
    assert answer.body == b"s2"
    assert re.fullmatch(r"SERVERID=b\|[A-Za-z0-9+/-]{5}; path=/", answer.get("set-cookie") or "")
    assert lb.log().flags == "--VU"


@pytest.mark.parametrize(
    ("spec", "cookie", "flag"), [("maxidle 30m", "b|aAAAA", "E"), ("maxlife 8h", "b|aAAAA|aAAAA", "O")]
)
def test_a_cookie_past_its_time(proxy: Launcher, origin: Origins, spec: str, cookie: str, flag: str) -> None:
    """Too idle (E) or too old (O): balanced anew."""
    s1, s2 = farm(origin)
    lb = proxy(INI % f"SERVERID insert indirect {spec}", s1=s1, s2=s2)
    answer = lb.ask(get("/", f"Cookie: SERVERID={cookie}"))
    assert answer.body == b"s1"
    assert (answer.get("set-cookie") or "").startswith("SERVERID=a|")
    assert lb.log().flags == f"--{flag}I"


def test_rewrite(proxy: Launcher, origin: Origins) -> None:
    """rewrite: the application's cookie gets our value, and none is made where it set none."""
    values = iter([("Set-Cookie: SERVERID=app; path=/x",), ()])
    s1 = origin.http("s1", lambda message: response("200 OK", *next(values), body=b"s1"))
    lb = proxy(INI % "SERVERID rewrite", s1=s1, s2=s1)
    assert lb.ask().get("set-cookie") == "SERVERID=a; path=/x"
    assert lb.ask().get("set-cookie") is None
    assert (lb.log().flags, lb.log().flags) == ("--NR", "--NN")


def test_prefix(proxy: Launcher, origin: Origins) -> None:
    """prefix: the application's cookie carries our name before its own value, and gives it back."""
    s1, s2 = farm(origin, "Set-Cookie: SERVERID=app; path=/x")
    lb = proxy(INI % "SERVERID prefix", s1=s1, s2=s2)
    assert lb.ask().get("set-cookie") == "SERVERID=a~app; path=/x"
    assert lb.ask(get("/", "Cookie: q=1; SERVERID=b~app; r=2")).body == b"s2"
    assert s2.requests[0].message.get("cookie") == "q=1; SERVERID=app; r=2"
    assert (lb.log().flags, lb.log().flags) == ("--NR", "--VR")


def test_a_server_without_a_cookie(proxy: Launcher, origin: Origins) -> None:
    """Its clients hold no cookie: what they have is cleared."""
    s1 = origin.http("s1")
    ini = INI.replace(" cookie a", "").replace("server s2 = 127.0.0.1:{s2} cookie b\n", "")
    lb = proxy(ini % "SERVERID insert indirect", s1=s1)
    cleared = "SERVERID=; Expires=Thu, 01-Jan-1970 00:00:01 GMT; path=/"
    assert lb.ask().get("set-cookie") == cleared
    assert lb.ask(get("/", "Cookie: SERVERID=gone")).get("set-cookie") == cleared


def test_dynamic(proxy: Launcher, origin: Origins) -> None:
    """dynamic: servers need no value of their own, it is a hash of address, port and key."""
    s1, s2 = farm(origin)
    ini = INI.replace(" cookie a", "").replace(" cookie b", "") + "dynamic-cookie-key = secret\n"
    lb = proxy(ini % "SERVERID insert indirect dynamic", s1=s1, s2=s2)
    cookies = [lb.ask().get("set-cookie") or "" for _ in range(2)]
    values = [
        found[1] for cookie in cookies if (found := re.fullmatch(r"SERVERID=([0-9a-f]{16}); path=/", cookie))
    ]
    assert len(set(values)) == 2
    assert [lb.ask(get("/", f"Cookie: SERVERID={value}")).body for value in values] == [b"s1", b"s2"]


def test_a_cookie_of_a_server_that_is_down(proxy: Launcher, origin: Origins) -> None:
    """--DI: the check has taken it out, another one serves and says so."""
    s1, down = origin.http("s1"), origin.refusing()
    ini = INI.replace(" cookie b", " cookie b check inter 100ms fall 1")
    lb = proxy(ini % "SERVERID insert indirect", s1=s1, s2=down)
    lb.syslog.message(r"Server be/s2 is DOWN.*")
    answer = lb.ask(get("/", "Cookie: SERVERID=b"))
    assert (answer.body, answer.get("set-cookie")) == (b"s1", "SERVERID=a; path=/")
    assert lb.log().flags == "--DI"


def test_a_persistent_client_over_many_requests(proxy: Launcher, origin: Origins) -> None:
    """On one connection the cookie decides each request anew."""
    s1, s2 = farm(origin)
    lb = proxy(INI % "SERVERID insert indirect", s1=s1, s2=s2)
    with lb.connect() as client:
        bodies = []
        for value in "abba":
            client.send(get("/", f"Cookie: SERVERID={value}"))
            bodies.append(client.read_response().body)
    assert bodies == [b"s1", b"s2", b"s2", b"s1"]


def test_the_added_fields_are_spelled_as_people_know_them(greenlb: Launcher, origin: Origins) -> None:
    """Set-Cookie and Cache-control; HAProxy 2.6 writes both in lower case."""
    s1, s2 = farm(origin, "ETag: x")
    answer = greenlb(INI % "SERVERID insert indirect nocache", s1=s1, s2=s2).ask()
    assert [name for name, _ in answer.fields][-2:] == ["Set-Cookie", "Cache-control"]
