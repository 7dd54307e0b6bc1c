"""The id of an exchange: made once, when somebody first asks, by the frontend's ``unique-id-format``."""

from __future__ import annotations

from collections.abc import Callable

from greenlb.exchange import Exchange


def unique_id(x: Exchange) -> bytes:
    """The id; empty where the frontend has no format for one."""
    if x.unique_id is None:
        make = x.frontend.unique_id
        x.unique_id = b"" if make is None else make(x)
    return x.unique_id


def announced(further: Callable[[Exchange], None] | None) -> Callable[[Exchange], None]:
    """A step of every request on its way to a server: it gets its id, in a field where
    ``unique-id-header`` names one; then ``further``."""

    def step(x: Exchange) -> None:
        made, name = unique_id(x), x.frontend.unique_id_header
        if name and x.request is not None:
            x.request.fields.add(name, made)
        if further is not None:
            further(x)

    return step
