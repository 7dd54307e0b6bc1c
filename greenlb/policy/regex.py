"""Regular expressions as haproxy.cfg writes them (PCRE), compiled by ``re``.

What PCRE spells otherwise is translated: POSIX classes (``[[:alpha:]]``) and ``(?<name>...)``.
Matching is on bytes, case-sensitive unless asked, and unanchored.
"""

from __future__ import annotations

import re

from greenlb.policy.vocabulary import octets

_POSIX = {
    b"alnum": rb"0-9A-Za-z",
    b"alpha": rb"A-Za-z",
    b"blank": rb" \t",
    b"cntrl": rb"\x00-\x1f\x7f",
    b"digit": rb"0-9",
    b"graph": rb"\x21-\x7e",
    b"lower": rb"a-z",
    b"print": rb"\x20-\x7e",
    b"punct": rb"!-/:-@\[-`{-~",
    b"space": rb" \t\r\n\v\f",
    b"upper": rb"A-Z",
    b"word": rb"0-9A-Za-z_",
    b"xdigit": rb"0-9A-Fa-f",
}
_POSIX_CLASS = re.compile(rb"\[:(\w+):\]")
_NAMED_GROUP = re.compile(rb"\(\?<(?=[A-Za-z_])")
_REFERENCE = re.compile(rb"\\(?:x([0-9A-Fa-f]{2})|(\d)|(.))", re.DOTALL)


def compile_regex(text: str, ignore_case: bool = False) -> re.Pattern[bytes]:
    """Raises ValueError with what is wrong and where."""

    def posix(match: re.Match[bytes]) -> bytes:
        name = match.group(1)
        if name not in _POSIX:
            raise ValueError(f"'{text}' is not a valid regular expression: unknown class [:{name.decode()}:]")
        return _POSIX[name]

    source = _NAMED_GROUP.sub(rb"(?P<", _POSIX_CLASS.sub(posix, octets(text)))
    try:
        return re.compile(source, re.IGNORECASE if ignore_case else 0)
    except re.error as error:
        raise ValueError(f"'{text}' is not a valid regular expression: {error}") from None


def expand(template: bytes, match: re.Match[bytes]) -> bytes:
    """``template`` with its back-references (``\\0`` to ``\\9``; ``\\xHH`` is an octet, a backslash
    before anything else stands for what follows) filled from ``match``.  A group that does not exist
    or took no part is empty."""
    if b"\\" not in template:
        return template

    def fill(reference: re.Match[bytes]) -> bytes:
        octet, group, other = reference.groups()
        if octet is not None:
            return bytes((int(octet, 16),))
        if other is not None:
            return bytes(other)
        number = int(group)
        return (match.group(number) or b"") if number <= match.re.groups else b""

    return _REFERENCE.sub(fill, template)
