"""What a server answered to a check, and whether that is what was expected."""

from __future__ import annotations

from typing import Final, NamedTuple

from greenlb.exchange import Ahead, Exchange
from greenlb.message import CHUNKED, Response
from greenlb.protocol import hello, http1
from greenlb.script import Expect, Match, Text


class Wait:
    """More of the answer is needed."""


WAIT: Final = Wait()


class Judgement(NamedTuple):
    """``status`` and ``info`` are for the end of a check that did not pass; ``code`` None: nothing new."""

    passed: bool
    status: str = ""
    info: bytes = b""
    code: int | None = None


class Answer:
    """The bytes that came since something was sent.  ``ended``: no more do; ``told`` is what a reader of a
    protocol says of a good answer.  Of HTTP, ``response`` is its head, once it is there, and ``whole``
    tells that its body is."""

    def __init__(self, http: bool, method: bytes = b"GET") -> None:
        self.http = http
        self.method = method
        self.data = b""
        self.ended = False
        self.told = b""
        self.response: Response | None = None
        self.invalid = False
        self.whole = False
        self.body = b""

    def add(self, data: bytes, full: bool) -> None:
        """More has come; ``full``: nothing after it is looked at."""
        self.data += data
        self.ended = self.ended or full
        if self.http and not self.invalid:
            try:
                self._read()
            except http1.BadMessage:
                self.invalid = True

    def _read(self) -> None:
        if self.data and not http1.may_be_response(self.data[:7]):
            raise http1.BadMessage("not a response")
        start = 0
        while True:
            end = http1.head_end(self.data[start:])
            if not end:
                return
            head, start = self.data[start : start + end], start + end
            response = http1.parse_response(head, self.method)
            if response.status >= 200 or response.status == 101:
                break
        self.response = response
        self._read_body(response, self.data[start:])

    def _read_body(self, response: Response, body: bytes) -> None:
        if response.length == CHUNKED:
            pieces: list[bytes] = []
            chunks = http1.ChunkedBody()
            chunks.feed(body, pieces)
            self.body, self.whole = b"".join(pieces), chunks.done
        elif response.length >= 0:
            self.body = body[: response.length]
            self.whole = len(body) >= response.length
        else:
            self.body, self.whole = body, self.ended

    def show(self, x: Exchange) -> None:
        """Let samples see it."""
        x.response = self.response
        ahead = x.ahead_response = Ahead(hello.read, hello.Verdict.MORE, len(self.data))
        ahead.data, ahead.final = self.data, True


def judge(step: Expect, answer: Answer, x: Exchange) -> Judgement | Wait:
    """Is ``answer`` what ``step`` expects?"""
    if answer.http:
        return _judge_http(step, answer, x)
    if step.kind == "custom":
        return _judge_custom(step, answer)
    wanted = step.text if isinstance(step.text, bytes) else step.text(x)
    if step.kind == "binary-lf":
        try:
            wanted = bytes.fromhex(wanted.decode("ascii"))
        except ValueError:
            return Judgement(
                False, "L7RSP", b"Failed to parse hexastring resulting of eval of a log-format string"
            )
    if not wanted and step.kind in ("string-lf", "binary-lf"):
        return Judgement(False, "L7RSP", b"log-format string evaluated to an empty string")
    if not answer.ended and len(answer.data) < max(step.min_recv, len(wanted) if step.pattern is None else 0):
        return WAIT
    return _decide(step, _found(step, wanted, answer.data), answer.ended, step.error_status or "L7RSP")


def _found(step: Expect, wanted: bytes, data: bytes) -> bool:
    if step.pattern is None:
        return wanted in data
    return step.pattern.search(data.hex().upper().encode() if step.kind == "rbinary" else data) is not None


def _decide(step: Expect, found: bool, ended: bool, status: str, info: bytes = b"") -> Judgement | Wait:
    if not found and not ended and step.min_recv == -1:
        return WAIT
    return Judgement(True) if found is not step.inverse else Judgement(False, status, info)


def _judge_custom(step: Expect, answer: Answer) -> Judgement | Wait:
    assert step.reader is not None
    verdict = step.reader(answer.data, answer.ended)
    if verdict is None:
        return WAIT
    if verdict.status:
        return Judgement(False, verdict.status, verdict.info, verdict.code)
    return Judgement(True, "", verdict.info, verdict.code)


def _judge_http(step: Expect, answer: Answer, x: Exchange) -> Judgement | Wait:
    response = answer.response
    if answer.invalid or response is None:
        return WAIT if not answer.invalid and not answer.ended else Judgement(False, "L7RSP")
    if step.kind in ("string", "rstring", "string-lf"):
        return _judge_body(step, answer, x)
    if step.kind == "status":
        found = any(low <= response.status <= high for low, high in step.codes)
    elif step.kind == "rstatus":
        assert step.pattern is not None
        found = step.pattern.search(b"%d" % response.status) is not None
    else:
        found = _has_header(step, response, x)
    info = b"" if step.on_error is not None else response.reason
    return (
        Judgement(True) if found is not step.inverse else Judgement(False, step.error_status or "L7STS", info)
    )


def _judge_body(step: Expect, answer: Answer, x: Exchange) -> Judgement | Wait:
    last = answer.ended or answer.whole
    status, quiet = step.error_status or "L7RSP", step.on_error is not None
    if not answer.body:
        if not last:
            return WAIT
        info = b"" if quiet else b"HTTP content check could not find a response body"
        return Judgement(False, status, info)
    wanted = step.text if isinstance(step.text, bytes) else step.text(x)
    if not wanted and step.kind == "string-lf":
        return Judgement(False, "L7RSP", b"log-format string evaluated to an empty string")
    least = max(step.min_recv, len(wanted) if step.pattern is None else 0)
    if not last and len(answer.body) < least:
        return WAIT
    wrong = b"HTTP check matched unwanted content" if step.inverse else b"HTTP content check did not match"
    return _decide(step, _found(step, wanted, answer.body), last, status, b"" if quiet else wrong)


def _has_header(step: Expect, response: Response, x: Exchange) -> bool:
    name, value = step.name, step.value
    assert name is not None
    for field, content in response.fields.items():
        if not _matches(name, field.lower(), x, lower=True):
            continue
        if value is None:
            return True
        parts = [content] if step.kind == "fhdr" else content.split(b",")
        if any(_matches(value, part.strip(b" \t"), x) for part in parts):
            return True
    return False


def _matches(match: Match, given: bytes, x: Exchange, lower: bool = False) -> bool:
    if match.pattern is not None:
        return match.pattern.search(given) is not None
    wanted: bytes | Text = match.text
    if not isinstance(wanted, bytes):
        wanted = wanted(x)
    if lower:
        wanted = wanted.lower()
    if not wanted:
        return False
    match match.how:
        case "beg":
            return given.startswith(wanted)
        case "end":
            return given.endswith(wanted)
        case "sub":
            return wanted in given
        case _:
            return given == wanted
