"""Puts applications into the services that a configuration names."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from greenlb.model import Config

if TYPE_CHECKING:
    from greenlb.admin.page.look import Look

Execute = Callable[[str, str], str]
"""Runs a runtime command at a level."""


def look_of(config: Config) -> Look | None:
    """What statistics pages are made of, where there is one: the template library costs memory."""
    if not any(slot.page is not None for slot in config.services):
        return None
    from greenlb.admin.page.look import Look

    return Look()


def install(config: Config, look: Look | None, secret: bytes, execute: Execute) -> None:
    """Done before anybody is served, in the process that serves."""
    for slot in config.services:
        if slot.page is None:
            from greenlb.admin.metrics import application

            slot.application = application(execute)
    if look is None:
        return
    from greenlb.admin.page.app import Pages

    notes = {proxy.name: proxy.description for proxy in (*config.frontends, *config.backends)}
    pages = Pages(look, execute, secret, notes)
    for slot in config.services:
        if slot.page is not None:
            slot.application = pages.application(slot.page, slot.admin)
