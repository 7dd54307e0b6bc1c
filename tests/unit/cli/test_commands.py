"""What greenlb does besides running."""

from __future__ import annotations

from pathlib import Path

import pytest

from greenlb.cli import command

CFG = "global\n nbthread 4\n maxconn 10\nfrontend x\n bind 127.0.0.1:80\n timeout client 1s\n"
LINE = '127.0.0.1:5 [d] fe be/s1 0/0/0/-1/502 504 133 - - sH-- 1/1/0/0/0 0/0 "GET / HTTP/1.1"'


@pytest.fixture
def cfg(tmp_path: Path) -> Path:
    path = tmp_path / "haproxy.cfg"
    path.write_text(CFG)
    return path


def test_convert(cfg: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["convert", str(cfg)]) == 0
    assert "maxconn = 10\n" in capsys.readouterr().out


def test_convert_says_what_is_wrong(cfg: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cfg.write_text("global\n.if 1\n")
    assert command.main(["convert", str(cfg)]) == 1
    assert "this '.if' has no '.endif'" in capsys.readouterr().err


def test_report(cfg: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cfg.write_text(CFG + " filter trace\n")
    assert command.main(["convert", "--report", str(cfg)]) == 1
    rows = [line.split(None, 1)[0] for line in capsys.readouterr().out.splitlines() if line[0] != " "]
    assert rows == ["works", "no", "works", "works", "works", "works", "refused"]


def test_an_ini_file_is_not_converted(cfg: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cfg.write_text("[global]\n")
    assert command.main(["convert", str(cfg)]) == 1
    assert "is no haproxy.cfg" in capsys.readouterr().err


def test_diff(cfg: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file and its conversion are the same; one value is a line less and a line more."""
    ini = tmp_path / "a.ini"
    assert command.main(["convert", str(cfg)]) == 0
    ini.write_text(capsys.readouterr().out)
    assert command.main(["diff", str(cfg), str(ini)]) == 0
    ini.write_text(ini.read_text().replace("maxconn = 10", "maxconn = 20"))
    assert command.main(["diff", str(cfg), str(ini)]) == 1
    out = capsys.readouterr().out
    assert "-maxconn = 10\n+maxconn = 20\n" in out
    assert command.main(["diff", str(cfg), str(tmp_path / "none")]) == 2


def test_explain(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["explain", LINE]) == 0
    assert "timeout server" in capsys.readouterr().out
    assert command.main(["explain", "hello"]) == 1
    assert "this is no log line" in capsys.readouterr().err


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["explain", "-h"]) == 0
    assert capsys.readouterr().out.startswith("Usage : greenlb explain LINE...")


@pytest.mark.parametrize(
    ("condition", "status"), [("version_atleast(2.6)", 0), ("0", 1), ("later(1)", 1), ("(1", 2)]
)
def test_condition(condition: str, status: int) -> None:
    assert command.main(["-cc", condition]) == status


def test_print(cfg: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--print", "-q", "-f", str(cfg)]) == 0
    assert "[frontend x]\nbind = 127.0.0.1:80\ntimeout client = 1s\n" in capsys.readouterr().out
