"""Loading as a whole: files, order, what is told, how long it takes."""

import time

from greenlb.config.load import load, load_text
from greenlb.model import ALLOW

BASE = "[defaults]\nmode = http\ntimeout client = 5s\ntimeout connect = 5s\ntimeout server = 5s\n"


def test_files_are_one_configuration_in_their_order(tmp_path):
    first, second = tmp_path / "1.ini", tmp_path / "2.ini"
    first.write_text(BASE + "[global]\nmaxconn = 5\n")
    second.write_text(
        "[global]\nmaxconn = 6\n[frontend f]\nbind = 127.0.0.1:1\ndefault_backend = b\n[backend b]\n"
    )
    loaded = load([str(first), str(second)])
    assert loaded.errors == [] and loaded.warnings == []
    assert loaded.config.settings.maxconn == 6
    assert loaded.config.frontends[0].mode == "http"
    assert loaded.config.files == (str(first), str(second))


def test_a_byte_order_mark_and_dos_lines_do_no_harm(tmp_path):
    file = tmp_path / "dos.ini"
    file.write_bytes(b"\xef\xbb\xbf[global]\r\nmaxconn = 5\r\nlog-tag = \xff\r\n")
    loaded = load([str(file)])
    assert loaded.errors == []
    assert loaded.config.settings.maxconn == 5


def test_errors_stand_in_the_order_of_files_and_lines(tmp_path):
    second, first = tmp_path / "b.ini", tmp_path / "a.ini"
    second.write_text("[frontend f]\ndefault_backend = nowhere\nbind = *\n")
    first.write_text("[global]\nbogus = 1\n\nmaxconn = x\n")
    loaded = load([str(second), str(first)])
    assert [(p.where.file, p.where.line) for p in loaded.errors] == [
        (str(second), 2),
        (str(second), 3),
        (str(first), 2),
        (str(first), 4),
    ]
    assert str(loaded.errors[0]).startswith(f"{second}:2: unable to find required default_backend: 'nowhere'")


def test_what_is_inherited_is_told_once():
    loaded = load_text(
        BASE + "balance = bogus\ncookie = a bogus\n[backend a]\n[backend b]\n[backend c]\n", "f"
    )
    assert [problem.where.line for problem in loaded.errors] == [6, 7]


def test_a_file_that_cannot_be_read_is_an_error(tmp_path):
    loaded = load([str(tmp_path / "nosuch.ini")])
    assert loaded.config is None
    assert (
        str(loaded.errors[0])
        == f"{tmp_path}/nosuch.ini:0: cannot open the configuration file: No such file or directory"
    )


def test_with_errors_the_rest_is_there_to_be_checked_further(tmp_path):
    certificate = tmp_path / "site.pem"
    certificate.write_text("-")
    loaded = load_text(BASE + f"bogus = 1\n[frontend f]\nbind = 127.0.0.1:1 ssl crt {certificate}\n")
    assert len(loaded.errors) == 1
    assert loaded.config.frontends[0].binds[0].tls.certificates[0].file == str(certificate)


def test_a_listen_is_one_proxy_with_one_set_of_rules():
    loaded = load_text(BASE + "[listen l]\nbind = 127.0.0.1:1\nhttp-request = allow\n")
    front, back = loaded.config.frontends[0], loaded.config.backends[0]
    assert front.number == back.number
    assert front.default_backend == "l"
    assert front.request_rules is back.request_rules
    assert front.request_rules[0](None) is ALLOW


def test_rules_run_in_haproxys_order():
    loaded = load_text(BASE + "[backend b]\nredirect = prefix /x\nreqadd = X-A:\\ 1\nhttp-request = deny\n")
    texts = [loaded.texts[id(rule)] for rule in loaded.config.backends[0].request_rules]
    assert texts == ["http-request deny", "reqadd X-A: 1", "redirect prefix /x"]
    assert len(loaded.warnings) == 2


def test_the_environment_is_in_values(monkeypatch):
    monkeypatch.setenv("GREENLB_TEST_PORT", "8123")
    loaded = load_text(BASE + "[frontend f]\nbind = 127.0.0.1:${GREENLB_TEST_PORT}\n")
    assert loaded.config.frontends[0].binds[0].address.port == 8123


def test_a_thousand_servers_load_in_well_under_two_seconds():
    servers = "".join(
        f"server s{number} = 10.0.{number >> 8}.{number & 255}:80 check cookie s{number} weight 10\n"
        for number in range(1000)
    )
    backends = "".join(f"[backend b{number}]\nserver s = 127.0.0.1:80\n" for number in range(300))
    begin = time.process_time()
    loaded = load_text(f"{BASE}[backend b]\ncookie = S insert\n{servers}{backends}")
    elapsed = time.process_time() - begin
    assert loaded.errors == [] and len(loaded.config.backends) == 301
    assert elapsed < 2, f"{elapsed:.2f} s"
