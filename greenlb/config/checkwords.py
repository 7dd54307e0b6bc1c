"""The words of a check's step: a cursor over them, and ``expect``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from greenlb.config.values import ConfigError, one_of
from greenlb.policy.logformat import compile_format
from greenlb.policy.regex import compile_regex
from greenlb.policy.samples import compile_sample
from greenlb.policy.scope import Scope
from greenlb.policy.vocabulary import octets
from greenlb.script import Expect, Match, Text

_STATUSES: Final = {
    "ok-status": ("L7OK", "L7OKC", "L6OK", "L4OK"),
    "error-status": ("L7RSP", "L7STS", "L6RSP", "L4CON"),
    "tout-status": ("L7TOUT", "L6TOUT", "L4TOUT"),
}
_FIELDS: Final = {"ok-status": "ok_status", "error-status": "error_status", "tout-status": "timeout_status"}
_TCP: Final = ("string", "rstring", "string-lf", "binary", "rbinary", "binary-lf")
_HTTP: Final = ("status", "rstatus", "hdr", "fhdr", "string", "rstring", "string-lf")
_HOW: Final = ("str", "beg", "end", "sub", "reg")


class Cursor:
    """The words of one step, taken one by one."""

    def __init__(self, step: str, words: Sequence[str]) -> None:
        self.step = step
        self._words = list(words)

    @property
    def ended(self) -> bool:
        return not self._words

    def take(self, what: str) -> str:
        """The next word, which is ``what``.  Raises ConfigError when there is none."""
        if not self._words:
            raise ConfigError(f"'{self.step}' expects {what}")
        return self._words.pop(0)

    def accept(self, *words: str) -> str:
        """Take the next word when it is one of these; empty when it is not."""
        return self._words.pop(0) if self._words and self._words[0] in words else ""

    def end(self) -> None:
        """Raises ConfigError when words are left."""
        if self._words:
            raise ConfigError(f"'{self.step}': '{self._words[0]}' is one word too many")


def compile_text(text: str, scope: Scope) -> Text:
    """A format over the check's own exchange."""
    if "%" not in text:
        data = octets(text)
        return lambda x: data
    return compile_format(text, scope)


def hexadecimal(text: str) -> bytes:
    """The bytes that digits stand for.  Raises ConfigError."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise ConfigError(f"expected an even number of hexadecimal digits, not '{text}'") from None


def expect(number: int, cursor: Cursor, scope: Scope) -> Expect:
    """The words after ``expect``.  Raises ConfigError, ValueError."""
    fields: dict[str, Any] = {}
    known = _HTTP if scope.mode == "http" else _TCP
    while not cursor.ended:
        word = cursor.take("a pattern")
        if word == "min-recv":
            fields["min_recv"] = _least(cursor.take("a number of bytes"))
        elif word == "comment":
            fields["comment"] = cursor.take("a text")
        elif word in ("on-success", "on-error"):
            fields[word.replace("-", "_")] = compile_text(cursor.take("a format"), scope)
        elif word == "status-code":
            fields["status_code"] = compile_sample(cursor.take("a sample"), scope)[0]
        elif word in _STATUSES:
            status = cursor.take("a status")
            if status not in _STATUSES[word]:
                raise ConfigError(f"'{word}': expected {one_of(_STATUSES[word])}, not '{status}'")
            fields[_FIELDS[word]] = status
        else:
            fields |= _pattern(word, cursor, known, scope, "kind" in fields)
    if "kind" not in fields:
        raise ConfigError(f"'expect' expects a pattern: {one_of(known)}")
    return Expect(number, **fields)


def _least(text: str) -> int:
    if text != "-1" and not text.isdigit():
        raise ConfigError(f"'min-recv': expected -1 or a number of bytes, not '{text}'")
    return int(text)


def _pattern(word: str, cursor: Cursor, known: Sequence[str], scope: Scope, second: bool) -> dict[str, Any]:
    inverse = word.startswith("!")
    kind = word[1:] if inverse else word
    if not kind:
        kind = cursor.take("a pattern")
    if kind not in known:
        raise ConfigError(f"'expect': expected {one_of(known)}, each with '!' before it or not, not '{word}'")
    if second:
        raise ConfigError("'expect' takes one pattern")
    fields: dict[str, Any] = {"kind": kind, "inverse": inverse}
    if kind in ("hdr", "fhdr"):
        return fields | _header(cursor, scope)
    text = cursor.take("a pattern")
    match kind:
        case "status":
            fields["codes"] = tuple(_codes(part) for part in text.split(","))
        case "rstatus" | "rstring" | "rbinary":
            fields["pattern"] = compile_regex(text, ignore_case=kind == "rbinary")
        case "binary":
            fields["text"] = hexadecimal(text)
        case "string":
            fields["text"] = octets(text)
        case _:
            fields["text"] = compile_text(text, scope)
    return fields


def _codes(text: str) -> tuple[int, int]:
    low, dash, high = text.partition("-")
    if not low.isdigit() or (dash and not high.isdigit()):
        raise ConfigError(
            f"'status': expected codes such as 200 or 200-299, separated by commas, not '{text}'"
        )
    return int(low), int(high) if dash else int(low)


def _header(cursor: Cursor, scope: Scope) -> dict[str, Any]:
    word = cursor.take("'name' and the name of a header field")
    if word not in ("name", "name-lf"):
        raise ConfigError(f"expected 'name' and the name of a header field, not '{word}'")
    fields: dict[str, Any] = {"name": _match(cursor, word, scope, lower=True)}
    if word := cursor.accept("value", "value-lf"):
        fields["value"] = _match(cursor, word, scope)
    cursor.accept("log")
    return fields


def _match(cursor: Cursor, word: str, scope: Scope, lower: bool = False) -> Match:
    how = "str"
    if cursor.accept("-m"):
        how = cursor.take("how to match")
        if how not in _HOW:
            raise ConfigError(f"'-m': expected {one_of(_HOW)}, not '{how}'")
    text = cursor.take("a pattern")
    if word.endswith("-lf"):
        if how == "reg":
            raise ConfigError(f"'{word}' cannot be a regular expression")
        return Match(how, compile_text(text, scope))
    if how == "reg":
        return Match(how, pattern=compile_regex(text, ignore_case=lower))
    return Match(how, octets(text))
