"""The id of an exchange: made once, when somebody first asks, by the frontend's ``unique-id-format``."""

from __future__ import annotations

from greenlb.exchange import Exchange


def unique_id(x: Exchange) -> bytes:
    """The id; empty where the frontend has no format for one."""
    if x.unique_id is None:
        make = x.frontend.unique_id
        x.unique_id = b"" if make is None else make(x)
    return x.unique_id


def announce(x: Exchange) -> None:
    """``unique-id-header``: the id as a field of the request."""
    name = x.frontend.unique_id_header
    if name and x.request is not None:
        x.request.fields.add(name, unique_id(x))
