"""Which backend, which server."""

import socket
from collections import Counter
from collections.abc import Callable

import pytest

from tests.support.lb import Launcher
from tests.support.origin import Origins
from tests.support.stream import Stream, get

INI = """
[frontend fe]
bind = 127.0.0.1:{fe}
default_backend = be

[backend be]
balance = %s
server s1 = 127.0.0.1:{s1}
server s2 = 127.0.0.1:{s2}
"""


def test_use_backend(proxy: Launcher, origin: Origins) -> None:
    """The first use_backend whose condition holds, else the default; the log names it."""
    ini = """
[frontend fe]
bind = 127.0.0.1:{fe}
acl is_api = path_beg /api
use_backend = api if is_api
              img if { path_end .png } !is_api
default_backend = be

[backend api]
server s1 = 127.0.0.1:{s1}
[backend img]
server s2 = 127.0.0.1:{s2}
[backend be]
server s3 = 127.0.0.1:{s3}
"""
    lb = proxy(ini, s3=origin.http("s3"), s1=origin.http("s1"), s2=origin.http("s2"))
    bodies = [lb.ask(get(path)).body for path in ("/api/x.png", "/x.png", "/x")]
    assert bodies == [b"s1", b"s2", b"s3"]
    assert [lb.log().to for _ in range(3)] == ["api/s1", "img/s2", "be/s3"]


def test_use_backend_by_a_name_in_the_request(proxy: Launcher, origin: Origins) -> None:
    """use_backend %[...]: a name that is rendered; an unknown one falls to the default."""
    ini = """
[frontend fe]
bind = 127.0.0.1:{fe}
use_backend = %[req.hdr(x-to),lower]
default_backend = be

[backend be]
server s1 = 127.0.0.1:{s1}
[backend other]
server s2 = 127.0.0.1:{s2}
"""
    lb = proxy(ini, s1=origin.http("s1"), s2=origin.http("s2"))
    assert [lb.ask(get("/", f"X-To: {name}")).body for name in ("OTHER", "none")] == [b"s2", b"s1"]


def test_a_keep_alive_client_is_routed_each_time(proxy: Launcher, origin: Origins) -> None:
    """Requests of one connection may go to different backends."""
    ini = """
[frontend fe]
bind = 127.0.0.1:{fe}
use_backend = two if { path /2 }
default_backend = one

[backend one]
server s1 = 127.0.0.1:{s1}
[backend two]
server s2 = 127.0.0.1:{s2}
"""
    lb = proxy(ini, s1=origin.http("s1"), s2=origin.http("s2"))
    with lb.connect() as client:
        bodies = []
        for path in ("/1", "/2", "/1", "/2"):
            client.send(get(path))
            bodies.append(client.read_response().body)
    assert bodies == [b"s1", b"s2", b"s1", b"s2"]


def test_listen_is_both(proxy: Launcher, origin: Origins) -> None:
    """listen: a frontend and a backend in one; the log names it twice."""
    ini = "\n[listen web]\nbind = 127.0.0.1:{fe}\nserver s1 = 127.0.0.1:{s1}\nserver s2 = 127.0.0.1:{s2}\n"
    lb = proxy(ini, s1=origin.http("s1"), s2=origin.http("s2"))
    assert [lb.ask().body, lb.ask().body] == [b"s1", b"s2"]
    line = lb.log()
    assert (line.frontend, line.to) == ("web", "web/s1")


def test_several_binds(proxy: Launcher, origin: Origins) -> None:
    """Several addresses, one line with a comma or one a line, and a unix socket."""
    ini = """
[frontend fe]
bind = 127.0.0.1:{fe},127.0.0.1:{second}
       unix@{dir}/fe.sock
default_backend = be

[backend be]
server s1 = 127.0.0.1:{s1}
"""
    lb = proxy(ini, s1=origin.http("s1"))
    assert (lb.ask().body, lb.ask(name="second").body) == (b"s1", b"s1")
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(str(lb.directory / "fe.sock"))
    with Stream(sock) as client:
        client.send(get())
        assert client.read_response().body == b"s1"


def test_roundrobin_is_seen_as_turns(proxy: Launcher, origin: Origins) -> None:
    """s1, s2, s1, s2 ..., on one connection or on many."""
    lb = proxy(INI % "roundrobin", s1=origin.http("s1"), s2=origin.http("s2"))
    assert [lb.ask().body for _ in range(4)] == [b"s1", b"s2", b"s1", b"s2"]
    with lb.connect() as client:
        bodies = []
        for _ in range(4):
            client.send(get())
            bodies.append(client.read_response().body)
    assert bodies == [b"s1", b"s2", b"s1", b"s2"]


@pytest.mark.parametrize("algorithm", ["roundrobin", "static-rr"])
def test_weights_are_smooth(proxy: Launcher, origin: Origins, algorithm: str) -> None:
    """weight 3 against 1: three turns of four, and the light one is not starved at the end."""
    ini = (INI % algorithm).replace("{s1}", "{s1} weight 3").replace("{s2}", "{s2} weight 1")
    lb = proxy(ini, s1=origin.http("s1"), s2=origin.http("s2"))
    bodies = [lb.ask().body for _ in range(8)]
    assert Counter(bodies) == {b"s1": 6, b"s2": 2}
    assert Counter(bodies[:4]) == {b"s1": 3, b"s2": 1}


def test_weight_zero_gets_only_its_own(proxy: Launcher, origin: Origins) -> None:
    """weight 0: no new client, but those whose cookie names it."""
    ini = (INI % "roundrobin\ncookie = S insert indirect").replace("{s1}", "{s1} cookie a weight 0")
    lb = proxy(ini.replace("{s2}", "{s2} cookie b"), s1=origin.http("s1"), s2=origin.http("s2"))
    assert [lb.ask().body for _ in range(3)] == [b"s2"] * 3
    assert lb.ask(get("/", "Cookie: S=a")).body == b"s1"


def test_leastconn_avoids_the_busy_one(proxy: Launcher, origin: Origins) -> None:
    """While one server holds a request, new ones go to the other."""
    s1, s2 = origin(), origin.http("s2")
    lb = proxy(INI % "leastconn", s1=s1, s2=s2)
    with lb.connect() as slow:
        slow.send(get("/slow"))
        s1.take()
        assert [lb.ask().body for _ in range(3)] == [b"s2"] * 3


def test_first_fills_up_the_first(proxy: Launcher, origin: Origins) -> None:
    """first: the first server until its maxconn is reached, then the next."""
    s1, s2 = origin(), origin.http("s2")
    ini = (INI % "first").replace("{s1}", "{s1} maxconn 1").replace("{s2}", "{s2} maxconn 5")
    lb = proxy(ini, s1=s1, s2=s2)
    with lb.connect() as slow:
        slow.send(get("/slow"))
        s1.take()
        assert [lb.ask().body for _ in range(2)] == [b"s2"] * 2


STICKY: list[tuple[str, Callable[[int], bytes]]] = [
    ("source", lambda key: get("/")),
    ("uri", lambda key: get(f"/{key}?q={key * 2}")),
    ("url_param id", lambda key: get(f"/?a=b&id={key}")),
    ("hdr(X-User)", lambda key: get("/", f"X-User: {key}")),
]


@pytest.mark.parametrize(("algorithm", "ask"), STICKY, ids=[algorithm for algorithm, _ in STICKY])
@pytest.mark.parametrize("kind", ["map-based", "consistent"])
def test_hashes_lead_a_key_to_one_server(
    proxy: Launcher, origin: Origins, algorithm: str, ask: Callable[[int], bytes], kind: str
) -> None:
    """The same key goes to the same server, and different keys find both."""
    lb = proxy(
        INI.replace("server s1", "hash-type = " + kind + "\nserver s1") % algorithm,
        s1=origin.http("s1"),
        s2=origin.http("s2"),
    )
    where: dict[int, bytes] = {}
    for key in [*range(12), *range(12)]:
        source = f"127.0.1.{key + 1}" if algorithm == "source" else None
        with lb.connect(source=source) as client:
            client.send(ask(key))
            body = client.read_response().body
        assert where.setdefault(key, body) == body
    assert set(where.values()) == {b"s1", b"s2"}


def test_uri_hash_is_over_the_path(proxy: Launcher, origin: Origins) -> None:
    """balance uri looks at the path without its query."""
    lb = proxy(INI % "uri", s1=origin.http("s1"), s2=origin.http("s2"))
    for path in ("/a", "/b", "/c", "/d"):
        assert len({lb.ask(get(f"{path}?{query}")).body for query in range(4)}) == 1


def test_a_missing_key_takes_turns(proxy: Launcher, origin: Origins) -> None:
    """No such parameter: round robin."""
    lb = proxy(INI % "url_param id", s1=origin.http("s1"), s2=origin.http("s2"))
    assert Counter(lb.ask().body for _ in range(4)) == {b"s1": 2, b"s2": 2}


def test_random_finds_both(proxy: Launcher, origin: Origins) -> None:
    """random: by chance, and all get their part."""
    lb = proxy(INI % "random", s1=origin.http("s1"), s2=origin.http("s2"))
    assert set(Counter(lb.ask().body for _ in range(40))) == {b"s1", b"s2"}


def test_backup_steps_in(proxy: Launcher, origin: Origins) -> None:
    """A backup serves when no active server is left, and not before."""
    dead, s2 = origin.refusing(), origin.http("s2")
    ini = (INI % "roundrobin").replace("{s1}", "{s1} check inter 100ms fall 1 rise 1")
    lb = proxy(ini.replace("{s2}", "{s2} backup"), s1=dead, s2=s2)
    lb.syslog.message(r"Server be/s1 is DOWN.* 0 active and 1 backup servers left\. Running on backup\..*")
    assert [lb.ask().body for _ in range(2)] == [b"s2", b"s2"]


def test_default_server(proxy: Launcher, origin: Origins) -> None:
    """default-server: what servers below it say unless they say otherwise."""
    ini = (INI % "roundrobin").replace("server s1", "default-server = weight 3\nserver s1")
    lb = proxy(ini.replace("{s2}", "{s2} weight 1"), s1=origin.http("s1"), s2=origin.http("s2"))
    assert Counter(lb.ask().body for _ in range(8)) == {b"s1": 6, b"s2": 2}


def test_a_disabled_server_is_left_out(proxy: Launcher, origin: Origins) -> None:
    """disabled: known, not used."""
    lb = proxy(
        (INI % "roundrobin").replace("{s1}", "{s1} disabled"), s1=origin.http("s1"), s2=origin.http("s2")
    )
    assert [lb.ask().body for _ in range(3)] == [b"s2"] * 3
