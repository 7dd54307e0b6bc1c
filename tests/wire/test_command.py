"""What a person types: the command's words, exit statuses and messages, beside HAProxy's."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from greenlb import __version__
from tests.support.oracle import as_cfg, need_haproxy

TIMEOUTS = "timeout connect = 1s\ntimeout client = 1s\ntimeout server = 1s\n"
GOOD = f"""[defaults]
mode = http
{TIMEOUTS}
[frontend fe]
bind = 127.0.0.1:PORT
default_backend = be
[backend be]
server s1 = 127.0.0.1:1
"""
BAD = f"""[defaults]
mode = htp
{TIMEOUTS}
[frontend fe]
bind = 127.0.0.1:PORT
       127.0.0.1:99999
timeout client = 5x
[backend be]
balnce = roundrobin
server s1 = 127.0.0.1:1
"""
NOT_LISTENING = f"[defaults]\nmode = http\n{TIMEOUTS}[backend be]\nserver s1 = 127.0.0.1:1\n"
WARNED = (
    "[frontend fe]\nmode = http\nbind = 127.0.0.1:PORT\ndefault_backend = be\n[backend be]\nmode = http\n"
)
MESSAGE = re.compile(r"(\[[A-Z]+\] +\(\d+\) : .*|   \| .*)")


@pytest.fixture(params=["greenlb", "haproxy"])
def program(request: pytest.FixtureRequest) -> str:
    if request.param == "haproxy":
        need_haproxy()
    return str(request.param)


@pytest.fixture
def busy() -> Iterator[str]:
    """A port that somebody else listens on: who opens it fails."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield str(listener.getsockname()[1])


def call(
    program: str, folder: Path, *words: str, ini: str = "", port: str = "0"
) -> subprocess.CompletedProcess:
    """Run the command in a folder; ``ini`` becomes the file ``x``, in the program's spelling."""
    text = ini.replace("PORT", port)
    (folder / "x").write_text(text if program == "greenlb" else as_cfg(text))
    command = [sys.executable, "-m", "greenlb"] if program == "greenlb" else ["haproxy"]
    return subprocess.run(
        [*command, *words], cwd=folder, capture_output=True, text=True, timeout=30, check=False
    )


def test_a_good_file(program, tmp_path, busy):
    done = call(program, tmp_path, "-c", "-f", "x", ini=GOOD, port=busy)
    assert (done.returncode, done.stdout, done.stderr) == (0, "Configuration file is valid\n", "")


def test_a_good_file_after_two_dashes(program, tmp_path, busy):
    assert call(program, tmp_path, "-c", "--", "x", ini=GOOD, port=busy).returncode == 0


def test_all_errors_at_once_with_their_lines(program, tmp_path, busy):
    done = call(program, tmp_path, "-c", "-f", "x", ini=BAD, port=busy)
    assert (done.returncode, done.stdout) == (1, "")
    lines = done.stderr.splitlines()
    assert all(MESSAGE.fullmatch(line) for line in lines), done.stderr
    places = re.findall(r"\[ALERT\] +\(\d+\) : config : parsing \[x:(\d+)\] : ", done.stderr)
    wanted = ["htp", "99999", "5x", "balnce"]
    source = (tmp_path / "x").read_text().splitlines()
    assert [word for place in places for word in wanted if word in source[int(place) - 1]] == wanted
    assert re.fullmatch(r"\[ALERT\] +\(\d+\) : config : Fatal errors found in configuration\.", lines[-1])


def test_no_listener(program, tmp_path):
    done = call(program, tmp_path, "-c", "-f", "x", ini=NOT_LISTENING)
    said = "Configuration file has no error but will not start (no listener) => exit(2).\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, said, "")
    started = call(program, tmp_path, "-db", "-f", "x", ini=NOT_LISTENING)
    assert started.returncode == 1
    assert "No enabled listener found" in started.stderr


def test_warnings(program, tmp_path, busy):
    done = call(program, tmp_path, "-c", "-f", "x", ini=WARNED, port=busy)
    assert (done.returncode, done.stdout) == (0, "Warnings were found.\nConfiguration file is valid\n")
    assert re.search(r"^\[WARNING\]  \(\d+\) : config : .*timeout", done.stderr, re.MULTILINE)
    assert call(program, tmp_path, "-c", "-dW", "-f", "x", ini=WARNED, port=busy).returncode == 1


@pytest.mark.parametrize(("ini", "status"), [(GOOD, 0), (BAD, 1), (NOT_LISTENING, 2)])
def test_quiet(program, tmp_path, busy, ini, status):
    done = call(program, tmp_path, "-q", "-c", "-f", "x", ini=ini, port=busy)
    assert (done.returncode, done.stdout, done.stderr) == (status, "", "")


def test_a_missing_file(program, tmp_path):
    done = call(program, tmp_path, "-c", "-f", "nosuch")
    assert done.returncode == 1
    assert "Cannot open configuration file/directory nosuch : No such file or directory" in done.stderr


@pytest.mark.parametrize("words", [["-zz"], ["-c"], [], ["-c", "-f", "x", "y"]])
def test_nonsense_gets_the_usage(program, tmp_path, words):
    done = call(program, tmp_path, *words, ini=GOOD)
    assert done.returncode == 1
    assert "version" in done.stdout
    assert re.search(rf"^Usage : {program} \[-f ", done.stderr, re.MULTILINE)


def test_a_folder_is_read_in_name_order(tmp_path, busy):
    folder = tmp_path / "conf.d"
    folder.mkdir()
    before, cut, after = GOOD.replace("PORT", busy).partition("[backend be]")
    (folder / "20.ini").write_text(cut + after)
    (folder / "10.ini").write_text(before)
    done = call("greenlb", tmp_path, "-c", "-f", "conf.d")
    assert (done.returncode, done.stdout, done.stderr) == (0, "Configuration file is valid\n", "")


def test_an_address_in_use_is_an_error_at_start(program, tmp_path, busy):
    done = call(program, tmp_path, "-db", "-f", "x", ini=GOOD, port=busy)
    assert done.returncode == 1
    assert re.search(
        r"^\[ALERT\] +\(\d+\) : Binding \[x:\d+\] for frontend fe: "
        rf"cannot bind socket \(Address already in use\) for \[127\.0\.0\.1:{busy}\]$",
        done.stderr,
        re.MULTILINE,
    )


def test_versions(tmp_path):
    short = call("greenlb", tmp_path, "-v")
    long = call("greenlb", tmp_path, "-vv")
    assert (short.returncode, long.returncode) == (0, 0)
    assert short.stdout.startswith(f"greenlb version {__version__}\n")
    assert long.stdout.startswith(short.stdout)
    for name in ("Python", "gevent", "greenlet", "libev", "h11", "pyOpenSSL", "OpenSSL", "structlog", "lmdb"):
        assert re.search(rf"^  {name} +: \S*\d+\.\d+", long.stdout, re.MULTILINE), name
    assert re.search(r"^Feature list : (?:[+-]\w+ )*\+EPOLL .*-KQUEUE ", long.stdout, re.MULTILINE)
