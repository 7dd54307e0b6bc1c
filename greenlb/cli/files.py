"""Which files the ``-f`` arguments mean."""

from __future__ import annotations

import os
from collections.abc import Iterable


def expand(paths: Iterable[str]) -> list[str]:
    """The files that ``-f`` arguments mean: a folder stands for its ``*.ini`` and ``*.cfg`` in name order,
    hidden ones left out.  Raises ValueError when a path cannot be read from."""
    files: list[str] = []
    for path in paths:
        if os.path.isdir(path):
            files += _folder(path)
        else:
            files.append(path)
    for file in files:
        _must_open(file)
    return files


def _folder(path: str) -> list[str]:
    try:
        names = os.listdir(path)
    except OSError as error:
        raise _cannot_open(path, error) from None
    wanted = sorted(name for name in names if name.endswith((".ini", ".cfg")) and not name.startswith("."))
    if not wanted:
        raise ValueError(f"there is no *.ini and no *.cfg in the folder {path}")
    return [os.path.join(path, name) for name in wanted]


def _must_open(file: str) -> None:
    try:
        with open(file, "rb"):
            pass
    except OSError as error:
        raise _cannot_open(file, error) from None


def _cannot_open(path: str, error: OSError) -> ValueError:
    return ValueError(f"Cannot open configuration file/directory {path} : {error.strerror}")
