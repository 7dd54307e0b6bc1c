"""What the kernel is told of keepalive packets, and words of HAProxy's that set something small."""

from __future__ import annotations

import socket

from greenlb.config.load import Told, load, load_text

ON = (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
BASE = "defaults\n mode http\n timeout client 1s\n timeout server 1s\n timeout connect 1s\n"


def test_times_go_with_their_side() -> None:
    text = "listen l\n bind 127.0.0.1:1\n option clitcpka\n clitcpka-idle 1m\n clitcpka-cnt 3\n"
    text += " srvtcpka-intvl 7\n"
    config = load_text(BASE + text).config
    assert config is not None
    assert config.frontends[0].keepalive == (
        ON,
        (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60),
    )
    assert config.backends[0].keepalive == ()
    both = load_text(BASE + text + " option tcpka\n no option clitcpka\n").config
    assert both is not None
    assert both.frontends[0].keepalive == ()
    assert both.backends[0].keepalive == (ON, (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 7))


def test_nosplice_is_for_all() -> None:
    config = load_text(
        "global\n nosplice\n" + BASE + "listen l\n bind 127.0.0.1:1\n option splice-request\n"
    ).config
    assert config is not None
    front = config.frontends[0]
    assert (front.splice_auto, front.splice_request, front.splice_response) == (False, False, False)


def test_unix_bind_is_for_paths_alone() -> None:
    config = load_text(
        "global\n unix-bind prefix /run/x mode 600 uid 7\n" + BASE + "listen l\n"
        " bind /a mode 660\n bind unix@/b\n bind 127.0.0.1:1\n bind abns@c\n"
    ).config
    assert config is not None
    made = [(bind.address.path, bind.mode, bind.uid) for bind in config.frontends[0].binds]
    assert made == [("/run/x/a", 0o660, 7), ("/run/x/b", 0o600, 7), ("", None, None), ("", None, None)]


def test_the_command_line_adds(tmp_path) -> None:
    """Its settings come after the files', what it says of proxies comes before."""
    file = tmp_path / "x.cfg"
    file.write_text(
        "global\n maxconn 5\n" + BASE + "listen l\n bind 127.0.0.1:1\n"
        "defaults\n mode tcp\nlisten m\n bind 127.0.0.1:2\n maxconn 8\n"
    )
    config = load([str(file)], told=Told([("maxconn", "6")], [("maxconn", "7")])).config
    assert config is not None
    assert config.settings.maxconn == 6
    assert [frontend.maxconn for frontend in config.frontends] == [7, 8]


def test_a_captured_cookie_is_as_long_as_may_be() -> None:
    text = BASE + "frontend f\n bind 127.0.0.1:1\n capture cookie S len 100\n"
    loaded = load_text(text)
    assert loaded.config is not None
    assert loaded.config.frontends[0].cookie_capture == (b"S", 63)
    said = [problem.message for problem in loaded.warnings]
    assert any("truncating capture length to 63 bytes for frontend 'f'." in message for message in said)
    more = load_text("global\n tune.http.cookielen 200\n" + text)
    assert more.config is not None
    assert more.config.frontends[0].cookie_capture == (b"S", 100)
