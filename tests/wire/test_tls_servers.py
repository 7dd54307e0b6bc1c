"""TLS towards the servers: server ... ssl."""

import contextlib
import ssl

import pytest

from tests.support.certs import Authority
from tests.support.lb import Launcher
from tests.support.origin import HttpOrigin, Origins
from tests.support.stream import Stream, get, response

INI = """
[frontend fe]
bind = 127.0.0.1:{fe}
default_backend = be

[backend be]
retries = 0
server s1 = 127.0.0.1:{s1} ssl %s
"""


def asked_names(origin: HttpOrigin) -> list[str | None]:
    """The SNI of each handshake with that server, as they come."""
    seen: list[str | None] = []

    def note(sock: ssl.SSLSocket, name: str | None, context: ssl.SSLContext) -> None:
        seen.append(name)

    assert origin.tls
    origin.tls.sni_callback = note  # type: ignore[assignment]
    return seen


def test_verify_none(proxy: Launcher, origin: Origins, authority: Authority) -> None:
    """verify none: any certificate will do; several requests share the handshake."""
    s1 = origin.http("s1", tls=authority.server_context("whoever"))
    lb = proxy(INI % "verify none", s1=s1)
    with lb.connect() as client:
        for _ in range(3):
            client.send(get())
            assert client.read_response().body == b"s1"
    assert s1.connections == 1


def test_verify_required(proxy: Launcher, origin: Origins, authority: Authority) -> None:
    """verify required with its ca-file: a chain of that authority will do."""
    s1 = origin.http("s1", tls=authority.server_context("s1.example"))
    lb = proxy(INI % "verify required ca-file {ca}", s1=s1, ca=authority.ca_file)
    assert lb.ask().body == b"s1"


def test_a_stranger_is_not_trusted(
    proxy: Launcher, origin: Origins, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Another authority's certificate: 503, SC, and the request never leaves."""
    stranger = Authority(tmp_path_factory.mktemp("stranger"), "stranger")
    s1 = origin.http("s1", tls=stranger.server_context("s1.example"))
    lb = proxy(INI % "verify required ca-file {ca}", s1=s1, ca=authority.ca_file)
    assert lb.ask().status == 503
    assert lb.log().flags == "SC--"
    assert s1.requests == []


def test_an_expired_certificate(proxy: Launcher, origin: Origins, authority: Authority) -> None:
    """Past its date: 503."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.pem("s1.example", days=-5))
    s1 = origin.http("s1", tls=context)
    lb = proxy(INI % "verify required ca-file {ca}", s1=s1, ca=authority.ca_file)
    assert lb.ask().status == 503


@pytest.mark.parametrize(("name", "status"), [("s1.example", 200), ("other.example", 503)])
def test_verifyhost(proxy: Launcher, origin: Origins, authority: Authority, name: str, status: int) -> None:
    """verifyhost: the certificate must be that name's."""
    s1 = origin.http("s1", tls=authority.server_context("s1.example"))
    lb = proxy(INI % f"verify required ca-file {{ca}} verifyhost {name}", s1=s1, ca=authority.ca_file)
    assert lb.ask().status == status


def test_sni(proxy: Launcher, origin: Origins, authority: Authority) -> None:
    """sni STR: asked for in the handshake; an expression is rendered for each connection."""
    s1 = origin.http("s1", tls=authority.server_context("a.example", "b.example"))
    seen = asked_names(s1)
    ini = INI.replace("retries", "http-reuse = always\nretries") % "verify none sni req.hdr(host)"
    lb = proxy(ini, s1=s1)
    for name in ("a.example", "b.example", "a.example"):
        assert lb.ask(get("/", host=name)).status == 200
    assert set(seen) == {"a.example", "b.example"}


def test_sni_of_a_string(proxy: Launcher, origin: Origins, authority: Authority) -> None:
    """sni str(NAME): always the same."""
    s1 = origin.http("s1", tls=authority.server_context("fixed.example"))
    seen = asked_names(s1)
    lb = proxy(INI % "verify required ca-file {ca} sni str(fixed.example)", s1=s1, ca=authority.ca_file)
    assert lb.ask().status == 200
    assert seen == ["fixed.example"]


def test_the_sni_is_verified_too(proxy: Launcher, origin: Origins, authority: Authority) -> None:
    """Without verifyhost, the name that was asked for must be in the certificate."""
    s1 = origin.http("s1", tls=authority.server_context("s1.example"))
    lb = proxy(INI % "verify required ca-file {ca} sni str(other.example)", s1=s1, ca=authority.ca_file)
    assert lb.ask().status == 503


def test_a_client_certificate_of_ours(proxy: Launcher, origin: Origins, authority: Authority) -> None:
    """crt FILE: shown to a server that asks for one."""
    s1 = origin.http("s1", tls=authority.server_context("s1.example", ask_client=True))
    lb = proxy(INI % "verify none crt {crt}", s1=s1, crt=authority.pem("balancer.example"))
    assert lb.ask().body == b"s1"


def test_a_server_that_speaks_no_tls(proxy: Launcher, origin: Origins) -> None:
    """A plain HTTP server behind ssl: 503, SC."""
    s1 = origin()
    lb = proxy(INI % "verify none", s1=s1)
    with lb.connect() as client:
        client.send(get())
        server = s1.accept()
        server.read_some()
        server.send(response(body=b"plain"))
        assert client.read_response().status == 503
    assert lb.log().flags == "SC--"


def test_a_server_that_stalls_in_its_handshake(proxy: Launcher, origin: Origins) -> None:
    """timeout connect includes the handshake: 503, sC."""
    s1 = origin()
    lb = proxy(INI.replace("retries", "timeout connect = 400ms\nretries") % "verify none", s1=s1)
    with lb.connect() as client:
        client.send(get())
        s1.accept()
        assert client.read_response().status == 503
    line = lb.log()
    assert (line.flags, 380 <= line.timers[4] < 3000) == ("sC--", True)


def test_big_bodies_over_tls(proxy: Launcher, origin: Origins, authority: Authority) -> None:
    """Megabytes both ways through a server's TLS."""
    s1 = origin(tls=authority.server_context("s1.example"))
    lb = proxy(INI % "verify none", s1=s1)
    body = bytes(range(256)) * 8000
    with lb.connect() as client:
        head = f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        with client.sending([head + body]):
            server, seen = s1.take()
        assert seen.body == body
        with server.sending([response(body=body)]):
            assert client.read_response().body == body


def test_a_stale_tls_connection_is_replaced_unseen(
    proxy: Launcher, origin: Origins, authority: Authority
) -> None:
    """A server that ended an idle TLS connection (close_notify, FIN) costs nothing."""
    s1 = origin(tls=authority.server_context("s1.example"))
    lb = proxy(INI % "verify none", s1=s1)
    with lb.connect() as client:
        client.send(get("/1"))
        server, _ = s1.take()
        server.send(response(body=b"1"))
        client.read_response()
        close_tls(server)
        client.send(get("/2"))
        server, seen = s1.take()
        assert seen.target == "/2"
        server.send(response(body=b"2"))
        assert client.read_response().body == b"2"


def close_tls(stream: Stream) -> None:
    """Send close_notify and close without waiting for the other's."""
    stream.tls.settimeout(0.2)
    with contextlib.suppress(OSError):
        stream.tls.unwrap()
    stream.close()


@pytest.mark.parametrize(("version", "status"), [("TLSv1.2", 200), ("TLSv1.3", 503)])
def test_versions(proxy: Launcher, origin: Origins, authority: Authority, version: str, status: int) -> None:
    """ssl-min-ver on a server line; the server speaks 1.2 at most."""
    context = authority.server_context("s1.example")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    s1 = origin.http("s1", tls=context)
    lb = proxy(INI % f"verify none ssl-min-ver {version}", s1=s1)
    assert lb.ask().status == status
