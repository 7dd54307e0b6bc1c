"""``option forwarded`` as a step that requests go through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from greenlb.config.context import Context
from greenlb.config.sections import Settings
from greenlb.config.values import ConfigError
from greenlb.exchange import Exchange
from greenlb.policy import rfc7239
from greenlb.policy.rfc7239 import Part
from greenlb.policy.samples import compile_bytes
from greenlb.policy.scope import Scope

_OWN: Final[dict[str, Part]] = {
    "host": rfc7239.requested_host,
    "by": rfc7239.own_address,
    "by_port": rfc7239.own_port,
    "for": rfc7239.client_address,
    "for_port": rfc7239.client_port,
}


def forwarded(context: Context, proxy: Settings, scope: Scope) -> Callable[[Exchange], None] | None:
    """Raises nothing: what is wrong is noted where it stands."""
    line = proxy.last("option forwarded")
    if line is None or line.value is None:
        return None
    fields = line.value or {"proto": True, "for": True}
    with context.problems.at(line.where, "'option forwarded': "):
        parts: dict[str, Part] = {}
        for name, own in _OWN.items():
            text = fields.get(f"{name}_expr")
            if text is not None:
                parts[name] = compile_bytes(text, scope)
            elif fields.get(name):
                parts[name] = own
        for name in ("by", "for"):
            if f"{name}_port" in parts and name not in parts:
                raise ConfigError(f"'{name}_port' needs '{name}' or '{name}-expr'")
        return rfc7239.field(
            proto=bool(fields.get("proto")),
            host=parts.get("host"),
            by=parts.get("by"),
            by_port=parts.get("by_port"),
            given=parts.get("for"),
            given_port=parts.get("for_port"),
        )
    return None
