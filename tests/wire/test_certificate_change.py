"""A certificate's file changes while greenlb runs."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from tests.support.certs import Authority
from tests.support.lb import Balancer, Launcher
from tests.support.origin import Origins
from tests.support.stream import eventually

INI = """[global]
log = 127.0.0.1:{syslog} local0
workers = %d
[defaults]
mode = http
timeout connect = 3s
timeout client = 8s
timeout server = 8s
[frontend fe]
bind = 127.0.0.1:{fe} ssl crt {pem}
default_backend = be
[backend be]
server s1 = 127.0.0.1:{s1}
"""


def served(lb: Balancer, authority: Authority, name: str) -> bool:
    """Whether the certificate that a client is shown is good for ``name``."""
    context = ssl.create_default_context(cafile=str(authority.ca_file))
    try:
        lb.connect_tls(context, name).close()
    except ssl.SSLCertVerificationError:
        return False
    return True


@pytest.mark.parametrize("workers", [0, 2])
def test_a_changed_file_is_served_within_seconds(
    greenlb: Launcher, origin: Origins, authority: Authority, tmp_path: Path, workers: int
) -> None:
    """By every worker, and by one that comes later; nothing was reloaded."""
    pem = tmp_path / "site.pem"
    pem.write_bytes(authority.pem("one.example.com").read_bytes())
    lb = greenlb(INI % workers, s1=origin.http("s1"), pem=pem)
    assert served(lb, authority, "one.example.com")
    pem.write_bytes(authority.pem("two.example.com").read_bytes())
    lb.syslog.message(rf"certificate {pem} has changed and is in use; \d+ days left")
    eventually(lambda: all(served(lb, authority, "two.example.com") for _ in range(6)), "all serve it")
    assert not served(lb, authority, "one.example.com")


@pytest.mark.parametrize("workers", [0, 2])
def test_a_broken_file_leaves_the_old_one_serving(
    greenlb: Launcher, origin: Origins, authority: Authority, tmp_path: Path, workers: int
) -> None:
    """With a line in the log that says what is wrong; once it is mended the new one serves."""
    pem = tmp_path / "site.pem"
    pem.write_bytes(authority.pem("one.example.com").read_bytes())
    lb = greenlb(INI % workers, s1=origin.http("s1"), pem=pem)
    pem.write_bytes(authority.pem("two.example.com", with_key=False).read_bytes())
    lb.syslog.message(rf"certificate not changed, the old one serves on: {pem}: no private key found .*")
    assert served(lb, authority, "one.example.com")
    pem.write_bytes(authority.pem("three.example.com").read_bytes())
    lb.syslog.message(rf"certificate {pem} has changed and is in use; .*")
    eventually(lambda: all(served(lb, authority, "three.example.com") for _ in range(6)), "all serve it")
