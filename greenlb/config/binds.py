"""``bind`` lines to the model's binds."""

from __future__ import annotations

from typing import Any

from greenlb.config.addresses import bind_addresses, prefixed
from greenlb.config.certificates import certificates, crt_list
from greenlb.config.context import Context, must_read
from greenlb.config.schema import BIND
from greenlb.config.sections import Given, Settings
from greenlb.config.tls import check_protocols, merged, version_range, without_ssl
from greenlb.config.values import ConfigError
from greenlb.model import Bind, BindTls, CertificateLine


def binds(context: Context, frontend: Settings, mode: str) -> tuple[Bind, ...]:
    """A frontend's listening addresses, numbered from 1 in the order they are written."""
    found: list[Bind] = []
    for line in frontend.given("bind"):
        with context.problems.at(line.where, f"'bind {line.words[0]}': "):
            found += _line(context, frontend, line, mode, len(found))
    return tuple(found)


def _line(context: Context, frontend: Settings, line: Given, mode: str, before: int) -> list[Bind]:
    fields = BIND.read(line.words[1:])
    tls = None
    if fields.get("ssl"):
        tls = _tls(context, line, fields, mode)
    else:
        for keyword in without_ssl(fields):
            context.problems.warning(
                line.where, f"'bind {line.words[0]}': '{keyword}' has no effect without 'ssl'"
            )
    defaults = context.settings.value("unix-bind", {})
    addresses = [prefixed(address, defaults.get("prefix", "")) for address in bind_addresses(line.words[0])]
    if fields.get("transparent") and all(address.unix for address in addresses):
        context.problems.warning(
            line.where, f"'bind {line.words[0]}': 'transparent' has no effect on a unix socket"
        )
    return [
        Bind(
            name=fields.get("name", str(number)),
            address=address,
            where=line.where,
            tls=tls,
            backlog=fields.get("backlog", frontend.value("backlog", 0)),
            v6only=fields.get("v6only", False),
            **(_access(defaults | fields) if address.path else {}),
            interface=fields.get("interface", ""),
            accept_proxy=fields.get("accept_proxy", False),
            transparent=fields.get("transparent", False) and not address.unix,
        )
        for number, address in enumerate(addresses, before + 1)
    ]


def _access(fields: dict[str, Any]) -> dict[str, int]:
    """Whose a unix socket is."""
    mode = {"mode": int(fields["mode"], 8)} if "mode" in fields else {}
    return mode | {name: fields[name] for name in ("uid", "gid") if name in fields}


def _tls(context: Context, line: Given, own: dict[str, Any], mode: str) -> BindTls:
    defaults = context.settings
    fields = merged(defaults.value("ssl-default-bind-options", {}), own)
    found: list[CertificateLine] = []
    for path in fields.get("crt", ()):
        found += certificates(context, path, line.where)
    for path in fields.get("crt_list", ()):
        found += crt_list(context, path, mode)
    if not found:
        if "crt_list" in fields:
            raise ConfigError("there is no certificate in its crt-list")
        raise ConfigError("no SSL certificate specified: expected 'crt FILE' or 'crt-list FILE' after 'ssl'")
    low, high = version_range(fields, "TLSv1.2")
    check_protocols(fields.get("alpn", ()), mode)
    ca_file = context.authority_path(fields.get("ca_file", ""))
    crl_file = context.authority_path(fields.get("crl_file", ""))
    verify = fields.get("verify", "none")
    if verify != "none" and not ca_file:
        raise ConfigError(
            f"'verify {verify}' needs 'ca-file FILE', the authorities of the clients' certificates"
        )
    for path in (ca_file, crl_file):
        if path:
            must_read(path)
    return BindTls(
        where=line.where,
        certificates=tuple(found),
        strict_sni=fields.get("strict_sni", False),
        min_version=low,
        max_version=high,
        ciphers=fields.get("ciphers", defaults.value("ssl-default-bind-ciphers", "")),
        ciphersuites=fields.get("ciphersuites", defaults.value("ssl-default-bind-ciphersuites", "")),
        curves=fields.get("curves", defaults.value("ssl-default-bind-curves", "")),
        alpn=fields.get("alpn", ()),
        verify=verify,
        ca_file=ca_file,
        crl_file=crl_file,
        tickets=fields.get("tickets", True),
        prefer_client_ciphers=fields.get("prefer_client_ciphers", False),
    )
