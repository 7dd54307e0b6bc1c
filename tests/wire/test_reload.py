"""SIGUSR2 and SIGHUP: a new configuration, and nobody notices who is being served."""

from __future__ import annotations

import os
import signal
import ssl
import time

from greenlb.testing.launch import Reserved
from tests.support.certs import Authority
from tests.support.farm import Farm, Load
from tests.support.kernel import listening_ports
from tests.support.lb import Launcher
from tests.support.origin import Origins
from tests.support.stream import eventually, get, response

GLOBAL = "[global]\nlog = 127.0.0.1:{syslog} local0\nworkers = 2\n%s\n"
QUIET = "[defaults]\nmode = http\ntimeout connect = 3s\ntimeout client = 8s\ntimeout server = 8s\n"
PROXIES = """
[frontend fe]
bind = 127.0.0.1:{fe}
default_backend = be

[backend be]
server s1 = 127.0.0.1:{s1} %s
"""


def test_ten_reloads_in_a_row_cost_no_request(greenlb: Launcher, origin: Origins) -> None:
    """Under constant load: not one refused, reset or answered with anything but 200."""
    lb = greenlb(GLOBAL % "" + QUIET + PROXIES % "", s1=origin.http("s1"))
    farm = Farm(lb)
    with Load(lb.port()) as load:
        for _ in range(10):
            os.kill(farm.master, signal.SIGUSR2)
            lb.syslog.message(r"Loading success\.")
            load.more(20)
        farm.settled()
    assert load.failures == []
    assert load.answered > 500


def test_counts_go_on_over_a_reload(greenlb: Launcher, origin: Origins) -> None:
    lb = greenlb(GLOBAL % "" + QUIET + PROXIES % "", s1=origin.http("s1"))
    farm = Farm(lb)
    for _ in range(5):
        lb.ask()
    farm.reload(signal.SIGHUP)
    for _ in range(3):
        lb.ask()
    eventually(lambda: not farm.counted()["fe/FRONTEND"].values["scur"], "the last connection is closed")
    counted = farm.counted()
    assert counted["be/s1"].values["stot"] == 8
    assert counted["fe/FRONTEND"].values["stot"] == 8


def test_an_error_leaves_the_old_configuration_at_work(greenlb: Launcher, origin: Origins) -> None:
    """Each error is logged with its place; the processes are the same ones."""
    lb = greenlb(GLOBAL % "" + QUIET + PROXIES % "", s1=origin.http("s1"))
    farm = Farm(lb)
    before = farm.roles()
    farm.rewrite(("default_backend = be", "default_backend = bee"))
    os.kill(farm.master, signal.SIGUSR2)
    lb.syslog.message(r".*greenlb\.ini:\d+.*unable to find required default_backend: 'bee'.*")
    lb.syslog.message(r"Loading failure.*the old configuration goes on")
    assert farm.roles() == before
    assert lb.ask().status == 200
    farm.rewrite(("default_backend = bee", "default_backend = be"))
    farm.reload()
    assert lb.ask().status == 200


def test_an_address_that_cannot_be_had_leaves_the_old_configuration_at_work(
    greenlb: Launcher, origin: Origins
) -> None:
    lb = greenlb(GLOBAL % "" + QUIET + PROXIES % "", s1=origin.http("s1"))
    farm = Farm(lb)
    before = farm.roles()
    taken = origin()
    farm.rewrite(("default_backend = be", f"  127.0.0.1:{taken.port}\ndefault_backend = be"))
    os.kill(farm.master, signal.SIGUSR2)
    lb.syslog.message(r".*cannot bind socket \(Address already in use\).*")
    lb.syslog.message(r"Loading failure.*the old configuration goes on")
    assert farm.roles() == before
    assert lb.ask().status == 200


def test_binds_and_servers_come_and_go(greenlb: Launcher, origin: Origins) -> None:
    s1, s2 = origin.http("s1"), origin.http("s2")
    lb = greenlb(GLOBAL % "" + QUIET + PROXIES % "", s1=s1)
    farm = Farm(lb)
    other = Reserved()
    farm.rewrite(
        ("default_backend = be", f"  127.0.0.1:{other.port}\ndefault_backend = be"),
        (f"server s1 = 127.0.0.1:{s1.port}", f"server s2 = 127.0.0.1:{s2.port}"),
    )
    farm.reload()
    lb.reserved["other"] = other
    assert {lb.ask().body, lb.ask(name="other").body} == {b"s2"}
    farm.rewrite((f"  127.0.0.1:{other.port}\n", ""))
    farm.reload()
    with lb.connect():
        pass
    assert other.port not in listening_ports()


def test_servers_stand_as_they_stood(greenlb: Launcher, origin: Origins) -> None:
    """A server that is down is not tried after a reload, and is not told of a second time."""
    refusing = origin.refusing()
    check = "check inter 100ms fall 2 rise 2"
    lb = greenlb(GLOBAL % "" + QUIET + "log = global\n" + PROXIES % check, s1=refusing)
    farm = Farm(lb)
    farm.has_said("Server be/s1 is DOWN, ")
    assert lb.ask().status == 503
    farm.reload()
    began = time.monotonic()
    assert lb.ask().status == 503
    assert time.monotonic() - began < 0.9  # not tried: a try takes a second's turn-around
    refusing.listen()
    # The next line about it is that it is back.
    said = lb.syslog.message(r"Server be/s1 is .*")
    assert said.text.startswith("Server be/s1 is UP")


def test_running_requests_end_and_say_that_the_connection_does(greenlb: Launcher, origin: Origins) -> None:
    """A request that runs is answered with ``Connection: close``; a client that is idle is closed."""
    s1 = origin()
    lb = greenlb(GLOBAL % "" + QUIET + PROXIES % "", s1=s1)
    farm = Farm(lb)
    with lb.connect() as busy, lb.connect() as idle:
        idle.send(get("/idle"))
        server, _ = s1.take()
        server.send(response(body=b"idle"))
        assert idle.read_response().get("connection") is None
        busy.send(get("/busy"))
        server, _ = s1.take(server)
        os.kill(farm.master, signal.SIGUSR2)
        lb.syslog.message(r"Loading success\.")
        idle.read_to_fin()
        server.send(response(body=b"busy"))
        answer = busy.read_response()
        assert (answer.body, answer.get("connection")) == (b"busy", "close")
        busy.expect_closed()
    farm.settled()


def test_a_request_on_an_idle_connection_is_still_answered(greenlb: Launcher, origin: Origins) -> None:
    """While it drains, the next request of a kept-alive client is served, and is its last one there."""
    lb = greenlb(GLOBAL % "" + QUIET + PROXIES % "", s1=origin.http("s1"))
    farm = Farm(lb)
    with lb.connect() as client:
        client.send(get())
        client.read_response()
        os.kill(farm.master, signal.SIGUSR2)
        lb.syslog.message(r"Loading success\.")

        def told_of_the_end() -> bool:
            client.send(get())
            answer = client.read_response()
            assert answer.status == 200
            return answer.get("connection") == "close"

        eventually(told_of_the_end, "its worker drains")
        client.expect_closed()
    farm.settled()


def test_hard_stop_after_ends_what_does_not_end(greenlb: Launcher, origin: Origins) -> None:
    """A tunnel lives on in the former worker, until its time is up."""
    s1 = origin()
    lb = greenlb(
        GLOBAL % "hard-stop-after = 2s" + QUIET.replace("http", "tcp") + PROXIES % "",
        s1=s1,
    )
    farm = Farm(lb)
    with lb.connect() as client:
        client.send(b"hello")
        server = s1.accept()
        assert server.read(5) == b"hello"
        os.kill(farm.master, signal.SIGUSR2)
        lb.syslog.message(r"Loading success\.")
        server.send(b"still")
        assert client.read(5) == b"still"
        lb.syslog.message(r"worker \d \(\d+\): soft-stop running for too long, performing a hard-stop\.")
        client.expect_closed()
    farm.settled()


def test_a_new_certificate_is_served(greenlb: Launcher, origin: Origins, authority: Authority) -> None:
    s1 = origin.http("s1")
    first, second = authority.pem("one.example.com"), authority.pem("two.example.com")
    ini = PROXIES.replace("{fe}", "{fe} ssl crt {dir}/site.pem")
    path = greenlb.directory / "site.pem"
    path.write_bytes(first.read_bytes())
    lb = greenlb(GLOBAL % "" + QUIET + ini.replace("{dir}/site.pem", str(path)) % "", s1=s1)
    farm = Farm(lb)
    path.write_bytes(second.read_bytes())
    farm.reload()
    context = ssl.create_default_context(cafile=str(authority.ca_file))
    with lb.connect_tls(context, "two.example.com") as client:
        client.send(get())
        assert client.read_response().body == b"s1"


def test_it_reloads_as_often_as_it_is_asked_to(greenlb: Launcher, origin: Origins) -> None:
    """Signals that come while a reload runs are one more reload, and none ends the master."""
    lb = greenlb(GLOBAL % "" + QUIET + PROXIES % "", s1=origin.http("s1"))
    farm = Farm(lb)
    farm.rewrite(("server s1", "server s9"))
    for _ in range(20):
        os.kill(farm.master, signal.SIGUSR2)
    lb.syslog.message(r"Loading success\.")
    eventually(lambda: lb.ask().status == 200, "it serves")
    farm.settled()
    assert lb.process.poll() is None
