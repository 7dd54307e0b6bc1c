"""Samples of who the client says it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from greenlb.exchange import Exchange
from greenlb.policy.users import User, UserList, credentials
from greenlb.policy.vocabulary import Argument, Fetch, Sample


def _user(users: UserList) -> Callable[[Exchange], User | None]:
    def user(x: Exchange) -> User | None:
        given = credentials(x)
        return None if given is None else users.check(*given)

    return user


def _known(users: UserList) -> Fetch:
    user = _user(users)
    return lambda x: user(x) is not None


def _name(users: UserList) -> Fetch:
    user = _user(users)

    def fetch(x: Exchange) -> bytes | None:
        found = user(x)
        return None if found is None else found.name.encode()

    return fetch


def _groups(users: UserList) -> Callable[[Exchange], Sequence[bytes]]:
    user = _user(users)

    def fetch(x: Exchange) -> Sequence[bytes]:
        found = user(x)
        return [] if found is None else [group.encode() for group in sorted(found.groups)]

    return fetch


def _given(part: int) -> Callable[[], Fetch]:
    def make() -> Fetch:
        def fetch(x: Exchange) -> bytes | None:
            given = credentials(x)
            return None if given is None else given[part]

        return fetch

    return make


def _type() -> Fetch:
    return lambda x: None if credentials(x) is None else b"Basic"


_LIST = (Argument("userlist", "userlist"),)

ROWS = (
    Sample("http_auth", "bool", "request", "Whether name and password stand in a userlist.", _known, _LIST),
    Sample(
        "http_auth_group",
        "str",
        "request",
        "The name of a user whose password is right; a condition compares the groups that he is in.",
        _name,
        _LIST,
        every=_groups,
    ),
    Sample("http_auth_pass", "str", "request", "The password of Authorization's scheme Basic.", _given(1)),
    Sample("http_auth_type", "str", "request", "Basic, when Authorization has that scheme.", _type),
    Sample("http_auth_user", "str", "request", "The user name of Authorization's scheme Basic.", _given(0)),
)
