"""PEP 3333 without a socket: the environ, wsgi.input, and what an application may say."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenlb.message import CHUNKED, UNTIL_CLOSE, Response
from greenlb.protocol.http1 import BadMessage, parse_request
from greenlb.protocol.wsgi import (
    ApplicationError,
    Body,
    Call,
    Environ,
    Errors,
    FileWrapper,
    environ,
    mounted,
    response,
)

TEMPLATE: Environ = {"SCRIPT_NAME": "", "REMOTE_ADDR": "192.0.2.1", "wsgi.url_scheme": "http"}


def nothing() -> bytes:
    raise OSError("no more comes")


def made(head: bytes, **template: str) -> Environ:
    whole = head.replace(b"\n", b"\r\n") + b"\r\n\r\n"
    return environ(TEMPLATE | template, parse_request(whole), Body(0, b"", nothing))


def test_what_the_request_line_says() -> None:
    found = made(b"GET /a%2Fb/%E2%82%AC?x=%20&y HTTP/1.1\nHost: a")
    assert found["PATH_INFO"] == "/a/b/\xe2\x82\xac"
    assert found["QUERY_STRING"] == "x=%20&y"
    assert found["REQUEST_URI"] == "/a%2Fb/%E2%82%AC?x=%20&y"
    assert (found["REQUEST_METHOD"], found["SERVER_PROTOCOL"]) == ("GET", "HTTP/1.1")
    assert TEMPLATE.keys() == {"SCRIPT_NAME", "REMOTE_ADDR", "wsgi.url_scheme"}


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/", "/", ""),
        ("//a//b", "//a//b", ""),
        ("/?", "/", ""),
        ("/?a?b", "/", "a?b"),
        ("http://a", "/", ""),
        ("http://a/b?c", "/b", "c"),
        ("http://a?c", "/", "c"),
        ("/a%", "/a%", ""),
    ],
)
def test_targets(target: str, path: str, query: str) -> None:
    found = made(f"GET {target} HTTP/1.1\nHost: a".encode())
    assert (found["PATH_INFO"], found["QUERY_STRING"]) == (path, query)


def test_fields() -> None:
    found = made(
        b"POST / HTTP/1.1\nHost: a:8\nX-A:  1 \nx-a:2\nCookie: a=1\ncookie: b=2\nContent-Type: text/x\n"
        b"CONTENT-LENGTH: 3\nX_A: forged\nRemote-Addr: 6.6.6.6\nRemote_Addr: 6.6.6.6\nScript-Name: /x\n"
        b"Upgrade: h2c\nKeep-Alive: 1\nTE: x"
    )
    text = {k: v for k, v in found.items() if k.startswith(("HTTP_", "CONTENT_"))}
    assert text == {
        "HTTP_HOST": "a:8",
        "HTTP_X_A": "1,2",
        "HTTP_COOKIE": "a=1; b=2",
        "CONTENT_TYPE": "text/x",
        "CONTENT_LENGTH": "3",
        "HTTP_REMOTE_ADDR": "6.6.6.6",
        "HTTP_SCRIPT_NAME": "/x",
    }
    assert found["REMOTE_ADDR"] == "192.0.2.1"
    assert "" not in found


def test_mounts() -> None:
    found = made(b"GET /shop/a?b HTTP/1.1\nHost: a", SCRIPT_NAME="/shop")
    assert (found["SCRIPT_NAME"], found["PATH_INFO"]) == ("/shop", "/a")
    for target, inside in (("/shop", True), ("/%73hop/", True), ("/shopping", False), ("/", False)):
        request = parse_request(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        assert mounted("/shop", request) is inside


# -- wsgi.input ------------------------------------------------------------------------------------


def chunked(data: bytes, sizes: Iterable[int]) -> bytes:
    out, at = [], 0
    for size in sizes:
        piece = data[at : at + size]
        at += size
        if piece:
            out.append(b"%x\r\n%b\r\n" % (len(piece), piece))
    if data[at:]:
        out.append(b"%x\r\n%b\r\n" % (len(data[at:]), data[at:]))
    return b"".join(out) + b"0\r\n\r\n"


def body_of(data: bytes, wire: bytes, length: int, cuts: list[int]) -> Body:
    """A body whose bytes come in pieces, the next request behind it."""
    pieces: list[bytes] = []
    rest = wire + b"GET /next"
    for cut in cuts:
        pieces.append(rest[:cut])
        rest = rest[cut:]
    come = iter([piece for piece in [*pieces[1:], rest] if piece])
    return Body(length, pieces[0] if pieces else b"", lambda: next(come))


Reads = Callable[[Any], list[bytes]]
READS: dict[str, Reads] = {
    "read()": lambda file: [file.read()],
    "read(3)": lambda file: list(iter(lambda: file.read(3), b"")),
    "readline()": lambda file: list(iter(file.readline, b"")),
    "readline(2)": lambda file: list(iter(lambda: file.readline(2), b"")),
    "readlines()": lambda file: list(file.readlines()),
    "readlines(4)": lambda file: list(iter(lambda: b"".join(file.readlines(4)), b"")),
    "iteration": list,
    "mixed": lambda file: [file.read(1), file.readline(), file.read(0), file.read(2), file.read(None)],
}


def test_a_long_line_is_not_copied_for_each_piece_of_it() -> None:
    """Else a client could keep the process busy with a body without line ends: 64 MB took a minute."""
    come = iter([b"x" * 65536] * 1024)
    body = Body(1 << 26, b"", lambda: next(come))
    assert body.readline() == b"x" * (1 << 26)


@given(
    data=st.binary(max_size=40) | st.text("ab\n", max_size=40).map(str.encode),
    sizes=st.lists(st.integers(1, 9), max_size=9),
    cuts=st.lists(st.integers(0, 7), max_size=12),
    counted=st.booleans(),
    how=st.sampled_from(sorted(READS)),
)
def test_it_reads_as_a_file_does(
    data: bytes, sizes: list[int], cuts: list[int], counted: bool, how: str
) -> None:
    wire, length = (data, len(data)) if counted else (chunked(data, sizes), CHUNKED)
    body = body_of(data, wire, length, cuts)
    assert READS[how](body) == READS[how](io.BytesIO(data))
    assert body.read() == b""
    assert body.done or not data
    if body.done and length:
        assert b"GET /next".startswith(body.rest)


def test_a_body_that_breaks_off_or_is_none() -> None:
    with pytest.raises(OSError, match="no more"):
        Body(9, b"half", nothing).read()
    with pytest.raises(BadMessage):
        Body(CHUNKED, b"zz\r\n", nothing).read()
    body = Body(4, b"ab", nothing)
    assert not body.skip()
    assert body.left == 2
    body = Body(2, b"abGET", nothing)
    assert body.skip()
    assert body.rest == b"GET"


def test_errors_go_out_by_lines() -> None:
    said: list[str] = []
    errors = Errors(said.append)
    errors.write("one\ntw")
    errors.writelines(["o\n", "three"])
    assert said == ["one", "two"]
    errors.flush()
    errors.flush()
    assert said == ["one", "two", "three"]


# -- the response ----------------------------------------------------------------------------------

Start = Callable[..., Callable[[bytes], None]]


class Wire:
    """What went to the client."""

    def __init__(self) -> None:
        self.head: Response | None = None
        self.pieces: list[bytes] = []
        self.last: list[bool] = []

    def begin(self, response: Response, data: bytes, last: bool) -> None:
        assert self.head is None
        self.head = response
        self.send(data, last)

    def send(self, data: bytes, last: bool) -> None:
        self.pieces.append(data)
        self.last.append(last)

    def file(self, descriptor: int, offset: int, count: int) -> None:
        self.pieces.append(b"<%d from %d>" % (count, offset))


def answered(
    application: Callable[[Environ, Start], Iterable[bytes]], head: bytes = b"GET / HTTP/1.1"
) -> Wire:
    wire = Wire()
    request = parse_request(head + b"\r\nHost: a\r\n\r\n")
    Call(request, wire).run(application, {})
    return wire


def app(pieces: Iterable[bytes], status: str = "200 OK", *fields: tuple[str, str]) -> Any:
    def application(_: Environ, start_response: Start) -> Iterable[bytes]:
        start_response(status, list(fields))
        return pieces

    return application


def test_a_list_has_a_length_and_an_iterator_has_chunks() -> None:
    wire = answered(app([b"one", b"two"]))
    assert wire.head is not None
    assert (wire.head.fields.get(b"content-length"), wire.pieces, wire.last) == (b"6", [b"onetwo"], [True])
    wire = answered(app(iter([b"one", b"", b"two"])))
    assert wire.head is not None
    assert wire.head.fields.get(b"transfer-encoding") == b"chunked"
    assert wire.pieces == [b"3\r\none\r\n", b"3\r\ntwo\r\n", b"0\r\n\r\n"]
    wire = answered(app(iter([b"one"])), b"GET / HTTP/1.0")
    assert wire.head is not None
    assert (wire.head.length, wire.pieces) == (UNTIL_CLOSE, [b"one"])
    assert answered(app(iter([]))).pieces == [b""]


@pytest.mark.parametrize("pieces", [[b"one"], iter([b"one"])])
def test_no_body_where_there_is_none(pieces: Iterable[bytes]) -> None:
    for wire in (
        answered(app(pieces, "204 No Content", ("Content-Length", "3"))),
        answered(app(pieces, "304 Not Modified")),
        answered(app(pieces, "200 OK", ("Content-Length", "3")), b"HEAD / HTTP/1.1"),
    ):
        assert b"".join(wire.pieces) == b""
        assert wire.last[-1]


def test_a_length_of_its_own_is_kept_to() -> None:
    wire = answered(app(iter([b"12", b"345"]), "200 OK", ("Content-Length", "3")))
    assert (wire.pieces, wire.last) == ([b"12", b"3"], [False, True])
    for short in ([b"12"], iter([b"12"])):
        with pytest.raises(ApplicationError, match="1 bytes before"):
            answered(app(short, "200 OK", ("Content-Length", "3")))


class Closing:
    """An iterable that has to be closed."""

    def __init__(self, pieces: Iterable[Any]) -> None:
        self.pieces = iter(pieces)
        self.closed = 0

    def __iter__(self) -> Iterator[Any]:
        return self.pieces

    def close(self) -> None:
        self.closed += 1


def test_it_is_closed_whatever_happens() -> None:
    whole = Closing([b"a"])
    answered(app(whole))
    broken = Closing(["text"])
    with pytest.raises(ApplicationError):
        answered(app(broken))
    headless = Closing([b"a", b"b"])
    answered(app(headless), b"HEAD / HTTP/1.1")
    assert whole.closed == broken.closed == headless.closed == 1


def test_start_response_once_more() -> None:
    def twice(_: Environ, start: Start) -> list[bytes]:
        start("200 OK", [])
        start("200 OK", [])
        return []

    def corrected(_: Environ, start: Start) -> list[bytes]:
        start("200 OK", [])
        try:
            raise ValueError
        except ValueError:
            start("500 No", [], sys.exc_info())
        return [b"a"]

    def too_late(_: Environ, start: Start) -> list[bytes]:
        start("200 OK", [])(b"begun")
        try:
            raise KeyError("mine")
        except KeyError:
            start("500 No", [], sys.exc_info())
        return []

    with pytest.raises(ApplicationError, match="twice"):
        answered(twice)
    assert answered(corrected).head.status == 500  # type: ignore[union-attr]
    with pytest.raises(KeyError, match="mine"):
        answered(too_late)
    with pytest.raises(ApplicationError, match="before it called"):
        answered(lambda _, start: [b"a"])


def test_a_generator_may_call_it_late() -> None:
    def late(_: Environ, start: Start) -> Iterator[bytes]:
        start("200 OK", [])
        yield b"a"

    assert answered(late).pieces == [b"1\r\na\r\n", b"0\r\n\r\n"]
    assert answered(late, b"HEAD / HTTP/1.1").pieces == [b""]


def test_a_file(tmp_path: Any) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    with path.open("rb") as file:
        file.seek(4)
        wire = answered(app(FileWrapper(file)))
        assert (wire.head.length if wire.head else 0, wire.pieces) == (6, [b"", b"<6 from 4>"])
    wire = answered(app(FileWrapper(io.BytesIO(b"abc"), 2)))
    assert wire.pieces == [b"2\r\nab\r\n", b"1\r\nc\r\n", b"0\r\n\r\n"]


@pytest.mark.parametrize(
    ("status", "fields"),
    [
        ("200", [("A", "b\r\nC: d")]),
        ("200", [("A\r\nB", "c")]),
        ("200", [("A", "\n")]),
        ("200", [("A b", "c")]),
        ("200", [("", "c")]),
        ("200", [("A", "\u20ac")]),
        ("200", [("A", b"c")]),
        ("200", [("A",)]),
        ("200", [("Content-Length", "a")]),
        ("200", [("Content-Length", "1"), ("content-length", "2")]),
        ("OK", []),
        ("200 O\nK", []),
        ("100 Continue", []),
        (200, []),
    ],
)
def test_heads_that_are_refused(status: Any, fields: Any) -> None:
    with pytest.raises(ApplicationError):
        response(status, fields)


def test_framing_is_ours() -> None:
    head = response("200 OK", [("Transfer-Encoding", "chunked"), ("Content-Length", "5"), ("A", "b")])
    assert (head.fields.raw, head.length) == (b"\r\nA: b\r\n", UNTIL_CLOSE)
