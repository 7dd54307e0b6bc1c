"""Scripts played over a wire of paper: bytes in, a Result out.

What HAProxy 2.6 says of the same answers is in tests/wire/test_health_checks.py; here is what takes no
socket.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenlb.config.load import load_text
from greenlb.exchange import Client, Exchange
from greenlb.model import NOWHERE, Address, Bind, Frontend
from greenlb.net.sockets import Timeout
from greenlb.proxy.checks.engine import Dialogue, TlsFailure
from greenlb.proxy.checks.probes import agent_script
from greenlb.proxy.health import STATUSES, Result
from greenlb.script import Connect, Script

Piece = bytes | Exception


class PaperWire:
    """A server that says ``pieces``, one for each time it is read; then it is silent."""

    def __init__(self, *pieces: Piece, connects: Exception | None = None, layer: int = 4) -> None:
        self.layer = layer
        self.tls = False
        self.sent: list[bytes] = []
        self.connected: list[tuple[Connect, int]] = []
        self._pieces = list(pieces)
        self._connects = connects

    def connect(self, step: Connect, port: int) -> None:
        self.connected.append((step, port))
        if self._connects is not None:
            raise self._connects
        self.layer, self.tls = 7, step.tls

    def send(self, data: bytes) -> None:
        self.sent.append(data)

    def receive(self, size: int) -> bytes:
        if not self._pieces:
            raise Timeout
        piece = self._pieces.pop(0)
        if isinstance(piece, Exception):
            raise piece
        if len(piece) > size:
            self._pieces.insert(0, piece[size:])
        return piece[:size]


def script(text: str) -> Script:
    """The script of a backend that says ``text``."""
    loaded = load_text(f"[backend be]\nmode = http\ntimeout connect = 1s\ntimeout server = 1s\n{text}\n")
    assert loaded.config is not None
    assert [str(problem) for problem in loaded.errors] == []
    made = loaded.config.backends[0].health_check
    assert isinstance(made, Script)
    return made


def exchange(made: Script) -> Exchange:
    frontend = Frontend("checks", 1, NOWHERE, mode="http" if made.family == "http" else "tcp")
    return Exchange(Client(frontend, Bind("1", Address(""), NOWHERE), "127.0.0.1", 0, "127.0.0.1", 0))


def play(made: Script | str, *pieces: Piece, **settings: object) -> Result:
    made = script(made) if isinstance(made, str) else made
    return over(made, PaperWire(*pieces), **settings)


def over(made: Script, wire: PaperWire, **settings: object) -> Result:
    return Dialogue(made, wire, exchange(made), **settings).play()  # type: ignore[arg-type]


HTTP = "option httpchk = yes"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
ODD = b"HTTP/1.0 500 No\r\nX: y\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1\r\ni\r\n0\r\n\r\n"
RESET = OSError(errno.ECONNRESET, "Connection reset by peer")


def test_a_request_of_haproxys() -> None:
    """OPTIONS / HTTP/1.0 and nothing else; what the option says is completed by http-check send."""
    wire = PaperWire(OK)
    assert over(script(HTTP), wire) == Result("L7OK", "", 0, 200)
    assert wire.sent == [b"OPTIONS / HTTP/1.0\r\n\r\n"]
    for text, expected in (
        (
            r"option httpchk = HEAD / HTTP/1.1\r\nHost:localhost",
            b"HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        ),
        ("option httpchk = /health", b"OPTIONS /health HTTP/1.0\r\n\r\n"),
        (
            "option httpchk = PUT /a\nhttp-check = send ver HTTP/1.1 hdr Host a.b hdr X-A %[str(x)] body abc",
            b"PUT /a HTTP/1.1\r\nHost: a.b\r\nX-A: x\r\nContent-length: 3\r\nConnection: close\r\n\r\nabc",
        ),
        (
            f"{HTTP}\nhttp-check = send meth GET uri-lf /%[str(b)] hdr Connection keep-alive ver HTTP/1.1",
            b"GET /b HTTP/1.1\r\nConnection: keep-alive\r\n\r\n",
        ),
    ):
        wire = PaperWire(OK)
        over(script(text), wire)
        assert wire.sent == [expected]


@pytest.mark.parametrize(
    ("expect", "answer", "status", "info"),
    [
        ("status 200", OK, "L7OK", ""),
        ("status 201,300-302", OK, "L7STS", "OK"),
        ("! status 200", OK, "L7STS", "OK"),
        ("rstatus ^2", OK, "L7OK", ""),
        ("string hi", OK, "L7OK", ""),
        ("!string hi", OK, "L7RSP", "HTTP check matched unwanted content"),
        ("string ho", OK, "L7RSP", "HTTP content check did not match"),
        ("rstring ^h.$", OK, "L7OK", ""),
        ("hdr name content-length", OK, "L7OK", ""),
        ("hdr name x value a", b"HTTP/1.0 200 OK\r\nX: b, a\r\n\r\n", "L7OK", ""),
        ("fhdr name x value a", b"HTTP/1.0 200 OK\r\nX: b, a\r\n\r\n", "L7STS", "OK"),
        ("fhdr name -m beg X value -m reg ^b.*a$", b"HTTP/1.0 200 OK\r\nXy: b, a\r\n\r\n", "L7OK", ""),
        ("error-status L7RSP on-error %[status]-%[res.hdr(x)] status 200", ODD, "L7RSP", "500-y"),
        ("on-success %[res.hdr(content-length)] status 200", OK, "L7OK", "2"),
        ("string hi", CHUNKED, "L7OK", ""),
        ("comment why string ho", OK, "L7RSP", "HTTP content check did not match comment: why"),
    ],
)  # fmt: skip
def test_what_http_may_expect(expect: str, answer: bytes, status: str, info: str) -> None:
    """In one piece, and byte by byte."""
    made = script(f"{HTTP}\nhttp-check = expect {expect}")
    results = {play(made, answer, b""), play(made, *(answer[i : i + 1] for i in range(len(answer))), b"")}
    assert {(result.status, result.info) for result in results} == {(status, info)}


def test_what_is_no_http() -> None:
    assert play(HTTP, b"garbage\r\n\r\n") == Result("L7RSP")
    assert play(HTTP, b"") == Result("L7RSP")
    assert play(HTTP, b"HTTP/1.1 200 OK\r\n", b"") == Result("L7RSP")
    assert play(HTTP, b"HTTP/1.1 200 OK\r\nA B\r\n\r\n") == Result("L7RSP")
    assert play(HTTP) == Result("L7TOUT")
    assert play(HTTP, RESET) == Result("SOCKERR", "Connection reset by peer")
    assert play(HTTP, OK[:-2], RESET) == Result("L7OK", "", 0, 200)


def test_404_is_gentle_to_a_server_that_lives() -> None:
    made = script(f"{HTTP}\nhttp-check = disable-on-404\n  expect status 200")
    answer = b"HTTP/1.0 404 Not Found\r\n\r\n"
    assert play(made, answer) == Result("L7OKC", "", 0, 404)
    assert play(made, answer, serving=False) == Result("L7STS", "Not Found", 0, 404)


def test_the_state_of_a_server_is_sent() -> None:
    wire = PaperWire(OK)
    over(script(f"{HTTP}\nhttp-check = send-state"), wire, state=lambda: b"UP 1/3")
    assert wire.sent == [b"OPTIONS / HTTP/1.0\r\nX-Haproxy-Server-State: UP 1/3\r\n\r\n"]


def test_steps_of_tcp_check() -> None:
    """Numbers, comments and what is said of each."""
    text = (
        "option tcp-check = yes\ntcp-check = comment hello\n  send PING\\r\\n\n  expect string +PONG\n"
        "  send-binary 5155\n  expect comment last binary 4f4b"
    )
    made = script(text)
    wire = PaperWire(b"+PO", b"NG\r\n", b"OK")
    assert over(made, wire) == Result("L7OK", "(tcp-check)")
    assert wire.sent == [b"PING\r\n", b"QU"]
    assert play(made, b"-ERR\r\n", b"") == Result("L7RSP", "TCPCHK did not match content '+PONG' at step 3")
    assert play(made, b"") == Result("L7RSP", "TCPCHK got an empty response at step 3")
    assert play(made) == Result("L7TOUT", " at step 3 of tcp-check (expect string '+PONG')")
    assert play(made, b"+PONG", b"no", b"").info == (
        "TCPCHK did not match content (binary) at step 5 comment: last"
    )


def test_more_bytes_may_undo_an_expect() -> None:
    """A run of expects is judged again when more comes."""
    made = script("option tcp-check = yes\ntcp-check = expect min-recv 2 !string bad\n  expect string end")
    assert play(made, b"go", b"od", b"end").status == "L7OK"
    assert play(made, b"ba", b"d", b"end").info == "TCPCHK matched unwanted content 'bad' at step 1"


def test_connections_of_tcp_check() -> None:
    made = script(
        "option tcp-check = yes\ntcp-check = connect port 1\n  send a\n  set-var(check.port) int(99)\n"
        "  connect port var(check.port) comment second"
    )
    wire = PaperWire()
    assert over(made, wire) == Result("L4OK", "(tcp-check)")
    assert [(step.port, port) for step, port in wire.connected] == [(1, 0), (0, 99)]
    refused = PaperWire(connects=OSError(errno.ECONNREFUSED, "Connection refused"))
    assert over(made, refused) == Result(
        "L4CON", "Connection refused at step 1 of tcp-check (connect port 1)"
    )


def test_a_connection_alone() -> None:
    assert over(Script(), PaperWire()) == Result("L4OK")
    assert over(Script(), PaperWire(connects=Timeout())) == Result("L4TOUT")
    assert over(Script(), PaperWire(connects=OSError(errno.EMFILE, ""))).status == "SOCKERR"
    assert over(Script(), PaperWire(connects=TlsFailure("SSL handshake failure"), layer=6)) == Result(
        "L6RSP", "SSL handshake failure"
    )
    assert over(Script(), PaperWire(connects=Timeout(), layer=6)) == Result("L6TOUT")


MYSQL = b"\x0a\0\0\0\x0a8.0.36\0xx"


@pytest.mark.parametrize(
    ("option", "pieces", "expected"),
    [
        ("ssl-hello-chk", [b"\x16\x03\x00\x00\x02xx"], Result("L6OK")),
        ("ssl-hello-chk", [b"\x15\x03\x00\x00\x02\x02\x28"], Result("L6OK")),
        ("ssl-hello-chk", [b"HTTP/1.0 400"], Result("L6RSP")),
        ("ssl-hello-chk", [], Result("L6TOUT")),
        ("redis-check", [b"+PO", b"NG\r\n"], Result("L7OK", "Redis server is ok")),
        ("redis-check", [b"-NOAUTH no\r\n", b""], Result("L7STS", "-NOAUTH no")),
        ("smtpchk", [b"220 hi\r\n", b"250-a\r\n"], Result("L7OK", "a", 0, 250)),
        ("smtpchk", [b"554 no\r\n"], Result("L7STS", "no", 0, 554)),
        ("smtpchk", [b"hello\r\n"], Result("L7RSP", "hello")),
        ("mysql-check", [MYSQL], Result("L7OK", "8.0.36")),
        ("mysql-check", [MYSQL[:9], b""], Result("L7RSP")),
        ("mysql-check", [b"\x08\0\0\0\xff\x10\x04Host!"], Result("L7STS", "Host!", 0, 1040)),
        ("pgsql-check = user a", [b"R\0\0\0\x08\0\0\0\0"], Result("L7OK", "PostgreSQL server is ok")),
        ("pgsql-check = user a", [b"E\0\0\0\x08Snot", b""], Result("L7RSP", "not")),
        ("ldap-check", [b"0\x0c\x02\x01\x01a\x07\x0a\x01\0\x04\0\x04\0"], Result("L7OK", "Success")),
        ("ldap-check", [b"0\x0c\x02\x01\x01x" + b"x" * 8], Result("L7RSP", "Not LDAPv3 protocol")),
    ],
)  # fmt: skip
def test_protocols(option: str, pieces: Sequence[bytes], expected: Result) -> None:
    text = f"option {option}" + ("" if "=" in option else " = yes")
    assert play(text, *pieces) == expected


def test_mysql_logs_in() -> None:
    """The login follows the connection; the greeting and the answer to the login are read."""
    made = script("option mysql-check = user me")
    wire = PaperWire(MYSQL, b"\x01\0\0\x02\0")
    assert over(made, wire).status == "L7OK"
    assert wire.sent == [bytes.fromhex("24000001008200000080000121") + bytes(23) + b"me\0\0\x01\0\0\0\x01"]
    denied = play(made, MYSQL, b"\x09\0\0\x02\xff\x15\x04Denied")
    assert (denied.status, denied.info, denied.code) == ("L7STS", "Denied", 1045)


FAMILIES = [
    HTTP,
    f"{HTTP}\nhttp-check = expect rstring a",
    "option tcp-check = yes\ntcp-check = expect string abc\n  send x\n  expect rbinary ^00",
    *(f"option {name} = yes" for name in ("ssl-hello-chk", "redis-check", "smtpchk", "mysql-check")),
    "option ldap-check = yes",
    "option pgsql-check = user a",
]  # fmt: skip


@pytest.mark.parametrize("text", FAMILIES)
def test_garbage_is_a_result_too(text: str) -> None:
    """Whatever comes, in whatever pieces, there is a result, and of its bytes no more than the limit is
    read."""
    made = script(text)

    @given(st.lists(st.binary(min_size=1, max_size=60) | st.sampled_from([OK, MYSQL, b"220 "]), max_size=8))
    def check(pieces: list[bytes]) -> None:
        result = play(made, *pieces, b"")
        assert result.status in STATUSES
        assert len(result.info) < 128

    check()


def test_an_answer_without_end_is_cut() -> None:
    class Endless(PaperWire):
        read = 0

        def receive(self, size: int) -> bytes:
            self.read += size
            return b"x" * size

    for text in FAMILIES:
        wire = Endless()
        assert over(script(text), wire, limit=1000).status in STATUSES
        assert wire.read <= 2000


def test_an_agents_line_may_be_long() -> None:
    line = b"up # " + b"x" * 500 + b"\n"
    assert play(agent_script(b""), line).info == line.decode()
    wire = PaperWire(b"up")
    assert over(agent_script(b"hello\n"), wire).status == "L7TOUT"
    assert wire.sent == [b"hello\n"]
