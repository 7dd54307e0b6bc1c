"""``compression`` lines to what is compressed."""

from __future__ import annotations

from greenlb.compression import ALGORITHMS, Compression
from greenlb.config.context import Context
from greenlb.config.sections import Settings
from greenlb.config.values import ConfigError, one_of
from greenlb.policy.vocabulary import nearest


def compression(context: Context, proxy: Settings) -> Compression | None:
    """What a section says of it; None when it says nothing."""
    algorithms: list[str] = []
    for line in proxy.given("compression algo"):
        for name in line.words:
            with context.problems.at(line.where, "'compression algo': "):
                if name not in ALGORITHMS:
                    known = tuple(ALGORITHMS)
                    raise ConfigError(f"expected {one_of(known)}, not '{name}'{nearest(name, known)}")
                algorithms.append(name)
    types = [name.lower() for line in proxy.given("compression type") for name in line.words]
    made = Compression(
        tuple(dict.fromkeys(algorithms)),
        tuple(name.encode("utf-8", "surrogateescape") for name in types),
        bool(proxy.value("compression offload")),
        proxy.value("compression minsize", 0),
    )
    return None if made == Compression() else made
