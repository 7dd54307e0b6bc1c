"""The section resolvers."""

from __future__ import annotations

from typing import Final

from greenlb.config.options import Option, Table
from greenlb.config.values import Duration, Flag, Integer, Line

_HERE: Final = ("resolvers",)
HOLDS: Final = {
    "nx": "said that there is no such name",
    "refused": "refused to answer",
    "timeout": "did not answer",
    "other": "answered with any other error",
}
"""The answers that a server's last good one outlives for a while, in words."""

RESOLVERS: Final = Table(
    "option",
    (
        Option(
            name="nameserver",
            where=_HERE,
            kind=Line("ADDRESS[:PORT]", "a numeric address with a port, such as 10.0.0.53:53"),
            many=True,
            doc="A name server; all are asked, the first good answer counts.  udp@ and tcp@ before the "
            "address say how; UDP without, and TCP when an answer does not fit.",
            example="10.0.0.53:53",
        ),
        Option(
            name="parse-resolv-conf",
            where=_HERE,
            kind=Flag(),
            doc="The name servers of /etc/resolv.conf too, as it is when greenlb starts or reloads.",
            example="yes",
        ),
        Option(
            name="resolve_retries",
            where=_HERE,
            kind=Integer(1),
            field="retries",
            default="3",
            doc="How many times a question is asked before it has failed.",
            example="3",
        ),
        Option(
            name="accepted_payload_size",
            where=_HERE,
            kind=Integer(512, 65535, "bytes"),
            field="payload_size",
            default="512",
            doc="The longest answer that may come by UDP; name servers are told it when it is more than 512 "
            "(RFC 6891).",
            example="4096",
        ),
        Option(
            name="timeout resolve",
            where=_HERE,
            kind=Duration(positive=True),
            field="resolve",
            default="1s",
            doc="The time from one look at a name to the next.",
            example="1s",
        ),
        Option(
            name="timeout retry",
            where=_HERE,
            kind=Duration(positive=True),
            field="retry",
            default="1s",
            doc="How long a name server may take to answer.",
            example="1s",
        ),
        Option(
            name="hold valid",
            where=_HERE,
            kind=Duration(),
            field="valid",
            default="10s",
            doc="How old the last good answer must be for a check that could not connect in time to have the "
            "name looked up at once.",
            example="10s",
        ),
        *(
            Option(
                name=f"hold {name}",
                where=_HERE,
                kind=Duration(),
                field=name,
                default="30s",
                doc=f"How long a server keeps its address after the last good answer when all {what}.",
                example="30s",
            )
            for name, what in HOLDS.items()
        ),
        Option(
            name="hold obsolete",
            where=_HERE,
            kind=Duration(),
            field="obsolete",
            default="0s",
            doc="How long an address, or a server of SRV records, stays when good answers no longer name it.",
            example="30s",
        ),
    ),
)
