"""An application that breaks PEP 3333 in as many ways as there are paths."""

import gevent

LEFT = {}
"""What calls have left behind for others to misuse."""


def application(environ, start_response):
    return globals()[environ["PATH_INFO"].strip("/")](environ, start_response)


def _good(start_response, body=b"good"):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def plain(environ, start_response):
    return _good(start_response)


def method(environ, start_response):
    return _good(start_response, environ["REQUEST_METHOD"].encode())


def slow(environ, start_response):
    gevent.sleep(0.2)
    return _good(start_response)


def body(environ, start_response):
    return _good(start_response, environ["wsgi.input"].read())


def exits(environ, start_response):
    raise gevent.GreenletExit


def quits(environ, start_response):
    raise SystemExit(3)


def keeps_write(environ, start_response):
    """Its write() is used when the call is over."""
    LEFT["write"] = start_response("200 OK", [])
    raise ValueError("on purpose")


def keeps_input(environ, start_response):
    """Its body is read when the call is over."""
    LEFT["input"] = environ["wsgi.input"]
    return _good(start_response)


def use_write(environ, start_response):
    try:
        LEFT.pop("write")(b"HTTP/1.1 200 OK\r\n\r\nforged")
    except Exception as error:
        return _good(start_response, b"refused: " + type(error).__name__.encode())
    return _good(start_response, b"written")


def use_input(environ, start_response):
    try:
        stolen = LEFT.pop("input").read()
    except Exception as error:
        return _good(start_response, b"refused: " + type(error).__name__.encode())
    return _good(start_response, b"read: " + stolen)


def twice(environ, start_response):
    start_response("200 OK", [])
    return _good(start_response)


def none(environ, start_response):
    start_response("200 OK", [])


def text(environ, start_response):
    start_response("200 OK", [])
    return ["text"]


def number(environ, start_response):
    start_response("200 OK", [])
    return 7


def bad_status(environ, start_response):
    start_response("200 OK\r\nX-Forged: 1", [])
    return [b""]


def bad_name(environ, start_response):
    start_response("200 OK", [("X-A\r\nX-Forged", "1")])
    return [b""]


def bad_value(environ, start_response):
    start_response("200 OK", [("X-A", "1\r\nX-Forged: 1")])
    return [b""]


def bad_nul(environ, start_response):
    start_response("200 OK", [("X-A", "1\0")])
    return [b""]


def bad_length(environ, start_response):
    start_response("200 OK", [("Content-Length", "-5")])
    return [b"12345"]


def two_lengths(environ, start_response):
    start_response("200 OK", [("Content-Length", "5"), ("Content-Length", "6")])
    return [b"12345"]


def switches(environ, start_response):
    start_response("101 Switching Protocols", [("Upgrade", "x"), ("Connection", "Upgrade")])
    return [b""]


def chunks(environ, start_response):
    """Its own framing."""
    start_response("200 OK", [("Transfer-Encoding", "chunked")])
    return [b"5\r\nhello\r\n0\r\n\r\n"]


def more(environ, start_response):
    """More than it promised."""
    start_response("200 OK", [("Content-Length", "4")])
    yield b"good"
    yield b"HTTP/1.1 200 OK\r\n\r\n"


def fewer(environ, start_response):
    start_response("200 OK", [("Content-Length", "10")])
    yield b"short"


class _Bad:
    def __init__(self, pieces, close):
        self._pieces = iter(pieces)
        self._close = close

    def __iter__(self):
        return self

    def __next__(self):
        return next(self._pieces)

    def close(self):
        self._close()


def closes(environ, start_response):
    start_response("200 OK", [("Content-Length", "4")])
    return _Bad([b"good"], lambda: 1 / 0)


def endless(environ, start_response):
    start_response("200 OK", [])
    while True:
        yield b"x" * 65536


def waits(environ, start_response):
    start_response("200 OK", [])
    while True:
        yield b"x"
        gevent.sleep(0.05)
