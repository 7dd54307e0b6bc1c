"""errorfile: whole responses, as they go on the wire."""

import pytest

from greenlb.config.load import load_text

BASE = "[backend b]\nmode = http\ntimeout connect = 1s\ntimeout server = 1s\n"


def load_errorfile(tmp_path, content, code=503, extra=""):
    path = tmp_path / "error.http"
    path.write_bytes(content)
    return load_text(f"{extra}{BASE}errorfile = {code} {path}\n")


@pytest.mark.parametrize(
    ("content", "sent"),
    [
        (b"HTTP/1.0 503 No\r\nA: b\r\n\r\nbody\n", b"HTTP/1.0 503 No\r\nA: b\r\n\r\nbody\n"),
        (b"HTTP/1.1 503 No\nA: b\n\nbody\nmore\n", b"HTTP/1.1 503 No\r\nA: b\r\n\r\nbody\nmore\n"),
        (b"HTTP/1.0 503\r\n\r\n", b"HTTP/1.0 503\r\n\r\n"),
        (b"", b""),
        (b"HTTP/1.0 200 OK\nContent-Length: 2\n\nok", b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    ],
)
def test_its_head_ends_its_lines_with_crlf(tmp_path, content, sent):
    loaded = load_errorfile(tmp_path, content)
    assert loaded.errors == []
    assert loaded.config.backends[0].errorfiles == {503: sent}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"HTTP/1.0 503 No\n", "is no HTTP response: expected a head"),
        (b"<html>\n\n", "expected a first line such as HTTP/1.0 503 Service Unavailable"),
        (b"HTTP/1.0 503 No\nA b\n\n", "'A b' is no header field"),
        (
            b"HTTP/1.0 503 No\nContent-Length: 3\n\nfour",
            "its Content-Length is 3, but 4 bytes follow its head",
        ),
        (b"HTTP/1.0 503 No\n\n" + b"x" * 16384, "is larger than tune.bufsize, 16384 bytes"),
    ],
)
def test_refused(tmp_path, content, message):
    (error,) = load_errorfile(tmp_path, content).errors
    assert message in error.message


def test_the_later_line_counts_and_each_code_of_ours_has_one(tmp_path):
    path = tmp_path / "late.http"
    path.write_bytes(b"HTTP/1.0 503 Late\r\n\r\n")
    loaded = load_errorfile(tmp_path, b"HTTP/1.0 503 Early\r\n\r\n", extra="")
    assert b"Early" in loaded.config.backends[0].errorfiles[503]
    both = load_text(f"[defaults]\nerrorfile = 503 {tmp_path}/error.http\n{BASE}errorfile = 503 {path}\n")
    assert b"Late" in both.config.backends[0].errorfiles[503]
    for code in (400, 401, 403, 408, 413, 414, 429, 431, 500, 501, 502, 503, 504):
        assert load_errorfile(tmp_path, b"HTTP/1.0 500 X\r\n\r\n", code).errors == []
