"""Log formats: text such as ``%ci:%cp [%tr] %{+Q}r %[req.hdr(host)]`` made into one function.

A format serves two masters.  In a log line (``scope.log``) runs of spaces are one, an empty string
prints as ``-``, and what cannot be printed is ``#XX``.  In a rule's value (``http-request set-header``
and its like) spaces stand, an empty string is empty, and control bytes of a sample become ``%XX``, so
that no value can ever end a header line.  Both are HAProxy's habits.

Compiling turns a format into the source of one Python function over the expressions of
``logvariables`` and lets Python compile that: a line then costs one call and one ``%`` operation.  None
of a user's text gets into that source; it is handed to the function as data.
"""

from __future__ import annotations

import difflib
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, NoReturn

from greenlb.exchange import Exchange
from greenlb.model import Format
from greenlb.policy import logencoding
from greenlb.policy.logvariables import BY_NAME, PREPARED, PREPARED_TCP, VARIABLES, Variable
from greenlb.policy.samples import compile_bytes
from greenlb.policy.scope import Scope

HTTPLOG = (
    "%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %CC %CS %tsc %ac/%fc/%bc/%sc/%rc %sq/%bq"
    " %hr %hs %{+Q}r"
)
TCPLOG = "%ci:%cp [%t] %ft %b/%s %Tw/%Tc/%Tt %B %ts %ac/%fc/%bc/%sc/%rc %sq/%bq"
HTTPSLOG = (
    HTTPLOG + " %[fc_err]/%[ssl_fc_err,hex]/%[ssl_c_err]/%[ssl_c_ca_err]/%[ssl_fc_is_resumed]"
    " %[ssl_fc_sni]/%sslv/%sslc"
)
CLFLOG = (
    '%{+Q}o %{-Q}ci - - [%trg] %r %ST %B "" "" %cp %ms %ft %b %s %TR %Tw %Tc %Tr %Ta %tsc'
    " %ac %fc %bc %sc %rc %sq %bq %CC %CS %hrl %hsl"
)
HTTPLOG_15 = HTTPLOG.replace("%tr", "%t").replace("%TR/", "%Tq/").replace("%Ta", "%Tt")
"""The http format of HAProxy 1.5: accept date and Tq, and the whole time last."""

NAMED = {
    "httplog": HTTPLOG,
    "tcplog": TCPLOG,
    "httpslog": HTTPSLOG,
    "httplog clf": CLFLOG,
    "httplog-1.5": HTTPLOG_15,
}

FLAGS = {
    "Q": "quote a string",
    "X": "hexadecimal: addresses, ports, %Ts, %ms, %rt, %lc, %pid",
    "E": 'escape " \\ and ] with a backslash (RFC 5424 section 6.3.3)',
    "M": "print - for an empty string",
}

_QUOTES = frozenset("Q")

_PIECE = re.compile(
    r"%(?:\{(?P<flags>[^}]*)\})?(?:(?P<sample>\[)|(?P<name>[A-Za-z][A-Za-z0-9]*)|(?P<percent>%))"
)


@dataclass(frozen=True, slots=True)
class _Piece:
    """One part of a format's text: ``what`` is a literal's bytes, a Variable, a sample, or None for
    spaces that merge with their like."""

    what: bytes | Variable | Callable[[Exchange], bytes | None] | None
    flags: frozenset[str] = frozenset()


def compile_format(text: str, scope: Scope, *, quotes: bool = False, merges: bool = False) -> Format:
    """The function that renders ``text`` for an exchange.  The flag Q is for variables, and in log lines for
    samples too, with ``quotes`` also elsewhere.  Runs of spaces are one in log lines, and with ``merges``.

    Raises ValueError: an unknown variable, flag or sample, a variable of ``mode http`` in a TCP proxy,
    a lone ``%``, a missing bracket.
    """
    ignored = frozenset() if quotes or scope.log else _QUOTES
    return _Compiler(scope).function(_parse(text, scope, ignored, merges or scope.log))


def compile_json(scope: Scope) -> Callable[[Exchange], dict[str, object]]:
    """The function that gives an exchange as named fields, for targets of ``format json``.

    The names are those of the table of variables; times are whole milliseconds, null where that phase
    was not reached.
    """
    tcp = scope.mode != "http"
    rows = [v for v in VARIABLES if v.field and not (tcp and v.http)]
    items = ["'time': iso_date(began)"]
    items += [f"{row.field!r}: {_json_value(row)}" for row in rows]
    items += ["'tls': client.tls is not None", "'redispatched': x.redispatched"]
    render: Callable[[Exchange], dict[str, object]] = _Compiler(scope).build("{" + ", ".join(items) + "}")
    return render


def _json_value(row: Variable) -> str:
    if row.json:
        return row.json
    value = row.arguments[-1]
    if row.field.endswith("_ms"):
        return f"none_if_negative({value})"
    if row.kind in ("text", "wire", "flags"):
        return f"decode({value})"
    return value


def _parse(text: str, scope: Scope, ignored: frozenset[str], merges: bool) -> list[_Piece]:
    """``ignored``: flags that samples do not have."""
    pieces: list[_Piece] = []
    always: frozenset[str] = frozenset("M") if scope.log else frozenset()
    position = 0
    while position < len(text):
        mark = text.find("%", position)
        literal = text[position:] if mark < 0 else text[position:mark]
        if literal:
            _add_literal(pieces, literal, merges)
        if mark < 0:
            break
        found = _PIECE.match(text, mark)
        if found is None:
            raise ValueError(
                f"unexpected '{text[mark : mark + 2]}' in '{text}': write '%%' for a percent sign"
            )
        position = found.end()
        flags = _flags(found["flags"], always)
        if found["percent"]:
            _add_literal(pieces, "%", False)
        elif found["sample"]:
            end = _end_of_sample(text, position)
            if text[end - 1] == ",":
                raise ValueError(f"'{text[position:end]}': a converter is expected at its end")
            pieces.append(_Piece(compile_bytes(text[position:end], scope), flags - ignored))
            position = end + 1
        elif found["name"] == "o":
            always = flags
        else:
            pieces.append(_Piece(_variable(found["name"], scope), flags))
    return pieces


def _add_literal(pieces: list[_Piece], text: str, merge: bool) -> None:
    """Literals; with ``merge`` each run of spaces is a separator of its own."""
    for part in re.split("( +)", text) if merge else [text]:
        if part:
            pieces.append(
                _Piece(None if merge and part[0] == " " else part.encode("utf-8", "surrogateescape"))
            )


def _flags(text: str | None, always: frozenset[str]) -> frozenset[str]:
    flags = set(always)
    for word in text.split(",") if text else ():
        if word[:1] not in ("+", "-") or word[1:] not in FLAGS:
            raise ValueError(f"'{word}' in '%{{{text}}}': expected + or - and one of {', '.join(FLAGS)}")
        (flags.add if word[0] == "+" else flags.discard)(word[1:])
    return frozenset(flags)


def _end_of_sample(text: str, start: int) -> int:
    """Where the ``]`` of ``%[...]`` stands: not within parentheses, quotes or after a backslash."""
    depth, quote, position = 0, "", start
    while position < len(text):
        c = text[position]
        if c == "\\":
            position += 1
        elif quote:
            quote = "" if c == quote else quote
        elif depth and c in "\"'":
            quote = c
        elif c == "(":
            depth += 1
        elif c == ")":
            depth -= 1
        elif c == "]" and depth <= 0:
            return position
        position += 1
    raise ValueError(f"missing ']' after '%[{text[start:]}'")


def _variable(name: str, scope: Scope) -> Variable:
    variable = BY_NAME.get(name)
    if variable is None:
        _unknown(name)
    if variable.http and scope.mode != "http":
        raise ValueError(f"format variable '%{name}' is reserved for mode http")
    return variable


def _unknown(name: str) -> NoReturn:
    near = difflib.get_close_matches(name, BY_NAME, 1, 0.5)
    hint = f", did you mean '%{near[0]}'?" if near else ""
    raise ValueError(f"no such format variable '%{name}'{hint} (write '%%' for a percent sign)")


class _Compiler:
    """Collects the source and the constants of one function."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.prepared: Mapping[str, str] = PREPARED if scope.mode == "http" else PREPARED_TCP
        self.names: dict[str, object] = dict(logencoding.NAMES)
        self.names |= {"lines": count(), "hostname": socket.gethostname().encode()}

    def function(self, pieces: list[_Piece]) -> Format:
        template: list[str] = []
        arguments: list[str] = []
        spaced = True  # the line so far is empty or ends with a space
        position = 0
        while position < len(pieces):
            piece = pieces[position]
            position += 1
            if piece.what is None:
                if not spaced:
                    template.append(" ")
                spaced = True
            elif isinstance(piece.what, Variable) and piece.what.kind == "captures":
                value = self.captures(piece.what, piece.flags)
                while position < len(pieces) and _is_captures(pieces[position]):
                    value += " + " + self.captures(pieces[position].what, pieces[position].flags)
                    position += 1
                # A space after captures that came to nothing would be the second one.
                if spaced and position < len(pieces) and pieces[position].what is None:
                    value = f'(g + b" " if (g := {value}) else b"")'
                    position += 1
                template.append("%b")
                arguments.append(value)
            else:
                self.piece(piece, template, arguments)
                spaced = False
        text = "".join(template).encode("utf-8", "surrogateescape")
        if not arguments:
            literal = text.replace(b"%%", b"%")
            return lambda x: literal
        self.names["template"] = text
        render: Format = self.build(self.result(template, arguments))
        return render

    def result(self, template: list[str], arguments: list[str]) -> str:
        if template == ["%b"]:
            return arguments[0]
        return f"template % ({', '.join(arguments)},)"

    def piece(self, piece: _Piece, template: list[str], arguments: list[str]) -> None:
        """Add what one literal, sample or variable prints."""
        what, flags = piece.what, piece.flags
        if isinstance(what, bytes):
            template.append(what.decode("utf-8", "surrogateescape").replace("%", "%%"))
        elif isinstance(what, Variable):
            form, values = self.variable(what, flags)
            template.append(form)
            arguments += values
        else:
            name = f"sample{len(self.names)}"
            self.names[name] = what
            encode = "printable" if self.scope.log else "percent_encoded"
            template.append('"%b"' if "Q" in flags else "%b")
            arguments.append(_string(f"{encode}({name}(x))", flags))

    def variable(self, variable: Variable, flags: frozenset[str]) -> tuple[str, tuple[str, ...]]:
        kind, form, values = variable.kind, variable.template, variable.arguments
        if "X" in flags and kind == "hex":
            return ("%02X" if variable.name == "ms" else "%04X"), values
        if kind == "ip":
            return self.address(values[0], flags)
        if kind == "wire":
            escape = "escape(encode_wire({}))" if "E" in flags else "encode_wire({})"
            values = (escape.format(values[0]),)
        elif kind == "text":
            values = (_string(values[0], flags), *values[1:])
        if kind in ("text", "wire") and "Q" in flags:
            form = f'"{form}"'
        return form, values

    def address(self, value: str, flags: frozenset[str]) -> tuple[str, tuple[str, ...]]:
        if "X" in flags:
            return "%b", (f"hexadecimal({value})",)
        return ('"%b"' if "Q" in flags else "%b"), (_string(f"({value}).encode()", flags),)

    def captures(self, variable: object, flags: frozenset[str]) -> str:
        assert isinstance(variable, Variable)
        call, source = variable.arguments
        style = call.partition("(")[0]
        quoted, escaped = "Q" in flags, "E" in flags
        if quoted or escaped:
            call = f"{style}({source}, {quoted}, {escaped})"
        return f'({call} if {source} else b"")'

    def build(self, result: str) -> Any:
        """The function that returns ``result``, with the prepared locals that it needs."""
        result = result.replace("DATA", "answered" if self.scope.mode == "http" else "connected")
        needed = self.needed(result)
        lines = [f"    {name} = {self.prepared[name]}" for name in self.prepared if name in needed]
        source = "\n".join(["def render(x):", *lines, f"    return {result}"])
        exec(compile(source, "<log format>", "exec"), self.names)
        return self.names["render"]

    def needed(self, source: str) -> set[str]:
        """The prepared names in ``source``, and those that they need themselves."""
        needed: set[str] = set()
        for word in re.findall(r"(?<![.\w])[a-z_]+\b", source):
            if word in self.prepared and word not in needed:
                needed |= {word} | self.needed(self.prepared[word])
        return needed


def _is_captures(piece: _Piece) -> bool:
    return isinstance(piece.what, Variable) and piece.what.kind == "captures"


def _string(value: str, flags: frozenset[str]) -> str:
    """A string with +E applied, and with ``-`` for nothing where a log line asks for it."""
    if "E" in flags:
        value = f"escape({value})"
    if "M" in flags and "Q" not in flags:
        value = f"({value}) or b'-'"
    return value
