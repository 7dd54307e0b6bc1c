"""``stats socket`` lines to the model's runtime sockets."""

from __future__ import annotations

from greenlb.config.addresses import bind_addresses
from greenlb.config.context import Context
from greenlb.config.schema import STATS_SOCKET
from greenlb.config.values import ConfigError
from greenlb.runtime import RuntimeSocket


def sockets(context: Context) -> tuple[RuntimeSocket, ...]:
    """Where runtime commands are answered, in the order of the file."""
    found: list[RuntimeSocket] = []
    for line in context.settings.given("stats socket"):
        with context.problems.at(line.where, f"'stats socket {line.words[0]}': "):
            fields = STATS_SOCKET.read(line.words[1:])
            if "mode" in fields:
                fields["mode"] = int(fields["mode"], 8)
            made = [
                RuntimeSocket(address=address, where=line.where, **fields)
                for address in bind_addresses(line.words[0])
            ]
            taken = {socket.address for socket in found}
            for socket in made:
                if socket.address in taken:
                    raise ConfigError(f"'{line.words[0]}' is a 'stats socket' already")
            found += made
    return tuple(found)
