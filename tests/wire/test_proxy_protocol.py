"""The PROXY protocol on both sides: who a client is, told to us and told by us, beside HAProxy."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from greenlb.protocol import proxyline
from greenlb.protocol.proxyline import Ends
from tests.support.certs import Authority
from tests.support.client import context_for
from tests.support.lb import Launcher
from tests.support.oracle import Oracle, need_haproxy
from tests.support.origin import Origins
from tests.support.stream import Stream, get, response

INI = """
[defaults]
log = global
mode = tcp
option tcplog = yes
timeout connect = 3s
timeout client = 8s
timeout server = 8s

[frontend fe]
bind = 127.0.0.1:{fe} %s
%s
default_backend = be

[backend be]
server s1 = 127.0.0.1:{s1} %s
"""
HTTP = INI.replace("mode = tcp", "mode = http").replace("tcplog", "httplog")
CLIENT = Ends("192.0.2.7", 4711, "198.51.100.1", 443)
SIX = Ends("2001:db8::7", 4711, "2001:db8::1", 443)


def read_header(server: Stream) -> proxyline.Header:
    """The header that a connection begins with, and no byte more."""
    data = b""
    while (header := proxyline.read(data)) is None:
        data += server.read(1)
    return header


@pytest.fixture
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Oracle]:
    """HAProxy as a peer of greenlb's."""
    need_haproxy()
    launcher = Oracle(tmp_path_factory.mktemp("haproxy"))
    yield launcher
    launcher.close()


# -- told to us --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        proxyline.line(CLIENT),
        proxyline.binary(CLIENT),
        proxyline.binary(CLIENT, ((4, b"pad"),), checksum=True),
    ],
    ids=["v1", "v2", "v2-crc32c"],
)
def test_the_client_is_who_the_header_says(proxy: Launcher, origin: Origins, header: bytes) -> None:
    """In rules, in the log, towards the server; the bytes behind the header pass."""
    s1 = origin()
    lb = proxy(
        INI % ("accept-proxy", "tcp-request = content reject unless { src 192.0.2.7 }", "send-proxy"), s1=s1
    )
    with lb.connect() as client:
        client.send(header + b"hello")
        server = s1.accept()
        assert read_header(server).ends == CLIENT
        assert server.read(5) == b"hello"
        server.close()
        client.read_to_close()
    line = lb.log()
    assert (line.client, line.port, line.flags) == ("192.0.2.7", 4711, "--")


def test_over_ipv6(proxy: Launcher, origin: Origins) -> None:
    s1 = origin()
    lb = proxy(INI % ("accept-proxy", "", "send-proxy-v2"), s1=s1)
    with lb.connect() as client:
        client.send(proxyline.line(SIX))
        assert read_header(s1.accept()).ends == SIX


@pytest.mark.parametrize("header", [proxyline.binary(None), b"PROXY UNKNOWN\r\n"], ids=["local", "unknown"])
def test_what_tells_nothing_leaves_real_addresses(proxy: Launcher, origin: Origins, header: bytes) -> None:
    s1 = origin()
    lb = proxy(INI % ("accept-proxy", "", "send-proxy"), s1=s1)
    with lb.connect() as client:
        client.send(header)
        assert read_header(s1.accept()).ends == Ends("127.0.0.1", client.port, "127.0.0.1", lb.port())


def test_a_header_in_pieces(greenlb: Launcher, origin: Origins) -> None:
    """It is waited for; HAProxy takes it in one piece only."""
    s1 = origin()
    lb = greenlb(INI % ("accept-proxy", "", ""), s1=s1)
    for header in (proxyline.line(CLIENT), proxyline.binary(CLIENT)):
        with lb.connect() as client:
            for at in range(len(header)):
                client.send(header[at : at + 1])
                client.until_read()
            client.send(b"hello")
            assert s1.accept().read(5) == b"hello"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", proxyline.NOT_HEADER),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 x 2\r\n", proxyline.BAD_HEADER),
        (b"PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n", proxyline.BAD_PROTOCOL),
        (proxyline.binary(CLIENT, ((3, b"none"),)), proxyline.BAD_HEADER),
    ],
)
def test_anything_else_is_refused(proxy: Launcher, origin: Origins, data: bytes, text: str) -> None:
    s1 = origin()
    lb = proxy(INI % ("accept-proxy", "", ""), s1=s1)
    with lb.connect() as client:
        client.send(data)
        with contextlib.suppress(ConnectionError):
            client.expect_closed()
    assert lb.syslog.message(".* fe/1: .*").text.endswith(f" fe/1: {text}")
    s1.expect_nobody()


def test_silence_is_refused(proxy: Launcher, origin: Origins) -> None:
    """Within timeout client."""
    lb = proxy(INI % ("accept-proxy", "timeout client = 300ms", ""), s1=origin())
    with lb.connect() as client:
        client.expect_closed()
    assert lb.syslog.message(".* fe/1: .*").text.endswith(proxyline.LATE)
    with lb.connect():
        pass
    assert lb.syslog.message(".* fe/1: .*").text.endswith(proxyline.EMPTY)


def test_silence_is_not_logged_with_dontlognull(proxy: Launcher, origin: Origins) -> None:
    front = "timeout client = 300ms\noption dontlognull = yes"
    lb = proxy(INI % ("accept-proxy", front, ""), s1=origin())
    with lb.connect() as client:
        client.expect_closed()
    with lb.connect():
        pass
    with lb.connect() as client:
        client.send(b"rubbish in place of it\r\n")
        with contextlib.suppress(ConnectionError):
            client.expect_closed()
    assert lb.syslog.receive().text.endswith(proxyline.NOT_HEADER)


def test_before_tls(proxy: Launcher, origin: Origins, authority: Authority) -> None:
    """The header comes in the clear, the handshake behind it, in one packet too."""
    s1 = origin()
    pem = authority.pem("a.example")
    lb = proxy(INI % (f"accept-proxy ssl crt {pem}", "", "send-proxy"), s1=s1)
    with lb.connect() as client:
        client.send(proxyline.line(CLIENT))
        tls = context_for().wrap_socket(client.sock, server_hostname="a.example")
        tls.sendall(b"secret")
        server = s1.accept()
        assert read_header(server).ends == CLIENT
        assert server.read(6) == b"secret"
        tls.close()


def test_from_some_alone(proxy: Launcher, origin: Origins) -> None:
    """expect-proxy: who is to send a header is a rule's to say."""
    s1 = origin()
    rule = "tcp-request = connection expect-proxy layer4 if { src 127.0.0.2 }"
    lb = proxy(INI % ("", rule, "send-proxy"), s1=s1)
    with lb.connect(source="127.0.0.2") as client:
        client.send(proxyline.line(CLIENT))
        assert read_header(s1.accept()).ends == CLIENT
    with lb.connect() as client:
        client.send(b"hello")
        server = s1.accept()
        ends = read_header(server).ends
        assert ends is not None and ends.src == "127.0.0.1"
        assert server.read(5) == b"hello"


def test_in_mode_http(proxy: Launcher, origin: Origins) -> None:
    """X-Forwarded-For has the client of the header."""
    s1 = origin()
    lb = proxy(HTTP % ("accept-proxy", "option forwardfor = yes", ""), s1=s1)
    with lb.connect() as client:
        client.send(proxyline.binary(CLIENT) + get())
        server = s1.accept()
        assert server.read_request().get("x-forwarded-for") == "192.0.2.7"
        server.send(response())
        client.read_response()
    assert lb.log().client == "192.0.2.7"


# -- told by us --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keyword", ["send-proxy", "send-proxy-v2"])
def test_the_server_is_told(proxy: Launcher, origin: Origins, keyword: str) -> None:
    s1 = origin()
    lb = proxy(INI % ("", "", keyword), s1=s1)
    with lb.connect() as client:
        client.send(b"hello")
        server = s1.accept()
        header = read_header(server)
        assert header.ends == Ends("127.0.0.1", client.port, "127.0.0.1", lb.port())
        assert server.read(5) == b"hello"


def test_what_tls_was_is_told(proxy: Launcher, origin: Origins, authority: Authority) -> None:
    """Byte for byte what HAProxy tells."""
    s1 = origin()
    pem = authority.pem("a.example")
    options = "send-proxy-v2-ssl-cn proxy-v2-options ssl-cipher,authority,crc32c"
    bind = f"ssl crt {pem} verify optional ca-file {authority.ca_file}"
    lb = proxy(INI % (bind, "", options), s1=s1)
    context = context_for()
    context.load_cert_chain(authority.pem("client.example"))
    with lb.connect_tls(context, "a.example") as client:
        client.send(b"x")
        header = read_header(s1.accept())
        cipher = client.tls().cipher() if callable(client.tls) else client.tls.cipher()
    inside = proxyline.ssl_value(
        proxyline.Tls("TLSv1.3", cipher[0] if cipher else "", "client.example", True, True), True, True
    )
    assert [kind for kind, _ in header.fields] == [3, 2, 0x20]
    assert header.field(proxyline.AUTHORITY) == b"a.example"
    assert header.field(proxyline.SSL) == inside


def test_no_tls_is_told_too(proxy: Launcher, origin: Origins) -> None:
    s1 = origin()
    lb = proxy(INI % ("", "", "send-proxy-v2-ssl"), s1=s1)
    with lb.connect():
        assert read_header(s1.accept()).field(proxyline.SSL) == bytes(5)


@pytest.mark.parametrize(("keyword", "told"), [("send-proxy", True), ("send-proxy-v2", False)])
def test_checks_tell_it_too(proxy: Launcher, origin: Origins, keyword: str, told: bool) -> None:
    """Version 1 the check's own addresses, version 2 LOCAL."""
    s1 = origin()
    proxy(INI % ("", "", f"{keyword} check inter 200ms"), s1=s1)
    server = s1.accept()
    header = read_header(server)
    assert (header.ends is not None) is told
    if header.ends is not None:
        assert (header.ends.src, header.ends.dst_port) == ("127.0.0.1", s1.port)


def test_a_connection_is_one_clients(proxy: Launcher, origin: Origins) -> None:
    """In mode http it is never used for another client, whatever http-reuse says."""
    s1 = origin()
    lb = proxy((HTTP % ("", "", "send-proxy")) + "http-reuse = always\n", s1=s1)
    ports = []
    with lb.connect() as first, lb.connect() as second:
        for client in (first, second):
            client.send(get())
            server = s1.accept()
            ends = read_header(server).ends
            assert ends is not None
            ports.append((ends.src_port, client.port))
            server.read_request()
            server.send(response(body=b"one"))
            assert client.read_response().body == b"one"
            if proxy.name == "greenlb":  # the same client may go on with it
                client.send(get())
                server.read_request()
                server.send(response(body=b"two"))
                assert client.read_response().body == b"two"
    assert all(told == real for told, real in ports)
    assert len(set(ports)) == 2


@pytest.mark.parametrize("keyword", ["send-proxy", "send-proxy-v2 proxy-v2-options crc32c,authority"])
def test_haproxy_before_us(greenlb: Launcher, oracle: Oracle, origin: Origins, keyword: str) -> None:
    """A real sender: the client that it had is the client that we log."""
    s1 = origin()
    lb = greenlb(INI % ("accept-proxy", "", ""), s1=s1)
    before = oracle(INI % ("", "", keyword), s1=lb.port())
    with before.connect(source="127.0.0.9") as client:
        client.send(b"hello")
        server = s1.accept()
        assert server.read(5) == b"hello"
        server.close()
        client.read_to_close()
        port = client.port
    line = lb.log()
    assert (line.client, line.port) == ("127.0.0.9", port)


def test_haproxy_behind_us(greenlb: Launcher, oracle: Oracle, origin: Origins) -> None:
    """And a real receiver."""
    s1 = origin()
    behind = oracle(INI % ("accept-proxy", "", ""), s1=s1)
    lb = greenlb(INI % ("", "", "send-proxy-v2 proxy-v2-options crc32c"), s1=behind.port())
    with lb.connect(source="127.0.0.9") as client:
        client.send(b"hello")
        server = s1.accept()
        assert server.read(5) == b"hello"
        server.close()
        client.read_to_close()
    assert behind.log().client == "127.0.0.9"
