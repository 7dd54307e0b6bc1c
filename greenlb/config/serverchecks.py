"""How one server is checked: its line's ``check``, ``agent-check``, ``observe`` and what goes with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from greenlb.config.addresses import server_address
from greenlb.config.values import ConfigError
from greenlb.model import Address, Check, SendProxy, ServerTls
from greenlb.policy.vocabulary import octets
from greenlb.script import Agent, Connect, HealthCheck, Observe, Script

_TIMES = ("inter", "fastinter", "downinter", "rise", "fall")


def check(
    fields: Mapping[str, Any],
    script: HealthCheck | None,
    address: Address,
    send_proxy: SendProxy | None,
    source: Address | None,
    tls: Callable[[], ServerTls],
) -> Check:
    """``check``.  ``send_proxy`` is what its connections begin with, ``tls`` makes what they are encrypted
    with.  Raises ConfigError."""
    port: int = fields.get("port", 0)
    elsewhere = server_address(fields["addr"], port=port or address.port) if "addr" in fields else None
    apart = bool(port or elsewhere)
    announced = None if apart else send_proxy
    if fields.get("check_send_proxy"):
        announced = send_proxy or SendProxy()
    own = None
    if fields.get("check_ssl", bool(fields.get("ssl")) and not apart):
        own = _encryption(tls, fields.get("check_alpn", ()))
    return Check(
        **{name: fields[name] for name in _TIMES if name in fields},
        port=port,
        address=elsewhere,
        send_proxy=announced,
        tls=own,
        step_tls=_step_encryption(script, tls),
        sni=fields.get("check_sni", ""),
        source=source if source is not None and source.ipv6 == (elsewhere or address).ipv6 else None,
    )


def _encryption(tls: Callable[[], ServerTls], alpn: tuple[str, ...]) -> ServerTls:
    made = tls()
    return replace(made, alpn=alpn) if alpn else made


def _step_encryption(
    script: HealthCheck | None, tls: Callable[[], ServerTls]
) -> tuple[tuple[int, ServerTls], ...]:
    if not isinstance(script, Script):
        return ()
    return tuple(
        (step.number, _encryption(tls, step.alpn))
        for step in script.steps
        if isinstance(step, Connect) and step.tls
    )


def encrypts(fields: Mapping[str, Any], script: HealthCheck | None) -> bool:
    """Whether checks speak TLS where connections do not."""
    steps = script.steps if isinstance(script, Script) else ()
    return bool(fields.get("check_ssl")) or any(isinstance(step, Connect) and step.tls for step in steps)


def agent(fields: Mapping[str, Any], address: Address) -> Agent | None:
    """``agent-check``.  Raises ConfigError."""
    if not fields.get("agent_check"):
        return None
    port: int = fields.get("agent_port", 0)
    if not port:
        raise ConfigError("'agent-check' needs 'agent-port NUMBER'")
    where = server_address(fields["agent_addr"], port=port) if "agent_addr" in fields else None
    inter = fields.get("agent_inter", fields.get("inter", Check().inter))
    return Agent(
        Check(inter=inter, rise=1, fall=1, port=port, address=where), octets(fields.get("agent_send", ""))
    )


def observe(fields: Mapping[str, Any], mode: str) -> Observe | None:
    """``observe``, with ``error-limit`` and ``on-error``.  Raises ConfigError."""
    if "observe" not in fields:
        return None
    if not fields.get("check"):
        raise ConfigError("'observe' needs 'check': checks tell when the server is well again")
    layer = int(fields["observe"][-1])
    if layer == 7 and mode != "http":
        raise ConfigError("'observe layer7' reads answers and needs 'mode http'; expected 'observe layer4'")
    return Observe(layer, fields.get("error_limit", 10), fields.get("on_error", "fail-check"))


def track(fields: Mapping[str, Any], backend: str) -> str:
    """The server that is tracked, with its backend.  Raises ConfigError."""
    text: str = fields.get("track", "")
    if not text:
        return ""
    for keyword in ("check", "agent_check"):
        if fields.get(keyword):
            raise ConfigError(f"'track' and '{keyword.replace('_', '-')}' exclude each other")
    return text if "/" in text else f"{backend}/{text}"
