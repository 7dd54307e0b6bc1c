"""``errorfile``: whole responses that are sent in place of our own answers."""

from __future__ import annotations

import re
from typing import Final

from greenlb.config.context import Context
from greenlb.config.sections import Settings
from greenlb.config.values import ConfigError

CODES: Final = (
    200, 400, 401, 403, 404, 405, 407, 408, 410, 413, 414, 425, 429, 431, 500, 501, 502, 503, 504,
)  # fmt: skip
"""HAProxy's, and the two that greenlb answers itself."""

_STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3})(?: [^\r\n]*)?")
_FIELD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\x00\r\n]*")
_LENGTH = re.compile(rb"(?i)content-length:[ \t]*(\d+)[ \t]*")


def errorfiles(context: Context, proxy: Settings) -> dict[int, bytes]:
    """Status -> the bytes to send, the later line for a status over the earlier one."""
    found: dict[int, bytes] = {}
    for line in proxy.given("errorfile"):
        with context.problems.at(line.where, "'errorfile': "):
            if len(line.words) != 2:
                raise ConfigError(f"expected CODE FILE, not '{line.text}'")
            code = _code(line.words[0])
            found[code] = _response(line.words[1], context.settings.value("tune.bufsize", 16384))
    return found


def _code(text: str) -> int:
    if text not in map(str, CODES):
        raise ConfigError(f"status code '{text}' not handled: expected one of {', '.join(map(str, CODES))}")
    return int(text)


def _response(path: str, bufsize: int) -> bytes:
    """The file as it goes on the wire: the lines of its head end with CRLF even if it was edited
    without; an empty file is silence.  Raises ConfigError when it cannot be read or is no response."""
    try:
        with open(path, "rb") as file:
            content = file.read(bufsize + 1)
    except OSError as error:
        raise ConfigError(f"cannot read '{path}': {error.strerror}") from None
    if len(content) > bufsize:
        raise ConfigError(f"'{path}' is larger than tune.bufsize, {bufsize} bytes")
    if not content:  # errorfile 408 /dev/null: nothing is sent
        return b""
    parts = re.split(rb"\r?\n\r?\n", content, maxsplit=1)
    if len(parts) < 2:
        raise ConfigError(f"'{path}' is no HTTP response: expected a head that ends with an empty line")
    status, *fields = re.split(rb"\r?\n", parts[0])
    if not _STATUS_LINE.fullmatch(status):
        raise ConfigError(
            f"'{path}' is no HTTP response: expected a first line such as HTTP/1.0 503 Service Unavailable"
        )
    for field in fields:
        if not _FIELD.fullmatch(field):
            raise ConfigError(f"'{path}': '{field.decode('latin-1')}' is no header field")
        length = _LENGTH.fullmatch(field)
        if length and int(length[1]) != len(parts[1]):
            raise ConfigError(
                f"'{path}': its Content-Length is {int(length[1])}, but {len(parts[1])} bytes follow its head"
            )
    return b"\r\n".join([status, *fields]) + b"\r\n\r\n" + parts[1]
