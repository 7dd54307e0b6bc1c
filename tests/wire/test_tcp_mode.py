"""mode tcp: bytes from one side to the other, and each side's end."""

from tests.support.certs import Authority
from tests.support.client import connect_tls, context_for
from tests.support.lb import Launcher
from tests.support.origin import Origins
from tests.support.stream import get, response

INI = """
[defaults]
log = global
mode = tcp
option tcplog = yes
timeout connect = 3s
timeout client = 8s
timeout server = 8s

[frontend fe]
bind = 127.0.0.1:{fe}
%s
default_backend = be

[backend be]
%s
server s1 = 127.0.0.1:{s1}
"""


def test_bytes_pass_both_ways(proxy: Launcher, origin: Origins) -> None:
    """As they are, whoever speaks first; one line at the end."""
    s1 = origin()
    lb = proxy(INI % ("", ""), s1=s1)
    with lb.connect() as client:
        server = s1.accept()
        server.send(b"220 hello\r\n")
        assert client.read(11) == b"220 hello\r\n"
        client.send(b"QUIT\x00\xff\r\n")
        assert server.read(8) == b"QUIT\x00\xff\r\n"
        server.close()
        assert client.read_to_close() == b""
        port = client.port
    line = lb.log()
    assert (line.port, line.frontend, line.to, line.size, line.flags) == (port, "fe", "be/s1", "11", "--")
    assert line.counts[:2] == (1, 1)


def test_a_half_close_is_kept(proxy: Launcher, origin: Origins) -> None:
    """The end of one direction is passed on; the other goes on."""
    s1 = origin()
    lb = proxy(INI % ("", ""), s1=s1)
    with lb.connect() as client:
        server = s1.accept()
        client.send(b"all that I have")
        client.half_close()
        assert server.read_to_fin() == b"all that I have"
        server.send(b"the answer")
        assert client.read(10) == b"the answer"
        server.close()
        assert client.read_to_fin() == b""
    assert lb.log().flags == "--"


def test_many_bytes(proxy: Launcher, origin: Origins) -> None:
    """Megabytes in both directions at once."""
    s1 = origin()
    lb = proxy(INI % ("", ""), s1=s1)
    up, down = bytes(range(256)) * 20000, bytes(reversed(range(256))) * 20000
    with lb.connect() as client:
        server = s1.accept()
        with client.sending([up]), server.sending([down]):
            assert client.read(len(down)) == down
            assert server.read(len(up)) == up


def test_a_reset_is_passed_on(proxy: Launcher, origin: Origins) -> None:
    """A client that breaks off ends its server's connection: CD."""
    s1 = origin()
    lb = proxy(INI % ("", ""), s1=s1)
    client = lb.connect()
    server = s1.accept()
    client.send(b"x")
    server.read(1)
    client.reset()
    server.expect_closed()
    assert lb.log().flags == "CD"


def test_refused(proxy: Launcher, origin: Origins) -> None:
    """No server: the client is closed without a byte; SC, and -1 for what was not reached."""
    lb = proxy(INI % ("", "retries = 0"), s1=origin.refusing())
    with lb.connect() as client:
        client.expect_closed()
    line = lb.log()
    assert (line.to, line.flags, line.size) == ("be/s1", "SC", "0")


def test_idle(proxy: Launcher, origin: Origins) -> None:
    """timeout client ends an idle connection: cD."""
    s1 = origin()
    lb = proxy(INI % ("timeout client = 300ms", ""), s1=s1)
    with lb.connect() as client:
        server = s1.accept()
        server.expect_closed()
        server.close()
        client.expect_closed()
    line = lb.log()
    assert (line.flags, 280 <= line.timers[2] < 3000) == ("cD", True)


def test_idle_server(proxy: Launcher, origin: Origins) -> None:
    """timeout server: sD."""
    s1 = origin()
    lb = proxy(INI % ("", "timeout server = 300ms"), s1=s1)
    with lb.connect() as client:
        s1.accept()
        client.expect_closed()
    line = lb.log()
    assert (line.flags, 280 <= line.timers[2] < 3000) == ("sD", True)


def test_the_default_line(proxy: Launcher, origin: Origins) -> None:
    """Without tcplog: Connect from ... at accept."""
    s1 = origin()
    lb = proxy((INI % ("", "")).replace("option tcplog = yes\n", ""), s1=s1)
    with lb.connect() as client:
        s1.accept()
        text = lb.syslog.message("Connect from .*").text
        assert text == f"Connect from 127.0.0.1:{client.port} to 127.0.0.1:{lb.port()} (fe/TCP)"


def test_pass_through(proxy: Launcher, origin: Origins, authority: Authority) -> None:
    """TLS goes by untouched: the client sees the server's own certificate."""
    s1 = origin.http("s1", tls=authority.server_context("s1.example"))
    lb = proxy(INI % ("", ""), s1=s1)
    with connect_tls(lb.port(), context_for(str(authority.ca_file)), "s1.example") as client:
        client.send(get())
        assert client.read_response().body == b"s1"


def test_tls_is_taken_off(proxy: Launcher, origin: Origins, authority: Authority) -> None:
    """bind ... ssl in mode tcp: the server gets plain bytes."""
    s1 = origin()
    lb = proxy(
        (INI % ("", "")).replace("{fe}\n", "{fe} ssl crt {pem}\n"), s1=s1, pem=authority.pem("a.example")
    )
    with lb.connect_tls(context_for()) as client:
        client.send(b"plain?")
        server = s1.accept()
        assert server.read(6) == b"plain?"
        server.send(b"plain!")
        assert client.read(6) == b"plain!"


def test_turns_and_redispatch(proxy: Launcher, origin: Origins) -> None:
    """Connections take turns; one that is refused goes to the next server with +1."""
    s1, s2 = origin.refusing(), origin()
    ini = INI % ("", "balance = roundrobin\noption redispatch = yes")
    lb = proxy(ini + "server s2 = 127.0.0.1:{s2}\n", s1=s1, s2=s2)
    with lb.connect() as client:
        server = s2.accept()
        server.send(b"hi")
        assert client.read(2) == b"hi"
        server.close()
    line = lb.log()
    assert (line.to, line.retries) == ("be/s2", "+1")


def test_http_options_warn(proxy: Launcher, origin: Origins) -> None:
    """Options of mode http in a tcp proxy are said to be ignored; it runs all the same."""
    s1 = origin()
    lb = proxy(INI.replace("option tcplog", "option httplog") % ("option forwardfor = yes", ""), s1=s1)
    with lb.connect() as client:
        client.send(get())
        server = s1.accept()
        assert server.read_request().get("x-forwarded-for") is None
        server.send(response(body=b"ok"))
        assert client.read_response().body == b"ok"
    said = lb.stderr.read_text()
    assert "needs 'mode http'" in said
    assert "option forwardfor" in said
    assert "fe" in said


def test_client_fin(proxy: Launcher, origin: Origins) -> None:
    """timeout client-fin: how long a client may stay whose server has said all; cD."""
    s1 = origin()
    lb = proxy(INI % ("timeout client-fin = 300ms", ""), s1=s1)
    with lb.connect() as client:
        server = s1.accept()
        server.send(b"bye")
        server.half_close()
        assert client.read_to_fin() == b"bye"
        server.expect_closed()
    line = lb.log()
    assert (line.flags, 280 <= line.timers[2] < 3000) == ("cD", True)


def test_server_fin(proxy: Launcher, origin: Origins) -> None:
    """timeout server-fin: the same for a server whose client has said all; sD."""
    s1 = origin()
    lb = proxy(INI % ("", "timeout server-fin = 300ms"), s1=s1)
    with lb.connect() as client:
        client.send(b"bye")
        server = s1.accept()
        assert server.read(3) == b"bye"
        client.half_close()
        assert server.read_to_fin() == b""
        client.expect_closed()
    line = lb.log()
    assert (line.flags, 280 <= line.timers[2] < 3000) == ("sD", True)
