"""What the TLS keywords of ``bind`` and ``server`` come to: versions and protocols."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from greenlb.config.schema import VERSIONS
from greenlb.config.values import ConfigError

_RANGE = ("min_version", "max_version", "without")

_ONLY_WITH_SSL = {
    "verify": "verify", "ca_file": "ca-file", "crl_file": "crl-file", "crt": "crt", "crt_list": "crt-list",
    "sni": "sni", "verifyhost": "verifyhost", "alpn": "alpn", "strict_sni": "strict-sni",
    "ciphers": "ciphers", "ciphersuites": "ciphersuites", "curves": "curves",
}  # fmt: skip
"""Fields that mean nothing without ``ssl`` -> their keywords."""


def without_ssl(given: Mapping[str, Any]) -> list[str]:
    """The keywords of a line that have no effect on it, as it has no ``ssl``."""
    return [keyword for field, keyword in _ONLY_WITH_SSL.items() if field in given]


def version_range(given: Mapping[str, Any], oldest: str) -> tuple[str, str]:
    """The oldest and the newest version that is spoken, from the fields of ``ssl-min-ver``,
    ``ssl-max-ver``, ``no-tlsvXX`` and ``force-tlsvXX``.  ``oldest`` holds when nothing else is said;
    empty leaves both to OpenSSL.  Raises ConfigError when nothing is left, or a gap."""
    if "only" in given:
        return given["only"], given["only"]
    without = [version for version in given.get("without", ()) if version in VERSIONS]
    low, high = given.get("min_version", ""), given.get("max_version", "")
    if not (low or high or without or oldest):
        return "", ""
    low, high = low or oldest or VERSIONS[0], high or VERSIONS[-1]
    asked = VERSIONS[VERSIONS.index(low) : VERSIONS.index(high) + 1]
    left = [version for version in asked if version not in without]
    if not left:
        raise ConfigError(f"no TLS version is left between {low} and {high}")
    if VERSIONS.index(left[-1]) - VERSIONS.index(left[0]) >= len(left):
        raise ConfigError(f"the TLS versions must follow each other, not {', '.join(left)}")
    return left[0], left[-1]


def merged(defaults: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a line over those of the defaults; a line that asks for versions of its own is not
    bound by a ``force-tlsvXX`` of the defaults."""
    both = {**defaults, **own}
    if "without" in defaults and "without" in own:
        both["without"] = [*defaults["without"], *own["without"]]
    if "only" not in own and any(name in own for name in _RANGE):
        both.pop("only", None)
    return both


def check_protocols(protocols: tuple[str, ...], mode: str) -> None:
    """Raises ConfigError when ``alpn`` offers what a proxy of this mode does not speak."""
    for protocol in protocols if mode == "http" else ():
        if protocol not in ("http/1.1", "http/1.0"):
            raise ConfigError(
                f"'alpn': '{protocol}' is not supported by this version of greenlb in mode http:"
                " expected 'http/1.1' or 'http/1.0'"
            )
