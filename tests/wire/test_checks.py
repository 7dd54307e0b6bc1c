"""server ... check: a TCP connect now and then, and what turns on it."""

from tests.support.lb import Launcher
from tests.support.origin import Origins

INI = """
[frontend fe]
bind = 127.0.0.1:{fe}
default_backend = be

[backend be]
balance = roundrobin
server s1 = 127.0.0.1:{s1} check inter 150ms %s
server s2 = 127.0.0.1:{s2} %s
"""

DOWN = (
    r'Server be/s1 is DOWN, reason: Layer4 connection problem, info: "Connection refused"(?: at .*)?, '
    r"check duration: [0-9]+ms\. %s\. 0 sessions active, 0 requeued, 0 remaining in queue\."
)
UP = (
    r"Server be/s1 is UP, reason: Layer4 check passed, check duration: [0-9]+ms\. "
    r"%s\. 0 sessions requeued, 0 total in queue\."
)


def test_a_server_goes_down_and_comes_back(proxy: Launcher, origin: Origins) -> None:
    """Its DOWN line (alert), no more traffic; its UP line (notice) and its turns again."""
    refusing, s2 = origin.refusing(), origin.http("s2")
    lb = proxy(INI % ("fall 2 rise 2", ""), s1=refusing, s2=s2)
    down = lb.syslog.message(DOWN % "1 active and 0 backup servers left")
    assert down.priority == 129
    assert [lb.ask().body for _ in range(3)] == [b"s2"] * 3
    assert {lb.log().retries for _ in range(3)} == {"0"}
    s1 = refusing.listen()
    up = lb.syslog.message(UP % "2 active and 0 backup servers online")
    assert up.priority == 133
    s1.close()


def test_the_last_one_down(proxy: Launcher, origin: Origins) -> None:
    """No server left: an emergency line, and 503 SC without a try."""
    ini = INI.replace("server s2 = 127.0.0.1:{s2} %s\n", "")
    lb = proxy(ini % "fall 1", s1=origin.refusing())
    lb.syslog.message(DOWN % "0 active and 0 backup servers left")
    assert lb.syslog.message(r"backend be has no server available!").priority == 128
    assert lb.ask().status == 503
    line = lb.log()
    assert (line.to, line.flags, line.retries, line.timers[1:4]) == ("be/<NOSRV>", "SC--", "0", (-1, -1, -1))


def test_at_boot_one_failure_is_enough(proxy: Launcher, origin: Origins) -> None:
    """A server starts one failed check away from DOWN, whatever fall says."""
    lb = proxy(INI % ("fall 100", ""), s1=origin.refusing(), s2=origin.http("s2"))
    lb.syslog.message(DOWN % "1 active and 0 backup servers left")


def test_a_backup_is_named_so(proxy: Launcher, origin: Origins) -> None:
    """Backup Server ... in its lines, and the count of backups."""
    lb = proxy(INI % ("fall 1 backup", ""), s1=origin.refusing(), s2=origin.http("s2"))
    lb.syslog.message("Backup " + DOWN % "1 active and 0 backup servers left")


def test_running_on_backup(proxy: Launcher, origin: Origins) -> None:
    """The line says when only backups are left."""
    lb = proxy(INI % ("fall 1", "backup"), s1=origin.refusing(), s2=origin.http("s2"))
    lb.syslog.message(
        r"Server be/s1 is DOWN.* 0 active and 1 backup servers left\. Running on backup\. 0 sessions active.*"
    )
    assert lb.ask().body == b"s2"


def test_a_check_that_hangs(proxy: Launcher, origin: Origins) -> None:
    """No answer within inter: Layer4 timeout."""
    lb = proxy(INI % ("fall 1", ""), s1=origin.unanswering(), s2=origin.http("s2"))
    lb.syslog.message(
        r"Server be/s1 is DOWN, reason: Layer4 timeout(, info: .*)?, check duration: 1[0-9]{2}ms\. .*"
    )


def test_another_port_may_be_checked(proxy: Launcher, origin: Origins) -> None:
    """port N: the check goes there, and turns the server that answers elsewhere."""
    s1, s2 = origin.http("s1"), origin.http("s2")
    lb = proxy(INI % ("port {probe}", ""), s1=s1, probe=origin.refusing(), s2=s2)
    lb.syslog.message(r"Server be/s1 is DOWN.*")
    assert [lb.ask().body for _ in range(2)] == [b"s2", b"s2"]
