"""``bind ... transparent``: an address that is not this machine's, as HAProxy binds it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from greenlb.model import Address
from greenlb.net import listening
from tests.support.lb import PROJECT
from tests.support.stream import WAIT

FOREIGN = "192.0.2.9"
"""Of TEST-NET-1 (RFC 5737): nobody has it."""
FOREIGN6 = "2001:db8::9"
"""Of the documentation prefix (RFC 3849)."""

INI = """
[global]
workers = 0

[frontend fe]
bind = {bind}
"""


def test_a_foreign_address_is_bound_beside_our_own(proxy):
    balancer = proxy(
        f"[frontend fe]\nbind = 127.0.0.1:{{fe}}\n       {FOREIGN}:{{fe}} transparent\n"
        f"       [{FOREIGN6}]:{{fe}} transparent\nredirect = location /here\n"
    )
    assert balancer.ask().status == 302
    port = balancer.port()
    assert f"{_hex4(FOREIGN)}:{port:04X}" in _listening("/proc/net/tcp")
    assert f"{_hex6(FOREIGN6)}:{port:04X}" in _listening("/proc/net/tcp6")


def test_without_the_word_it_is_an_error_that_names_it(tmp_path: Path):
    path = tmp_path / "greenlb.ini"
    path.write_text(INI.format(bind=f"{FOREIGN}:18080"))
    done = subprocess.run(
        [sys.executable, "-m", "greenlb", "-f", str(path)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=3 * WAIT,
        check=False,
    )
    assert done.returncode == 1
    assert f"cannot bind socket (Cannot assign requested address) for [{FOREIGN}:18080]" in done.stderr
    assert "'transparent' binds an address that is not this machine's (yet)" in done.stderr


@pytest.mark.parametrize("host", [FOREIGN, FOREIGN6])
def test_it_needs_no_privileges(host: str):
    """What an ordinary user may do: not IP_TRANSPARENT, but IP_FREEBIND, which suffices to bind."""
    code = (
        "from greenlb.net.listening import listen; from greenlb.model import Address;"
        f"print(listen(Address({host!r}, 0), transparent=True).getsockname()[0])"
    )
    command = [sys.executable, "-c", code]
    if os.geteuid() == 0:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            pytest.skip(
                "NOT TRIED WITHOUT CAP_NET_ADMIN: setpriv is not installed (apt-get install util-linux)"
            )
        command = [setpriv, "--bounding-set=-net_admin", "--inh-caps=-all", *command]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=3 * WAIT, check=False)
    assert done.stdout.strip() == host, done.stderr


def test_an_address_of_ours_is_bound_as_ever():
    with listening.listen(Address("127.0.0.1", 0), transparent=True) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port), WAIT):
            assert _listening("/proc/net/tcp") >= {f"0100007F:{port:04X}"}


def _listening(table: str) -> set[str]:
    with open(table) as rows:
        return {cells[1] for cells in map(str.split, rows) if cells[3] == "0A"}


def _hex4(host: str) -> str:
    return socket.inet_pton(socket.AF_INET, host)[::-1].hex().upper()


def _hex6(host: str) -> str:
    packed = socket.inet_pton(socket.AF_INET6, host)
    return "".join(packed[i : i + 4][::-1].hex() for i in range(0, 16, 4)).upper()
