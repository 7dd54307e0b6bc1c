"""``greenlb diff``: what differs between two configurations, of files or of processes that run."""

from __future__ import annotations

import difflib
import os
import stat
import sys
from collections.abc import Sequence
from typing import Final

from greenlb.cli.configuration import facts
from greenlb.client import RuntimeClient, Unreachable
from greenlb.config.load import load

SAME: Final = 0
DIFFERS: Final = 1
UNREADABLE: Final = 2
_PATIENCE: Final = 5.0
"""Seconds that a process may take to tell its configuration."""


def run(words: Sequence[str]) -> int:
    """Print the differences."""
    if len(words) != 2:
        raise ValueError("expected two files, or a file and a runtime socket")
    try:
        before, after = (_configuration(word) for word in words)
    except (ValueError, OSError) as error:
        print(f"greenlb diff: {error}", file=sys.stderr)
        return UNREADABLE
    lines = list(difflib.unified_diff(before, after, words[0], words[1], lineterm=""))
    for line in lines:
        print(line)
    return DIFFERS if lines else SAME


def _configuration(word: str) -> list[str]:
    """The lines of a configuration.  Raises ValueError, OSError."""
    if _is_socket(word):
        return _asked(word).splitlines()
    if not os.path.exists(word):
        raise ValueError(f"there is no file '{word}'")
    loaded = load([word], facts())
    if loaded.errors:
        more = f" (and {len(loaded.errors) - 1} more)" if len(loaded.errors) > 1 else ""
        raise ValueError(f"{loaded.errors[0]}{more}")
    assert loaded.config is not None  # there was no error
    return loaded.config.text.splitlines()


def _is_socket(word: str) -> bool:
    if word.startswith("unix@"):
        return True
    try:
        return stat.S_ISSOCK(os.stat(word).st_mode)
    except OSError:
        return word.rpartition(":")[2].isdecimal()


def _asked(word: str) -> str:
    """What the process behind a runtime socket says.  Raises ValueError: it refuses, or is not there."""
    try:
        text = RuntimeClient(word, _PATIENCE).execute("show configuration")
    except Unreachable as error:
        raise ValueError(str(error)) from None
    if not text.startswith("["):
        raise ValueError(f"{word} answers: {text.strip()}")
    return text.rstrip("\n") + "\n"
