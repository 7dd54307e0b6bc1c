"""What HAProxy makes of samples, conditions and rules: ``tests/unit/policy/rule_table.json``.

``python -m tests.support.rule_table`` asks the installed HAProxy again and writes the file.  Each row
has a frontend of its own on a unix socket; the PROXY line in front of a request says who the client is.
"""

from __future__ import annotations

import json
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support import grammar_cases, rule_cases, word_cases
from tests.support.stream import WAIT, eventually

TABLE = Path(__file__).parents[1] / "unit" / "policy" / "rule_table.json"
CLIENT = "TCP4 198.51.100.7 203.0.113.1 4321 8080"

Answer = str | bool | None | list[str]


@dataclass(frozen=True)
class Row:
    """``kind``: sample (its text, None when absent), condition (a boolean), edit (the request that
    leaves: target line, then its fields), response (the same of an answer), answer (our own, whole; 503 when
    no rule answers).  ``rule`` may have several lines."""

    kind: str
    rule: str
    request: str
    client: str = CLIENT
    response: tuple[str, ...] = ()


def rows() -> Iterator[Row]:
    default = rule_cases.REQUEST
    for expression in rule_cases.SAMPLES:
        yield Row("sample", expression, default)
    for expression, request in rule_cases.SAMPLES_OF:
        yield Row("sample", expression, request)
    for expression in word_cases.SAMPLES:
        yield Row("sample", expression, default)
    for expression, request in word_cases.SAMPLES_OF:
        yield Row("sample", expression, request)
    for condition in word_cases.CONDITIONS:
        yield Row("condition", condition, default)
    for condition in rule_cases.CONDITIONS:
        yield Row("condition", condition, default)
    for condition, request in rule_cases.CONDITIONS_OF:
        yield Row("condition", condition, request)
    for client, condition in rule_cases.ADDRESSES:
        yield Row("condition", condition, default, client)
    for rule in rule_cases.EDITS:
        yield Row("edit", rule, rule_cases.SHORT)
    for rule, request in rule_cases.EDITS_OF:
        yield Row("edit", rule, request)
    for rule in rule_cases.RESPONSES:
        yield Row("response", rule, rule_cases.SHORT, response=rule_cases.RESPONSE)
    for rule in rule_cases.ANSWERS:
        yield Row("answer", rule, rule_cases.SHORT)
    for rule, request in rule_cases.ANSWERS_OF:
        yield Row("answer", rule, request)
    for condition in grammar_cases.CONDITIONS:
        yield Row("condition", condition, default)
    for rule in grammar_cases.EDITS:
        yield Row("edit", rule, rule_cases.SHORT)
    for rule in grammar_cases.ANSWERS:
        yield Row("answer", rule, rule_cases.SHORT)


def load() -> list[tuple[Row, Answer]]:
    """The rows as they were recorded, with HAProxy's answers."""
    loaded = []
    for entry, answer in json.loads(TABLE.read_text()):
        entry.setdefault("request", _usual_request(entry["kind"]))
        if entry["kind"] == "response":
            entry["response"] = rule_cases.RESPONSE
        loaded.append((Row(**entry), answer))
    return loaded


def _usual_request(kind: str) -> str:
    return rule_cases.REQUEST if kind in ("sample", "condition") else rule_cases.SHORT


def _entry(row: Row) -> dict[str, str]:
    """What of a row is not as usual."""
    entry = {"kind": row.kind, "rule": row.rule}
    if row.request != _usual_request(row.kind):
        entry["request"] = row.request
    if row.client != CLIENT:
        entry["client"] = row.client
    return entry


def _frontend(number: int, row: Row, directory: Path) -> str:
    lines = [f"frontend f{number}", f"  bind unix@{directory}/{number}.sock accept-proxy"]
    if row.kind == "sample":
        found = "status 200 content-type text/plain lf-string %[var(txn.v)] if { var(txn.v) -m found }"
        lines += [f"  http-request set-var(txn.v) '{row.rule}'", f"  http-request return {found}"]
        lines.append("  http-request return status 404")
    elif row.kind == "condition":
        lines.append(f"  http-request return status 200 if {row.rule}")
        lines.append("  http-request return status 404")
    elif row.kind == "edit":
        lines += [f"  {line}" for line in row.rule.splitlines()]
        lines.append(
            r'  http-request return content-type text/plain lf-string "%[method] %[url]\n%[req.hdrs]"'
        )
    elif row.kind == "response":
        lines += [f"  {line}" for line in row.rule.splitlines()]
        lines.append(f"  default_backend b{number}")
        lines.append(f"backend b{number}\n  server s unix@{directory}/o{number}.sock")
        fields = " ".join(f'hdr {n} "{v}"' for n, _, v in (line.partition(": ") for line in row.response))
        lines.append(f"frontend o{number}\n  bind unix@{directory}/o{number}.sock")
        lines.append(f"  http-request return status 200 content-type text/plain string body {fields}")
    else:
        lines += [f"  {line}" for line in row.rule.splitlines()]
    return "\n".join(lines) + "\n"


_HEAD = """global
  nbthread 1
defaults
  mode http
  log 127.0.0.1:9 local0
  option httplog
  timeout connect 3s
  timeout client 8s
  timeout server 8s
"""


def _exchange(path: Path, row: Row) -> bytes:
    """One request on its own connection, and all that comes back: up to the end of the answer."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(WAIT)
        sock.connect(str(path))
        sock.sendall(f"PROXY {row.client}\r\n".encode() + row.request.encode("latin-1"))
        data = b""
        while not _whole(data, row.request):
            piece = sock.recv(65536)
            if not piece:
                break
            data += piece
        return data


def _whole(data: bytes, request: str) -> bool:
    head, end, body = data.partition(b"\r\n\r\n")
    if not end:
        return False
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:") and not request.startswith("HEAD"):
            return len(body) >= int(line.partition(b":")[2])
    return True


def _outcome(row: Row, data: bytes) -> Answer:
    text = data.decode("latin-1")
    head, _, body = text.partition("\r\n\r\n")
    status = head.split(" ")[1]
    if row.kind == "sample":
        return body if status == "200" else None
    if row.kind == "condition":
        return status == "200"
    if row.kind == "edit":
        line, *fields = body.replace("%0D%0A", "\r\n").rstrip().replace("\r", "").split("\n")
        return [line, *normal(fields)]
    lines = head.split("\r\n")
    return [lines[0], *normal(lines[1:]), *([] if row.kind == "response" else ["", body])]


def normal(fields: list[str]) -> list[str]:
    """Field lines with their names in lower case: greenlb keeps the case that HAProxy drops."""
    return [f"{name.lower()}: {value.strip()}" for name, _, value in (f.partition(":") for f in fields)]


def with_files(text: str, directory: Path) -> str:
    """``text`` with the paths of the files it names, which are written into ``directory``."""
    for name, content in (rule_cases.FILES | word_cases.FILES).items():
        if "{" + name + "}" in text:
            path = directory / f"{name}.map"
            path.write_text(content)
            text = text.replace("{" + name + "}", str(path))
    return text


def ask(asked: list[Row]) -> list[Answer]:
    """HAProxy's answers, one each."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        cfg = directory / "haproxy.cfg"
        text = _HEAD + "".join(_frontend(number, row, directory) for number, row in enumerate(asked))
        cfg.write_text(with_files(text, directory), encoding="utf-8")
        log = directory / "stderr"
        with log.open("wb") as stderr:
            process = subprocess.Popen(["haproxy", "-db", "-f", str(cfg)], stdout=stderr, stderr=stderr)
        try:
            last = directory / f"{len(asked) - 1}.sock"
            eventually(lambda: last.exists() or process.poll() is not None, "HAProxy listens")
            assert process.poll() is None, log.read_text()
            return [
                _outcome(row, _exchange(directory / f"{number}.sock", row))
                for number, row in enumerate(asked)
            ]
        finally:
            process.terminate()
            process.wait(WAIT)


def record() -> None:
    asked = list(rows())
    entries = [json.dumps([_entry(row), answer]) for row, answer in zip(asked, ask(asked), strict=True)]
    TABLE.write_text("[\n" + ",\n".join(entries) + "\n]\n")
    print(f"{len(entries)} rows")


if __name__ == "__main__":
    record()
