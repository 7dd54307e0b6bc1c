"""Conditions on the program: HAProxy's grammar and predicates."""

from __future__ import annotations

import re

import pytest

from greenlb.config.predicates import Facts, holds

FACTS = Facts({"SET": "", "A": "b"}, "OpenSSL", "3.0.19")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", False),
        ("0", False),
        ("1", True),
        ("-3", True),
        ("!0", True),
        ("!!1", True),
        ("defined(SET)", True),
        ("defined(UNSET)", False),
        ("feature(OPENSSL)", True),
        ("feature(QUIC)", False),
        ("feature(OPENSSL) && !feature(QUIC)", True),
        ("streq(a,a)", True),
        ('streq("a b",a b)', True),
        ("strneq(a,a)", False),
        ("version_atleast(2.6)", True),
        ("version_atleast(2.4-dev19)", True),
        ("version_atleast(2.6.13)", False),
        ("version_atleast(2.7-dev1)", False),
        ("version_before(3.0)", True),
        ("version_before(2.6.12)", False),
        ("openssl_version_atleast(1.1.1)", True),
        ("openssl_version_before(3.0.19)", False),
        ("ssllib_name_startswith(OpenSSL)", True),
        ("ssllib_name_startswith(LibreSSL)", False),
        ("enabled(SPLICE)", True),
        ("of_a_later_version(x)", False),
        ("!of_a_later_version", True),
        ("1 || 0 && 0", True),
        ("(1 || 0) && 0", False),
        ("0 && 0 || 1", True),
    ],
)
def test_holds(text: str, expected: bool) -> None:
    assert holds(text, FACTS) is expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(1", "a ')' is missing"),
        ("defined(A", "a ')' is missing"),
        ("1 1", "unexpected '1'"),
        ("&& 1", "expected a predicate"),
        ("streq(a)", "'streq' expects 2 arguments"),
        ("version_atleast(new)", "'new' is not a version"),
    ],
)
def test_messages(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        holds(text, FACTS)
