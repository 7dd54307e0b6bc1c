"""User lists: who has which password, and who belongs to which group.

Passwords are hashes of crypt(3), checked by the system's libcrypt, or text.  A hash is slow on purpose, so
what was found right is remembered: not the password, but a keyed digest of it, in this process alone.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import crypt_r  # type: ignore[import-untyped]

from greenlb.exchange import Exchange
from greenlb.policy.vocabulary import nearest, octets

_REMEMBERED: Final = 1024
"""Passwords known to be right, at most, in one list."""


@dataclass(frozen=True, slots=True)
class User:
    """``secret`` is a hash of crypt(3) when ``hashed``, else the password itself."""

    name: str
    secret: str
    hashed: bool
    groups: frozenset[str] = frozenset()


class UserList:
    """The section ``userlist NAME``."""

    def __init__(self, name: str, users: Iterable[User]) -> None:
        self.name = name
        self._users = {octets(user.name): user for user in users}
        self._key = os.urandom(32)
        self._right: dict[bytes, None] = {}

    def check(self, name: bytes, password: bytes) -> User | None:
        """The user of that name, when the password is right.  A name that is not known takes as long as one
        that is."""
        user = self._users.get(name)
        asked = user or next(iter(self._users.values()), None)
        if asked is None or not self._matches(asked, password):
            return None
        return user

    def _matches(self, user: User, password: bytes) -> bool:
        if not user.hashed:
            return hmac.compare_digest(octets(user.secret), password)
        digest = hmac.digest(self._key, octets(user.name) + b"\0" + password, hashlib.sha256)
        if digest in self._right:
            return True
        if not _crypted(password, user.secret):
            return False
        if len(self._right) >= _REMEMBERED:
            self._right.pop(next(iter(self._right)))
        self._right[digest] = None
        return True


def _crypted(password: bytes, secret: str) -> bool:
    made = _crypt(password.decode("utf-8", "surrogateescape"), secret)
    return bool(made) and hmac.compare_digest(octets(made), octets(secret))


def usable(secret: str) -> bool:
    """Whether libcrypt knows the kind of a hash."""
    return bool(_crypt("", secret))


def _crypt(password: str, secret: str) -> str:
    """The hash; empty when there can be none."""
    try:
        made = crypt_r.crypt(password, secret) or ""
    except (OSError, ValueError):  # a byte of 0, or a kind of hash that libcrypt has not
        return ""
    return "" if made.startswith("*") else made  # how libcrypt says no, in a word that is no hash


def credentials(x: Exchange) -> tuple[bytes, bytes] | None:
    """Name and password of Authorization's scheme Basic (RFC 7617), or None."""
    given = x.request.fields.get(b"authorization") if x.request is not None else None
    scheme, _, token = (given or b"").partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        text = binascii.a2b_base64(token.strip(), strict_mode=True)
    except binascii.Error:
        return None
    name, colon, password = text.partition(b":")
    return (name, password) if colon else None


class UserLists:
    """All lists, by name."""

    def __init__(self, lists: Mapping[str, UserList] | None = None) -> None:
        self._lists = dict(lists or {})

    def named(self, name: str) -> UserList:
        """Raises ValueError: there is none of that name."""
        if name not in self._lists:
            raise ValueError(f"there is no userlist '{name}'{nearest(name, self._lists)}")
        return self._lists[name]
