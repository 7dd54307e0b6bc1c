"""Actions on header fields, of the request or, in a response rule, of the response.

What a rule writes cannot break the message: CR, LF and NUL become spaces (RFC 9110 section 5.5), and
the fields that frame the body are not for rules.
"""

from __future__ import annotations

from collections.abc import Callable

from greenlb.exchange import Exchange
from greenlb.message import OWS, Fields
from greenlb.model import Rule
from greenlb.policy.actions.words import HTTP, Action, Value, Words, constant
from greenlb.policy.heads import FRAMING, Edit, clean, field_name, rewrite, set_authority
from greenlb.policy.logformat import compile_format
from greenlb.policy.regex import compile_regex, expand
from greenlb.policy.samples.headers import pieces
from greenlb.policy.scope import Scope
from greenlb.policy.vocabulary import octets

Block = Callable[[Exchange], Fields]


def field_value(text: str, scope: Scope) -> Value:
    """A format as the value of a field.  What a format renders for a rule has its control bytes
    percent-encoded already; those of the text itself are taken out here."""
    text = clean(octets(text)).decode("utf-8", "surrogateescape")
    fixed = constant(text)
    return compile_format(text, scope) if fixed is None else lambda x: fixed


def _request_block(x: Exchange) -> Fields:
    return x.request.fields  # type: ignore[union-attr]  # rules of mode http run on a request


def _response_block(x: Exchange) -> Fields:
    return x.response.fields  # type: ignore[union-attr]  # response rules run on a response


def _block(scope: Scope) -> Block:
    return _response_block if scope.response else _request_block


def _authority_follows(x: Exchange) -> None:
    """The authority of an absolute-form target is what Host says (RFC 9112 section 3.2.2)."""
    request = x.request
    if request is not None and request.target[:1] != b"/":
        set_authority(request)


def _upgrade_follows(x: Exchange) -> None:
    """Without its Upgrade field a request asks for no other protocol."""
    request = x.request
    if request is not None and request.upgrade:
        request.upgrade = request.fields.get(b"upgrade") or b""


def _followed(rule: Callable[[Exchange], None], name: bytes, scope: Scope) -> Rule:
    """The rule, and after it what else the request says of the field it changed."""
    follow = {b"host": _authority_follows, b"upgrade": _upgrade_follows}.get(name.lower())
    if follow is None or scope.response:
        return rule

    def followed(x: Exchange) -> None:
        rule(x)
        follow(x)

    return followed


def add(words: Words) -> Rule:
    name, block = field_name(words.take("a header name")), _block(words.scope)
    start, value = name + b": ", field_value(words.take("a value"), words.scope)

    def add_field(x: Exchange) -> None:
        block(x).append(start + value(x) + b"\r\n")

    return _followed(add_field, name, words.scope)


def set_(words: Words) -> Rule:
    name, block = field_name(words.take("a header name")), _block(words.scope)
    start, value = name + b": ", field_value(words.take("a value"), words.scope)
    lower = name.lower()

    def set_field(x: Exchange) -> None:
        fields = block(x)
        line = start + value(x) + b"\r\n"  # before the removal: the value may come from the old field
        fields.remove(lower)
        fields.append(line)

    return _followed(set_field, name, words.scope)


def delete(words: Words) -> Rule:
    text, block = words.take("a header name"), _block(words.scope)
    if not words.accept("-m"):
        name = field_name(text).lower()

        def delete_named(x: Exchange) -> None:
            block(x).remove(name)

        return _followed(delete_named, name, words.scope)
    test = _name_test(words.take("a match method: str, beg, end, sub or reg"), text)

    def delete_matching(x: Exchange) -> None:
        fields = block(x)
        kept = [(n, v) for n, v in fields.items() if n.lower() in FRAMING or not test(n.lower())]
        fields.replace(kept)
        _upgrade_follows(x)

    return delete_matching


def _name_test(method: str, text: str) -> Callable[[bytes], object]:
    wanted = octets(text.lower())
    if method == "reg":
        return compile_regex(text).search
    tests: dict[str, Callable[[bytes], object]] = {
        "str": lambda name: name == wanted,
        "beg": lambda name: name.startswith(wanted),
        "end": lambda name: name.endswith(wanted),
        "sub": lambda name: wanted in name,
    }
    if method not in tests:
        raise ValueError(f"'del-header' knows the match methods str, beg, end, sub and reg, got '{method}'")
    return tests[method]


def _replace(words: Words, each_element: bool) -> Rule:
    name, block = field_name(words.take("a header name")), _block(words.scope)
    search = compile_regex(words.take("a regular expression")).search
    template = field_value(words.take("a replacement"), words.scope)
    lower = name.lower()

    def replace(x: Exchange) -> None:
        fields = block(x)
        if not fields.has(lower):
            return
        new = template(x)

        def whole(value: bytes) -> bytes | None:
            match = search(value)
            return None if match is None else clean(expand(new, match))

        rewrite(fields, lower, (lambda value: _each_element(value, whole)) if each_element else whole)

    return _followed(replace, name, words.scope)


def _each_element(value: bytes, edit: Edit) -> bytes | None:
    """``edit`` applied to the elements of a list.  One that changes loses the blanks around it."""
    old = pieces(value)
    new = [edit(piece.strip(OWS)) for piece in old]
    if all(piece is None for piece in new):
        return None
    return b",".join([a if b is None else b for a, b in zip(old, new, strict=True)])


def replace_header(words: Words) -> Rule:
    return _replace(words, each_element=False)


def replace_value(words: Words) -> Rule:
    return _replace(words, each_element=True)


ROWS = (
    Action("add-header", HTTP, "<name> <fmt>", "Appends a header field.", add),
    Action("set-header", HTTP, "<name> <fmt>", "Puts one field in place of all of that name.", set_),
    Action("del-header", HTTP, "<name> [-m <method>]", "Removes fields by name.", delete),
    Action(
        "replace-header",
        HTTP,
        "<name> <regex> <fmt>",
        "Replaces the whole values that a regular expression matches.",
        replace_header,
    ),
    Action(
        "replace-value",
        HTTP,
        "<name> <regex> <fmt>",
        "Replaces the list elements that a regular expression matches.",
        replace_value,
    ),
)
