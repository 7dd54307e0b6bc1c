"""What the words of ``log`` mean; the rest of logs is in logs.case."""

import socket

import pytest

from greenlb.config.load import load_text

LINE = "[global]\nlog = {}\n"


def target(words):
    loaded = load_text(LINE.format(words))
    assert loaded.errors == []
    (found,) = loaded.config.settings.log_targets
    return found


@pytest.mark.parametrize(
    ("words", "kind", "address", "port"),
    [
        ("127.0.0.1 local0", "udp", "127.0.0.1", 514),
        ("127.0.0.1:1514 local0", "udp", "127.0.0.1", 1514),
        ("::1 local0", "udp", "::1", 514),
        ("[::1]:515 local0", "udp", "::1", 515),
        ("/dev/log local0", "unix", "/dev/log", 0),
        ("/var/lib/haproxy/dev/log local0", "unix", "/var/lib/haproxy/dev/log", 0),
        ("/run/log.sock local0", "unix", "/run/log.sock", 0),
        ("unix@/run/journal local0", "unix", "/run/journal", 0),
        ("/var/log/greenlb.log", "file", "/var/log/greenlb.log", 0),
        ("logs/greenlb.log local1", "file", "logs/greenlb.log", 0),
        ("file@greenlb.log", "file", "greenlb.log", 0),
        ("stdout", "stdout", "", 0),
        ("stderr format raw daemon", "stderr", "", 0),
        ("fd@5", "fd", "5", 0),
    ],
)
def test_where(words, kind, address, port):
    found = target(words)
    assert (found.kind, found.address, found.port) == (kind, address, port)


def test_a_socket_that_is_there_is_no_file(tmp_path):
    path = tmp_path / "journal"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(path))
        assert target(f"{path} local0").kind == "unix"
    path.unlink()
    assert target(f"{path} local0").kind == "file"


@pytest.mark.parametrize(("folder", "lost"), [("", False), ("missing", True)])
def test_a_file_needs_a_folder(tmp_path, folder, lost):
    file = tmp_path / folder / "greenlb.log"
    (warning, *others) = load_text(LINE.format(file), "t.ini").warnings or [""]
    assert others == []
    assert str(warning) == (
        f"t.ini:2: 'log': there is no folder '{file.parent}': what goes to '{file}' is lost" if lost else ""
    )


def test_levels_and_lengths():
    found = target("127.0.0.1 len 4096 format rfc5424 local2 notice err")
    assert (found.facility, found.level, found.minimum, found.length, found.format) == (
        18,
        5,
        3,
        4096,
        "rfc5424",
    )
    assert target("127.0.0.1 local7 info").level == 6


def test_a_target_given_twice_gets_one_line():
    loaded = load_text(
        "[global]\nlog = 127.0.0.1 local0\n[defaults]\nlog = global\ntimeout client = 1s\n"
        "[frontend f]\nbind = 127.0.0.1:1\nlog = global\n"
    )
    assert len(loaded.config.frontends[0].log_targets) == 1


@pytest.mark.parametrize(("value", "name"), [("yes", socket.gethostname()), ("no", ""), ("lb1", "lb1")])
def test_hostname(value, name):
    loaded = load_text(f"[global]\nlog-send-hostname = {value}\n")
    assert loaded.config.settings.log_send_hostname == name
