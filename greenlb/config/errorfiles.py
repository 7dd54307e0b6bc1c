"""Pages that are sent in place of our own answers: ``errorfile``, ``errorloc``, ``http-error`` and
``http-errors`` sections."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from greenlb.config.context import Context
from greenlb.config.sections import Given, Settings
from greenlb.config.values import ConfigError
from greenlb.model import Page
from greenlb.policy.actions.answers import error_page
from greenlb.policy.scope import Scope
from greenlb.policy.vocabulary import nearest

CODES: Final = (
    200, 400, 401, 403, 404, 405, 407, 408, 410, 413, 414, 425, 429, 431, 500, 501, 502, 503, 504,
)  # fmt: skip
"""HAProxy's, and the two that greenlb answers itself."""

_OPTIONS: Final = ("errorfile", "errorfiles", "errorloc", "errorloc302", "errorloc303", "http-error")
_REASONS: Final = {302: b"Found", 303: b"See Other"}

_STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3})(?: [^\r\n]*)?")
_FIELD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\x00\r\n]*")
_LENGTH = re.compile(rb"(?i)content-length:[ \t]*(\d+)[ \t]*")


def error_sections(context: Context, sections: Mapping[str, Settings]) -> dict[str, dict[int, bytes]]:
    """The pages of the ``http-errors`` sections."""
    return {name: _files(context, section) for name, section in sections.items()}


def errorfiles(context: Context, proxy: Settings, scope: Scope) -> dict[int, Page]:
    """Status -> what to send, the later line for a status over the earlier one."""
    found: dict[int, Page] = {}
    for line in proxy.given(*_OPTIONS):
        name = line.option.name
        with context.problems.at(line.where, f"'{name}': "):
            if name == "errorfile":
                found |= _file(context, line)
            elif name == "errorfiles":
                found |= _section(context, line)
            elif name == "http-error":
                status, page = error_page(line.words, replace(scope, response=False))
                _code(str(status))
                if page is None:
                    found.pop(status, None)
                else:
                    found[status] = page if isinstance(page, bytes) else context.written(page, line.text)
            else:
                if len(line.words) != 2:
                    raise ConfigError(f"expected CODE URL, not '{line.text}'")
                status = 303 if name == "errorloc303" else 302
                found[_code(line.words[0])] = _redirect(status, line.words[1])
    return found


def _redirect(status: int, url: str) -> bytes:
    if re.search(r"[\x00-\x20\x7f]", url):
        raise ConfigError(f"'{url}' cannot be the address of a page")
    return (
        b"HTTP/1.1 %d %b\r\nCache-Control: no-cache\r\nContent-length: 0\r\nLocation: %b\r\n"
        b"Connection: close\r\n\r\n" % (status, _REASONS[status], url.encode("utf-8", "surrogateescape"))
    )


def _section(context: Context, line: Given) -> dict[int, bytes]:
    """All pages of an http-errors section, or those of some codes."""
    name, *codes = line.words
    if name not in context.errors:
        raise ConfigError(f"there is no section [http-errors {name}]{nearest(name, context.errors)}")
    pages = context.errors[name]
    if not codes:
        return dict(pages)
    wanted = [_code(code) for code in codes]
    for code in wanted:
        if code not in pages:
            raise ConfigError(f"[http-errors {name}] has no page for {code}")
    return {code: pages[code] for code in wanted}


def _files(context: Context, section: Settings) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    for line in section.given("errorfile"):
        with context.problems.at(line.where, "'errorfile': "):
            found |= _file(context, line)
    return found


def _file(context: Context, line: Given) -> dict[int, bytes]:
    if len(line.words) != 2:
        raise ConfigError(f"expected CODE FILE, not '{line.text}'")
    code, path = line.words
    return {_code(code): _response(path, context.settings.value("tune.bufsize", 16384))}


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
