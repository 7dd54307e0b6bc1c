"""Bodies: every framing, both ways, any size, any pace, and what happens when they break."""

import fcntl
import hashlib
import itertools
import struct
import termios
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.support.lb import Balancer, Launcher
from tests.support.origin import Origin, Origins
from tests.support.stream import (
    Closed,
    Stream,
    chunked,
    eventually,
    get,
    post,
    raw_response,
    request,
    response,
)

INI = """
[frontend fe]
bind = 127.0.0.1:{fe}
default_backend = be

[backend be]
server s1 = 127.0.0.1:{s1}
"""

SIZES = [0, 1, 1000, 16384, 70001, 3_000_000]


def pattern(size: int) -> bytes:
    """Bytes that show it when a part is lost, doubled or moved."""
    block = b"".join(b"%07d " % number for number in range(8192))
    return (block * (size // len(block) + 1))[:size]


@dataclass
class Bench:
    """One balancer and one server for all sizes; server connections are nobody else's."""

    lb: Balancer
    s1: Origin


@pytest.fixture(scope="module")
def bench(module_proxy: Launcher, module_origin: Origins) -> Bench:
    s1 = module_origin()
    return Bench(module_proxy(INI + "http-reuse = never\n", s1=s1), s1)


def slices(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


@pytest.mark.parametrize("size", SIZES)
def test_a_counted_request_body_arrives(bench: Bench, size: int) -> None:
    """Content-Length towards the server, byte for byte."""
    body = pattern(size)
    with bench.lb.connect() as client:
        with client.sending([post("/", body)]):
            server, seen = bench.s1.take()
        assert (seen.get("content-length"), seen.get("transfer-encoding")) == (str(size), None)
        assert seen.body == body
        server.send(response())
        assert client.read_response().status == 200


@pytest.mark.parametrize("size", SIZES)
def test_a_chunked_request_body_arrives(bench: Bench, size: int) -> None:
    """Chunked towards the server; where chunks are cut is nobody's business."""
    body = pattern(size)
    with bench.lb.connect() as client:
        head = request("PUT / HTTP/1.1", "Transfer-Encoding: chunked")
        with client.sending([head + chunked(*slices(body, 5000))]):
            server, seen = bench.s1.take()
        assert (seen.framing, seen.get("content-length")) == ("chunked", None)
        assert seen.body == body
        server.send(response())
        assert client.read_response().status == 200


@pytest.mark.parametrize("size", SIZES)
def test_a_counted_response_body_arrives(bench: Bench, size: int) -> None:
    """Content-Length towards the client, byte for byte, and the connection goes on."""
    body = pattern(size)
    with bench.lb.connect() as client:
        client.send(get("/1"))
        server, _ = bench.s1.take()
        with server.sending([response(body=body)]):
            answer = client.read_response()
        assert (answer.framing, answer.body == body) == ("length", True)
        client.send(get("/2"))
        server.read_request()


@pytest.mark.parametrize("size", SIZES)
def test_a_chunked_response_body_arrives(bench: Bench, size: int) -> None:
    """Chunked towards an HTTP/1.1 client, and the connection goes on."""
    body = pattern(size)
    with bench.lb.connect() as client:
        client.send(get("/1"))
        server, _ = bench.s1.take()
        head = raw_response("HTTP/1.1 200 OK", "Transfer-Encoding: chunked")
        with server.sending([head + chunked(*slices(body, 3000))]):
            answer = client.read_response()
        assert (answer.framing, answer.body == body) == ("chunked", True)
        client.send(get("/2"))
        server.read_request()


@pytest.mark.parametrize("size", SIZES)
def test_a_response_until_close_arrives(bench: Bench, size: int) -> None:
    """A body that ends with its connection is delimited for the client: by chunks or by a close."""
    body = pattern(size)
    with bench.lb.connect() as client:
        client.send(get())
        server, _ = bench.s1.take()
        with server.sending([raw_response("HTTP/1.1 200 OK", body=body)], close=True):
            answer = client.read_response()
        assert (answer.status, answer.body == body) == (200, True)


def test_chunks_do_not_wait_for_each_other(proxy: Launcher, origin: Origins) -> None:
    """A piece is passed on when it comes, not when a buffer is full: an event stream stays live."""
    s1 = origin()
    lb = proxy(INI, s1=s1)
    with lb.connect() as client:
        client.send(get("/events"))
        server, _ = s1.take()
        server.send(raw_response("HTTP/1.1 200 OK", "Transfer-Encoding: chunked"))
        assert client.read_response_head().status == 200
        for event in (b"data: 1\n\n", b"data: 2\n\n", b"data: 3\n\n"):
            server.send(b"%x\r\n%b\r\n" % (len(event), event))
            assert client.read_until(event + b"\r\n").endswith(event + b"\r\n")
        server.send(b"0\r\n\r\n")
        assert client.read_until(b"0\r\n\r\n") == b"0\r\n\r\n"


def test_trailers_pass_both_ways(proxy: Launcher, origin: Origins) -> None:
    """What follows the last chunk is passed on (RFC 9112 section 7.1.2)."""
    s1 = origin()
    lb = proxy(INI, s1=s1)
    with lb.connect() as client:
        head = request("POST / HTTP/1.1", "Transfer-Encoding: chunked")
        client.send(head + chunked(b"up", trailers=b"X-Sum: 1\r\nX-More: a b\r\n"))
        server, seen = s1.take()
        assert seen.body == b"up"
        assert [(n.lower(), v) for n, v in seen.trailers] == [("x-sum", "1"), ("x-more", "a b")]
        server.send(
            raw_response("HTTP/1.1 200 OK", "Transfer-Encoding: chunked")
            + chunked(b"down", trailers=b"X-Check: 2\r\n")
        )
        answer = client.read_response()
        assert answer.body == b"down"
        assert [(n.lower(), v) for n, v in answer.trailers] == [("x-check", "2")]
        client.send(get())
        server.read_request()


FORBIDDEN = [b"Content-Length: 5", b"Transfer-Encoding: chunked", b"Host: evil", b"X-Forwarded-For: 1.2.3.4"]


@pytest.mark.parametrize("trailer", FORBIDDEN)
def test_trailers_may_not_frame_or_route(greenlb: Launcher, origin: Origins, trailer: bytes) -> None:
    """A trailer that would frame or route a message is refused, and the server does not see it (RFC 9110
    section 6.5.1)."""
    s1 = origin()
    lb = greenlb(INI, s1=s1)
    with lb.connect() as client:
        client.send(request("POST / HTTP/1.1", "Transfer-Encoding: chunked"))
        server = s1.accept()
        server.read_request_head()
        client.send(chunked(b"up", trailers=trailer + b"\r\nX-Good: 1\r\n"))
        assert client.read_response().status == 400
        assert trailer not in server.read_to_close()


@pytest.mark.parametrize("trailer", FORBIDDEN)
def test_a_request_with_such_a_trailer_is_refused_whole(
    greenlb: Launcher, origin: Origins, trailer: bytes
) -> None:
    """When the trailer is already here, no server is bothered at all."""
    s1 = origin()
    lb = greenlb(INI, s1=s1)
    with lb.connect() as client:
        head = request("POST / HTTP/1.1", "Transfer-Encoding: chunked")
        client.send(head + chunked(b"up", trailers=trailer + b"\r\n"))
        assert client.read_response().status == 400
        s1.expect_nobody()


def test_trailers_of_a_response_may_not_frame(greenlb: Launcher, origin: Origins) -> None:
    """The same law for what a server sends."""
    s1 = origin()
    lb = greenlb(INI, s1=s1)
    with lb.connect() as client:
        client.send(get("/", "Connection: close"))
        server, _ = s1.take()
        head = raw_response("HTTP/1.1 200 OK", "Transfer-Encoding: chunked")
        server.send(head + chunked(b"down", trailers=b"Content-Length: 3\r\nX-Good: 1\r\n"))
        got = client.read_to_close()
        assert got.startswith(b"HTTP/1.1 502 ")
        assert b"X-Good" not in got


def test_an_answer_before_the_request_body_ends(proxy: Launcher, origin: Origins) -> None:
    """A server may answer while its client still uploads: the answer goes through at once."""
    s1 = origin()
    lb = proxy(INI, s1=s1)
    with lb.connect() as client:
        client.send(request("POST /upload HTTP/1.1", "Content-Length: 1000000") + b"x" * 1000)
        server = s1.accept()
        server.read_request_head()
        server.read(1000)
        server.send(response("413 Too Large", "Connection: close", body=b"no"))
        server.close()
        answer = client.read_response()
        assert (answer.status, answer.body) == (413, b"no")
    assert lb.log().status == 413


def test_an_early_answer_does_not_spoil_the_next_request(proxy: Launcher, origin: Origins) -> None:
    """After an early answer whose request body then came whole, the next request is another one."""
    s1 = origin()
    lb = proxy(INI, s1=s1)
    with lb.connect() as client:
        client.send(request("POST /1 HTTP/1.1", "Content-Length: 10") + b"12345")
        server = s1.accept()
        server.read_request_head()
        server.read(5)
        server.send(response(body=b"early"))
        assert client.read_response().body == b"early"
        client.send(b"67890")
        assert server.read(5) == b"67890"
        client.send(get("/2"))
        _, seen = s1.take(server)
        assert seen.start == "GET /2 HTTP/1.1"


def cut_answers() -> list[tuple[str, bytes]]:
    return [
        ("counted", raw_response("HTTP/1.1 200 OK", "Content-Length: 100", body=b"half")),
        ("chunked", raw_response("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", body=b"4\r\nhalf\r\n")),
        ("in a chunk", raw_response("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", body=b"8\r\nhalf")),
    ]


@pytest.mark.parametrize(("how", "answer"), cut_answers())
def test_a_response_cut_short_is_cut_short(proxy: Launcher, origin: Origins, how: str, answer: bytes) -> None:
    """A body that its server never finished is never finished for the client: no last chunk, no filler."""
    s1 = origin()
    lb = proxy(INI, s1=s1)
    with lb.connect() as client:
        client.send(get())
        server, _ = s1.take()
        server.send(answer)
        server.close()
        got = client.read_to_close()
        assert b"half" in got
        assert not got.endswith(b"0\r\n\r\n")
        assert len(got.partition(b"\r\n\r\n")[2]) < 20
    line = lb.log()
    assert (line.status, line.flags) == (200, "SD--")


@pytest.mark.parametrize(("how", "answer"), cut_answers()[1:2])
def test_an_old_client_sees_a_cut_as_a_reset(
    greenlb: Launcher, origin: Origins, how: str, answer: bytes
) -> None:
    """To HTTP/1.0 a chunked body is delimited by the close, so a cut is told by a reset."""
    s1 = origin()
    lb = greenlb(INI, s1=s1)
    with lb.connect() as client:
        client.send(request("GET / HTTP/1.0"))
        server, _ = s1.take()
        server.send(answer)
        assert client.read_until(b"half").endswith(b"half")
        server.close()
        with pytest.raises(Closed, match="reset"):
            client.read(1)


def test_a_client_that_breaks_off_an_upload(proxy: Launcher, origin: Origins) -> None:
    """The server learns of it by the end of its connection, and the log says CD or CH."""
    s1 = origin()
    lb = proxy(INI, s1=s1)
    client = lb.connect()
    client.send(request("POST / HTTP/1.1", "Content-Length: 100") + b"half")
    server = s1.accept()
    server.read_request_head()
    client.close()
    assert server.read_to_close() == b"half"
    assert lb.log().flags in ("CH--", "CD--")


def test_a_client_that_breaks_off_a_download(proxy: Launcher, origin: Origins) -> None:
    """The server's connection is given up as well, and the log says CD."""
    s1 = origin()
    lb = proxy(INI, s1=s1)
    client = lb.connect()
    client.send(get())
    server, _ = s1.take()
    server.send(raw_response("HTTP/1.1 200 OK", "Content-Length: 100000000") + b"x" * 1000)
    client.read_response_head()
    client.reset()
    with (
        pytest.raises((BrokenPipeError, ConnectionResetError)),
        server.sending(itertools.repeat(b"x" * 65536)),
    ):
        pass
    assert lb.log().flags == "CD--"


def test_a_slow_reader_holds_the_server_back(proxy: Launcher, origin: Origins) -> None:
    """What a client does not read is not fetched: memory stays bounded, and nothing is lost."""
    s1 = origin()
    lb = proxy(INI, s1=s1)
    size = 40_000_000
    with lb.connect() as client:
        client.send(get())
        server, _ = s1.take()
        before = lb.resident()
        pieces = slices(pattern(size), 1 << 16)
        sent = hashlib.sha256(pattern(size)).digest()
        with server.sending([raw_response("HTTP/1.1 200 OK", f"Content-Length: {size}"), *pieces]):
            head = client.read_response_head()
            assert head.get("content-length") == str(size)
            server_stalls(server)
            assert lb.resident() - before < 20_000_000
            got, left = hashlib.sha256(), size
            while left:
                data = client.read_some()
                got.update(data)
                left -= len(data)
        assert got.digest() == sent


def server_stalls(server: Stream) -> None:
    """Wait until the kernel takes nothing more from the sender: everyone in the chain is full."""
    last = [-1, 0]

    def stalled() -> bool:
        waiting = struct.unpack("i", fcntl.ioctl(server.sock, termios.TIOCOUTQ, b"\0" * 4))[0]
        last[1] = last[1] + 1 if waiting == last[0] > 0 else 0
        last[0] = waiting
        return last[1] > 10

    eventually(stalled, "the sender is held back")


def test_a_slow_server_holds_the_client_back(proxy: Launcher, origin: Origins) -> None:
    """The same for uploads."""
    s1 = origin()
    lb = proxy(INI, s1=s1)
    size = 40_000_000
    with lb.connect() as client:
        before = lb.resident()
        head = request("POST / HTTP/1.1", f"Content-Length: {size}")
        with client.sending([head, *slices(pattern(size), 1 << 16)]):
            server = s1.accept()
            server.read_request_head()
            server_stalls(client)
            assert lb.resident() - before < 20_000_000
            got, left = hashlib.sha256(), size
            while left:
                data = server.read_some()
                got.update(data)
                left -= len(data)
        assert got.digest() == hashlib.sha256(pattern(size)).digest()
        server.send(response())
        assert client.read_response().status == 200
