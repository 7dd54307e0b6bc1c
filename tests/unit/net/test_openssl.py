"""What is taken from pyOpenSSL's private parts is there, and does what it is taken for."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest
from OpenSSL import SSL
from OpenSSL._util import lib

from greenlb.net import openssl


@pytest.mark.parametrize("name", openssl.NEEDED)
def test_this_pyopenssl_has(name: str) -> None:
    assert hasattr(lib, name), f"this pyOpenSSL does not have {name}: greenlb.net.openssl needs it"


def test_the_list_names_everything_that_is_used() -> None:
    text = Path(openssl.__file__).read_text()
    assert set(re.findall(r"\blib\.(\w+)", text)) == set(openssl.NEEDED)


def test_nothing_private_is_used_elsewhere() -> None:
    package = Path(openssl.__file__).parent.parent
    for file in package.rglob("*.py"):
        if file.name != "openssl.py":
            assert "OpenSSL._util" not in file.read_text(), file


class Pair:
    """A client and a server that exchange their bytes in memory."""

    def __init__(self, client: SSL.Context, server: SSL.Context) -> None:
        self.client = SSL.Connection(client)
        self.server = SSL.Connection(server)
        self.client.set_connect_state()
        self.server.set_accept_state()

    def step(self, one: SSL.Connection, other: SSL.Connection) -> openssl.Outcome | None:
        """Let ``one`` go on as far as it can and give ``other`` what it wrote; how it stopped."""
        ssl = openssl.handle(one)
        result = openssl.do_handshake(ssl)
        stopped = None if result == 1 else openssl.outcome(ssl, result)
        with contextlib.suppress(SSL.WantReadError):
            other.bio_write(one.bio_read(65536))
        return stopped

    def shake(self) -> openssl.Outcome | None:
        """How a handshake ends for the client; None: well."""
        outcome = self.step(self.client, self.server)
        while outcome is not None and outcome.wants == openssl.WANT_READ:
            self.step(self.server, self.client)
            outcome = self.step(self.client, self.server)
        return outcome


def test_a_connection_with_nothing_to_read_wants_to_read() -> None:
    connection = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD))
    connection.set_connect_state()
    ssl = openssl.handle(connection)
    assert openssl.outcome(ssl, openssl.do_handshake(ssl)).wants == openssl.WANT_READ


def test_an_outcome_leaves_no_error_for_the_next_connection() -> None:
    pair = Pair(SSL.Context(SSL.TLS_CLIENT_METHOD), SSL.Context(SSL.TLS_SERVER_METHOD))
    pair.server.bio_write(b"GET / HTTP/1.1\r\n\r\n")
    ssl = openssl.handle(pair.server)
    outcome = openssl.outcome(ssl, openssl.do_handshake(ssl))
    assert (outcome.wants, outcome.reason) == (openssl.FAILED, "http request")
    assert lib.ERR_peek_error() == 0


def test_curves() -> None:
    context = SSL.Context(SSL.TLS_METHOD)
    assert openssl.set_curves(context, "X25519:P-256")
    assert not openssl.set_curves(context, "X25519:nosuch")
    assert lib.ERR_peek_error() == 0


def test_dh_parameters_that_are_none() -> None:
    assert not openssl.set_dh_parameters(SSL.Context(SSL.TLS_METHOD), b"nothing")
    assert lib.ERR_peek_error() == 0


def test_a_host_to_expect_has_to_be_one() -> None:
    connection = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD))
    openssl.expect_host(connection, "www.example.com")
    openssl.expect_host(connection, "::1")
    with pytest.raises(ValueError, match="not a host name"):
        openssl.expect_host(connection, "a\0b")


def with_callback(choose: openssl.Callback, problems: list[Exception]) -> openssl.Outcome | None:
    """How the handshake ends for the client of a server with ``choose``."""
    server = SSL.Context(SSL.TLS_SERVER_METHOD)
    keep = openssl.on_client_hello(server, choose, problems.append)
    outcome = Pair(SSL.Context(SSL.TLS_CLIENT_METHOD), server).shake()
    del keep
    return outcome


def test_the_alert_for_a_refused_name_reaches_the_client() -> None:
    problems: list[Exception] = []
    outcome = with_callback(lambda _: openssl.UNRECOGNIZED_NAME, problems)
    assert outcome is not None and "unrecognized name" in outcome.reason
    assert problems == []


def test_an_error_in_the_choice_ends_the_handshake_and_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    problems: list[Exception] = []
    error = RuntimeError("no such table")

    def choose(_: SSL.Connection) -> int:
        raise error

    outcome = with_callback(choose, problems)
    assert outcome is not None and "internal error" in outcome.reason
    assert problems == [error]
    assert capfd.readouterr().err == ""
