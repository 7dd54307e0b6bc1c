"""Chunked bodies as they pass by (RFC 9112 section 7.1)."""

from __future__ import annotations

import itertools

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenlb.protocol.http1 import BadMessage, ChunkedBody

EXAMPLES = settings(max_examples=300, deadline=None)


def read(pieces: list[bytes]) -> tuple[str, bytes, bytes, bytes]:
    """A body that comes in pieces: how it ended (done, open, bad), what may pass on, its data, what is
    left over."""
    body, rest = ChunkedBody(), b""
    passed: list[bytes] = []
    decoded: list[bytes] = []
    for piece in pieces:
        rest += piece
        if body.done:
            continue
        try:
            taken = body.feed(rest, decoded)
        except BadMessage:
            return "bad", b"", b"", b""
        passed.append(rest[:taken])
        rest = rest[taken:]
    return "done" if body.done else "open", b"".join(passed), b"".join(decoded), rest


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """``data`` in pieces, cut at ``places`` (taken modulo its length)."""
    at = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[start:end] for start, end in itertools.pairwise(at)]


def bytewise(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


places = st.lists(st.integers(0, 10_000), max_size=12)


@st.composite
def size_lines(draw: st.DrawFn, size: int) -> bytes:
    digits = draw(st.sampled_from([b"%x", b"%X", b"00%x"])) % size
    return digits + draw(st.sampled_from([b"", b"", b" ", b";", b";a=b", b';a="b c"\t', b";\xff"])) + b"\r\n"


@st.composite
def bodies(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A lawful body as it is sent, and its data."""
    sent, data = b"", b""
    for chunk in draw(st.lists(st.binary(min_size=1, max_size=40), max_size=5)):
        sent += draw(size_lines(len(chunk))) + chunk + b"\r\n"
        data += chunk
    trailer = st.sampled_from([b"X-Sum: 1\r\n", b"x:\r\n", b"X-More:\ta \xe4\r\n"])
    trailers = draw(st.lists(trailer, max_size=3))
    return sent + draw(size_lines(0)) + b"".join(trailers) + b"\r\n", data


DAMAGE = [b"", b"\r", b"\n", b"\r\n", b" ", b"0", b"f", b"\0", b":", b";", b"g", b"-"]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    sent = bytearray(draw(bodies())[0] + draw(st.sampled_from([b"", b"GET / HTTP/1.1\r\n"])))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(sent)))
        sent[at : at + draw(st.integers(0, 2))] = draw(st.sampled_from(DAMAGE))
    return bytes(sent)


@EXAMPLES
@given(bodies(), st.binary(max_size=20), places)
def test_a_lawful_body_passes_and_what_follows_stays(
    body: tuple[bytes, bytes], behind: bytes, where: list[int]
) -> None:
    sent, data = body
    assert read(cut(sent + behind, where)) == ("done", sent, data, behind)


@EXAMPLES
@given(mutated(), places)
def test_how_a_body_is_cut_into_pieces_changes_nothing(sent: bytes, where: list[int]) -> None:
    assert read([sent]) == read(cut(sent, where)) == read(bytewise(sent))


@EXAMPLES
@given(bodies(), st.integers(0, 10_000))
def test_a_body_cut_short_is_never_done(body: tuple[bytes, bytes], place: int) -> None:
    sent = body[0]
    short = sent[: place % len(sent)]
    assert read([short])[0] == "open"


@EXAMPLES
@given(mutated())
def test_h11_reads_the_same(sent: bytes) -> None:
    """What we call whole, h11 calls whole, with the same data and the same leftovers."""
    how, passed, data, rest = read([sent])
    if how != "done":
        return
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + sent)
    assert isinstance(connection.next_event(), h11.Request)
    theirs = b""
    while isinstance(event := connection.next_event(), h11.Data):
        theirs += event.data
    assert isinstance(event, h11.EndOfMessage)
    assert (theirs, connection.trailing_data[0]) == (data, rest)
    assert passed + rest == sent


LAST = b"0\r\n\r\n"
BAD = {
    "no size": b"\r\nabcde\r\n" + LAST,
    "words": b"five\r\nabcde\r\n" + LAST,
    "negative": b"-5\r\nabcde\r\n" + LAST,
    "signed": b"+5\r\nabcde\r\n" + LAST,
    "0x": b"0x5\r\nabcde\r\n" + LAST,
    "underscore": b"0_5\r\nabcde\r\n" + LAST,
    "blank before": b" 5\r\nabcde\r\n" + LAST,
    "blank before an extension": b"5 ;x\r\nabcde\r\n" + LAST,
    "two sizes": b"5 5\r\nabcde\r\n" + LAST,
    "comma": b"5,5\r\nabcde\r\n" + LAST,
    "beyond 64 bits": b"10000000000000005\r\nabcde\r\n" + LAST,
    "wraps to 5": b"ffffffff00000005\r\nabcde\r\n" + LAST,
    "many zeros": b"0" * 100 + b"5\r\nabcde\r\n" + LAST,
    "bare LF after the size": b"5\nabcde\r\n" + LAST,
    "bare CR after the size": b"5\rabcde\r\n" + LAST,
    "bare LF after the chunk": b"5\r\nabcde\n" + LAST,
    "longer than its size": b"5\r\nabcdefgh\r\n" + LAST,
    "shorter than its size": b"5\r\nabc\r\n" + LAST,
    "bare LF in an extension": b"5;x=\ny\r\nabcde\r\n" + LAST,
    "bare CR in an extension": b"5;x=\ry\r\nabcde\r\n" + LAST,
    "NUL in an extension": b"5;x=\0\r\nabcde\r\n" + LAST,
    "DEL in an extension": b"5;x=\x7f\r\nabcde\r\n" + LAST,
    "extension without an end": b"5;" + b"x" * 1100,
    "extension too long": b"5;" + b"x" * 1100 + b"\r\nabcde\r\n" + LAST,
    "trailer without colon": b"0\r\nnothing\r\n\r\n",
    "trailer folded": b"0\r\nX: a\r\n b\r\n\r\n",
    "trailer with a blank before its colon": b"0\r\nX : a\r\n\r\n",
    "trailer with NUL": b"0\r\nX: \0\r\n\r\n",
    "trailer with bare LF": b"0\r\nX: a\n\r\n",
    "bare LF for the trailer": b"0\r\n\n",
    "trailer too long": b"0\r\n" + b"X: 1\r\n" * 1500 + b"\r\n",
    "trailer without an end": b"0\r\n" + b"X: 1\r\n" * 1500,
}


@pytest.mark.parametrize("sent", BAD.values(), ids=[name.replace(" ", "-") for name in BAD])
def test_a_body_against_the_law(sent: bytes) -> None:
    assert read([sent])[0] == read(bytewise(sent))[0] == "bad"


@pytest.mark.parametrize(
    "name",
    [
        b"Content-Length",
        b"transfer-encoding",
        b"Host",
        b"Authorization",
        b"Cookie",
        b"Set-Cookie",
        b"Trailer",
        b"Connection",
        b"X-Forwarded-For",
        b"X_Forwarded_For",
        b"content_length",
    ],
)
def test_a_trailer_may_not_frame_or_route(name: bytes) -> None:
    """RFC 9110 section 6.5.1; to some servers an underscore is a hyphen."""
    assert read([b"0\r\nX: 1\r\n" + name + b": 1\r\n\r\n"])[0] == "bad"


def test_a_chunk_does_not_wait_for_the_next_one() -> None:
    """Its CRLF passes with it: an event that ends there must not wait for the next event."""
    body = ChunkedBody()
    assert body.feed(b"2\r\nab\r") == 5
    assert body.feed(b"\r\n") == 2
    assert body.feed(b"2\r\nab\r\n5") == 7
    assert body.feed(b"5\r\nabcde\r\n0\r\nX: ") == 10
    assert body.feed(b"0\r\nX: 1\r\n\r\nmore") == 11
    assert body.done
