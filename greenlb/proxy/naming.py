"""``http-send-name-header``: requests tell a server its name.  Which server it will be is known when the
head is about to go out, at each try."""

from __future__ import annotations

from greenlb.proxy.forward import Forward
from greenlb.proxy.upstream.network import Upstream


class Naming(Forward):
    """Mixed into what carries requests to a backend with that option."""

    __slots__ = ()

    def request_head(self) -> bytes:
        self.request.fields.remove(self.backend.model.name_header.lower())
        return super().request_head()

    def _send_request(self, upstream: Upstream, data: bytes) -> None:
        end = data.index(b"\r\n\r\n") + 2
        name = upstream.state.server.name.encode()
        line = b"%b: %b\r\n" % (self.backend.model.name_header, name)
        super()._send_request(upstream, data[:end] + line + data[end:])


def naming(kinds: dict[str, type[Forward]]) -> dict[str, type[Forward]]:
    """Each of these kinds of backend, with that option."""
    return {
        f"naming {kind}": type(f"Naming{made.__name__}", (Naming, made), {"__slots__": ()})
        for kind, made in kinds.items()
    }
