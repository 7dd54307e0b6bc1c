"""Statistics: what is counted, where it is kept, who adds it up.

An exchange is booked once, at its end, in two places: with the listener that its client came through,
and with the server that carried it (with the backend itself when it reached none).  A frontend's
numbers are its listeners' added up, a backend's are its servers' and its own.  So nothing is counted
twice, and a booking costs two microseconds.

The names are those of HAProxy's CSV (management.txt, "CSV format").  ``qtime`` and its like are sums of
microseconds here; whoever shows them divides by the sessions of the time that he looks at.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from greenlb.board import FIRST, Board
from greenlb.exchange import ENDINGS, Client, Exchange
from greenlb.model import Backend, Bind, Config, Frontend, Server

HTTP_CODES: Final = ("hrsp_other", "hrsp_1xx", "hrsp_2xx", "hrsp_3xx", "hrsp_4xx", "hrsp_5xx")


class Counter(NamedTuple):
    """A cell of frontends (``F``), listeners (``L``), servers (``S``), a backend's own block (``B``) or of
    all together (``P``).  A gauge goes down as well as up.  What is ``sampled`` is kept by the one process
    that samples, for it cannot be added up; ``of`` names the gauge that a maximum is of.  A ``peak`` is
    each process's own highest, and the highest of them is the farm's: these stand last, behind what is
    added up."""

    kinds: str
    doc: str
    gauge: bool = False
    sampled: bool = False
    of: str = ""
    peak: bool = False


COUNTERS: Final[dict[str, Counter]] = {
    "scur": Counter("LSB", "sessions now: client connections, or requests on a server", gauge=True),
    "qcur": Counter("SB", "requests queued now", gauge=True),
    "smax": Counter("FLSB", "most sessions at one time", sampled=True, of="scur"),
    "qmax": Counter("SB", "most requests queued at one time", sampled=True, of="qcur"),
    "rate_max": Counter("FSBP", "most sessions in a second", sampled=True),
    "req_rate_max": Counter("F", "most requests in a second", sampled=True),
    "conn_rate_max": Counter("FP", "most connections in a second", sampled=True),
    "ssl_rate_max": Counter("P", "most TLS sessions in a second", sampled=True),
    "ssl_key_rate_max": Counter("P", "most new TLS sessions in a second", sampled=True),
    "lastsess": Counter(
        "SB", "when the last session began: milliseconds of the monotonic clock", sampled=True
    ),
    "qtime_avg": Counter("SB", "qtime of the last requests, on average", sampled=True),
    "ctime_avg": Counter("SB", "ctime of the last requests, on average", sampled=True),
    "rtime_avg": Counter("SB", "rtime of the last requests, on average", sampled=True),
    "ttime_avg": Counter("SB", "ttime of the last requests, on average", sampled=True),
    "srv_icur": Counter("S", "idle connections now", gauge=True),
    "safe_conn_cur": Counter("S", "those that have carried more than one request", gauge=True),
    "ssl_cur": Counter("L", "TLS connections now", gauge=True),
    "ssl_sess": Counter("L", "TLS sessions that were established"),
    "ssl_reused_sess": Counter("L", "those that were resumed"),
    "ssl_failed_handshake": Counter("L", "TLS handshakes that failed"),
    "stot": Counter("LSB", "sessions: client connections, or requests that were given to a server"),
    "bin": Counter("LSB", "bytes read from clients"),
    "bout": Counter("LSB", "bytes sent to clients"),
    "req_tot": Counter("LSB", "HTTP requests"),
    **{name: Counter("LSB", f"answers with a {name[5:]} status") for name in HTTP_CODES},
    "dreq": Counter("LB", "requests that a rule denied"),
    "dresp": Counter("LSB", "responses that a rule denied"),
    "ereq": Counter("L", "requests that failed: invalid, late, or the client went away"),
    "dcon": Counter("L", "connections that a tcp-request connection rule refused"),
    "dses": Counter("L", "connections that a tcp-request session rule refused"),
    "intercepted": Counter("L", "requests answered here: redirects, pages, statistics"),
    "econ": Counter("SB", "requests that reached no server"),
    "unreached": Counter("S", "those of them that the server did not let in"),
    "eresp": Counter("SB", "responses that failed; what srv_abrt counts is in here too"),
    "cli_abrt": Counter("SB", "transfers that the client broke off"),
    "srv_abrt": Counter("SB", "transfers that the server broke off"),
    "wretr": Counter("SB", "connections tried again on the same server"),
    "wredis": Counter("SB", "requests moved away from this server"),
    "lbtot": Counter("SB", "requests that the balancing algorithm gave to the server"),
    "connect": Counter("SB", "requests that got a new connection"),
    "reuse": Counter("SB", "requests that went over an idle connection"),
    "chkfail": Counter("S", "health checks that failed"),
    "hanafail": Counter("S", "errors in a row that observe took action on"),
    "chkdown": Counter("SB", "how often it went down", sampled=True),
    "downtime": Counter("SB", "seconds that it was down, until it came back", sampled=True),
    "changed": Counter("B", "when it last got or lost all its servers, by the monotonic clock", sampled=True),
    "qtime": Counter("SB", "microseconds in queues"),
    "ctime": Counter("SB", "microseconds connecting"),
    "rtime": Counter("SB", "microseconds until the response's head"),
    "ttime": Counter("SB", "microseconds in all"),
    "eint": Counter("L", "internal errors"),
    "comp_in": Counter("LB", "bytes before compression"),
    "comp_out": Counter("LB", "bytes after compression"),
    "comp_rsp": Counter("LB", "answers that were compressed"),
    "qtime_max": Counter("S", "most microseconds in queues", peak=True),
    "ctime_max": Counter("S", "most microseconds connecting", peak=True),
    "rtime_max": Counter("S", "most microseconds until the response's head", peak=True),
    "ttime_max": Counter("S", "most microseconds in all", peak=True),
}
"""All cells.  The order is the order within a block."""


_STANDS: Final = ("changed", "downtime")
"""How an object stands, which no operator clears."""


class Cells:
    """The places of one object's cells in a row: ``cells[block.bout] += n``.  Cells that its kind does
    not have are -1, where a row keeps a place that nobody reads."""

    __slots__ = ("first", "kind", *COUNTERS)

    bin: int
    bout: int
    comp_in: int
    comp_out: int
    comp_rsp: int
    connect: int
    ctime: int
    ctime_max: int
    eresp: int
    hrsp_other: int
    intercepted: int
    lbtot: int
    qcur: int
    qtime: int
    qtime_max: int
    req_tot: int
    reuse: int
    rtime: int
    rtime_max: int
    safe_conn_cur: int
    scur: int
    srv_abrt: int
    srv_icur: int
    ssl_cur: int
    stot: int
    ttime: int
    ttime_max: int
    wredis: int
    wretr: int

    def __init__(self, kind: str, first: int) -> None:
        self.kind = kind
        self.first = first
        place = first
        for name, counter in COUNTERS.items():
            held = kind in counter.kinds
            setattr(self, name, place if held else -1)
            place += held

    @staticmethod
    def size(kind: str) -> int:
        return sum(kind in counter.kinds for counter in COUNTERS.values())

    def named(self, name: str) -> int:
        """The place of the counter called ``name``."""
        place: int = getattr(self, name)
        return place


@dataclass(frozen=True, slots=True)
class Row:
    """What one object has counted: ``kind`` is F, L, S or B as in HAProxy's documentation.  ``proxy`` is the
    section that it belongs to, ``part`` a listener's bind or the server; ``block`` holds what is its own."""

    kind: str
    pxname: str
    svname: str
    values: dict[str, int]
    proxy: Frontend | Backend
    part: Bind | Server | None
    block: Cells


class _Listeners(NamedTuple):
    model: Frontend
    own: Cells
    listeners: tuple[Cells, ...]


class _Servers(NamedTuple):
    model: Backend
    own: Cells
    servers: tuple[Cells, ...]


class Books:
    """The books of one process: row ``writer`` of the board is its own, all rows together are the
    farm's.  Objects of the configuration are known by ``id``: they live as long as their Config.  Their
    cells are known to the board by name, so the next configuration counts on where this one ended."""

    def __init__(self, config: Config, board: Board, writer: int = 0) -> None:
        self.config = config
        self.board = board
        self.cells = board.row(writer)
        self._listeners: dict[int, Cells] = {}
        self._servers: dict[int, Cells] = {}
        self._backends: dict[int, Cells] = {}
        self._frontends: list[_Listeners] = []
        self._farms: list[_Servers] = []
        self.process = _block(board, "P", "all")
        for frontend in config.frontends:
            name = frontend.name
            listeners = [_block(board, "L", f"{name}/{bind.name} {bind.address}") for bind in frontend.binds]
            self._listeners.update(zip(map(id, frontend.binds), listeners, strict=True))
            self._frontends.append(_Listeners(frontend, _block(board, "F", name), tuple(listeners)))
        for backend in config.backends:
            name = backend.name
            servers = [_block(board, "S", f"{name}/{server.name}") for server in backend.servers]
            self._servers.update(zip(map(id, backend.servers), servers, strict=True))
            own = self._backends[id(backend)] = _block(board, "B", name)
            self._farms.append(_Servers(backend, own, tuple(servers)))

    @staticmethod
    def width(config: Config) -> int:
        """How many cells a row needs."""
        fronts = sum(Cells.size("F") + len(f.binds) * Cells.size("L") for f in config.frontends)
        return (
            FIRST
            + 1
            + Cells.size("P")
            + fronts
            + sum(Cells.size("B") + len(b.servers) * Cells.size("S") for b in config.backends)
        )

    def listener(self, client: Client) -> Cells:
        """The block of the listener that a client came through."""
        return self._listeners[id(client.bind)]

    def bind(self, bind: Bind) -> Cells:
        """The block of the listener of a bind."""
        return self._listeners[id(bind)]

    def server(self, server: Server) -> Cells:
        """The block of a server."""
        return self._servers[id(server)]

    def backend(self, backend: Backend) -> Cells:
        """The block of what a backend counts beside its servers."""
        return self._backends[id(backend)]

    def opened(self, client: Client) -> None:
        """A client connection was accepted."""
        block = self._listeners[id(client.bind)]
        self.cells[block.scur] += 1
        self.cells[block.stot] += 1

    def count(self, client: Client, counter: str) -> None:
        """Something befell a connection: a rule refused it (dcon, dses), TLS was spoken (ssl_sess ...)."""
        self.cells[self._listeners[id(client.bind)].named(counter)] += 1

    def compressed(self, x: Exchange, consumed: int, produced: int) -> None:
        """The body of an answer was compressed from so many bytes to so many."""
        blocks = [self._listeners[id(x.client.bind)]]
        if x.backend is not None:
            blocks.append(self._backends[id(x.backend)])
        for block in blocks:
            self.cells[block.comp_in] += consumed
            self.cells[block.comp_out] += produced
            self.cells[block.comp_rsp] += 1

    def closed(self, client: Client) -> None:
        """A client connection ended."""
        block = self._listeners[id(client.bind)]
        self.cells[block.scur] -= 1
        if client.tls is not None:
            self.cells[block.ssl_cur] -= 1

    def carrier(self, x: Exchange) -> Cells | None:
        """The block of the server that an exchange was given to, or of its backend, or None: for what
        is counted while it runs (``scur``, ``qcur``, ``wretr``, ``wredis``)."""
        if x.server is not None:
            return self._servers[id(x.server)]
        return None if x.backend is None else self._backends[id(x.backend)]

    def account(self, x: Exchange) -> None:
        """Book an exchange: once, at its end."""
        cells = self.cells
        block = self._listeners[id(x.client.bind)]
        received, sent = x.bytes_in, x.bytes_out
        cells[block.bin] += received
        cells[block.bout] += sent
        code = -1
        if x.frontend.mode == "http":
            cells[block.req_tot] += 1
            if x.status >= 0:
                code = x.status // 100
                if code > 5:
                    code = 0
                cells[block.hrsp_other + code] += 1
        if x.cause != "-":
            self._ended(x, block)
        server = x.server
        if server is not None:
            block = self._servers[id(server)]
        elif x.backend is not None:
            block = self._backends[id(x.backend)]
        else:
            return
        cells[block.bin] += received
        cells[block.bout] += sent
        cells[block.stot] += 1
        if server is not None:
            self._timed(x, block)
            if x.answered < 0.0 and x.backend is not None:  # the answer is not the server's
                block = self._backends[id(x.backend)]
        if code >= 0:
            cells[block.req_tot] += 1
            cells[block.hrsp_other + code] += 1

    def _timed(self, x: Exchange, block: Cells) -> None:
        """How the server was chosen and reached, and how long that took."""
        cells = self.cells
        if x.cookie_in != "V":
            cells[block.lbtot] += 1
        served, connected = x.served, x.connected
        if served < 0.0:
            return
        if x.head_done >= 0.0:
            time = int((served - x.head_done) * 1e6)
            cells[block.qtime] += time
            if time > cells[block.qtime_max]:
                cells[block.qtime_max] = time
        if connected >= 0.0:
            if x.reused:
                cells[block.reuse] += 1
            else:
                cells[block.connect] += 1
                time = int((connected - served) * 1e6)
                cells[block.ctime] += time
                if time > cells[block.ctime_max]:
                    cells[block.ctime_max] = time
            if x.answered >= 0.0:
                time = int((x.answered - connected) * 1e6)
                cells[block.rtime] += time
                if time > cells[block.rtime_max]:
                    cells[block.rtime_max] = time
        time = int((x.end - x.start) * 1e6)
        cells[block.ttime] += time
        if time > cells[block.ttime_max]:
            cells[block.ttime_max] = time

    def _ended(self, x: Exchange, block: Cells) -> None:
        """Count an ending that was not the usual one."""
        cells = self.cells
        if x.cause == "L":
            cells[block.intercepted] += 1
            return
        ending = ENDINGS.get((x.cause, x.phase))
        counter = ending.counter if ending is not None else ""
        if x.cause == "I":
            cells[block.named("eint")] += 1
        if x.cause == "P":  # what was read whole and then ended was denied; the rest was invalid
            if x.frontend.mode == "tcp":
                counter = "dreq" if x.phase == "R" else "dresp"
            elif counter == "ereq" and x.request is not None:
                counter = "dreq"
            elif counter == "eresp" and x.response is not None:
                counter = "dresp"
        if not counter:
            return
        if counter == "dreq" and x.backend is not None:
            cells[self._backends[id(x.backend)].named(counter)] += 1
        elif counter == "dresp":
            cells[block.named(counter)] += 1
        if "L" not in COUNTERS[counter].kinds or counter == "dresp":
            carrier = self.carrier(x)
            if carrier is None:
                return
            block = carrier
            if counter == "srv_abrt":
                cells[block.eresp] += 1
            if x.phase == "C" and counter == "econ" and x.server is not None:
                cells[block.named("unreached")] += 1
        cells[block.named(counter)] += 1

    def proxies(self) -> Iterator[Frontend | Backend]:
        """What ``groups`` are the blocks of."""
        for frontend in self._frontends:
            yield frontend.model
        for farm in self._farms:
            yield farm.model

    def groups(self) -> Iterator[tuple[Cells, tuple[Cells, ...]]]:
        """Each frontend and backend, and the blocks that add up to it: a backend's own is the last of its."""
        for frontend in self._frontends:
            yield frontend.own, frontend.listeners
        for farm in self._farms:
            yield farm.own, (*farm.servers, farm.own)

    def clear(self, everything: bool = True) -> None:
        """Maxima, or ``everything`` save what is now, from 0 on.  The one process that samples does this:
        what the others have counted is taken off in its own row, and they go on counting."""
        board = self.board
        for whole, parts in self.groups():
            for block in {id(block): block for block in (*parts, whole, self.process)}.values():
                for name, counter in COUNTERS.items():
                    if block.kind not in counter.kinds or counter.gauge or name in _STANDS:
                        continue
                    place = block.named(name)
                    if counter.peak:  # that of a request which ends just now may survive
                        column = board.column(place)
                        for row in range(len(column)):
                            if column[row]:
                                column[row] = 0
                    elif counter.sampled:
                        if everything or name.endswith("_max") or counter.of:
                            self.cells[place] = 0
                    elif everything:
                        self.cells[place] -= board.total(place)

    def read(self) -> Iterator[Row]:
        """The farm's numbers, section by section: a frontend and its listeners, servers and their backend.
        Each is read when it is asked for."""
        sections: list[_Listeners | _Servers] = [*self._frontends, *self._farms]
        for section in sorted(sections, key=lambda section: section.model.number):
            if isinstance(section, _Listeners):
                yield from self._read_frontend(section)
            else:
                yield from self._read_backend(section)

    def _read_frontend(self, front: _Listeners) -> Iterator[Row]:
        model = front.model
        parts = [self.values(block) for block in front.listeners]
        yield Row("F", model.name, "FRONTEND", self._sum(front.own, parts), model, None, front.own)
        for bind, block, values in zip(model.binds, front.listeners, parts, strict=True):
            svname = f"sock-{bind.name}" if bind.name.isdigit() else bind.name
            yield Row("L", model.name, svname, values, model, bind, block)

    def _read_backend(self, farm: _Servers) -> Iterator[Row]:
        backend, parts = farm.model, []
        for server, block in zip(backend.servers, farm.servers, strict=True):
            parts.append(values := self.values(block))
            yield Row("S", backend.name, server.name, values, backend, server, block)
        parts.append(self.values(farm.own))
        yield Row("B", backend.name, "BACKEND", self._sum(farm.own, parts), backend, None, farm.own)

    def values(self, block: Cells) -> dict[str, int]:
        """What a block holds, over all processes."""
        names, peaks = _NAMES[block.kind], _PEAKS[block.kind]
        rows = self.board.rows_of(block.first, len(names))
        added = rows[0] if len(rows) == 1 else list(map(sum, zip(*rows, strict=True)))
        if peaks and len(rows) > 1:
            added[-peaks:] = map(max, zip(*[row[-peaks:] for row in rows], strict=True))
        return dict(zip(names, added, strict=True))

    def _sum(self, whole: Cells, parts: Sequence[dict[str, int]]) -> dict[str, int]:
        """The parts put together; what is sampled is the whole's own."""
        totals: dict[str, int] = {}
        for values in parts:
            for name, value in values.items():
                if COUNTERS[name].peak:
                    totals[name] = max(totals.get(name, 0), value)
                else:
                    totals[name] = totals.get(name, 0) + value
        return totals | {n: v for n, v in self.values(whole).items() if COUNTERS[n].sampled}


def gauges(board: Board) -> list[int]:
    """The places of all gauges on ``board``, those of objects that are gone among them: what a process
    that died has left there is no longer so."""
    found = []
    for name, place in board.places.items():
        kind, _, rest = name.partition(":")
        if kind in _LAYOUTS and rest.startswith(_LAYOUTS[kind]):
            block = Cells(kind, place)
            found += [
                block.named(n) for n, counter in COUNTERS.items() if counter.gauge and kind in counter.kinds
            ]
    return found


def _block(board: Board, kind: str, name: str) -> Cells:
    return Cells(kind, board.place(f"{kind}:{_LAYOUTS[kind]}:{name}", Cells.size(kind)))


def _layout(kind: str) -> str:
    """Which counters a block has: with others it is another block, so that a new version of greenlb
    does not take one number for another."""
    names = ",".join(name for name, counter in COUNTERS.items() if kind in counter.kinds)
    return f"{zlib.crc32(names.encode()):08x}"


_LAYOUTS: Final = {kind: _layout(kind) for kind in "FLSBP"}
_NAMES: Final = {
    kind: [name for name, counter in COUNTERS.items() if kind in counter.kinds] for kind in "FLSBP"
}
_PEAKS: Final = {kind: sum(COUNTERS[name].peak for name in names) for kind, names in _NAMES.items()}
