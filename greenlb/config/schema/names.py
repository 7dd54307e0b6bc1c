"""Keywords of ``server`` that say how its name becomes an address."""

from __future__ import annotations

from typing import Final

from greenlb.config.options import Option
from greenlb.config.values import Choice, Listed, Text

RESOLVE_OPTS: Final = ("allow-dup-ip", "prevent-dup-ip", "ignore-weight")
"""What ``resolve-opts`` may say."""

NAMES: Final = (
    Option(
        name="init-addr",
        kind=Listed("METHOD[,METHOD]", "some of last, libc, none and an address, separated by commas"),
        field="init_addr",
        default="last,libc",
        doc="How its name becomes an address when greenlb starts or reloads, the first way that works: last, "
        "what it was before the reload; libc, the system's resolver; an address; none, it has no address yet "
        "and is in maintenance until it gets one.",
        example="last,libc,none",
    ),
    Option(
        name="resolvers",
        kind=Text("NAME", "the name of a resolvers section"),
        field="resolvers",
        doc="Its name is looked up again and again while greenlb runs, at the name servers of that section.  "
        "A name that begins with '_' is one of SRV records, which tell the port and the weight too.",
        example="dns",
    ),
    Option(
        name="resolve-prefer",
        kind=Choice("ipv4", "ipv6"),
        field="prefer",
        default="ipv6",
        doc="Which of its addresses it gets when its name has both kinds.",
        example="ipv4",
    ),
    Option(
        name="resolve-net",
        kind=Listed("NETWORK[,NETWORK]", "networks such as 10.0.0.0/8, separated by commas"),
        field="networks",
        doc="Addresses of these networks are taken before others.",
        example="10.0.0.0/8,192.168.0.0/16",
    ),
    Option(
        name="resolve-opts",
        kind=Listed("OPTION[,OPTION]", f"options separated by commas, of {', '.join(RESOLVE_OPTS)}"),
        field="resolve_opts",
        default="prevent-dup-ip",
        doc="Whether servers of one name may have one address (allow-dup-ip, prevent-dup-ip), and whether "
        "the weights of SRV records count for nothing (ignore-weight).",
        example="allow-dup-ip,ignore-weight",
    ),
)
