"""Commands about certificates: which are in use, and putting others in their place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from greenlb.admin.runtime.command import Command, command
from greenlb.admin.runtime.session import Session
from greenlb.net.certs import Certificate, TlsConfigError

_DATE: Final = "%b %e %H:%M:%S %Y GMT"
_SHORT: Final = {
    "countryName": "C",
    "stateOrProvinceName": "ST",
    "localityName": "L",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "commonName": "CN",
}
_NO_FILE: Final = "'set ssl cert expects a filename and a certificate as a payload\n"


def _show(session: Session, words: Sequence[str]) -> str:
    desk, transaction = session.farm.desk, session.farm.transaction
    if not words:
        begun = f"# transaction\n*{transaction.file}\n" if transaction.file else ""
        return begun + "# filename\n" + "".join(f"{file}\n" for file in desk.files() if file)
    if words[0].startswith("*"):
        if transaction.file and words[0] == f"*{transaction.file}":
            return _facts(words[0], "Unused", desk.parse(transaction.file, transaction.pem))
    else:
        certificate = desk.current(words[0])
        if certificate is not None:
            return _facts(words[0], "Used", certificate)
    return "Can't display the certificate: Not found or the certificate is a bundle!\n"


def _facts(name: str, status: str, certificate: Certificate) -> str:
    leaf = certificate.leaf
    lines = [
        f"Filename: {name}",
        f"Status: {status}",
        f"Serial: {leaf.serial_number:X}",
        f"notBefore: {leaf.not_valid_before_utc:{_DATE}}",
        f"notAfter: {leaf.not_valid_after_utc:{_DATE}}",
        f"Days left: {certificate.days_left:.0f}",
        f"Subject Alternative Name: {', '.join(_alternatives(leaf))}",
        f"Algorithm: {certificate.key_text.replace(' ', '').replace('ECDSA', 'EC')}",
        f"SHA1 FingerPrint: {leaf.fingerprint(hashes.SHA1()).hex().upper()}",  # a name, not a proof
        f"Subject: {_name(leaf.subject)}",
        f"Issuer: {_name(leaf.issuer)}",
    ]
    for link in certificate.chain:
        lines += [f"Chain Subject: {_name(link.subject)}", f"Chain Issuer: {_name(link.issuer)}"]
    return "".join(f"{line}\n" for line in lines)


def _alternatives(leaf: x509.Certificate) -> Iterable[str]:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    addresses = names.get_values_for_type(x509.IPAddress)
    return [
        *(f"DNS:{name}" for name in names.get_values_for_type(x509.DNSName)),
        *(f"IP Address:{address}" for address in addresses),
    ]


def _name(name: x509.Name) -> str:
    parts = []
    for attribute in name:
        kind = attribute.oid._name
        parts.append(f"/{_SHORT.get(kind, kind)}={attribute.value!s}")
    return "".join(parts)


def _set(session: Session, words: Sequence[str]) -> str:
    if not words or not session.payload:
        return _NO_FILE
    desk, transaction, file = session.farm.desk, session.farm.transaction, words[0]
    failed = f"Can't update {file}!\n"
    if transaction.file and transaction.file != file:
        about = f"The ongoing transaction is about '{transaction.file}' but you are trying to set '{file}'\n"
        return about + failed
    current = desk.current(file)
    if current is None:
        return f"Can't replace a certificate which is not referenced by the configuration!\n{failed}"
    pem = session.payload.encode(errors="surrogateescape")
    if b"PRIVATE KEY-----" not in pem:
        pem += _key(current)
    try:
        desk.parse(file, pem)
    except TlsConfigError as problem:
        return f"{problem}\nCan't load the payload\n{failed}"
    done = "created" if transaction.begin(file, pem) else "updated"
    return f"Transaction {done} for certificate {file}!\n"


def _key(certificate: Certificate) -> bytes:
    return certificate.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _commit(session: Session, words: Sequence[str]) -> str:
    if not words:
        return "'commit ssl cert expects a filename\n"
    transaction, file = session.farm.transaction, words[0]
    if not transaction.file:
        return f"No ongoing transaction! !\nCan't commit {file}!\n"
    if transaction.file != file:
        return f"The ongoing transaction is about '{transaction.file}' but you are trying to set '{file}'\n"
    try:
        session.farm.desk.commit(file, transaction.pem)
    except TlsConfigError as problem:
        return f"Committing {file}.\n{problem}\nFailed!\n"
    transaction.end()
    return f"Committing {file}.\nSuccess!\n"


def _abort(session: Session, words: Sequence[str]) -> str:
    if not words:
        return "'abort ssl cert' expects a filename\n"
    transaction, file = session.farm.transaction, words[0]
    if not transaction.file:
        return "No ongoing transaction!\n"
    if transaction.file != file:
        return f"The ongoing transaction is about '{transaction.file}' but you are trying to abort '{file}'\n"
    transaction.end()
    return f"Transaction aborted for certificate '{file}'!\n"


COMMANDS: Final[tuple[Command, ...]] = (
    command("abort ssl cert", "admin", "<certfile>", "abort a transaction for a certificate file", _abort),
    command("commit ssl cert", "admin", "<certfile>", "commit a certificate file", _commit),
    command("set ssl cert", "admin", "<certfile> <payload>", "replace a certificate file", _set),
    command(
        "show ssl cert",
        "operator",
        "[<certfile>]",
        "display the SSL certificates used in memory, or the details of a file",
        _show,
    ),
)
