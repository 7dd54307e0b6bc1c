"""Redirections: ``redirect`` lines, and the action of that name, whose destination is a format."""

from __future__ import annotations

import re

from greenlb.exchange import Exchange
from greenlb.message import Fields, Reply
from greenlb.model import Rule
from greenlb.policy.actions.words import BOTH, Action, Value, Words, constant
from greenlb.policy.heads import clean
from greenlb.policy.logformat import compile_format
from greenlb.policy.samples.request import path_and_query
from greenlb.policy.vocabulary import nearest, octets

_REASONS = {
    301: b"Moved Permanently",
    302: b"Found",
    303: b"See Other",
    307: b"Temporary Redirect",
    308: b"Permanent Redirect",
}
_UNCACHED = frozenset((302, 303, 307))
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_TYPES = ("scheme", "prefix", "location")
_WORDS = (*_TYPES, "code", "drop-query", "append-slash", "ignore-empty", "set-cookie", "clear-cookie")


class _Spec:
    """The words of a redirection, gathered."""

    def __init__(self) -> None:
        self.type = ""
        self.destination = ""
        self.code = 302
        self.drop_query = False
        self.append_slash = False
        self.ignore_empty = False
        self.cookie = b""


def _gather(words: Words) -> _Spec:
    spec = _Spec()
    while not words.ended:
        word = words.take("a redirection")
        if word in _TYPES:
            spec.type, spec.destination = word, words.take(f"a destination after '{word}'")
        elif word == "code":
            text = words.take("a code")
            if not text.isdigit() or int(text) not in _REASONS:
                raise ValueError(f"'redirect code' must be 301, 302, 303, 307 or 308, got '{text}'")
            spec.code = int(text)
        elif word in ("drop-query", "append-slash", "ignore-empty"):
            setattr(spec, word.replace("-", "_"), True)
        elif word == "set-cookie":
            spec.cookie = clean(octets(words.take("NAME[=VALUE]"))) + b"; path=/;"
        elif word == "clear-cookie":
            spec.cookie = clean(octets(words.take("NAME[=]"))) + b"; path=/; Max-Age=0;"
        else:
            raise ValueError(
                f"'redirect' expects one of {', '.join(_WORDS)}, got '{word}'{nearest(word, _WORDS)}"
            )
    if not spec.type:
        raise ValueError("'redirect' expects where to: 'scheme', 'prefix' or 'location'")
    if words.scope.response and spec.type != "location":
        raise ValueError(f"a response is redirected by 'location' alone, got '{spec.type}'")
    return spec


def _path(x: Exchange, drop_query: bool) -> bytes:
    """The path and query of the request; ``/`` where it has none."""
    path = path_and_query(x.request.target) if x.request is not None else None
    if path is None:
        return b"/"
    return path.partition(b"?")[0] if drop_query else path


def _location(spec: _Spec, destination: Value) -> Value:
    drop = spec.drop_query
    if spec.type == "location":
        return destination
    if spec.type == "scheme":

        def build(x: Exchange) -> bytes:
            host = x.request.fields.get(b"host") if x.request is not None else None
            return destination(x) + b"://" + (host or b"") + _path(x, drop)

    else:

        def build(x: Exchange) -> bytes:
            return destination(x) + _path(x, drop)

    if not spec.append_slash:
        return build

    def with_slash(x: Exchange) -> bytes:
        location = build(x)
        return location if location[-1:] == b"/" else location + b"/"

    return with_slash


def compile_words(words: Words, formats: bool) -> Rule:
    """``formats``: the destination is a format; else every character stands for itself."""
    spec = _gather(words)
    text = "" if spec.type == "prefix" and spec.destination == "/" else spec.destination
    fixed = constant(text) if formats else octets(text)
    destination: Value = (lambda x: fixed) if fixed is not None else compile_format(text, words.scope)
    location = _location(spec, destination)
    code, reason = spec.code, _REASONS[spec.code]
    after = (b"Cache-Control: no-cache\r\n" if code in _UNCACHED else b"") + (
        b"Set-Cookie: " + spec.cookie + b"\r\n" if spec.cookie else b""
    )
    phase = "H" if words.scope.response else "R"
    ignore_empty = spec.ignore_empty and spec.type == "location" and formats

    def rule(x: Exchange) -> Reply | None:
        where = _CONTROL.sub(_encode, location(x))
        if ignore_empty and not where:
            return None
        fields = Fields(b"\r\nContent-length: 0\r\nLocation: " + where + b"\r\n" + after)
        return Reply(code, reason, fields, phase=phase)

    return rule


def _encode(match: re.Match[bytes]) -> bytes:
    return b"%%%02X" % match.group()[0]


def redirect(words: Words) -> Rule:
    return compile_words(words, formats=True)


_ARGUMENTS = (
    "{scheme | prefix | location} <fmt> [code <code>] [drop-query] [append-slash] [ignore-empty] "
    "[set-cookie <name>[=<value>] | clear-cookie <name>[=]]"
)

ROWS: tuple[Action, ...] = (Action("redirect", BOTH, _ARGUMENTS, "Sends the client elsewhere.", redirect),)
