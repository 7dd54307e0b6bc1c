"""Persistence by cookie: ``cookie NAME insert|rewrite|prefix ...``.

One ``Persistence`` a backend; ``request`` before a server is chosen, ``response`` once the final response's
head is there.  A cookie whose ``method`` is empty is the servers' own, and only read.

What is read, stripped and written, and the two flags of the log, are HAProxy's, byte for byte: a
browser keeps its session when greenlb takes over.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from time import time
from typing import TYPE_CHECKING

import xxhash

from greenlb.policy.cookie_syntax import SET_COOKIE, SPACES, parts

if TYPE_CHECKING:
    from greenlb.exchange import Exchange
    from greenlb.message import Fields
    from greenlb.model import Address, Cookie, Server

# --- dates and dynamic values ------------------------------------------------------------------------

_DIGITS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
DAY = 86400


def encode_date(seconds: int) -> bytes:
    """A time since the epoch as five base64 digits: four seconds a unit, thirty bits."""
    units = seconds >> 2
    return bytes(_DIGITS[units >> shift & 0x3F] for shift in (24, 18, 12, 6, 0))


def decode_date(digits: bytes) -> int:
    """What ``encode_date`` made of a time, rounded down to four seconds; 0 when the first five bytes
    are no such thing."""
    if len(digits) < 5:
        return 0
    units = 0
    for digit in digits[:5]:
        place = _DIGITS.find(digit)
        if place < 0:
            return 0
        units = units << 6 | place
    return units << 2


def dynamic_value(key: str, address: Address) -> str:
    """The cookie that ``dynamic`` gives a server: 16 hex digits of its address, port and the secret key."""
    packed = ipaddress.ip_address(address.host).packed
    return xxhash.xxh64_hexdigest(key.encode() + packed + address.port.to_bytes(4, "big"))


# --- cacheability ------------------------------------------------------------------------------------

_SAFE = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE"))
_CACHEABLE_STATUS = frozenset((200, 203, 204, 206, 300, 301, 404, 405, 410, 414, 501))
_PERISHABLE = re.compile(rb"\r\n(?:expires|etag|last-modified):")
_FORBIDDING = frozenset((b"private", b"no-cache", b"no-store", b"max-age=0", b"s-maxage=0"))


def cacheable(method: bytes, status: int, fields: Fields) -> bool:
    """May a shared cache keep this response (RFC 9111 section 3)?  With neither an expiry nor a validator
    none will."""
    if (fields.get(b"pragma") or b"").lower() == b"no-cache":
        return False
    allowed = method in _SAFE and status in _CACHEABLE_STATUS
    fresh = False
    for element in fields.elements(b"cache-control") if fields.has(b"cache-control") else ():
        directive = element.lower()
        if directive == b"public":
            allowed = True
        elif directive in _FORBIDDING:
            allowed = False
        elif directive.startswith((b"max-age", b"s-maxage")):
            fresh = True
    return allowed and (fresh or _PERISHABLE.search(fields.lower) is not None)


# --- persistence -------------------------------------------------------------------------------------

# What a line may hold for its parts to be told by ";" alone: no quoting, no old-style attributes.
_TAME = bytes(c for c in range(0x20, 0x7F) if c not in b'"\\,$')


class Persistence:
    """What a backend's ``cookie`` line does to its exchanges.

    Whoever sends an exchange to another server than ``kept`` after all sets that to None and
    ``cookie_in`` to D: it gets a new cookie.
    ``persist`` is ``option persist``: a server that is down is used nonetheless when the cookie names it.
    """

    __slots__ = (
        "_assign",
        "_dated",
        "_indirect",
        "_insert",
        "_named",
        "_persist",
        "_set_cookie",
        "_spec",
        "_tail",
        "_unlogged",
        "_values",
    )

    def __init__(self, spec: Cookie, servers: Sequence[Server], persist: bool = False) -> None:
        self._spec = spec
        self._persist = persist
        self._insert = spec.method == "insert"
        self._indirect = self._insert and spec.indirect
        # A cookie that is only read is not logged, and no answer is touched for it.
        self._unlogged = not spec.method and not spec.indirect
        self._dated = spec.maxidle > 0 or spec.maxlife > 0
        self._assign = spec.name + b"="
        tail = ["path=/", *(f"domain={domain}" for domain in spec.domains)]
        tail += ["HttpOnly"] * spec.httponly + ["Secure"] * spec.secure + list(spec.attributes)
        self._tail = "".join(f"; {attribute}" for attribute in tail).encode() + b"\r\n"
        self._named: dict[bytes, list[Server]] = {}
        self._values: dict[int, bytes] = {}
        self._set_cookie: dict[int, bytes] = {}
        for server in servers:
            self._name(server, server.address)

    def _name(self, server: Server, address: Address) -> None:
        """Give a server the value that stands for it in cookies."""
        spec, value = self._spec, server.cookie
        if spec.dynamic and spec.dynamic_key and not value and address.host and not address.unix:
            value = dynamic_value(spec.dynamic_key, address)
        self._values[server.number] = named = value.encode()
        if named:
            self._named.setdefault(named, []).append(server)
            self._set_cookie[server.number] = b"Set-Cookie: %b=%b%b" % (spec.name, named, self._tail)
        else:  # nothing to come back to: the browser is to forget what it has
            forget = b"Set-Cookie: %b=; Expires=Thu, 01-Jan-1970 00:00:01 GMT" % spec.name
            self._set_cookie[server.number] = forget + self._tail

    def moved(self, server: Server, address: Address) -> None:
        """The server is at ``address`` now, which its ``dynamic`` value is made of."""
        if self._spec.dynamic:
            before = self._values[server.number]
            if before:
                self._named[before].remove(server)
            self._name(server, address)

    # -- the request

    def request(self, x: Exchange, usable: Callable[[Server], bool]) -> Server | None:
        """The server that the request's cookie names, when it is to be used.

        Sets ``cookie_in``, ``cookie_out`` (to N), ``kept`` and ``cookie_dates``; strips or shortens our
        cookie where the server is not to see it.
        """
        x.cookie_in = x.cookie_out = "N"
        if x.request is not None:
            self._read(x, x.request.fields, usable)
        if self._unlogged:
            x.cookie_in = x.cookie_out = "-"
        return x.kept

    def _read(self, x: Exchange, fields: Fields, usable: Callable[[Server], bool]) -> None:
        start = fields.lower.find(b"\r\ncookie:")
        if start >= 0 and not self._plain(x, fields, start, usable):
            self._thorough(x, fields, start, usable)

    def _plain(self, x: Exchange, fields: Fields, start: int, usable: Callable[[Server], bool]) -> bool:
        """The common case, found with a few searches: one Cookie field without quoting or odd spaces that
        holds our cookie at most once.  False: it is not that case, and nothing was done."""
        raw = fields.raw
        begin = start + 9
        if raw[begin : begin + 1] == b" ":
            begin += 1
        end = raw.index(b"\r\n", begin)
        if fields.lower.find(b"\r\ncookie:", end) >= 0:
            return False
        at = raw.find(self._assign, begin, end)
        if at < 0:
            return raw.find(self._spec.name, begin, end) < 0
        line = raw[begin:end]
        if line.translate(None, _TAME) or b" =" in line or b"= " in line or b" ;" in line or line[-1] == 0x20:
            return False
        if (at != begin and raw[at - 2 : at] != b"; ") or raw.find(self._assign, at + 1, end) >= 0:
            return False
        stop = raw.find(b";", at, end)
        if stop < 0:
            stop = end
        if self._spec.method == "prefix":
            return False
        self._judge(x, raw[at + len(self._assign) : stop], usable)
        if self._indirect:
            self._cut(fields, start, begin, at, stop, end)
        return True

    def _cut(self, fields: Fields, start: int, begin: int, at: int, stop: int, end: int) -> None:
        """Take ``raw[at:stop]`` and one separator out of the Cookie field ``raw[start:end]``."""
        after = stop + 1
        while after < end and fields.raw[after] == 0x20:
            after += 1
        if at > begin + 2:
            fields.splice(at - 2, after if stop < end else end, b"; " if stop < end else b"")
        elif after < end:
            fields.splice(begin, after, b"")
        else:
            fields.splice(start, end, b"")

    def _thorough(self, x: Exchange, fields: Fields, start: int, usable: Callable[[Server], bool]) -> None:
        """Any number of Cookie fields of any shape."""
        while start >= 0:
            end = fields.raw.index(b"\r\n", start + 2)
            raw = fields.raw[start + 9 : end]
            line = raw.strip(SPACES)
            left = self._line(x, line, usable) if self._spec.name in line else line
            if not left:
                fields.splice(start, end, b"")
                end = start
            elif left != line:
                begin = start + 9 + raw.index(line)
                fields.splice(begin, begin + len(line), left)
                end = begin + len(left)
            start = fields.lower.find(b"\r\ncookie:", end)

    def _line(self, x: Exchange, line: bytes, usable: Callable[[Server], bool]) -> bytes:
        """What is left of one Cookie field's value."""
        left = b""
        doomed: int | None = None  # where in ``left`` the cookies to be dropped begin
        others = False
        for part in parts(line):
            text = part.text
            ours = part.name == self._spec.name
            if part.value is not None and part.name.startswith(b"$"):
                pass  # an attribute shares the fate of the cookie before it (RFC 2965 section 3.3.4)
            elif part.value is not None and ours:
                named, mark, inner = part.value.partition(b"~")
                if self._spec.method != "prefix":
                    self._judge(x, part.value, usable)
                    if self._indirect and doomed is None:
                        doomed = len(left)
                else:
                    self._judge(x, named, usable)
                    if mark:
                        text = part._replace(value=inner).text
                        others = True
            else:
                others = True
                if doomed is not None:
                    left = left[:doomed]
                    text = text[1:].lstrip(SPACES)
                    if left:
                        left = left.rstrip(SPACES) + part.separator[:1] + b" "
                    doomed = None
            left += text
        if doomed is not None:
            left = left[:doomed] if others else b""
        return left

    def _judge(self, x: Exchange, value: bytes, usable: Callable[[Server], bool]) -> None:
        """What one cookie of ours means: sets ``cookie_in`` and, unless one before it did, ``kept``."""
        if b"|" in value and self._spec.method != "prefix":
            value = self._undated(x, value)
        if value and x.kept is None:
            for server in self._named.get(value, ()):
                if usable(server):
                    x.cookie_in = "V"
                    x.kept = server
                    return
                x.cookie_in = "D"
                if self._persist:
                    x.kept = server
                    return
        if x.cookie_in == "N":
            x.cookie_in = "I"

    def _undated(self, x: Exchange, value: bytes) -> bytes:
        """The server's part of ``VALUE|LAST[|FIRST]``, empty when the cookie is too old to count.  So is
        one from more than a day ahead; less is taken for a wrong clock."""
        named, _, dates = value.partition(b"|")
        last = decode_date(dates)
        first = decode_date(dates.partition(b"|")[2])
        before = x.cookie_dates or (0, 0)
        last, first = last or before[0], first or before[1]
        now = int(time())
        spec = self._spec
        if first and spec.maxlife and not -DAY <= now - first <= spec.maxlife:
            x.cookie_in = "O"
        elif last and spec.maxidle and not -DAY <= now - last <= spec.maxidle:
            x.cookie_in = "E"
        else:
            x.cookie_dates = (last, first)
            return named
        x.cookie_dates = None
        return b""

    # -- the response

    def response(self, x: Exchange) -> None:
        """Sets ``cookie_out``; drops or rewrites the server's own cookie of our name, adds ours."""
        server, response = x.server, x.response
        if (
            self._unlogged
            or server is None
            or response is None
            or (response.status < 200 and response.status != 101)
        ):
            return
        direct = x.kept is server
        if response.fields.lower.find(b"\r\nset-cookie:") >= 0:
            self._own(x, server, response.fields, direct)
        if not self._insert or (direct and not self._to_refresh(x)):
            return
        if x.wishes is not None and x.wishes.unbound:  # ignore-persist
            return
        spec = self._spec
        if x.cookie_out == "P" or (spec.postonly and (x.request is None or x.request.method != b"POST")):
            return
        named = self._values[server.number]
        line = self._dated_line(x, named) if named and self._dated else self._set_cookie[server.number]
        if spec.nocache and x.request and cacheable(x.request.method, response.status, response.fields):
            line += b"Cache-control: private\r\n"
        response.fields.append(line)
        x.cookie_out = "U" if direct and named else "I"

    def _own(self, x: Exchange, server: Server, fields: Fields, direct: bool) -> None:
        """The server's own cookies of our name."""
        spec = self._spec
        named = self._values[server.number]
        start = fields.lower.find(b"\r\nset-cookie:")
        while start >= 0:
            begin = start + 13
            end = fields.raw.index(b"\r\n", begin)
            match = SET_COOKIE.match(fields.raw, begin, end)
            if match and match[1].rstrip(SPACES) == spec.name:
                x.cookie_out = "P"
                if spec.preserve:
                    pass
                elif self._insert or (direct and spec.indirect):
                    fields.splice(start, end, b"")
                    end = start
                    x.cookie_out = "D"
                elif named and spec.method:
                    value = match[2].rstrip(SPACES)
                    rewritten = named if spec.method == "rewrite" else named + b"~" + value
                    name = match.start(1)
                    fields.splice(name, match.start(2) + len(value), self._assign + rewritten)
                    end = fields.raw.index(b"\r\n", begin)
                    x.cookie_out = "R"
            start = fields.lower.find(b"\r\nset-cookie:", end)

    def _to_refresh(self, x: Exchange) -> bool:
        """Must the dates of a cookie that named the right server be brought up to date?"""
        spec = self._spec
        if not self._dated and x.cookie_dates is None:
            return False
        last, first = x.cookie_dates or (0, 0)
        if (spec.maxidle or last) and last < int(time()):
            return True
        return bool(spec.maxlife) != bool(first)

    def _dated_line(self, x: Exchange, named: bytes) -> bytes:
        spec = self._spec
        now = int(time()) + 3
        value = named + b"|" + encode_date(now)
        if spec.maxlife:
            first = x.cookie_dates[1] if x.cookie_dates else 0
            value += b"|" + encode_date(first or now)
        return b"Set-Cookie: %b=%b%b" % (spec.name, value, self._tail)
