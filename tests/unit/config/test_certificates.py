"""Which files a crt or a crt-list means."""

import pytest

from greenlb.config.certificates import certificates, crt_list
from greenlb.config.context import Context
from greenlb.config.problems import Problems
from greenlb.config.schema import GLOBAL
from greenlb.config.sections import Settings
from greenlb.config.values import ConfigError
from greenlb.model import CertificateLine, Where

HERE = Where("f", 1)


@pytest.fixture
def context():
    return Context(Problems(), Settings("global", "", HERE))


@pytest.fixture
def folder(tmp_path):
    names = (
        "b.pem",
        "a.pem",
        "a.pem.key",
        "b.pem.ocsp",
        ".hidden.pem",
        "c.pem.rsa",
        "c.pem.ecdsa",
        "x.issuer",
    )
    for name in names:
        (tmp_path / name).write_text("-")
    (tmp_path / "deeper").mkdir()
    return tmp_path


def test_a_folder_is_its_certificates_in_the_order_of_names(context, folder):
    found = certificates(context, str(folder), HERE)
    assert found == [
        CertificateLine(f"{folder}/{name}", HERE) for name in ("a.pem", "b.pem", "c.pem.ecdsa", "c.pem.rsa")
    ]


def test_a_missing_file_is_its_bundle(context, folder):
    found = certificates(context, str(folder / "c.pem"), HERE)
    assert [line.file for line in found] == [f"{folder}/c.pem.ecdsa", f"{folder}/c.pem.rsa"]


def test_crt_base_is_for_relative_paths(context, folder):
    context.settings.add(GLOBAL["crt-base"], str(folder), [str(folder)], HERE)
    assert certificates(context, "a.pem", HERE)[0].file == f"{folder}/a.pem"
    assert certificates(context, f"{folder}/b.pem", HERE)[0].file == f"{folder}/b.pem"


def test_an_empty_folder_is_an_error(context, folder):
    with pytest.raises(ConfigError, match="no certificate in the folder"):
        certificates(context, str(folder / "deeper"), HERE)


def test_a_crt_list_has_settings_and_names(context, folder):
    path = folder / "list"
    path.write_text(
        f"# comment\n\n{folder}/a.pem\n{folder}/b.pem *.example.com !secret.example.com\n"
        f"{folder}/c.pem [alpn http/1.1 ciphers ECDHE verify none] www.example.com\n"
    )
    found = crt_list(context, str(path), "http")
    assert context.problems.errors == []
    assert found == [
        CertificateLine(f"{folder}/a.pem", Where(str(path), 3)),
        CertificateLine(
            f"{folder}/b.pem", Where(str(path), 4), filters=("*.example.com", "!secret.example.com")
        ),
        *(
            CertificateLine(
                f"{folder}/c.pem.{kind}",
                Where(str(path), 5),
                filters=("www.example.com",),
                alpn=("http/1.1",),
                ciphers="ECDHE",
                verify="none",
            )
            for kind in ("ecdsa", "rsa")
        ),
    ]


def test_what_is_wrong_in_a_crt_list_is_told_at_its_line(context, folder):
    path = folder / "list"
    path.write_text(f"{folder}/nosuch.pem\n{folder}/a.pem [alpn]\n{folder}/b.pem a/b\n{folder}/a.pem\n")
    found = crt_list(context, str(path), "http")
    assert [line.where.line for line in found] == [4]
    assert [(problem.where.line, problem.message) for problem in context.problems.errors] == [
        (1, f"cannot read '{folder}/nosuch.pem': No such file or directory"),
        (2, "'alpn' expects protocols separated by commas, such as http/1.1"),
        (3, "'a/b' is no name: expected one such as www.example.com, *.example.com or !NAME"),
    ]
