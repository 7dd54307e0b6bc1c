"""In a jail and without privileges: what needs the outside comes from the master."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.certs import Authority
from tests.support.farm import Farm
from tests.support.lb import Balancer, Launcher
from tests.support.nameserver import Nameserver
from tests.support.origin import Origins
from tests.support.runtime import ask
from tests.support.stream import eventually, get

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="NOT TESTED: only root may change who it is, and what its root is"
)

INI = """[global]
log = 127.0.0.1:{syslog} local0
      {socket} local0
stats socket = {dir}/stats level admin
state-dir = {dir}/state
workers = 2
user = nobody
group = nogroup
chroot = {jail}

[defaults]
log = global
mode = http
option httplog = yes
timeout connect = 3s
timeout client = 20s
timeout server = 20s

[resolvers dns]
nameserver ns1 = 127.0.0.1:{dns}
timeout resolve = 200ms
timeout retry = 500ms
hold nx = 100ms

[frontend fe]
bind = 127.0.0.1:{fe} ssl crt {pem} ca-file {ca} verify optional
default_backend = be

[backend be]
server s1 = app.example.test:{s1} resolvers dns init-addr none check inter 200ms
"""


@pytest.fixture
def nameserver(tmp_path: Path) -> Iterator[Nameserver]:
    (tmp_path / "dns").mkdir()
    server = Nameserver(tmp_path / "dns", "")
    yield server
    server.close()


def receiver(path: Path) -> socket.socket:
    """A syslogd; everybody may write to it, as to /dev/log."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(str(path))
    path.chmod(0o666)
    sock.setblocking(False)
    return sock


def has_logged(lb: Balancer, context: ssl.SSLContext, syslogd: socket.socket) -> bool:
    status(lb, context)
    try:
        while "GET /" not in syslogd.recv(4096).decode():
            pass
    except BlockingIOError:
        return False
    return True


def status(lb: Balancer, context: ssl.SSLContext, name: str = "one.example.com") -> int:
    """What a request is answered with; 0 when the certificate is another's."""
    try:
        with lb.connect_tls(context, name) as client:
            client.send(get())
            return client.read_response().status
    except ssl.SSLCertVerificationError:
        return 0


def test_everything_works_in_a_jail(
    greenlb: Launcher, origin: Origins, nameserver: Nameserver, authority: Authority, tmp_path: Path
) -> None:
    """Names are resolved, syslog comes back, the runtime socket answers, also after control died and after a
    reload; certificates and whom to trust change."""
    jail, log, pem, ca = (tmp_path / name for name in ("jail", "log", "site.pem", "trusted.pem"))
    jail.mkdir()
    pem.write_bytes(authority.pem("one.example.com").read_bytes())
    ca.write_bytes(authority.ca_file.read_bytes())
    context = ssl.create_default_context(cafile=str(authority.ca_file))
    given = {"jail": jail, "socket": log, "pem": pem, "ca": ca}
    syslogd = receiver(log)
    lb = greenlb(INI, None, s1=origin.http("s1"), dns=nameserver.port, **given)
    farm = Farm(lb)
    for role in ("worker 1", "worker 2", "control"):
        assert os.readlink(f"/proc/{farm.pid(role)}/root") == str(jail)
    assert status(lb, context) == 503
    nameserver.change("app A 127.0.0.1")
    eventually(lambda: {status(lb, context) for _ in range(6)} == {200}, "its name is resolved")
    eventually(lambda: has_logged(lb, context, syslogd), "lines come")
    for end in (lambda: farm.kill("control"), farm.reload):
        end()
        farm.settled()
        syslogd.close()
        log.unlink()
        syslogd = receiver(log)
        eventually(lambda: has_logged(lb, context, syslogd), "lines come again")  # noqa: B023 - at once
        ask(lb, "disable server be/s1")
        assert {status(lb, context) for _ in range(6)} == {503}
        ask(lb, "enable server be/s1")
        eventually(lambda: {status(lb, context) for _ in range(6)} == {200}, "it is used again")
        nameserver.change("")
        eventually(lambda: {status(lb, context) for _ in range(6)} == {503}, "its name is gone")
        nameserver.change("app A 127.0.0.1")
        eventually(lambda: {status(lb, context) for _ in range(6)} == {200}, "and is there again")
    pem.write_bytes(authority.pem("two.example.com").read_bytes())
    lb.syslog.message(rf"certificate {pem} has changed and is in use; .*")
    eventually(lambda: {status(lb, context, "two.example.com") for _ in range(6)} == {200}, "all show it")
    ca.write_bytes(ca.read_bytes() + b"\n")
    lb.syslog.message(rf"ca-file {ca} has changed and is in use")
    assert {status(lb, context, "two.example.com") for _ in range(6)} == {200}
    syslogd.close()
    assert "Traceback" not in lb.stderr.read_text()
