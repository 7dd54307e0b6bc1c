"""Where stick tables lie when no ``state-dir`` says it."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable


def default_folder(files: Iterable[str]) -> str:
    """A folder that belongs to a configuration, known by its files' paths, so that two greenlb on one
    machine do not share tables by accident: in /var/lib/greenlb as root, else in $XDG_STATE_HOME/greenlb or,
    without that, where temporary files are."""
    paths = "\n".join(os.path.abspath(file) for file in files)
    name = hashlib.blake2b(paths.encode("utf-8", "surrogateescape"), digest_size=6).hexdigest()
    if os.geteuid() == 0:
        base = "/var/lib/greenlb"
    elif os.environ.get("XDG_STATE_HOME"):
        base = os.path.join(os.environ["XDG_STATE_HOME"], "greenlb")
    else:
        return os.path.join(tempfile.gettempdir(), f"greenlb-{os.geteuid()}-{name}")
    return os.path.join(base, name)
