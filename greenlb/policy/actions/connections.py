"""Actions of tcp-request and tcp-response rules on the connection itself."""

from __future__ import annotations

from greenlb.exchange import Exchange
from greenlb.message import Fields, Reply
from greenlb.model import ALLOW, Rule
from greenlb.policy.actions.words import CONNECTION, TCP, TCP_RESPONSE, Action, Words


def accept(words: Words) -> Rule:
    return lambda x: ALLOW


def close(words: Words) -> Rule:
    return lambda x: Reply(-1, b"", Fields(), close=True, cause="-", phase="-", action="close")


def expect_proxy(words: Words) -> Rule:
    layer = words.take("'layer4'")
    if layer != "layer4":
        raise ValueError(f"'expect-proxy' expects 'layer4', got '{layer}'")

    def rule(x: Exchange) -> None:
        x.client.expects_proxy = True

    return rule


ROWS = (
    Action("accept", TCP, "", "Ends the rules of this list: the connection goes on.", accept),
    Action("close", (TCP_RESPONSE,), "", "Closes both connections, as if all had been said.", close),
    Action(
        "expect-proxy",
        (CONNECTION,),
        "layer4",
        "The connection must begin with a PROXY protocol header, as with accept-proxy on its bind.",
        expect_proxy,
    ),
)
