"""Rules on whole lines of a head: ``reqadd``, ``reqrep``, ``rspidel`` and the others of HAProxy up to 2.0.

Each regular expression is held against every line as it came, the request line or the status line
first, then ``Name: value`` for each field.  What a rule writes cannot break the message: a line that is
no field any more, or would frame the body anew, makes the rewrite fail, which is an internal error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from greenlb import replies
from greenlb.exchange import Exchange
from greenlb.message import Fields, Reply
from greenlb.model import ALLOW, Allow, Rule
from greenlb.policy.actions.words import Words, guarded
from greenlb.policy.heads import clean, field_name, put_method, put_target
from greenlb.policy.regex import compile_regex, expand
from greenlb.policy.scope import Scope
from greenlb.policy.vocabulary import octets

_REQUEST_LINE: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([\x21-\x7e\x80-\xff]+) HTTP/\d\.\d")
_STATUS_LINE: Final = re.compile(rb"HTTP/\d\.\d ([2-5]\d\d) ?([\t\x20-\x7e\x80-\xff]*)")

Edit = Callable[[bytes], "bytes | None"]
"""A line in, the new one out: None leaves it, an empty one drops it."""
Lines = Callable[[Exchange], list[bytes]]
Verdict = Callable[[], "Reply | Allow"]


class LineRule(NamedTuple):
    """What a keyword does to the lines that its expression matches."""

    response: bool
    effect: str  # add | replace | delete | deny | tarpit | allow
    ignore_case: bool = False


def _both_cases(stem: str, tail: str, response: bool, effect: str) -> dict[str, LineRule]:
    return {
        f"{stem}{tail}": LineRule(response, effect),
        f"{stem}i{tail}": LineRule(response, effect, ignore_case=True),
    }


EDITS: Final[dict[str, LineRule]] = {
    **_both_cases("req", "rep", False, "replace"),
    **_both_cases("req", "del", False, "delete"),
    **_both_cases("req", "deny", False, "deny"),
    **_both_cases("req", "tarpit", False, "tarpit"),
    **_both_cases("req", "allow", False, "allow"),
    **_both_cases("rsp", "rep", True, "replace"),
    **_both_cases("rsp", "del", True, "delete"),
    **_both_cases("rsp", "deny", True, "deny"),
}
"""The keywords with an expression, by name.  Those of one direction run in the order of the file."""


def compile_line_rule(keyword: str, words: Sequence[str], scope: Scope) -> Rule:
    """One rule of EDITS: an expression, for a replacement what takes the line's place, and maybe a
    condition.  Raises ValueError."""
    row = EDITS[keyword]
    taken = Words(keyword, words, scope)
    search = compile_regex(taken.take("a regular expression"), row.ignore_case).search
    if row.effect == "replace":
        template = octets(taken.take("what takes the line's place"))
        rule = _editing(row, lambda line: _replaced(line, search, template))
    elif row.effect == "delete":
        rule = _editing(row, lambda line: b"" if search(line) else None)
    else:
        rule = _deciding(row, search)
    return guarded(rule, taken.condition())


def compile_header_add(words: Sequence[str], scope: Scope) -> Rule:
    """``reqadd`` or, in a response scope, ``rspadd``: one word that is the whole header line, and maybe a
    condition.  Raises ValueError."""
    taken = Words("rspadd" if scope.response else "reqadd", words, scope)
    text = taken.take("a header line such as 'X-Forwarded-Proto:\\ https'")
    name, colon, value = text.partition(":")
    if not colon:
        raise ValueError(f"'{text}' is not a header line: a name, a colon and a value are expected")
    line = field_name(name) + b": " + clean(octets(value)).strip() + b"\r\n"
    if scope.response:
        rule: Rule = lambda x: None if x.response is None else x.response.fields.append(line)  # noqa: E731
    else:
        rule = lambda x: None if x.request is None else x.request.fields.append(line)  # noqa: E731
    return guarded(rule, taken.condition())


def _replaced(
    line: bytes, search: Callable[[bytes], re.Match[bytes] | None], template: bytes
) -> bytes | None:
    match = search(line)
    return None if match is None else clean(expand(template, match))


def _deciding(row: LineRule, search: Callable[[bytes], object]) -> Rule:
    """deny, tarpit, allow: a verdict when any line matches."""
    lines = _response_lines if row.response else _request_lines

    def decide() -> Reply | Allow:
        if row.effect == "allow":
            return ALLOW
        if row.response:
            return replies.make(502, "P", "H")
        reply = replies.make(
            500 if row.effect == "tarpit" else 403, "P", "T" if row.effect == "tarpit" else "R"
        )
        reply.action = "tarpit" if row.effect == "tarpit" else ""
        return reply

    return lambda x: decide() if any(search(line) for line in lines(x)) else None


def _request_lines(x: Exchange) -> list[bytes]:
    request = x.request
    if request is None:
        return []
    first = b"%b %b HTTP/%b" % (request.method, request.target, request.version)
    return [first, *_field_lines(request.fields)]


def _response_lines(x: Exchange) -> list[bytes]:
    response = x.response
    if response is None:
        return []
    first = b"HTTP/1.%d %d %b" % (response.http11, response.status, response.reason)
    return [first, *_field_lines(response.fields)]


def _field_lines(fields: Fields) -> list[bytes]:
    return fields.raw[2:-2].split(b"\r\n") if len(fields.raw) > 2 else []


def _editing(row: LineRule, edit: Edit) -> Rule:
    return _editing_response(edit) if row.response else _editing_request(edit)


def _editing_request(edit: Edit) -> Rule:
    def rule(x: Exchange) -> Reply | None:
        request = x.request
        if request is None:
            return None
        first, *lines = _request_lines(x)
        changed = edit(first)
        if changed:  # a request without its first line is none: reqdel leaves that one alone
            match = _REQUEST_LINE.fullmatch(changed)
            if match is None or not put_method(request, match[1]):
                return replies.make(500, "P", "R")
            put_target(request, match[2])
        return None if _edit_fields(request.fields, lines, edit) else replies.make(500, "P", "R")

    return rule


def _editing_response(edit: Edit) -> Rule:
    def rule(x: Exchange) -> Reply | None:
        response = x.response
        if response is None:
            return None
        first, *lines = _response_lines(x)
        changed = edit(first)
        if changed:
            match = _STATUS_LINE.fullmatch(changed)
            if match is None:
                return replies.make(500, "P", "H")
            response.status, response.reason = int(match[1]), match[2]
        return None if _edit_fields(response.fields, lines, edit) else replies.make(500, "P", "H")

    return rule


def _edit_fields(fields: Fields, lines: list[bytes], edit: Edit) -> bool:
    """Edit each line that is not a framing field.  False when one would become what no rule may write."""
    edited = [line if _frames(line) else _kept(line, edit(line)) for line in lines]
    if edited == lines:
        return True
    kept = [line for line in edited if line]
    if not all(old is new or _is_field(new) for old, new in zip(lines, edited, strict=True) if new):
        return False
    items = [line.partition(b":")[::2] for line in kept]
    fields.replace([(name, value.strip(b" \t")) for name, value in items])
    return True


def _kept(line: bytes, changed: bytes | None) -> bytes:
    return line if changed is None else changed


def _frames(line: bytes) -> bool:
    return not _is_field(line)


def _is_field(line: bytes) -> bool:
    """Whether a rule may write this line."""
    name, colon, _ = line.partition(b":")
    try:
        return bool(colon) and bool(field_name(name.decode("latin-1")))
    except ValueError:
        return False
