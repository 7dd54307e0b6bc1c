"""The packet that begins a uwsgi request."""

from __future__ import annotations

import pytest

from greenlb.protocol.uwsgi import TooLarge, packet, variables


def test_a_packet() -> None:
    assert packet([(b"A", b"bc"), (b"D", b"")]) == b"\0\x0c\0\0\1\0A\2\0bc\1\0D\0\0"


def test_what_does_not_fit() -> None:
    assert len(packet([(b"A", b"x" * 65530)])) == 65539
    for size in (65531, 65536):
        with pytest.raises(TooLarge):
            packet([(b"A", b"x" * size)])


def test_variables_are_the_environ() -> None:
    made = {"PATH_INFO": "/\xe2\x82\xac", "wsgi.url_scheme": "https", "wsgi.version": (1, 0), "RAW_URI": "/"}
    assert variables(made, 3) == [
        (b"PATH_INFO", b"/\xe2\x82\xac"),
        (b"REQUEST_SCHEME", b"https"),
        (b"CONTENT_LENGTH", b"3"),
    ]
