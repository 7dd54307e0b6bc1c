"""What somebody's Python is given in a rule: one request and its answer, or one TCP connection.

Everything is text (``str``) but bodies, which are ``bytes``.  Text is UTF-8; octets that are none come as
surrogates (PEP 383) and go out as they came.  Framing is not for rules: Content-Length and Transfer-Encoding
cannot be changed, and what would end a line becomes a space.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from greenlb import replies
from greenlb.exchange import Client, Exchange
from greenlb.message import Fields, Reply
from greenlb.message import Request as RequestHead
from greenlb.message import Response as ResponseHead
from greenlb.policy import variables
from greenlb.policy.heads import (
    clean,
    encode_unsafe,
    field_name,
    put_method,
    put_path,
    put_query,
    set_authority,
)
from greenlb.policy.vocabulary import octets

if TYPE_CHECKING:
    from greenlb.policy.scope import Scope

Value = str | int | bool | ipaddress.IPv4Address | ipaddress.IPv6Address
"""What a variable holds."""

_COOKIE: Final = re.compile(r'\s*([^=;\s]+)\s*=\s*("[^"]*"|[^;]*)')


def text_of(data: bytes) -> str:
    """Octets as text; ``vocabulary.octets`` is the way back."""
    return data.decode("utf-8", "surrogateescape")


class Headers(MutableMapping[str, str]):
    """The fields of a head by name, whatever its case.  A name that comes several times has the values of
    all joined by commas; ``all`` gives them one by one."""

    __slots__ = ("_fields", "_request")

    def __init__(self, fields: Fields, request: RequestHead | None = None) -> None:
        self._fields = fields
        self._request = request

    def __getitem__(self, name: str) -> str:
        values = self._fields.get_all(octets(name).lower())
        if not values:
            raise KeyError(name)
        return text_of(b", ".join(values))

    def __setitem__(self, name: str, value: str) -> None:
        """Put one field in place of all of that name.  Raises ValueError: no name, or a framing field."""
        spelled = field_name(name)
        self._fields.remove(spelled.lower())
        self._add(spelled, value)

    def __delitem__(self, name: str) -> None:
        """Raises KeyError, and ValueError as ``__setitem__`` does."""
        if not self._fields.remove(field_name(name).lower()):
            raise KeyError(name)
        self._follow(octets(name).lower())

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(text_of(name).lower() for name, _ in self._fields.items()))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def all(self, name: str) -> list[str]:
        """The value of each field of that name."""
        return [text_of(value) for value in self._fields.get_all(octets(name).lower())]

    def add(self, name: str, value: str) -> None:
        """One field more, such as a Set-Cookie.  Raises ValueError as ``__setitem__`` does."""
        self._add(field_name(name), value)

    def _add(self, name: bytes, value: str) -> None:
        if not isinstance(value, str):
            raise TypeError(f"the value of a field is text, not {type(value).__name__}")
        self._fields.append(name + b": " + clean(octets(value)) + b"\r\n")
        self._follow(name.lower())

    def _follow(self, name: bytes) -> None:
        """What else a request says of a field that changed."""
        request = self._request
        if request is None:
            return
        if name == b"host" and request.target[:1] != b"/":
            set_authority(request)
        elif name == b"upgrade" and request.upgrade:
            request.upgrade = request.fields.get(b"upgrade") or b""


class Request:
    """The request as the server will get it; ``headers`` are its fields."""

    __slots__ = ("_head", "_x", "headers")

    def __init__(self, x: Exchange, head: RequestHead) -> None:
        self._x = x
        self._head = head
        self.headers = Headers(head.fields, head)

    @property
    def method(self) -> str:
        """It may be set, to a method that makes no other request of it."""
        return text_of(self._head.method)

    @method.setter
    def method(self, value: str) -> None:
        if not put_method(self._head, octets(value)):
            raise ValueError(f"'{value}' is not a method that may take the place of '{self.method}'")

    @property
    def target(self) -> str:
        """The request target: path and query, or an absolute URL."""
        return text_of(self._head.target)

    @property
    def path(self) -> str:
        """The path, not decoded, without the query.  It may be set: the query stays."""
        return text_of(self._head.path)

    @path.setter
    def path(self, value: str) -> None:
        put_path(self._head, encode_unsafe(octets(value)))

    @property
    def query(self) -> str:
        """What stands behind the question mark, not decoded.  It may be set."""
        return text_of(self._head.query)

    @query.setter
    def query(self, value: str) -> None:
        put_query(self._head, encode_unsafe(octets(value)))

    @property
    def host(self) -> str:
        """The Host field, with its port if it has one."""
        return text_of(self._head.host)

    @property
    def version(self) -> str:
        """``1.1`` or ``1.0``."""
        return text_of(self._head.version)

    @property
    def cookies(self) -> dict[str, str]:
        """The request's cookies; of a name that comes twice the first counts."""
        found: dict[str, str] = {}
        for line in self.headers.all("cookie"):
            for name, value in _COOKIE.findall(line):
                found.setdefault(name, value.strip().strip('"'))
        return found

    @property
    def body(self) -> bytes:
        """What has come of the body, decoded: all of it, up to tune.bufsize, behind ``http-request
        wait-for-body`` or with ``option http-buffer-request``."""
        reach = self._x.client.reach
        return b"" if reach is None else reach.body(self._x)


class Response:
    """The answer that the client will get; ``headers`` are its fields."""

    __slots__ = ("_head", "_x", "headers")

    def __init__(self, x: Exchange, head: ResponseHead) -> None:
        self._x = x
        self._head = head
        self.headers = Headers(head.fields)

    @property
    def status(self) -> int:
        """It may be set.  Raises ValueError: it would change whether there is a body."""
        return self._head.status

    @status.setter
    def status(self, value: int) -> None:
        if not 200 <= value <= 599 or {value, self._head.status} & {204, 304}:
            raise ValueError(f"a {self._head.status} cannot become a {value}")
        self._head.status = value
        self._head.reason = replies.reason(value)

    @property
    def body(self) -> bytes:
        """As that of a request, behind ``http-response wait-for-body``."""
        reach = self._x.client.reach
        return b"" if reach is None else reach.response_body(self._x)


class Connection:
    """The client's connection."""

    __slots__ = ("_client", "_x")

    def __init__(self, x: Exchange) -> None:
        self._x = x
        self._client: Client = x.client

    @property
    def src(self) -> str:
        """The client's address; behind trusted-proxies, that of theirs."""
        return self._x.src

    @property
    def src_port(self) -> int:
        """The port that the connection comes from."""
        return self._client.src_port

    @property
    def dst(self) -> str:
        """The address that it came to."""
        return self._client.dst

    @property
    def dst_port(self) -> int:
        """The port that it came to."""
        return self._client.dst_port

    @property
    def frontend(self) -> str:
        """The name of the frontend that took it."""
        return self._client.frontend.name

    @property
    def tls(self) -> bool:
        """Whether it is encrypted."""
        return self._client.tls is not None

    @property
    def sni(self) -> str:
        """The name that the client's TLS asked for, or nothing."""
        return "" if self._client.tls is None else self._client.tls.sni

    @property
    def certificate(self) -> bytes | None:
        """The client's certificate (DER), if it showed one."""
        return None if self._client.tls is None else self._client.tls.certificate

    def peek(self, count: int) -> bytes | None:
        """In mode tcp, the first ``count`` bytes that the client sent; None when they never come.  While they
        may still come (``tcp-request inspect-delay``) this raises, which is to be let through: the function
        is called again with more."""
        ahead = self._x.ahead
        return None if ahead is None else ahead.piece(0, count)


class Variables(MutableMapping[str, Value]):
    """HAProxy's variables by name (``txn.user``, ``req.x``, ``res.x``, ``sess.x``, ``proc.x``), shared with
    ``set-var`` and ``var(...)``: ``%[var(txn.user)]`` in a log-format prints one."""

    __slots__ = ("_x",)

    def __init__(self, x: Exchange) -> None:
        self._x = x

    def __getitem__(self, name: str) -> Value:
        value = variables.getter(name)(self._x)
        if value is None:
            raise KeyError(name)
        return text_of(value) if isinstance(value, bytes) else value

    def __setitem__(self, name: str, value: Value) -> None:
        """Raises ValueError: not the name of a variable; TypeError: nothing that one can hold."""
        _setter(name)(self._x, value_of(value))

    def __delitem__(self, name: str) -> None:
        _setter(name)(self._x, None)

    def __iter__(self) -> Iterator[str]:
        found = {**(self._x.variables or {}), **(self._x.client.variables or {})}
        return (name for name, value in found.items() if value is not None and variables.is_name(name))

    def __len__(self) -> int:
        return sum(1 for _ in self)


_setter = lru_cache(1024)(variables.setter)


def value_of(value: object) -> object:
    """A value of Python's as rules have it.  Raises TypeError."""
    if isinstance(value, str):
        return octets(value)
    if value is None or isinstance(value, bytes | int | bool | ipaddress.IPv4Address | ipaddress.IPv6Address):
        return value
    raise TypeError(f"text, bytes, a number, a truth value or an address is expected, not {value!r}")


class Transaction:
    """``request`` and ``response`` are those of mode http; ``connection`` is the client's, ``variables`` are
    shared with the rules.

    A function of a rule changes them, and may end with one of ``answer``, ``deny``, ``redirect``, ``reject``,
    ``use_backend`` and ``use_server``; the last one said counts.  What it returns must be None."""

    __slots__ = ("_request", "_response", "_scope", "_verdict", "_x", "connection", "variables")

    def __init__(self, x: Exchange, scope: Scope | None = None) -> None:
        self._x = x
        self._scope = scope  # None: it is asked for a value, or for a server, and decides nothing else
        self._verdict: Reply | None = None
        self._request: Request | None = None
        self._response: Response | None = None
        self.connection = Connection(x)
        self.variables = Variables(x)

    @property
    def request(self) -> Request:
        """The request.  Raises ValueError in mode tcp."""
        if self._request is None:
            if self._x.request is None:
                raise ValueError("there is no request in mode tcp")
            self._request = Request(self._x, self._x.request)
        return self._request

    @property
    def response(self) -> Response:
        """The server's answer.  Raises ValueError before there is one."""
        if self._response is None:
            if self._x.response is None:
                raise ValueError("there is no response yet")
            self._response = Response(self._x, self._x.response)
        return self._response

    @property
    def backend(self) -> str:
        """The name of the backend, once one is chosen."""
        return "" if self._x.backend is None else self._x.backend.name

    @property
    def server(self) -> str:
        """The name of the server, once one is chosen."""
        return "" if self._x.server is None else self._x.server.name

    # -- verdicts --------------------------------------------------------------------------------

    def answer(
        self,
        status: int = 200,
        body: str | bytes = b"",
        headers: Mapping[str, str] | None = None,
        content_type: str = "text/plain; charset=utf-8",
    ) -> None:
        """Answer in the server's place; in a response rule, in place of its answer.  Raises ValueError: no
        final status, or a header that is not for rules."""
        self._decides(http=True)
        if not 200 <= status <= 599:
            raise ValueError(f"{status} is no status to answer with: 200 to 599 are")
        data = octets(body) if isinstance(body, str) else body
        fields = Fields()
        for name, value in (headers or {}).items():
            fields.append(field_name(name) + b": " + clean(octets(value)) + b"\r\n")
        if status not in (204, 304):
            fields.append(b"Content-Length: %d\r\n" % len(data))
            if data and not fields.has(b"content-type"):
                fields.append(b"Content-Type: " + clean(octets(content_type)) + b"\r\n")
        self._verdict = Reply(status, replies.reason(status), fields, data, cause="L", phase=self._phase)

    def deny(self, status: int = 403) -> None:
        """Refuse with the page of ``status``, which an errorfile may replace.  Raises ValueError: it has no
        page."""
        self._decides(http=True)
        if status not in replies.ERRORS:
            raise ValueError(f"there is no page for status {status}; answer() takes any")
        self._verdict = replies.make(status, "P", self._phase)

    def redirect(self, location: str, status: int = 302) -> None:
        """Send the client elsewhere."""
        self.answer(status, headers={"Location": location})

    def reject(self) -> None:
        """Close the connection without an answer."""
        self._decides()
        phase = "R" if self._x.response is None else "H"
        self._verdict = Reply(-1, b"", Fields(), close=True, cause="P", phase=phase, action="reject")

    def use_backend(self, name: str, server: str = "") -> None:
        """Send it to that backend, whatever the rules ``use_backend`` say, and there to that server if it can
        be used.  In request rules of a frontend.  Raises ValueError: there is none of that name."""
        scope = self._chooses()
        if not scope.frontend:
            raise ValueError("a backend's rules come after the choice of one")
        scope.farm.find("server" if server else "backend", f"{name}/{server}" if server else name, "")
        wishes = self._x.wish()
        wishes.backend, wishes.server = name, server

    def use_server(self, name: str) -> None:
        """Send it to that server of this backend if it can be used, before cookies and stick tables.  In
        request rules of a backend.  Raises ValueError: there is none of that name."""
        scope = self._chooses()
        if not scope.backend:
            raise ValueError("a frontend has no servers: use_backend() takes one too")
        scope.farm.find("server", f"{scope.proxy}/{name}", "")
        self._x.wish().server = name

    def _decides(self, http: bool = False) -> Scope:
        if self._scope is None:
            raise ValueError("only the function of a rule decides what becomes of a request")
        if http and self._x.request is None:
            raise ValueError("mode tcp has no answers: reject() closes")
        return self._scope

    def _chooses(self) -> Scope:
        scope = self._decides()
        if self._x.response is not None:
            raise ValueError("the request has been served: its server cannot be chosen any more")
        return scope

    @property
    def _phase(self) -> str:
        return "R" if self._x.response is None else "H"


def verdict_of(transaction: Transaction, returned: object) -> Reply | None:
    """What a rule's function decided.  Raises TypeError: it returned something."""
    if returned is not None:
        raise TypeError(f"the function of a rule returns nothing, not {returned!r}: it calls answer()")
    return transaction._verdict


def sample(x: Exchange, function: Callable[..., Any], arguments: tuple[str, ...]) -> object:
    """What ``py(...)`` gives."""
    return value_of(function(Transaction(x), *arguments))


class Choice:
    """A server that ``balance python`` may choose: its ``name``, effective ``weight``, ``load`` (exchanges it
    has and those queued for it) and ``limit`` (how many it gets at a time, 0: all)."""

    __slots__ = ("candidate",)

    def __init__(self, candidate: Any) -> None:
        self.candidate = candidate

    @property
    def name(self) -> str:
        return str(self.candidate.server.name)

    @property
    def weight(self) -> int:
        return int(self.candidate.weight)

    @property
    def load(self) -> int:
        return int(self.candidate.load)

    @property
    def limit(self) -> int:
        return int(self.candidate.limit)

    def __repr__(self) -> str:
        return f"<Choice {self.name}>"


def choose(x: Exchange, function: Callable[..., Any], choices: Sequence[Choice]) -> Any:
    """The candidate that a function wants; None for any, and when the one it names cannot be had just now.
    Raises ValueError: the backend has no such server."""
    wanted = function(Transaction(x), choices)
    if wanted is None:
        return None
    name = wanted.name if isinstance(wanted, Choice) else wanted
    for choice in choices:
        if choice.name == name:
            return choice.candidate
    if x.backend is not None and any(server.name == name for server in x.backend.servers):
        return None
    raise ValueError(f"{wanted!r} is no server of backend '{Transaction(x).backend}'")


class ServerCheck:
    """What the function of ``option python-check`` is given: the ``backend`` and ``server`` by name, and the
    ``host`` and ``port`` that a check connects to (a unix socket's path and 0)."""

    __slots__ = ("backend", "host", "port", "server")

    def __init__(self, backend: str, server: str, host: str, port: int) -> None:
        self.backend = backend
        self.server = server
        self.host = host
        self.port = port


PUBLIC: Final = (Transaction, Request, Response, Headers, Connection, Variables, Choice, ServerCheck)
"""What somebody's functions meet."""
