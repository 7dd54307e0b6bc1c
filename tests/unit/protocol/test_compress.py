"""Which answers are compressed, what their heads then say, and that nothing of a body is lost."""

from __future__ import annotations

import zlib
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenlb.compression import Compression, between
from greenlb.message import CHUNKED, UNTIL_CLOSE, Fields, Request, Response
from greenlb.protocol.compress import Compressor, Recoder
from greenlb.protocol.http1 import BadMessage, ChunkedBody

ALL = Compression(("identity", "gzip", "deflate"))
WBITS = {b"gzip": 31, b"deflate": 15}


def request(accept: bytes = b"gzip", method: bytes = b"GET", http11: bool = True) -> Request:
    fields = Fields(b"\r\nHost: a\r\n" + (b"Accept-Encoding: %b\r\n" % accept if accept else b""))
    return Request(method, b"/", http11, fields)


def response(*lines: bytes, status: int = 200, length: int = 500, http11: bool = True) -> Response:
    return Response(
        status, b"OK", http11, Fields(b"\r\n" + b"".join(line + b"\r\n" for line in lines)), length
    )


def coding(accept: bytes, *algorithms: str) -> bytes | None:
    made = Compressor(Compression(algorithms))
    number = made.choose(request(accept))
    if number is None:
        return None
    answer = response()
    made.begin(number, request(accept), answer)
    return answer.fields.get(b"content-encoding") or b"identity"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (b"", None),
        (b"gzip", b"gzip"),
        (b"GZip", b"gzip"),
        (b"br, gzip;q=0.2", b"gzip"),
        (b"deflate, gzip", b"deflate"),
        (b"gzip, deflate", b"gzip"),
        (b"gzip;q=0.5, deflate", b"deflate"),
        (b"gzip ; Q=0.5 , deflate;q=0.4", b"gzip"),
        (b"*", b"deflate"),
        (b"*, deflate;q=0", b"gzip"),
        (b"gzip;q=0", None),
        (b"gzip;q=0.000", None),
        (b"gzip;q=odd", b"gzip"),
        (b"x-gzip", None),
        (b"identity", None),
    ],
)
def test_the_client_s_choice(accept: bytes, expected: bytes | None) -> None:
    assert coding(accept, "gzip", "deflate") == expected


def test_what_is_refused_is_not_in_the_asterisk() -> None:
    assert coding(b"*, gzip;q=0", "gzip") is None
    assert coding(b"", "identity", "gzip") == b"identity"
    assert coding(b"deflate", "raw-deflate") == b"deflate"
    assert Compressor(ALL).choose(request(http11=False)) is None


def begun(answer: Response, method: bytes = b"GET", spec: Compression = ALL) -> Recoder | None:
    made = Compressor(spec)
    asked = request(method=method)
    number = made.choose(asked)
    assert number is not None
    return made.begin(number, asked, answer)


@pytest.mark.parametrize(
    "answer",
    [
        response(status=404),
        response(status=206),
        response(http11=False),
        response(length=0),
        response(length=UNTIL_CLOSE),
        response(b"Content-Encoding: br"),
        response(b"Content-Range: bytes 0-4/10"),
        response(b"Cache-Control: public, No-Transform"),
        response(b"ETag: bare"),
        response(b'ETag: "a"', b'ETag: "b"'),
        response(b"Content-Type: multipart/mixed"),
    ],
)
def test_what_stays_as_it_is(answer: Response) -> None:
    before = answer.fields.raw
    assert begun(answer) is None
    assert answer.fields.raw == before


def test_types_and_sizes() -> None:
    text = Compression(("gzip",), (b"text/html", b"application/"), minsize=100)
    assert begun(response(b"Content-Type: Text/HTML; charset=x"), spec=text)
    assert begun(response(b"Content-Type: application/json"), spec=text)
    assert begun(response(b"Content-Type: image/png"), spec=text) is None
    assert begun(response(), spec=text) is None
    assert begun(response(b"Content-Type: text/html", length=99), spec=text) is None
    assert begun(response(b"Content-Type: text/html", length=100), spec=text)
    assert begun(response(b"Content-Type: text/html", length=CHUNKED), spec=text)


def test_the_head_of_a_compressed_answer() -> None:
    answer = response(b"Content-Length: 500", b'ETag: "x"', b"Vary: Cookie")
    assert begun(answer)
    assert dict(answer.fields.items()) == {
        b"ETag": b'W/"x"',
        b"Vary": b"Accept-Encoding",
        b"Transfer-Encoding": b"chunked",
        b"Content-Encoding": b"gzip",
    }
    assert answer.fields.get_all(b"vary") == [b"Cookie", b"Accept-Encoding"]
    answer = response(b'ETag: W/"x"', b"Vary: *", b"Transfer-Encoding: chunked", length=CHUNKED)
    assert begun(answer)
    assert answer.fields.raw == (
        b'\r\nETag: W/"x"\r\nVary: *\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n'
    )


def test_head_and_304_say_what_get_would() -> None:
    answer = response(b"Content-Length: 500", length=0)
    assert begun(answer, b"HEAD") is None
    assert answer.fields.get(b"content-encoding") == b"gzip"
    assert answer.fields.get(b"content-length") is None
    answer = response(b'ETag: "x"', status=304, length=0)
    assert begun(answer) is None
    assert answer.fields.raw == b'\r\nETag: W/"x"\r\nVary: Accept-Encoding\r\n'


def test_a_backend_s_word_counts_before_a_frontend_s() -> None:
    front = Compression(("gzip",), (b"text/",), minsize=10)
    assert between(None, None) is None
    assert between(front, None) == front
    assert between(front, Compression(types=(b"image/",))) == Compression(("gzip",), (b"image/",), False, 10)
    assert between(Compression(offload=True), Compression(("deflate",))) == Compression(
        ("deflate",), (), True, 0
    )


def unchunked(wire: bytes) -> tuple[bytes, bytes]:
    """The body, and its trailer."""
    pieces: list[bytes] = []
    chunks = ChunkedBody()
    assert chunks.feed(wire, pieces) == len(wire)
    assert chunks.done
    return b"".join(pieces), chunks.trailer


def pieces_of(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


@given(
    bodies=st.lists(st.binary(max_size=300), max_size=8),
    cuts=st.lists(st.integers(0, 1 << 16), max_size=8),
    accept=st.sampled_from([b"gzip", b"deflate", b"identity"]),
    counted=st.booleans(),
)
@settings(deadline=None)
def test_what_is_decompressed_is_what_was_sent(
    bodies: list[bytes], cuts: list[int], accept: bytes, counted: bool
) -> None:
    body = b"".join(bodies)
    if counted:
        wire, length = body, len(body)
        if not length:
            return
    else:
        wire = b"".join(b"%x\r\n%b\r\n" % (len(b), b) for b in bodies if b) + b"0\r\nX-T: y\r\n\r\n"
        length = CHUNKED
    made = Compressor(ALL)
    number = made.choose(request(accept))
    assert number is not None
    recoder = made.begin(number, request(accept), response(length=length))
    assert recoder is not None
    unpack = zlib.decompressobj(WBITS[accept]) if accept in WBITS else None
    out = b""
    for piece in pieces_of(wire, cuts):
        out += recoder.feed(piece)
    assert recoder.done
    packed, trailer = unchunked(out)
    assert trailer == (b"" if counted else b"X-T: y\r\n")
    assert (unpack.decompress(packed) + unpack.flush() if unpack else packed) == body
    assert unpack is None or unpack.eof
    assert (recoder.consumed, recoder.produced) == (len(body), len(packed))


def test_a_slow_stream_arrives() -> None:
    recoder = begun(response(length=CHUNKED))
    assert recoder is not None
    unpack = zlib.decompressobj(31)
    for word in (b"one", b"two"):
        out = recoder.feed(b"3\r\n" + word + b"\r\n")
        size, _, framed = out.partition(b"\r\n")
        assert unpack.decompress(framed[: int(size, 16)]) == word
    assert recoder.end().endswith(b"\r\n0\r\n\r\n")


def test_what_comes_behind_the_body_is_kept() -> None:
    recoder = begun(response(length=3))
    assert recoder is not None
    assert recoder.feed(b"abcdef").endswith(b"0\r\n\r\n")
    assert (recoder.done, recoder.rest) == (True, b"def")


def test_bad_chunks_are_bad() -> None:
    recoder = begun(response(length=CHUNKED))
    assert recoder is not None
    with pytest.raises(BadMessage):
        recoder.feed(b"zz\r\n")
