"""Actions that answer in a server's place, or close: deny, return, tarpit, reject, silent-drop.

What is answered follows HAProxy's ``http-request return``: a page of our table, an errorfile, or a
status with a payload and fields.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from greenlb import replies
from greenlb.exchange import Exchange
from greenlb.message import Fields, Reply
from greenlb.model import Page, Rule
from greenlb.policy.actions.fields import field_value
from greenlb.policy.actions.words import BOTH, REQUEST, TCP, Action, Value, Words
from greenlb.policy.files import octets_of
from greenlb.policy.heads import clean, field_name
from greenlb.policy.logformat import compile_format
from greenlb.policy.scope import Scope
from greenlb.policy.vocabulary import nearest, octets

Answer = Callable[[Exchange], Reply]

_BODIES = ("default-errorfiles", "errorfile", "errorfiles", "file", "lf-file", "string", "lf-string")
_WORDS = ("status", "deny_status", "content-type", "hdr", *_BODIES)


class _Spec:
    """The words of an answer, gathered."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.content_type = b""
        self.kind = ""
        self.argument = ""
        self.fields: list[tuple[bytes, Value]] = []


def _gather(words: Words, status: int) -> _Spec:
    spec = _Spec(status)
    while not words.ended:
        word = words.take("an option")
        if word in ("status", "deny_status"):
            spec.status = words.integer("a status", 200, 599)
        elif word == "content-type":
            spec.content_type = clean(octets(words.take("a content type")))
        elif word == "hdr":
            _gather_field(words, spec)
        elif word in _BODIES:
            if spec.kind:
                raise ValueError(f"'{words.action}' has '{spec.kind}' already: '{word}' is not expected")
            spec.kind = word
            if word != "default-errorfiles":
                spec.argument = words.take(f"what '{word}' names")
        else:
            raise ValueError(
                f"'{words.action}' expects one of {', '.join(_WORDS)}, got '{word}'{nearest(word, _WORDS)}"
            )
    return spec


def _gather_field(words: Words, spec: _Spec) -> None:
    name = field_name(words.take("a header name after 'hdr'"))
    if name.lower() == b"content-type":
        raise ValueError(f"'{words.action}' expects the content type after 'content-type', not after 'hdr'")
    spec.fields.append((name, field_value(words.take("a value after 'hdr' and its name"), words.scope)))


def _page(spec: _Spec, words: Words, cause: str, phase: str) -> Answer:
    status = spec.status
    if status not in replies.ERRORS:
        known = ", ".join(map(str, replies.ERRORS))
        raise ValueError(f"'{words.action}' has no page for status {status}: expected one of {known}")
    return lambda x: replies.make(status, cause, phase)


def _errorfile(spec: _Spec, cause: str, phase: str) -> Answer:
    raw, status = _whole(spec.argument), spec.status
    return lambda x: Reply(status, b"", Fields(), raw=raw, close=True, cause=cause, phase=phase)


def _whole(path: str) -> bytes:
    """A file that is a whole response.  Raises ValueError."""
    raw = octets_of(path)
    if not raw.startswith(b"HTTP/1."):
        raise ValueError(f"'{path}' is not an HTTP response: it must begin with 'HTTP/1.'")
    return raw


def _imported(spec: _Spec, words: Words, cause: str, phase: str) -> Answer:
    """The page of an http-errors section; where it has none, ours."""
    raw, status = _of_section(spec, words), spec.status
    if raw is None:
        return _page(spec, words, cause, phase)
    return lambda x: Reply(status, b"", Fields(), raw=raw, close=True, cause=cause, phase=phase)


def _of_section(spec: _Spec, words: Words) -> bytes | None:
    errors = words.scope.errors
    if spec.argument not in errors:
        raise ValueError(f"there is no section [http-errors {spec.argument}]{nearest(spec.argument, errors)}")
    return errors[spec.argument].get(spec.status)


def error_page(line: Sequence[str], scope: Scope) -> tuple[int, Page | None]:
    """An ``http-error`` line: for which status, and what is sent; None: our own page after all.  Raises
    ValueError."""
    words = Words("http-error", line, scope)
    if not words.next_is("status"):
        raise ValueError("expected 'status' and a status code first")
    spec = _gather(words, 0)
    if words.next_is("if", "unless"):
        raise ValueError("'http-error' takes no condition")
    if spec.kind == "default-errorfiles":
        return spec.status, None
    if spec.kind == "errorfile":
        return spec.status, _whole(spec.argument)
    if spec.kind == "errorfiles":
        return spec.status, _of_section(spec, words)
    return spec.status, _built(spec, words, "P", "R")


def _payload(spec: _Spec, words: Words) -> Value:
    """The body.  Raises ValueError: a file that cannot be read, a body without content type."""
    text = spec.argument
    if spec.kind.endswith("file"):
        content = octets_of(text)
        text = content.decode("utf-8", "surrogateescape")
    if spec.kind.startswith("lf-"):
        body = compile_format(text, words.scope)
    else:
        fixed = octets(text)
        body = lambda x: fixed  # noqa: E731
    if text and spec.status in (204, 304):
        raise ValueError(f"'{words.action}': an answer with status {spec.status} has no body")
    if text and not spec.content_type:
        raise ValueError(f"'{words.action}' expects 'content-type' with a body")
    return body


def _built(spec: _Spec, words: Words, cause: str, phase: str) -> Answer:
    status, fields, content_type = spec.status, tuple(spec.fields), spec.content_type
    reason = replies.reason(status)
    body = _payload(spec, words) if spec.kind else None
    framed = status not in (204, 304)

    def answer(x: Exchange) -> Reply:
        lines = [b"\r\n"]
        for name, value in fields:
            text = value(x)
            if text:
                lines.append(name + b": " + text + b"\r\n")
        payload = b"" if body is None else body(x)
        if framed:
            lines.append(b"Content-length: %d\r\n" % len(payload))
        if payload:
            lines.append(b"Content-Type: " + content_type + b"\r\n")
        return Reply(status, reason, Fields(b"".join(lines)), payload, cause=cause, phase=phase)

    return answer


def _answer(words: Words, status: int, cause: str, phase: str, pages: bool) -> Answer:
    """``pages``: nothing, or no more than ``deny_status``, means the page of the table."""
    legacy = pages and (words.ended or words.next_is("deny_status"))
    spec = _gather(words, status)
    if legacy and not (spec.kind or spec.fields or spec.content_type):
        spec.kind = "default-errorfiles"
    if spec.kind == "default-errorfiles":
        return _page(spec, words, cause, phase)
    if spec.kind == "errorfile":
        return _errorfile(spec, cause, phase)
    if spec.kind == "errorfiles":
        return _imported(spec, words, cause, phase)
    return _built(spec, words, cause, phase)


def deny(words: Words) -> Rule:
    if words.scope.response:
        return _answer(words, 502, "P", "H", pages=True)
    return _answer(words, 403, "P", "R", pages=True)


def return_(words: Words) -> Rule:
    return _answer(words, 200, "L", "H" if words.scope.response else "R", pages=False)


def demand(realm: str) -> Rule:
    """Ask for a user name and a password (RFC 7617)."""
    field = b'WWW-Authenticate: Basic realm="' + octets(realm) + b'"\r\n'

    def rule(x: Exchange) -> Reply:
        reply = replies.make(401)
        reply.fields.append(field)
        return reply

    return rule


def auth(words: Words) -> Rule:
    return demand(words.take("a realm") if words.accept("realm") else words.scope.proxy)


def tarpit(words: Words) -> Rule:
    answer = _answer(words, 500, "P", "T", pages=True)

    def rule(x: Exchange) -> Reply:
        reply = answer(x)
        reply.action = "tarpit"
        reply.close = True
        return reply

    return rule


def _closing(action: str) -> Callable[[Words], Rule]:
    """No answer at all: the status stays -1."""

    def compile_action(words: Words) -> Rule:
        phase = "R" if not words.scope.response else "H" if words.scope.mode == "http" else "D"
        return lambda x: Reply(-1, b"", Fields(), close=True, cause="P", phase=phase, action=action)

    return compile_action


_ANSWER = (
    "[status <code>] [content-type <type>] [default-errorfiles | errorfile <file> | file <file> | "
    "lf-file <file> | string <str> | lf-string <fmt>] [hdr <name> <fmt>]*"
)

ROWS = (
    Action("auth", (REQUEST,), "[realm <realm>]", "Asks for a user name and a password with 401.", auth),
    Action("deny", BOTH, _ANSWER, "Refuses: 403 for a request, 502 for a response, or as told.", deny),
    Action("return", BOTH, _ANSWER, "Answers in the server's place, 200 or as told.", return_),
    Action("tarpit", (REQUEST,), _ANSWER, "Refuses with 500 after 'timeout tarpit'.", tarpit),
    Action("reject", (REQUEST, *TCP), "", "Closes without an answer.", _closing("reject")),
    Action(
        "silent-drop",
        (*BOTH, *TCP),
        "",
        "Closes so that the client does not notice.",
        _closing("silent-drop"),
    ),
)
