"""What is refused, and what is warned of, when contexts are built; handshakes are in tests/wire."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from greenlb.model import BindTls, CertificateLine, ServerTls, Where
from greenlb.net import tls
from greenlb.net.certs import Store
from tests.support.certs import Authority

BIND = Where("greenlb.ini", 3)
LINE = Where("certificates.list", 9)


def bind(*files: Path, **settings: Any) -> BindTls:
    lines = tuple(CertificateLine(str(file), LINE) for file in files)
    return replace(BindTls(BIND, lines), **settings)


def refusal(tls_bind: BindTls) -> tls.TlsConfigError:
    with pytest.raises(tls.TlsConfigError) as caught:
        tls.ServerContext(tls_bind)
    return caught.value


def test_a_bind_needs_a_certificate() -> None:
    error = refusal(bind())
    assert error.where == BIND and "crt FILE" in str(error)


def test_a_bad_certificate_is_told_where_it_was_named(tmp_path: Path) -> None:
    error = refusal(bind(tmp_path / "none.pem"))
    assert error.where == LINE and "none.pem" in str(error)


@pytest.mark.parametrize("verify", ["optional", "required"])
def test_verifying_needs_somebody_to_trust(authority: Authority, verify: str) -> None:
    assert "needs a ca-file" in str(refusal(bind(authority.pem("a.test"), verify=verify)))


@pytest.mark.parametrize("setting", ["min_version", "max_version", "curves"])
def test_one_certificate_cannot_have_its_own(authority: Authority, setting: str) -> None:
    value: Any = {"min_version": "TLSv1.3", "max_version": "TLSv1.2", "curves": "X25519"}[setting]
    line = replace(CertificateLine(str(authority.pem("a.test")), LINE), **{setting: value})
    error = refusal(BindTls(BIND, (line,)))
    assert error.where == LINE and "set it on the bind line" in str(error)
    tls.ServerContext(BindTls(BIND, (line,), **{setting: value}))


def test_an_expired_certificate_is_a_warning(authority: Authority) -> None:
    context = tls.ServerContext(bind(authority.pem("a.test"), authority.pem("b.test", days=-1)))
    ((where, text),) = context.warnings
    assert where == LINE and "expired on" in text


def test_a_certificate_that_cannot_be_taken_up_changes_nothing(authority: Authority) -> None:
    store = Store()
    file = authority.pem("a.test", days=-1)
    context = tls.ServerContext(bind(file), store)
    file.unlink()
    store._certificates.clear()
    with pytest.raises(tls.TlsConfigError):
        context.rebuild()
    assert len(context.warnings) == 1


def test_a_server_is_verified_against_somebody() -> None:
    with pytest.raises(tls.TlsConfigError, match="needs a ca-file") as caught:
        tls.ClientContext(ServerTls(BIND))
    assert caught.value.where == BIND
    tls.ClientContext(ServerTls(BIND, verify="none"))
    tls.ClientContext(ServerTls(BIND, ca_file="@system-ca"))


def test_the_certificate_for_a_server(authority: Authority, tmp_path: Path) -> None:
    expired = ServerTls(BIND, verify="none", crt=str(authority.pem("me.test", days=-1)))
    assert "expired on" in tls.ClientContext(expired).warnings[0][1]
    with pytest.raises(tls.TlsConfigError, match="cannot read the certificate file"):
        tls.ClientContext(replace(expired, crt=str(tmp_path / "none.pem")))
