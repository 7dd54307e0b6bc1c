"""Questions and answers as bytes."""

from __future__ import annotations

import contextlib

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenlb.protocol import dns as protocol
from greenlb.protocol.dns import AAAA, SRV, A, Answer, Invalid, Service, Truncated, question, read

NAME = "app.example.test"


def answer(
    kind: str = A,
    *records: str,
    rcode: dns.rcode.Rcode = dns.rcode.NOERROR,
    extra: tuple[str, ...] = (),
    name: str = NAME,
) -> dns.message.Message:
    """What a name server says to our question; a record is ``OWNER KIND DATA``."""
    message = dns.message.make_response(dns.message.from_wire(question(name, kind, 7, 512)))
    message.set_rcode(rcode)
    for section, texts in ((message.answer, records), (message.additional, extra)):
        for text in texts:
            owner, what, data = text.split(maxsplit=2)
            section.append(dns.rrset.from_text(f"{owner}.", 5, "IN", what, data))
    return message


def test_a_question() -> None:
    asked = dns.message.from_wire(question(NAME, AAAA, 4711, 512))
    assert (asked.id, asked.edns) == (4711, -1)
    assert asked.flags & dns.flags.RD
    assert str(asked.question[0]) == f"{NAME}. IN AAAA"
    assert dns.message.from_wire(question(NAME, AAAA, 1, 4096)).payload == 4096


@pytest.mark.parametrize(
    ("kind", "records", "expected"),
    [
        (A, [f"{NAME} A 10.0.0.1"], Answer(protocol.VALID, ("10.0.0.1",))),
        (AAAA, [f"{NAME} AAAA 2001:db8:0::1"], Answer(protocol.VALID, ("2001:db8::1",))),
        (A, [], Answer(protocol.EMPTY)),
        (A, [f"{NAME} AAAA ::1"], Answer(protocol.EMPTY)),
        (A, ["other.test A 10.0.0.1"], Answer(protocol.EMPTY)),
        (
            A,
            [f"{NAME} CNAME other.test.", "other.test A 10.0.0.1"],
            Answer(protocol.VALID, ("10.0.0.1",), aliased=True),
        ),
        (A, [f"{NAME} CNAME b.test.", f"b.test CNAME {NAME}."], Answer(protocol.OTHER)),
        (SRV, [f"{NAME} SRV 0 10 80 ."], Answer(protocol.EMPTY)),
        (
            SRV,
            [f"{NAME} SRV 1 256 8080 W1.Example.test."],
            Answer(protocol.VALID, services=(Service("w1.example.test", 8080, 256, 1),)),
        ),
    ],
)
def test_an_answer(kind: str, records: list[str], expected: Answer) -> None:
    assert read(answer(kind, *records).to_wire(), NAME, kind, 7) == expected


def test_addresses_of_targets_that_come_along() -> None:
    message = answer(
        SRV,
        f"{NAME} SRV 0 1 80 w1.test.",
        extra=("w1.test A 10.0.0.1", "w1.test AAAA ::1", "w2.test A 10.0.0.2"),
    )
    assert read(message.to_wire(), NAME, SRV, 7).known == {"w1.test": ("10.0.0.1", "::1")}


@pytest.mark.parametrize(
    ("rcode", "kind"),
    [
        (dns.rcode.NXDOMAIN, protocol.NX),
        (dns.rcode.REFUSED, protocol.REFUSED),
        (dns.rcode.SERVFAIL, protocol.OTHER),
        (dns.rcode.NOTIMP, protocol.OTHER),
    ],
)
def test_an_error(rcode: dns.rcode.Rcode, kind: str) -> None:
    assert read(answer(rcode=rcode).to_wire(), NAME, A, 7) == Answer(kind)


def test_what_answers_something_else_is_no_answer() -> None:
    data = answer(A, f"{NAME} A 10.0.0.1").to_wire()
    for name, kind, number in ((NAME, A, 8), (NAME, AAAA, 7), ("other.test", A, 7)):
        with pytest.raises(Invalid):
            read(data, name, kind, number)
    with pytest.raises(Invalid):  # a question is none either
        read(question(NAME, A, 7, 512), NAME, A, 7)
    assert read(data, NAME.upper(), A, 7).kind == protocol.VALID  # names have no case


def test_an_answer_that_is_not_whole() -> None:
    message = answer(A, f"{NAME} A 10.0.0.1")
    message.flags |= dns.flags.TC
    with pytest.raises(Truncated):
        read(message.to_wire(), NAME, A, 7)


GOOD = answer(
    SRV, f"{NAME} SRV 0 1 80 w1.test.", f"{NAME} CNAME x.test.", extra=("w1.test A 10.0.0.1",)
).to_wire()


@given(st.binary(max_size=200))
def test_garbage_is_no_answer(data: bytes) -> None:
    with contextlib.suppress(Invalid, Truncated):
        read(data, NAME, A, 7)


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255), st.integers(0, len(GOOD)))
def test_a_broken_answer_breaks_nothing(at: int, octet: int, end: int) -> None:
    data = bytearray(GOOD)
    data[at] = octet
    with contextlib.suppress(Invalid, Truncated):
        read(bytes(data[:end]), NAME, SRV, 7)


@pytest.mark.parametrize("name", ["a..b", "x" * 64 + ".test", ".".join(["abcdefg"] * 40)])
def test_a_name_that_cannot_be_asked_for(name: str) -> None:
    with pytest.raises(ValueError, match="is not a name that can be looked up"):
        protocol.check_name(name)
