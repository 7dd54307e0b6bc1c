"""Which certificate files a ``crt`` or a ``crt-list`` means: folders and lists read out.

The files are not opened here, only found; what is in them is for ``net.certs``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

from greenlb.config.context import Context, must_read
from greenlb.config.schema import CRT_LIST
from greenlb.config.tls import check_protocols, version_range
from greenlb.config.values import ConfigError
from greenlb.config.words import split_words
from greenlb.model import CertificateLine, Where

BESIDE = (".key", ".ocsp", ".issuer", ".sctl")
"""Files that lie beside a certificate and are none."""
BUNDLE = (".ecdsa", ".rsa", ".dsa")
"""What stands for ``site.pem`` when that is no file: a certificate a kind of key, side by side."""

_LINE = re.compile(r"(?P<file>(?:\\.|[^\s\[\\])+)\s*(?:\[(?P<settings>[^]]*)\])?\s*(?P<names>.*)")

_FILTER = re.compile(r"!?(?:\*\.)?[A-Za-z0-9_-][A-Za-z0-9._-]*|!?\*")


def certificates(context: Context, path: str, where: Where) -> list[CertificateLine]:
    """The certificates of ``crt PATH``: of a file one, of a folder one a file in the order of names, of
    a missing ``site.pem`` beside ``site.pem.rsa`` and ``site.pem.ecdsa`` these.  Raises ConfigError."""
    path = context.certificate_path(path)
    if os.path.isdir(path):
        found = [os.path.join(path, name) for name in _folder(path)]
        if not found:
            raise ConfigError(f"'crt': there is no certificate in the folder '{path}'")
    else:
        found = _files(path)
    for file in found:
        must_read(file)
    return [CertificateLine(file, where) for file in found]


def _files(path: str) -> list[str]:
    if not os.path.exists(path):
        bundle = [path + ending for ending in BUNDLE if os.path.exists(path + ending)]
        if bundle:
            return bundle
    return [path]


def _folder(path: str) -> list[str]:
    try:
        names = sorted(os.listdir(path))
    except OSError as error:
        raise ConfigError(f"'crt': cannot read the folder '{path}': {error.strerror}") from None
    return [
        name
        for name in names
        if not name.startswith(".") and not name.endswith(BESIDE) and os.path.isfile(os.path.join(path, name))
    ]


def crt_list(context: Context, path: str, mode: str) -> list[CertificateLine]:
    """The certificates of a ``crt-list`` file, each with its settings and names.  What is wrong in it is
    told at its own line.  Raises ConfigError when the file cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            text = file.read()
    except OSError as error:
        raise ConfigError(f"'crt-list': cannot read '{path}': {error.strerror}") from None
    lines: list[CertificateLine] = []
    for number, line in enumerate(text.split("\n"), 1):
        where = Where(path, number)
        with context.problems.at(where):
            lines += _crt_list_line(context, line.strip(), where, mode)
    return lines


def _crt_list_line(context: Context, line: str, where: Where, mode: str) -> Iterator[CertificateLine]:
    if not line or line.startswith("#"):
        return
    found = _LINE.fullmatch(line)
    if not found:
        raise ConfigError(f"expected FILE [SETTINGS] NAMES, not '{line}'")
    names = split_words(found["names"])
    for name in names:
        if not _FILTER.fullmatch(name):
            raise ConfigError(
                f"'{name}' is no name: expected one such as www.example.com, *.example.com or !NAME"
            )
    fields: dict[str, Any] = CRT_LIST.read(split_words(found["settings"] or ""))
    low, high = version_range(fields, "")
    check_protocols(fields.get("alpn", ()), mode)
    ca_file = context.authority_path(fields.get("ca_file", ""))
    if ca_file:
        must_read(ca_file)
    # An empty name in the model means what the bind says, so a version that was not asked for stays empty.
    settings = {
        name: fields[name]
        for name in ("ciphers", "ciphersuites", "curves", "alpn", "verify")
        if name in fields
    }
    for certificate in certificates(context, " ".join(split_words(found["file"])), where):
        yield CertificateLine(
            certificate.file,
            where,
            filters=tuple(names),
            min_version=low if "min_version" in fields else "",
            max_version=high if "max_version" in fields else "",
            ca_file=ca_file,
            **settings,
        )
