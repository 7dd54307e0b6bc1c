"""Bytes and ends of TLS streams, with Python's ssl module as the peer."""

from __future__ import annotations

import array
import fcntl
import socket
import ssl
import termios
import time
from collections.abc import Callable, Iterator

import gevent
import gevent.event
import pytest

from greenlb.net import openssl, sockets, tls
from tests.support.certs import Authority
from tests.support.tls_peers import (
    LINGER_RESET,
    V1_2,
    WAIT,
    Peers,
    bind,
    both_versions,
    client,
    pair,
)


@pytest.fixture
def peers() -> Iterator[Peers]:
    with Peers() as made:
        yield made


@pytest.fixture
def plain(authority: Authority) -> tls.ServerContext:
    return tls.ServerContext(bind(authority.pem("a.test")))


@both_versions
def test_bytes_go_both_ways(peers: Peers, plain: tls.ServerContext, version: ssl.TLSVersion) -> None:
    ours, theirs = pair(peers, plain, client(version))
    theirs.sendall(b"hello")
    assert ours.recv(100, WAIT) == b"hello"
    ours.send(b"good day")
    assert theirs.recv(100) == b"good day"
    theirs.sendall(b"more")
    assert ours.recv(100, WAIT) == b"more"
    assert ours.plain is False


def test_bytes_inside_openssl_are_not_waited_for(peers: Peers, plain: tls.ServerContext) -> None:
    ours, theirs = pair(peers, plain)
    theirs.sendall(b"0123456789")
    assert ours.recv(4, WAIT) == b"0123"
    assert ours.readable
    assert ours.recv_nowait(3) == b"456"
    assert ours.recv(2, 0.0) == b"78"
    assert ours.recv(2, 0.0) == b"9"
    assert (ours.readable, ours.recv_nowait(3)) == (False, None)
    with pytest.raises(sockets.Timeout):
        ours.recv(1, 0.01)


def test_a_parked_stream_wakes_for_bytes_inside_openssl(peers: Peers, plain: tls.ServerContext) -> None:
    ours, theirs = pair(peers, plain)
    theirs.sendall(b"0123456789")
    assert ours.recv(4, WAIT) == b"0123"
    woken = gevent.event.Event()
    ours.park(woken.set, 5)
    assert not woken.is_set()  # from the hub, not from inside the call
    assert woken.wait(1)
    assert not ours.timed_out
    ours.wait_readable(0.0)
    assert ours.recv(10, 0.0) == b"456789"


def test_a_parked_stream_can_be_unparked_and_closed(peers: Peers, plain: tls.ServerContext) -> None:
    ours, theirs = pair(peers, plain)
    theirs.sendall(b"0123456789")
    ours.recv(4, WAIT)
    woken = gevent.event.Event()
    ours.park(woken.set)
    ours.unpark()
    assert not woken.wait(0.01)
    ours.park(woken.set)
    ours.close()
    assert not woken.wait(0.01)


def test_a_wait_of_the_past_wakes_nobody(peers: Peers, plain: tls.ServerContext) -> None:
    ours, theirs = pair(peers, plain)
    theirs.sendall(b"0123456789")
    ours.recv(4, WAIT)
    first, second = gevent.event.Event(), gevent.event.Event()
    ours.park(first.set)
    ours.unpark()
    assert ours.recv(10, 0.0) == b"456789"
    ours.park(second.set)
    assert not second.wait(0.01) and not first.is_set()


def test_an_idle_stream_is_silent_until_something_comes(peers: Peers, plain: tls.ServerContext) -> None:
    ours, theirs = pair(peers, plain)
    assert ours.silent()
    theirs.sendall(b"xy")
    wait_for_bytes(ours, 2)
    assert not ours.silent()


def test_a_parked_stream_wakes_for_bytes_from_the_socket_and_for_its_time(
    peers: Peers, plain: tls.ServerContext
) -> None:
    ours, theirs = pair(peers, plain)
    woken = gevent.event.Event()
    ours.park(woken.set, 0.01)
    assert (woken.wait(WAIT), ours.timed_out) == (True, True)
    woken.clear()
    ours.park(woken.set, WAIT)
    theirs.sendall(b"x")
    assert (woken.wait(WAIT), ours.timed_out) == (True, False)
    assert ours.recv(10) == b"x"


@both_versions
def test_bulk_both_ways_with_full_sockets(
    peers: Peers, plain: tls.ServerContext, version: ssl.TLSVersion
) -> None:
    ours, theirs = pair(peers, plain, client(version))
    body = bytes(range(256)) * 20_000

    def echo() -> None:
        left = len(body)
        received = []
        while left:
            received.append(theirs.recv(65536))
            left -= len(received[-1])
        theirs.sendall(b"".join(received))

    done = peers.run(echo)
    ours.send(body, WAIT)
    back = b""
    while len(back) < len(body):
        piece = ours.recv(65536, WAIT)
        assert 0 < len(piece) <= 65536
        back += piece
    assert back == body
    done.result(WAIT)


def test_records_that_have_come_are_gathered(peers: Peers, plain: tls.ServerContext) -> None:
    ours, theirs = pair(peers, plain)
    theirs.sendall(bytes(40_000))
    wait_for_bytes(ours, 40_000)
    assert len(ours.recv(65536, WAIT)) == 40_000
    assert not ours.readable
    theirs.sendall(bytes(40_000))
    wait_for_bytes(ours, 40_000)
    assert len(ours.recv(30_000, WAIT)) == 30_000
    assert len(ours.recv(65536, 0.0)) == 2 * 16384 - 30_000  # the rest of the record that was opened
    assert len(ours.recv(65536, WAIT)) == 40_000 - 2 * 16384


def wait_for_bytes(stream: tls.TlsStream, count: int) -> None:
    """Until the kernel holds at least ``count`` bytes for the stream."""
    deadline = time.monotonic() + WAIT
    held = array.array("i", [0])
    while held[0] < count:
        assert time.monotonic() < deadline
        fcntl.ioctl(stream.fd, termios.FIONREAD, held)


def test_the_end_right_behind_bulk_is_not_lost(peers: Peers, plain: tls.ServerContext) -> None:
    ours, theirs = pair(peers, plain, client(V1_2))
    theirs.sendall(bytes(20_000))
    raw = theirs.detach()
    socket.socket(fileno=raw).close()
    wait_for_bytes(ours, 20_000)
    got = b""
    while piece := ours.recv(65536, WAIT):
        got += piece
    assert len(got) == 20_000
    assert ours.recv(10, WAIT) == b""
    ours.close()


def test_a_peer_that_reads_nothing_is_given_up(peers: Peers, plain: tls.ServerContext) -> None:
    ours, _ = pair(peers, plain)
    with pytest.raises(sockets.Timeout):
        ours.send(bytes(50_000_000), 0.05)
    ours.reset()


def test_nothing_to_send_is_nothing(peers: Peers, plain: tls.ServerContext) -> None:
    ours, theirs = pair(peers, plain)
    ours.send(b"")
    ours.send(b"x")
    assert theirs.recv(10) == b"x"


def test_a_close_is_announced(peers: Peers, plain: tls.ServerContext) -> None:
    ours, theirs = pair(peers, plain)
    ours.close()
    ours.close()
    assert theirs.recv(1) == b""  # an end without close_notify would be an SSLEOFError
    calls: list[Callable[[], object]] = [
        lambda: ours.recv(1),
        lambda: ours.recv_nowait(1),
        lambda: ours.send(b"x"),
        lambda: ours.wait_readable(0.0),
    ]
    for call in calls:
        with pytest.raises(OSError, match="Bad file descriptor"):
            call()


def test_a_reset_is_not_taken_for_an_end(peers: Peers, plain: tls.ServerContext) -> None:
    ours, theirs = pair(peers, plain)
    ours.reset()
    with pytest.raises(OSError):
        theirs.recv(1)


@both_versions
def test_one_side_may_go_on_after_the_other_has_ended(
    peers: Peers, plain: tls.ServerContext, version: ssl.TLSVersion
) -> None:
    ours, theirs = pair(peers, plain, client(version))
    ours.send(b"all I have")
    ours.shutdown_write()
    ours.shutdown_write()
    assert theirs.recv(100) == b"all I have"
    assert theirs.recv(100) == b""
    theirs.sendall(b"still here")
    assert ours.recv(100, WAIT) == b"still here"
    theirs.unwrap().close()  # close_notify goes out; ours is in already
    assert ours.recv(100, WAIT) == b""
    assert not ours.truncated


def test_the_end_follows_when_the_socket_was_full(
    peers: Peers, plain: tls.ServerContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = pair(peers, plain)
    really = openssl.shutdown
    full = openssl.Outcome(openssl.WANT_WRITE)
    with monkeypatch.context() as patch:  # a socket that is full to the last byte cannot be arranged
        patch.setattr(openssl, "shutdown", lambda _: -1)
        patch.setattr(openssl, "outcome", lambda *_: full)
        ours.shutdown_write()
    assert openssl.shutdown is really
    assert gevent.get_hub().threadpool.apply(theirs.recv, (1,)) == b""  # without it: SSLEOFError
    ours.close()


def test_a_client_may_end_without_close_notify(peers: Peers, plain: tls.ServerContext) -> None:
    ours, theirs = pair(peers, plain, client(V1_2))  # 1.3: unread tickets would make it a reset
    theirs.sendall(b"some")
    socket.socket(fileno=theirs.detach()).close()
    assert ours.recv(10, WAIT) == b"some"
    assert ours.recv(10, WAIT) == b""
    assert not ours.truncated


def test_a_reset_by_the_peer_is_an_error(peers: Peers, plain: tls.ServerContext) -> None:
    ours, theirs = pair(peers, plain)
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)
    theirs.close()
    with pytest.raises(ConnectionResetError):
        ours.recv(10, WAIT)


def test_bytes_that_are_no_record_are_an_error(peers: Peers, plain: tls.ServerContext) -> None:
    ours, theirs = pair(peers, plain)
    raw = socket.socket(fileno=theirs.detach())
    raw.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
    with pytest.raises(OSError, match=r"TLS: .*decrypt|TLS: .*mac"):
        ours.recv(10, WAIT)
    raw.close()
