"""``greenlb -v`` and ``-vv``: which greenlb this is, and what it stands on."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata

from greenlb import __version__
from greenlb.net.versions import libraries

PACKAGES = ("gevent", "greenlet", "h11", "pyOpenSSL", "cryptography", "structlog", "xxhash")


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
    return version() + "\nStands on:\n" + "".join(f"  {name:<{width}} : {value}\n" for name, value in rows)
