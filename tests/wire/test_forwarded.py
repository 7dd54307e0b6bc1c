"""What a server learns about the client: X-Forwarded-For, -Proto and -Port, and who may say so."""

from tests.support.certs import Authority
from tests.support.client import context_for
from tests.support.lb import Launcher
from tests.support.origin import Origins
from tests.support.stream import get

INI = """
[frontend fe]
bind = 127.0.0.1:{fe}
default_backend = be

[backend be]
server s1 = 127.0.0.1:{s1}
"""


def with_option(option: str) -> str:
    return INI.replace("default_backend", f"{option}\ndefault_backend")


def test_forwardfor_appends_the_client(proxy: Launcher, origin: Origins) -> None:
    """Ours stands after what the client sent."""
    s1 = origin.http("s1")
    lb = proxy(with_option("option forwardfor = yes"), s1=s1)
    lb.ask(get("/", "X-Forwarded-For: 203.0.113.9", "Accept: */*"))
    seen = s1.requests[0].message
    assert seen.all("x-forwarded-for") == ["203.0.113.9", "127.0.0.1"]
    assert seen.names[-1] == "x-forwarded-for"


def test_forwardfor_is_spelled_as_people_know_it(greenlb: Launcher, origin: Origins) -> None:
    """X-Forwarded-For, as curl and tcpdump show it; HAProxy writes it in lower case."""
    s1 = origin.http("s1")
    greenlb(with_option("option forwardfor = yes"), s1=s1).ask()
    assert ("X-Forwarded-For", "127.0.0.1") in s1.requests[0].message.fields


def test_forwardfor_in_the_backend(proxy: Launcher, origin: Origins) -> None:
    """The option may stand in either section; in both it still adds one field."""
    s1 = origin.http("s1")
    lb = proxy(with_option("option forwardfor = yes") + "option forwardfor = yes\n", s1=s1)
    lb.ask()
    assert s1.requests[0].message.all("x-forwarded-for") == ["127.0.0.1"]


def test_forwardfor_except(proxy: Launcher, origin: Origins) -> None:
    """except NET: clients of that network are not named."""
    s1 = origin.http("s1")
    lb = proxy(with_option("option forwardfor = except 127.0.0.0/30"), s1=s1)
    lb.ask()
    with lb.connect(source="127.0.0.7") as client:
        client.send(get())
        client.read_response()
    assert [r.message.all("x-forwarded-for") for r in s1.requests] == [[], ["127.0.0.7"]]


def test_forwardfor_header(proxy: Launcher, origin: Origins) -> None:
    """header NAME: another field carries it."""
    s1 = origin.http("s1")
    lb = proxy(with_option("option forwardfor = header X-Client"), s1=s1)
    lb.ask()
    seen = s1.requests[0].message
    assert (seen.get("x-client"), seen.get("x-forwarded-for")) == ("127.0.0.1", None)


def test_forwardfor_if_none(proxy: Launcher, origin: Origins) -> None:
    """if-none: nothing is added where there is one already."""
    s1 = origin.http("s1")
    lb = proxy(with_option("option forwardfor = if-none"), s1=s1)
    lb.ask(get("/", "X-Forwarded-For: 203.0.113.9"))
    lb.ask()
    assert [r.message.all("x-forwarded-for") for r in s1.requests] == [["203.0.113.9"], ["127.0.0.1"]]


def test_proto_and_port(proxy: Launcher, origin: Origins, authority: Authority) -> None:
    """The usual three, over http and https, as people write them in a backend."""
    s1 = origin.http("s1")
    ini = """
[frontend fe]
bind = 127.0.0.1:{fe}
       127.0.0.1:{tls} ssl crt {pem}
default_backend = be

[backend be]
option forwardfor = yes
http-request = set-header X-Forwarded-Port %[dst_port]
               add-header X-Forwarded-Proto https if { ssl_fc }
server s1 = 127.0.0.1:{s1}
"""
    lb = proxy(ini, s1=s1, pem=authority.pem("www.example.com"))
    lb.ask(get("/", "X-Forwarded-Port: 1", "X-Forwarded-Port: 2"))
    with lb.connect_tls(context_for(), name="tls") as client:
        client.send(get())
        client.read_response()
    plain, tls = (received.message for received in s1.requests)
    assert plain.all("x-forwarded-port") == [str(lb.port("fe"))]
    assert plain.all("x-forwarded-proto") == []
    assert tls.all("x-forwarded-port") == [str(lb.port("tls"))]
    assert tls.all("x-forwarded-proto") == ["https"]
    assert tls.all("x-forwarded-for") == ["127.0.0.1"]


def test_reqadd_is_understood(proxy: Launcher, origin: Origins) -> None:
    """The old spelling, with its escaped blank; HAProxy threw it out in 2.1, so it is told in the new one."""
    s1 = origin.http("s1")
    ini = with_option("reqadd = X-Forwarded-Proto:\\ https\noption forwardfor = yes")
    cfg = with_option("http-request = add-header X-Forwarded-Proto https\noption forwardfor = yes")
    lb = proxy(ini, cfg, s1=s1)
    lb.ask(get("/", "Accept: */*"))
    seen = s1.requests[0].message
    assert seen.names == ["host", "accept", "x-forwarded-proto", "x-forwarded-for"]
    assert seen.get("x-forwarded-proto") == "https"


def test_rspadd_is_understood(proxy: Launcher, origin: Origins) -> None:
    """The same for answers."""
    s1 = origin.http("s1")
    lb = proxy(
        with_option("rspadd = X-Via:\\ greenlb\\ 1"),
        with_option("http-response = add-header X-Via greenlb\\ 1"),
        s1=s1,
    )
    assert lb.ask().get("x-via") == "greenlb 1"


def test_names_with_an_underscore_are_dropped(greenlb: Launcher, origin: Origins) -> None:
    """To a WSGI server X_Forwarded_For and X-Forwarded-For are the same key: only ours gets there."""
    s1 = origin.http("s1")
    lb = greenlb(with_option("option forwardfor = yes"), s1=s1)
    names = ["X_Forwarded_For", "x_y", "_X", "X_", "Content_Length", "Transfer_Encoding", "X-Forwarded_For"]
    for name in names:
        lb.ask(get("/", f"{name}: 203.0.113.9", "X-Kept: 1"))
        assert (name, s1.requests[-1].message.names) == (name, ["host", "x-kept", "x-forwarded-for"])


def test_names_with_an_underscore_may_be_allowed(greenlb: Launcher, origin: Origins) -> None:
    """option accept-underscore-headers lets them pass."""
    s1 = origin.http("s1")
    lb = greenlb(with_option("option accept-underscore-headers = yes"), s1=s1)
    lb.ask(get("/", "X_Y: 1"))
    assert s1.requests[0].message.get("x_y") == "1"


TRUSTING = """
[frontend fe]
bind = 127.0.0.1:{fe}
trusted-proxies = 127.0.0.2 10.0.0.0/8
option forwardfor = yes
http-request = set-header X-Src %[src]
               deny if { src 203.0.113.66 }
default_backend = be

[backend be]
server s1 = 127.0.0.1:{s1}
"""


NAMED = [
    (["X-Forwarded-For: 203.0.113.9"], "203.0.113.9"),
    (["X-Forwarded-For: 198.51.100.1, 203.0.113.9"], "203.0.113.9"),
    (["X-Forwarded-For: 198.51.100.1, 203.0.113.9, 10.1.1.1"], "203.0.113.9"),
    (["X-Forwarded-For: 198.51.100.1", "X-Forwarded-For: 203.0.113.9 , 10.0.0.1"], "203.0.113.9"),
    (["X-Forwarded-For: 2001:db8::7"], "2001:db8::7"),
    ([], "127.0.0.2"),
]


def test_a_trusted_proxy_names_the_client(greenlb: Launcher, origin: Origins) -> None:
    """From a trusted peer, the client is the rightmost address that is not trusted itself."""
    s1 = origin.http("s1")
    lb = greenlb(TRUSTING, s1=s1)
    for sent, client in NAMED:
        with lb.connect(source="127.0.0.2") as peer:
            peer.send(get("/", *sent))
            assert peer.read_response().status == 200
        assert (sent, s1.requests[-1].message.get("x-src")) == (sent, client)
        assert lb.log().client == client


def test_a_trusted_proxys_client_is_subject_to_the_rules(greenlb: Launcher, origin: Origins) -> None:
    """src in a condition means the client that was named."""
    lb = greenlb(TRUSTING, s1=origin.http("s1"))
    with lb.connect(source="127.0.0.2") as peer:
        peer.send(get("/", "X-Forwarded-For: 203.0.113.66"))
        assert peer.read_response().status == 403


def test_a_stranger_is_not_believed(greenlb: Launcher, origin: Origins) -> None:
    """From anyone else X-Forwarded-* and Forwarded are taken off before ours are added."""
    s1 = origin.http("s1")
    lb = greenlb(TRUSTING, s1=s1)
    forged = [
        "X-Forwarded-For: 10.9.9.9",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: evil",
        "X-Forwarded-Port: 443",
        "Forwarded: for=10.9.9.9",
    ]
    lb.ask(get("/", *forged, "Accept: */*"))
    seen = s1.requests[0].message
    assert seen.names == ["host", "accept", "x-src", "x-forwarded-for"]
    assert (seen.get("x-src"), seen.get("x-forwarded-for")) == ("127.0.0.1", "127.0.0.1")
    assert lb.log().client == "127.0.0.1"


def test_a_trusted_proxy_that_names_nobody(greenlb: Launcher, origin: Origins) -> None:
    """What is no address, or only trusted ones, never becomes an address that nobody said."""
    s1 = origin.http("s1")
    lb = greenlb(TRUSTING, s1=s1)
    named = {"10.0.0.1": "10.0.0.1", "203.0.113.9:1234": "203.0.113.9"}
    for forged in ("unknown", "1.2.3", "_hidden", "", "203.0.113.9, unknown", *named):
        with lb.connect(source="127.0.0.2") as peer:
            peer.send(get("/", f"X-Forwarded-For: {forged}"))
            assert peer.read_response().status == 200
        assert s1.requests[-1].message.get("x-src") in ("127.0.0.2", named.get(forged))
