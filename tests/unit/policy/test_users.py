"""User lists: passwords and groups."""

from __future__ import annotations

import base64

import crypt_r  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenlb.config.load import load_text
from greenlb.exchange import Client, Exchange
from greenlb.message import Fields, Request
from greenlb.model import NOWHERE, Address, Bind, Frontend
from greenlb.policy.users import User, UserList, UserLists, credentials, usable

HASH = crypt_r.crypt("right", "$6$rounds=1000$salt$")
USERS = UserList(
    "l", [User("ann", HASH, True, frozenset({"g"})), User("bob", "plain", False), User("eve", "*", True)]
)


@pytest.mark.parametrize(
    ("name", "password", "known"),
    [
        (b"ann", b"right", True),
        (b"ann", b"wrong", False),
        (b"ann", b"", False),
        (b"bob", b"plain", True),
        (b"bob", b"Plain", False),
        (b"eve", b"*", False),
        (b"nobody", b"right", False),
        (b"ann", b"a\0b", False),
    ],
)
def test_check(name: bytes, password: bytes, known: bool) -> None:
    """Asked twice: what was right is remembered, what was wrong is not."""
    for _ in range(2):
        found = USERS.check(name, password)
        assert (found is not None) is known
        assert found is None or found.name.encode() == name


def test_an_empty_list_knows_nobody() -> None:
    assert UserList("l", []).check(b"ann", b"") is None


def test_kinds_of_hash() -> None:
    assert usable(HASH)
    assert not usable("*")
    assert not usable("$99$x$y")


def test_lists_by_name() -> None:
    lists = UserLists({"l": USERS})
    assert lists.named("l") is USERS
    with pytest.raises(ValueError, match="there is no userlist 'k'"):
        lists.named("k")


def exchange(field: bytes) -> Exchange:
    bind = Bind("1", Address("127.0.0.1", 80), NOWHERE)
    x = Exchange(Client(Frontend("fe", 1, NOWHERE), bind, "192.0.2.1", 1234, "127.0.0.1", 80))
    x.request = Request(b"GET", b"/", True, Fields(b"\r\nAuthorization: " + field + b"\r\n"))
    return x


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (b"Basic " + base64.b64encode(b"ann:a:b"), (b"ann", b"a:b")),
        (b"bAsIc  " + base64.b64encode(b":"), (b"", b"")),
        (b"Basic " + base64.b64encode(b"ann"), None),
        (b"Basic !", None),
        (b"Bearer x", None),
        (b"", None),
    ],
)
def test_credentials(field: bytes, expected: tuple[bytes, bytes] | None) -> None:
    assert credentials(exchange(field)) == expected


@given(st.binary(max_size=40).filter(lambda field: not set(field) & set(b"\r\n")))
def test_any_field_is_read_or_refused(field: bytes) -> None:
    found = credentials(exchange(b"Basic " + field))
    assert found is None or len(found) == 2


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        ("user a =", "user 'a': expected either 'password' or"),
        ("user a = password $99$x", "this is no hash that crypt(3) of this machine knows"),
        ("user a = password $6$x$y insecure-password z", "expected either 'password' or 'insecure-password'"),
        ("user a = insecure-password z groups g", "user 'a': there is no group 'g'"),
        ("group g = users a", "group 'g': there is no user 'a'"),
        ("usr a = insecure-password z", "unknown option 'usr a'"),
    ],
)
def test_errors(lines: str, error: str) -> None:
    loaded = load_text(f"[userlist l]\n{lines}\n")
    assert any(error in str(problem) for problem in loaded.errors), loaded.errors


def test_an_unknown_list_is_an_error() -> None:
    text = "[frontend f]\nmode = http\nbind = 127.0.0.1:80\nhttp-request = auth unless { http_auth(l) }\n"
    assert "there is no userlist 'l'" in str(load_text(text).errors[0])
