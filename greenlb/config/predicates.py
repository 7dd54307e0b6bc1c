"""Conditions on the program itself: those of ``.if`` in a haproxy.cfg and of the flag ``-cc``.

The grammar is HAProxy's (its manual, section 2.4): ``&&`` binds closer than ``||``, ``!`` negates, brackets
group.  What the predicates ask of is the HAProxy that greenlb stands in for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

STANDS_FOR: Final = "2.6.12"
"""The version of HAProxy whose configuration, logs and replies these are."""

FEATURES: Final = (
    "EPOLL", "GETADDRINFO", "LIBCRYPT", "LINUX_SPLICE", "NETFILTER", "OPENSSL", "POLL", "PROMEX", "SYSTEMD",
    "TPROXY", "ZLIB",
)  # fmt: skip
"""HAProxy's build options that greenlb has something for."""

WITHOUT: Final = (
    "51DEGREES", "CLOSEFROM", "DEVICEATLAS", "ENGINE", "EVPORTS", "KQUEUE", "LUA", "MEMORY_PROFILING", "NS",
    "OT", "PCRE", "PCRE2", "PCRE2_JIT", "PCRE_JIT", "QUIC", "SLZ", "THREAD", "WURFL",
)  # fmt: skip
"""Those that it has nothing for, or something else."""

OPTIONS: Final = ("BACKLOG", "EPOLL", "GETADDRINFO", "SPLICE")
"""What ``enabled(NAME)`` knows: options that cannot be switched off here."""

_TOKEN: Final = re.compile(r"\s*(?:(&&|\|\||!|\(|\))|([A-Za-z_][A-Za-z0-9_]*)\s*(\()?|(-?\d+))")
_ARGUMENT: Final = re.compile(r"([^,)]*)([,)])")
_VERSION: Final = re.compile(r"(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-(dev|rc)(\d*))?")


@dataclass(frozen=True, slots=True)
class Facts:
    """What conditions ask about: the environment, and the TLS library by name and version."""

    environment: Mapping[str, str]
    tls_library: str = ""
    tls_version: str = ""


def holds(text: str, facts: Facts) -> bool:
    """Whether a condition holds; an empty one does not.  Raises ValueError: it is none."""
    if not text.strip():
        return False
    return _Parser(text, facts).parse()


class _Parser:
    def __init__(self, text: str, facts: Facts) -> None:
        self.text = text
        self.facts = facts
        self.at = 0

    def parse(self) -> bool:
        value = self._any()
        if self.text[self.at :].strip():
            raise ValueError(f"unexpected '{self.text[self.at :].strip()}' in the condition '{self.text}'")
        return value

    def _peek(self, word: str) -> bool:
        """Take ``word`` when it comes next."""
        found = _TOKEN.match(self.text, self.at)
        if found is None or found[1] != word:
            return False
        self.at = found.end()
        return True

    def _any(self) -> bool:
        value = self._all()
        while self._peek("||"):
            value = self._all() or value
        return value

    def _all(self) -> bool:
        value = self._one()
        while self._peek("&&"):
            value = self._one() and value
        return value

    def _one(self) -> bool:
        if self._peek("!"):
            return not self._one()
        if self._peek("("):
            value = self._any()
            if not self._peek(")"):
                raise ValueError(f"a ')' is missing in the condition '{self.text}'")
            return value
        found = _TOKEN.match(self.text, self.at)
        if found is None or found[1]:
            raise ValueError(
                f"expected a predicate, such as defined(NAME), at column {self.at + 1} of '{self.text}'"
            )
        self.at = found.end()
        if found[4]:
            return int(found[4]) != 0
        arguments = self._arguments() if found[3] else []
        return _predicate(found[2], arguments, self.facts)

    def _arguments(self) -> list[str]:
        arguments: list[str] = []
        while True:
            found = _ARGUMENT.match(self.text, self.at)
            if found is None:
                raise ValueError(f"a ')' is missing in the condition '{self.text}'")
            self.at = found.end()
            arguments.append(found[1].strip().strip("\"'"))
            if found[2] == ")":
                return arguments


def _version(text: str) -> tuple[int, int, int, int, int]:
    """A version to compare: one in development is older than the release it becomes."""
    found = _VERSION.match(text)
    if found is None:
        raise ValueError(f"'{text}' is not a version, such as {STANDS_FOR}")
    stage = {"dev": 0, "rc": 1, None: 2}[found[4]]
    return int(found[1]), int(found[2] or 0), int(found[3] or 0), stage, int(found[5] or 0)


_PREDICATES: Final[dict[str, tuple[int, Callable[[Sequence[str], Facts], bool]]]] = {
    "defined": (1, lambda a, facts: a[0] in facts.environment),
    "feature": (1, lambda a, facts: a[0] in FEATURES),
    "enabled": (1, lambda a, facts: a[0] in OPTIONS),
    "streq": (2, lambda a, facts: a[0] == a[1]),
    "strneq": (2, lambda a, facts: a[0] != a[1]),
    "version_atleast": (1, lambda a, facts: _version(STANDS_FOR) >= _version(a[0])),
    "version_before": (1, lambda a, facts: _version(STANDS_FOR) < _version(a[0])),
    "openssl_version_atleast": (1, lambda a, facts: _version(facts.tls_version) >= _version(a[0])),
    "openssl_version_before": (1, lambda a, facts: _version(facts.tls_version) < _version(a[0])),
    "ssllib_name_startswith": (1, lambda a, facts: facts.tls_library.startswith(a[0])),
}
"""By name: how many arguments, and what is asked."""


def _predicate(name: str, arguments: Sequence[str], facts: Facts) -> bool:
    """A predicate that newer versions of HAProxy may know does not hold.  Raises ValueError."""
    if name not in _PREDICATES:
        return False
    count, ask = _PREDICATES[name]
    if len(arguments) != count:
        raise ValueError(f"'{name}' expects {count} argument{'s' * (count > 1)} in brackets")
    return ask(arguments, facts)
