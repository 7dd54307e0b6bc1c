"""Samples of TLS: the client's side (``ssl_fc_*``), the server's (``ssl_bc_*``), and the certificates of the
client (``ssl_c_*``), of the frontend (``ssl_f_*``) and of the server (``ssl_s_*``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from greenlb.exchange import Exchange, TlsFacts
from greenlb.policy import certificates
from greenlb.policy.vocabulary import Argument, Fetch, Kind, Needs, Sample

Side = Callable[[Exchange], TlsFacts | None]
Der = Callable[[Exchange], bytes | None]


def _client(x: Exchange) -> TlsFacts | None:
    return x.client.tls


def _server(x: Exchange) -> TlsFacts | None:
    return x.server_tls


def _of(side: Side, read: Callable[[TlsFacts], Any]) -> Callable[[], Fetch]:
    """A fact of one side's TLS layer; absent without TLS."""

    def fetch(x: Exchange) -> Any:
        facts = side(x)
        return None if facts is None else read(facts)

    return lambda: fetch


def _asked(side: Side, name: str) -> Callable[[], Fetch]:
    """What only OpenSSL knows, and only while the connection is there."""
    return _of(side, lambda facts: None if facts.ask is None else facts.ask(name))


def _fact(read: Callable[[TlsFacts], Any]) -> Callable[[Side], Callable[[], Fetch]]:
    return lambda side: _of(side, read)


def _resumed(side: Side) -> Callable[[], Fetch]:
    return lambda: lambda x: (facts := side(x)) is not None and facts.resumed


def _unique_id(side: Side) -> Callable[[], Fetch]:
    """The first Finished message: the client's, in a resumed session the server's."""

    def fetch(x: Exchange) -> Any:
        facts = side(x)
        if facts is None or facts.ask is None:
            return None
        ours = facts.resumed == (side is _client)
        return facts.ask("finished" if ours else "peer_finished")

    return lambda: fetch


_FINISHED = ("finished", "peer_finished")

_LAYER: tuple[tuple[str, Kind, str, Callable[[Side], Callable[[], Fetch]] | str], ...] = (
    ("alg_keysize", "int", "The size in bits of the key of the cipher with the {}.", "alg_bits"),
    (
        "alpn",
        "str",
        "The protocol that ALPN settled on with the {}.",
        _fact(lambda t: t.alpn.encode() or None),
    ),
    ("cipher", "str", "The cipher with the {}.", _fact(lambda t: t.cipher.encode())),
    ("client_random", "bin", "The random bytes of the ClientHello, with the {}.", "client_random"),
    ("err", "int", "What went wrong in the handshake with the {}: 0.", _fact(lambda t: 0)),
    ("err_str", "str", "The same of the {} in words: absent, for nothing did.", _fact(lambda t: None)),
    ("is_resumed", "bool", "True when the TLS session with the {} was resumed.", _resumed),
    ("protocol", "str", "The TLS version with the {}, as TLSv1.3.", _fact(lambda t: t.version.encode())),
    ("server_random", "bin", "The random bytes of the ServerHello, with the {}.", "server_random"),
    ("session_id", "bin", "The id of the TLS session with the {}.", "session_id"),
    ("session_key", "bin", "The master key of the TLS session with the {}.", "master_key"),
    ("unique_id", "bin", "The tls-unique of the connection with the {} (RFC 5929 section 3).", _unique_id),
    ("use_keysize", "int", "How many bits of the cipher's key are secret, with the {}.", "bits"),
)
"""What both TLS layers have: the end of the name, the kind, the doc, and what reads it of a side, or what
OpenSSL is asked for."""


def _layer(prefix: str, side: Side, needs: Needs, who: str) -> tuple[Sample, ...]:
    return tuple(
        Sample(
            f"{prefix}_{name}",
            kind,
            needs,
            doc.format(who),
            _asked(side, make) if isinstance(make, str) else make(side),
            asks=(make,) if isinstance(make, str) else _FINISHED if make is _unique_id else (),
        )
        for name, kind, doc, make in _LAYER
    )


# -- certificates ----------------------------------------------------------------------------------


def _client_der(x: Exchange) -> bytes | None:
    return None if x.client.tls is None else x.client.tls.certificate


def _frontend_der(x: Exchange) -> bytes | None:
    facts = x.client.tls
    found: bytes | None = None if facts is None or facts.ask is None else facts.ask("own_certificate")
    return found


def _server_der(x: Exchange) -> bytes | None:
    facts = x.server_tls
    if facts is None:
        return None
    if facts.certificate is None and facts.ask is not None:  # one that nobody verified
        facts.certificate = facts.ask("peer_certificate")
    return facts.certificate


def _read(der: Der, read: Callable[[bytes], Any]) -> Callable[[], Fetch]:
    def fetch(x: Exchange) -> Any:
        found = der(x)
        return None if found is None else read(found)

    return lambda: fetch


def _name(der: Der, issuer: bool) -> Callable[..., Fetch]:
    def make(entry: str | None, occurrence: int | None, form: str | None) -> Fetch:
        if form not in (None, "", "rfc2253"):
            raise ValueError(f"the format is 'rfc2253' or nothing, got '{form}'")
        wanted, number, rfc2253 = entry or "", occurrence or 1, form == "rfc2253"

        def fetch(x: Exchange) -> bytes | None:
            found = der(x)
            if found is None:
                return None
            return certificates.distinguished_name(found, issuer, wanted, number, rfc2253)

        return fetch

    return make


_NAME = (Argument("entry", "str", True), Argument("occ", "int", True), Argument("format", "str", True))


def _certificate(
    prefix: str, der: Der, needs: Needs, whose: str, asks: tuple[str, ...] = ()
) -> tuple[Sample, ...]:
    """The same rows for each certificate."""

    def row(
        name: str, kind: Kind, doc: str, make: Callable[..., Fetch], arguments: tuple[Argument, ...] = ()
    ) -> Sample:
        return Sample(
            f"{prefix}_{name}", kind, needs, f"{doc} of the {whose} certificate.", make, arguments, asks=asks
        )

    return (
        row("der", "bin", "The DER form", _read(der, lambda found: found)),
        row("i_dn", "str", "The issuer, or one of its attributes,", _name(der, True), _NAME),
        row("key_alg", "str", "The kind of key", _read(der, certificates.key_algorithm)),
        row("notafter", "str", "The end, as YYMMDDhhmmssZ,", _read(der, certificates.not_after)),
        row("notbefore", "str", "The beginning, as YYMMDDhhmmssZ,", _read(der, certificates.not_before)),
        row("s_dn", "str", "The subject, or one of its attributes,", _name(der, False), _NAME),
        row("serial", "bin", "The serial number", _read(der, certificates.serial)),
        row("sha1", "bin", "The SHA-1 fingerprint", _read(der, certificates.sha1)),
        row("sig_alg", "str", "The signature algorithm", _read(der, certificates.signature_algorithm)),
        row("version", "int", "The version", _read(der, certificates.version)),
    )


ROWS: tuple[Sample, ...] = (
    Sample(
        "ssl_fc", "bool", "", "True when the client speaks TLS.", lambda: lambda x: x.client.tls is not None
    ),
    Sample(
        "ssl_bc",
        "bool",
        "server",
        "True when the server is spoken to in TLS.",
        lambda: lambda x: x.server_tls is not None,
    ),
    *_layer("ssl_fc", _client, "", "client"),
    *_layer("ssl_bc", _server, "server", "server"),
    *_certificate("ssl_c", _client_der, "", "client's"),
    *_certificate("ssl_f", _frontend_der, "", "frontend's", ("own_certificate",)),
    *_certificate("ssl_s", _server_der, "server", "server's", ("peer_certificate",)),
    Sample(
        "ssl_fc_sni",
        "str",
        "",
        "The server name the client asked for.",
        _of(_client, lambda t: t.sni.encode() or None),
    ),
    Sample(
        "ssl_fc_has_sni",
        "bool",
        "",
        "True when the client asked for a name.",
        _of(_client, lambda t: t.sni != ""),
    ),
    Sample(
        "ssl_fc_has_crt",
        "bool",
        "",
        "True when the client sent a certificate.",
        _of(_client, lambda t: bool(t.certificate)),
    ),
    Sample(
        "ssl_fc_has_early",
        "bool",
        "",
        "True when the request came as TLS early data, which is never accepted: false.",
        _of(_client, lambda t: False),
    ),
    Sample(
        "ssl_c_used",
        "bool",
        "",
        "True when the session rests on a client certificate.",
        _of(_client, lambda t: t.certificate is not None),
    ),
    Sample(
        "ssl_c_verify",
        "int",
        "",
        "OpenSSL's verdict on the client's certificate: 0 is good.",
        _of(_client, lambda t: t.verify_error or t.ca_error),
    ),
    Sample(
        "ssl_c_err",
        "int",
        "",
        "OpenSSL's error for the client's certificate itself.",
        _of(_client, lambda t: t.verify_error),
    ),
    Sample(
        "ssl_c_ca_err",
        "int",
        "",
        "OpenSSL's error for the certificates above the client's.",
        _of(_client, lambda t: t.ca_error),
    ),
    Sample(
        "ssl_c_ca_err_depth",
        "int",
        "",
        "How far above the client's certificate that error was found.",
        _of(_client, lambda t: 1 if t.ca_error else 0),
    ),
    Sample(
        "ssl_c_chain_der",
        "bin",
        "",
        "What the client sent beside its certificate, in DER, one behind another.",
        _asked(_client, "chain"),
        asks=("chain",),
    ),
    Sample(
        "ssl_s_chain_der",
        "bin",
        "server",
        "The certificates that the server sent, in DER, one behind another.",
        _asked(_server, "chain"),
        asks=("chain",),
    ),
)

OF_CLIENT = frozenset(row.name for row in ROWS if row.needs == "" and row.name != "ssl_fc")
"""Those that have no value where clients do not speak TLS."""
