"""Servers and how one is chosen."""

from __future__ import annotations

from typing import Final

from greenlb.config.options import Keywords, Option
from greenlb.config.schema.servers import SERVER
from greenlb.config.schema.where import BACK
from greenlb.config.values import Flag, Integer, Line, Switch, Text

FARM: Final = (
    Option(
        name="dispatch",
        where=("listen", "backend"),
        kind=Line("ADDRESS:PORT", "an address with a port, such as 10.0.0.11:80"),
        field="servers",
        many=True,
        doc="All requests go there: the same as a server called 'dispatch' with nothing but its address.",
        example="10.0.0.11:80",
    ),
    Option(
        name="balance",
        where=BACK,
        kind=Line("ALGORITHM [ARGUMENTS]", "an algorithm, such as roundrobin or leastconn"),
        field="balance",
        default="roundrobin",
        doc="How a server is chosen: roundrobin, static-rr, leastconn, first, random, by a hash of source, "
        "uri, url_param NAME, hdr(NAME) or hash SAMPLE, or by python MODULE:FUNCTION, which is called with a "
        "greenlb.Transaction and a list of greenlb.Choice and returns one of them, or None.",
        example="leastconn",
    ),
    Option(
        name="hash-type",
        where=BACK,
        kind=Line("map-based|consistent [FUNCTION [avalanche]]", "map-based or consistent"),
        default="map-based",
        doc="How a hash becomes a server: consistent moves few keys when a server comes or goes.",
        example="consistent",
    ),
    Option(
        name="cookie",
        where=BACK,
        kind=Line("NAME insert|rewrite|prefix [KEYWORDS]", "the cookie's name"),
        field="cookie",
        http=True,
        warns=True,
        doc="A client stays on its server by a cookie.",
        example="SERVERID insert indirect nocache",
    ),
    Option(
        name="stick-table",
        where=("frontend", "listen", "backend"),
        kind=Line(
            "type TYPE [len SIZE] size NUMBER [expire TIME] [nopurge] [store TYPE,...]",
            "keywords such as type ip size 100k expire 30m",
        ),
        doc="A table of keys, named as the section: the servers that clients belong to, and counters.  "
        "All processes share it, and it is kept over restarts.",
        example="type ip size 100k expire 30m",
    ),
    Option(
        name="stick",
        where=("listen", "backend"),
        kind=Line(
            "on|match|store-request|store-response SAMPLE [table NAME] [if|unless CONDITION]",
            "on, match, store-request or store-response",
        ),
        field="stick",
        many=True,
        doc="A client stays on its server by a table: match looks the key up, store-request and "
        "store-response keep it with the server, on is match and store-request.",
        example="on src",
    ),
    Option(
        name="dynamic-cookie-key",
        where=BACK,
        kind=Text("TEXT", "a secret text"),
        http=True,
        doc="The secret of cookie's dynamic values.",
        example="change-me",
    ),
    Option(
        name="option persist",
        where=BACK,
        kind=Flag(),
        field="persist",
        default="no",
        http=True,
        doc="A cookie's server is tried even when it is down.",
        example="yes",
    ),
    Option(
        name="option allbackups",
        where=BACK,
        kind=Flag(),
        field="allbackups",
        default="no",
        doc="All backup servers share the load when no other is up, not the first of them alone.",
        example="yes",
    ),
    Option(
        name="retries",
        where=BACK,
        kind=Integer(0),
        field="retries",
        default="3",
        doc="How often a failed connection to a server is tried again, after a pause of up to a second.",
        example="3",
    ),
    Option(
        name="option redispatch",
        where=BACK,
        kind=Switch(Integer(-1000, 1000), on=-1),
        field="redispatch",
        default="no",
        doc="A retry may go to another server: the last one (yes, or -1), or every Nth.",
        example="yes",
    ),
    Option(
        name="default-server",
        where=BACK,
        kind=Keywords(SERVER, "KEYWORDS"),
        many=True,
        doc="Keywords for the servers that come after it.",
        example="check inter 2s rise 2 fall 3",
    ),
    Option(
        name="server",
        where=("listen", "backend"),
        kind=Line("NAME = ADDRESS:PORT [KEYWORDS]", "an address with a port, such as 10.0.0.11:80"),
        field="servers",
        many=True,
        doc="A server of the farm, written server NAME = ADDRESS:PORT KEYWORDS.",
        example="10.0.0.11:80 check",
    ),
    Option(
        name="server-template",
        where=("listen", "backend"),
        kind=Line(
            "PREFIX = COUNT|FIRST-LAST NAME[:PORT] [KEYWORDS]", "how many servers there are, and a name"
        ),
        field="servers",
        many=True,
        doc="As many servers, called PREFIX and a number, that share what the name is resolved to.",
        example="3 app.example.com:80 check resolvers dns",
    ),
)
