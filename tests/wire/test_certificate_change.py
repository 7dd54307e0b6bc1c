"""A certificate's file changes while greenlb runs."""

from __future__ import annotations

import ssl
from contextlib import ExitStack
from pathlib import Path

import pytest
from cryptography import x509

from tests.support.certs import Authority
from tests.support.farm import Farm
from tests.support.lb import Balancer, Launcher
from tests.support.origin import Origins
from tests.support.runtime import ask
from tests.support.stream import eventually, get

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


TRUST = """[global]
log = 127.0.0.1:{syslog} local0
workers = %d
[defaults]
log = global
mode = http
timeout connect = 3s
timeout client = 8s
timeout server = 8s
[frontend fe]
bind = 127.0.0.1:{fe} ssl crt {pem} ca-file {ca} crl-file {crl} verify required
default_backend = be
[backend be]
server s1 = 127.0.0.1:{s1} ssl verify required ca-file {ca} verifyhost s.test check inter 100ms fall 1 rise 1
"""


@pytest.mark.parametrize("workers", [0, 2])
def test_whom_to_trust_changes_by_itself(
    greenlb: Launcher, origin: Origins, authority: Authority, tmp_path: Path, workers: int
) -> None:
    """A certificate that is called back opens nothing any more, not by a session of before either; a new
    authority counts for clients, servers and checks; a broken file leaves the old one at work."""
    ca, crl = tmp_path / "ca.pem", tmp_path / "crl.pem"
    ca.write_bytes(authority.ca_file.read_bytes())
    crl.write_bytes(authority.revoke(authority.sign("nobody.test")[0]).read_bytes())
    pem = authority.pem("me.test")
    certificate = x509.load_pem_x509_certificate(pem.read_bytes())
    s1 = origin.http("s1", tls=authority.server_context("s.test"))
    lb = greenlb(TRUST % workers, s1=s1, pem=authority.pem("www.example.com"), ca=ca, crl=crl)
    context = ssl.create_default_context(cafile=str(authority.ca_file))
    context.load_cert_chain(pem)
    session: ssl.SSLSession | None = None

    def lets_in() -> bool:
        nonlocal session
        try:
            with lb.connect_tls(context, "www.example.com", session=session) as client:
                client.send(get())
                client.read_response()
                session = client.tls.session
        except (OSError, AssertionError):
            return False
        return True

    assert all(lets_in() for _ in range(4))
    ca.write_text("nothing")
    lb.syslog.message(rf"ca-file not changed, the old one serves on: {ca}: no certificate found .*")
    assert all(lets_in() for _ in range(4))
    ca.write_bytes(authority.ca_file.read_bytes())
    lb.syslog.message(rf"ca-file {ca} has changed and is in use")
    crl.write_bytes(authority.revoke(certificate).read_bytes())
    lb.syslog.message(rf"crl-file {crl} has changed and is in use")
    eventually(lambda: not any(lets_in() for _ in range(6)), "it is refused by all")
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other")
    ca.write_bytes(other.ca_file.read_bytes())
    lb.syslog.message(rf"ca-file {ca} has changed and is in use")
    lb.syslog.message(r"Server be/s1 is DOWN.*")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_resumes_at_every_worker_after_a_change(
    greenlb: Launcher, origin: Origins, authority: Authority, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    """By its ticket, at the worker that made it and at the other, whether the file changed or an operator set
    the certificate."""
    pem = tmp_path / "site.pem"
    pem.write_bytes(authority.pem("www.example.com").read_bytes())
    ini = (INI % 2).replace("[global]\n", "[global]\nstats socket = {dir}/stats level admin\n")
    ini = ini.replace("mode = http\n", "mode = http\nlog = global\noption httplog = yes\n")
    lb = greenlb(ini, s1=origin.http("s1"), pem=pem)
    Farm(lb)
    context = ssl.create_default_context(cafile=str(authority.ca_file))
    context.minimum_version = context.maximum_version = version

    def resumes(session: ssl.SSLSession) -> None:
        """At both."""
        pids: set[int] = set()
        with ExitStack() as stack:
            for _ in range(12):  # they stay, so that both have a part
                client = stack.enter_context(lb.connect_tls(context, "www.example.com", session=session))
                client.send(get())
                client.read_response()
                assert client.tls.session_reused
                pids.add(lb.syslog.message(r'.*"GET / HTTP/1\.1"').pid)
        assert len(pids) == 2

    def begin() -> ssl.SSLSession:
        with lb.connect_tls(context, "www.example.com") as client:
            client.send(get())
            client.read_response()
            lb.syslog.message(r'.*"GET / HTTP/1\.1"')
            session = client.tls.session
        assert session is not None
        return session

    first = begin()
    pem.write_bytes(authority.pem("www.example.com").read_bytes())
    lb.syslog.message(rf"certificate {pem} has changed and is in use; .*")
    resumes(first)
    second = begin()
    new = "\n".join(line for line in authority.pem("www.example.com").read_text().splitlines() if line)
    ask(lb, f"set ssl cert {pem} <<\n{new}\n")
    assert ask(lb, f"commit ssl cert {pem}").endswith("Success!\n")
    lb.syslog.message(rf"certificate {pem} was set at run time and is in use")
    resumes(first)
    resumes(second)
    resumes(begin())
