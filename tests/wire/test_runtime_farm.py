"""The runtime of several processes: it outlives control, a reload and a jail, and reaches every worker."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import pytest

from greenlb.model import NOWHERE, Address, Global
from greenlb.process.listening import CannotStart
from greenlb.process.runtime import bind_all
from greenlb.runtime import RuntimeSocket
from tests.conftest import launcher_of
from tests.support.certs import Authority
from tests.support.farm import Farm
from tests.support.lb import Balancer, Launcher
from tests.support.origin import Origins
from tests.support.runtime import ask, raw
from tests.support.stream import eventually, get

GLOBAL = """[global]
log = 127.0.0.1:{syslog} local0
workers = %d
stats socket = {dir}/stats level admin
"""
INI = """
[frontend fe]
bind = 127.0.0.1:{fe}
default_backend = be
[backend be]
server s1 = 127.0.0.1:{s1}
server s2 = 127.0.0.1:{s2}
"""
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root may change who it is")


def names(lb: Balancer, count: int = 12) -> set[str]:
    return {lb.ask(get()).body.decode() for _ in range(count)}


def answers(lb: Balancer) -> bool:
    try:
        return raw(lb.directory / "stats", "show cli level\n") == "admin\n\n"
    except OSError:
        return False


def test_it_outlives_control_and_a_reload(greenlb: Launcher, origin: Origins) -> None:
    """What was said stays said; nobody who connects meanwhile is refused."""
    lb = greenlb(GLOBAL % 2 + INI, s1=origin.http("s1"), s2=origin.http("s2"))
    farm = Farm(lb)
    ask(lb, "disable server be/s1")
    ask(lb, "set server be/s2 weight 2")
    assert names(lb) == {"s2"}
    farm.kill("control")
    assert ask(lb, "show cli level") == "admin\n"  # waits in the backlog for the next one
    assert ask(lb, "get weight be/s2") == "2 (initial 1)\n"
    assert names(lb) == {"s2"}
    farm.settled()
    farm.reload()
    assert ask(lb, "get weight be/s2") == "2 (initial 1)\n"
    assert names(lb) == {"s2"}
    ask(lb, "enable server be/s1")
    assert names(lb) == {"s1", "s2"}


def test_a_worker_that_comes_later_knows_what_was_said(greenlb: Launcher, origin: Origins) -> None:
    lb = greenlb(GLOBAL % 1 + INI, s1=origin.http("s1"), s2=origin.http("s2"))
    farm = Farm(lb, 1)
    ask(lb, "disable frontend fe")
    farm.kill("worker 1")
    farm.settled()
    eventually(lambda: ask(lb, "disable frontend fe"), "it is told")
    with pytest.raises(ConnectionRefusedError):
        lb.connect()
    ask(lb, "enable frontend fe")
    assert names(lb) == {"s1", "s2"}


def test_sessions_of_all_workers(greenlb: Launcher, origin: Origins) -> None:
    """They are listed together, and each can be ended, wherever it is."""
    server = origin()
    lb = greenlb(GLOBAL % 2 + INI, s1=server, s2=server)
    Farm(lb)
    clients = [lb.connect() for _ in range(8)]
    for client in clients:
        client.send(get())
    held = [server.take() for _ in clients]
    lines = ask(lb, "show sess").splitlines()
    assert len(lines) == 8
    assert len({line.split(":")[0] for line in lines}) == 8
    for line in lines:
        assert ask(lb, f"shutdown session {line.split(':')[0]}") == ""
    for client in clients:
        assert client.read_response().status == 502
        assert " KH-- " in lb.log().text
        client.close()
    assert ask(lb, "show sess") == ""
    for stream, _ in held:
        stream.close()


@pytest.mark.parametrize("workers", [0, 2])
def test_a_certificate_is_set(
    greenlb: Launcher, origin: Origins, authority: Authority, tmp_path: Path, workers: int
) -> None:
    """Every worker serves it, and one that comes later; the file is as it was."""
    pem = tmp_path / "site.pem"
    pem.write_bytes(authority.pem("one.example.com").read_bytes())
    secure = INI.replace("{fe}", "{fe} ssl crt {pem}")
    lb = greenlb(GLOBAL % workers + secure, s1=origin.http("s1"), s2=origin.http("s2"), pem=pem)
    farm = Farm(lb) if workers else None

    def served(name: str) -> bool:
        context = ssl.create_default_context(cafile=str(authority.ca_file))
        try:
            lb.connect_tls(context, name).close()
        except ssl.SSLCertVerificationError:
            return False
        return True

    assert served("one.example.com")
    assert ask(lb, "show ssl cert") == f"# filename\n{pem}\n"
    assert "Subject Alternative Name: DNS:one.example.com\n" in ask(lb, f"show ssl cert {pem}")
    new = authority.pem("two.example.com").read_text()
    wrong = ask(lb, f"set ssl cert {pem} <<\nnothing of the kind\n")
    assert wrong.endswith(f"Can't load the payload\nCan't update {pem}!\n")
    text = "\n".join(line for line in new.splitlines() if line)
    assert ask(lb, f"set ssl cert {pem} <<\n{text}\n") == f"Transaction created for certificate {pem}!\n"
    assert ask(lb, "show ssl cert") == f"# transaction\n*{pem}\n# filename\n{pem}\n"
    assert "Status: Unused" in ask(lb, f"show ssl cert *{pem}")
    assert served("one.example.com")
    assert ask(lb, f"commit ssl cert {pem}") == f"Committing {pem}.\nSuccess!\n"
    assert all(served("two.example.com") for _ in range(8))
    assert "Status: Used" in (shown := ask(lb, f"show ssl cert {pem}"))
    assert "two.example.com" in shown
    if farm is not None:
        farm.kill("worker 1")
        farm.settled()
        assert all(served("two.example.com") for _ in range(8))
    assert not served("one.example.com")


MAPS = """
[frontend fe]
bind = 127.0.0.1:{fe}
http-request = deny if { src -f {list} }
               return status 200 content-type text/plain lf-string %[req.hdr(host),map({map},none)]
"""


@pytest.mark.parametrize("program", ["greenlb 0", "greenlb 2", "haproxy"])
def test_maps_and_lists(program: str, tmp_path: Path) -> None:
    """They change in every process, and in one that comes later."""
    name, _, workers = program.partition(" ")
    listed, mapped = tmp_path / "list", tmp_path / "map"
    listed.write_text("10.0.0.0/8\n")
    mapped.write_text("a.example one\nb.example two\n")
    launcher = launcher_of(name, tmp_path)
    given = {"list": listed, "map": mapped}
    try:
        plain = GLOBAL.replace("workers = %d\n", "") + MAPS
        lb = launcher(GLOBAL % int(workers or 0) + MAPS, plain, **given)
        farm = Farm(lb) if workers == "2" else None

        def found(host: str) -> set[str]:
            return {lb.ask(get(host=host)).body.decode() for _ in range(8)}

        assert found("a.example") == {"one"}
        assert [line.split()[1:] for line in ask(lb, f"show map {mapped}").splitlines()] == [
            ["a.example", "one"],
            ["b.example", "two"],
        ]
        assert f"({mapped}) pattern loaded from file '{mapped}'" in ask(lb, "show map")
        assert f"({listed}) pattern loaded from file '{listed}'" in ask(lb, "show acl")
        assert ask(lb, f"add map {mapped} c.example three") == ""
        assert ask(lb, f"set map {mapped} a.example 1") == ""
        assert ask(lb, f"del map {mapped} b.example") == ""
        assert ask(lb, f"add map {mapped} <<\nd.example four\ne.example five\n") == ""
        assert ask(lb, f"del map {mapped} b.example") == "Key not found.\n"
        assert ask(lb, f"set map {mapped} zz 1") == "entry not found.\n"
        assert ask(lb, "show map nope") == "Unknown map identifier. Please use #<id> or <file>.\n"
        assert ask(lb, "clear acl nope") == "Unknown ACL identifier. Please use #<id> or <file>.\n"
        if farm is not None:
            farm.kill("worker 1")
            farm.settled()
        for host, value in (("a", "1"), ("b", "none"), ("c", "three"), ("d", "four"), ("e", "five")):
            assert found(f"{host}.example") == {value}
        assert ask(lb, f"add acl {listed} 127.0.0.0/8") == ""
        assert {lb.ask(get()).status for _ in range(8)} == {403}
        assert ask(lb, f"clear acl {listed}") == ""
        assert {lb.ask(get()).status for _ in range(8)} == {200}
        asked = ask(lb, f"get map {mapped} a.example")
        about = "case=sensitive, found=yes, idx=tree"
        assert asked == f'type=str, {about}, key="a.example", value="1", type="str"\n'
        assert ask(lb, f"get map {mapped} b.example") == "type=str, case=sensitive, found=no\n"
        assert ask(lb, f"get acl {listed} 10.0.0.1") == "type=ip, case=sensitive, match=no\n"
        assert ask(lb, f"prepare map {mapped}") == "New version created: 1\n"
        many = launcher.says(greenlb=3000, haproxy=300)  # it takes 16 KB at a time
        more = "".join(f"host{number}.example {number}\n" for number in range(many))
        assert ask(lb, f"add map @1 {mapped} <<\na.example new\n{more}") == ""
        assert found("a.example") == {"1"}
        unknown = "Version number in the future, please use 'prepare map' before.\n"
        assert ask(lb, f"add map @7 {mapped} a.example x") == unknown
        assert ask(lb, f"commit map @7 {mapped}") == "Version number out of range.\n"
        assert ask(lb, f"commit map @1 {mapped}") == ""
        assert found("a.example") == {"new"}
        assert found("c.example") == {"none"}
        assert found(f"host{many - 1}.example") == {str(many - 1)}
        assert f"curr_ver=1 next_ver=1 entry_cnt={many + 1}\n" in ask(lb, "show map")
        assert ask(lb, f"clear map {mapped}") == ""
        assert ask(lb, f"show map {mapped}") == ""
        assert found("a.example") == {"none"}
    finally:
        launcher.close()


@as_root
def test_confined_it_still_answers(greenlb: Launcher, origin: Origins, tmp_path: Path) -> None:
    """The socket was bound by root; its owner and permissions are as told."""
    jail = tmp_path / "jail"
    jail.mkdir()
    text = GLOBAL.replace("level admin", "mode 640 uid 65534 level admin") % 2
    confined = f"user = nobody\ngroup = nogroup\nchroot = {jail}\n"
    lb = greenlb(text + confined + INI, s1=origin.http("s1"), s2=origin.http("s2"))
    farm = Farm(lb)
    status = os.stat(lb.directory / "stats")
    assert (status.st_mode & 0o777, status.st_uid) == (0o640, 65534)
    ask(lb, "disable server be/s1")
    assert names(lb) == {"s2"}
    farm.kill("control")
    assert ask(lb, "get weight be/s2") == "1 (initial 1)\n"
    farm.settled()
    farm.reload()
    eventually(lambda: answers(lb), "it answers after a reload")
    assert names(lb) == {"s2"}


def test_a_stale_path_is_taken_and_a_file_is_not(greenlb: Launcher, tmp_path: Path, origin: Origins) -> None:
    text = (GLOBAL % 0).replace("{dir}/stats", "{path}") + INI
    servers = {"s1": origin.http("s1"), "s2": origin.http("s2")}
    path = tmp_path / "runtime"
    first = greenlb(text, path=path, **servers)
    second = greenlb(text, path=path, **servers)  # as -sf would have it: the next one has the name
    assert raw(path, "show cli level\n") == "admin\n\n"
    assert first.process.poll() is second.process.poll() is None
    file = tmp_path / "file"
    file.write_text("precious")
    made = RuntimeSocket(Address(str(file), unix=True), NOWHERE)
    with pytest.raises(CannotStart, match="there is a file of that name that is no socket"):
        bind_all(Global(runtime_sockets=(made,)))
    assert file.read_text() == "precious"
