"""The versions of the C libraries that carry the data: they are linked into wheels, so the package
manager cannot tell them."""

from __future__ import annotations

from cryptography.hazmat.backends.openssl import backend
from gevent import config as gevent_config
from gevent.libev import corecext


def libraries() -> list[tuple[str, str]]:
    """(name, version) of each."""
    loop = gevent_config.loop.__module__.removeprefix("gevent.")
    return [
        ("OpenSSL", backend.openssl_version_text().removeprefix("OpenSSL ")),
        ("libev", str(corecext.get_version()).removeprefix("libev-")),
        ("event loop", f"{loop} ({corecext.recommended_backends()[0]})"),
    ]
