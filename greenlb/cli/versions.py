"""``greenlb -v`` and ``-vv``: which greenlb this is, and what it stands on."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata

from greenlb import __version__
from greenlb.config.predicates import FEATURES, WITHOUT
from greenlb.net.versions import libraries

PACKAGES = (
    "gevent",
    "greenlet",
    "h11",
    "pyOpenSSL",
    "cryptography",
    "structlog",
    "xxhash",
    "lmdb",
    "dnspython",
    "jinja2",
)


def version() -> str:
    """The lines of ``-v``."""
    system = os.uname()
    return (
        f"greenlb version {__version__}\n"
        f"Running on: {system.sysname} {system.release} {system.version} {system.machine}\n"
    )


def versions() -> str:
    """The lines of ``-vv``."""
    rows = [("Python", f"{platform.python_version()} ({platform.python_implementation()}, {sys.executable})")]
    rows += [(name, metadata.version(name)) for name in PACKAGES]
    rows += libraries()
    rows.append(("libc", " ".join(platform.libc_ver())))
    width = max(len(name) for name, _ in rows)
    stands_on = "".join(f"  {name:<{width}} : {value}\n" for name, value in rows)
    return f"{version()}\nStands on:\n{stands_on}\n{features()}\n{_library()}"


def features() -> str:
    """HAProxy's build options, those that greenlb has something for with a plus, as HAProxy lists them."""
    marked = (f"{'+' if name in FEATURES else '-'}{name}" for name in sorted({*FEATURES, *WITHOUT}))
    return f"Feature list : {' '.join(marked)}\n"


def _library() -> str:
    """What harnesses look for."""
    name = dict(libraries())["OpenSSL"]
    return (
        f"Running on OpenSSL version : OpenSSL {name}\n"
        "OpenSSL library supports SNI : yes\n"
        "Available services : prometheus-exporter\n"
    )
