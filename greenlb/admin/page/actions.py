"""What can be done to servers from the page, and who may: each action is a runtime command.

A form counts when it comes from the page itself: it bears a token that only the page has (bound to the user
and to a secret of this start of greenlb), and the browser does not say that another site sent it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from greenlb.admin.page.feed import Execute


class Action(NamedTuple):
    """``key`` is the keyboard's.  ``done`` is said of a server afterwards."""

    label: str
    command: str
    done: str
    doc: str
    key: str = ""


ACTIONS: Final = {
    "ready": Action(
        "Ready", "set server {} state ready", "is ready", "Takes requests as its checks allow.", "r"
    ),
    "drain": Action(
        "Drain",
        "set server {} state drain",
        "drains",
        "Keeps the clients that it has and gets no new ones.",
        "d",
    ),
    "maint": Action(
        "Maint",
        "set server {} state maint",
        "is in maintenance",
        "Gets no requests and is not checked.",
        "m",
    ),
    "dhlth": Action("Stop checks", "disable health {}", "is not checked", "Its checks pause."),
    "ehlth": Action("Start checks", "enable health {}", "is checked", "Its checks go on."),
    "hrunn": Action("Force up", "set server {} health up", "counts as up", "As if its checks had passed."),
    "hnolb": Action(
        "Force stopping", "set server {} health stopping", "counts as stopping", "As a check's 404 does."
    ),
    "hdown": Action(
        "Force down", "set server {} health down", "counts as down", "As if its checks had failed."
    ),
    "dagent": Action("Stop agent", "disable agent {}", "has no agent check", "Its agent is not asked."),
    "eagent": Action("Start agent", "enable agent {}", "has its agent check", "Its agent is asked again."),
    "arunn": Action("Agent says up", "set server {} agent up", "counts as up", "As if its agent said so."),
    "adown": Action(
        "Agent says down", "set server {} agent down", "counts as down", "As if its agent said so."
    ),
    "shutdown": Action(
        "Kill sessions", "shutdown sessions server {}", "lost its sessions", "Its connections are cut."
    ),
}
"""By HAProxy's names."""

STATES: Final = {
    "DONE": ("good", "Done."),
    "NONE": ("note", "Nothing was changed."),
    "PART": ("bad", "Some servers were changed, others were not."),
    "ERRP": ("bad", "That was not understood: an unknown server or action."),
    "EXCD": ("bad", "That was too much at once: change fewer servers at a time."),
    "DENY": ("bad", "Denied: this page is for reading only, or it is out of date.  Load it again."),
    "UNKN": ("bad", "Something went wrong."),
}
"""What HAProxy's page says of a form in ``;st=``: how it went, in words."""


class Outcome(NamedTuple):
    """``state`` is one of STATES; ``errors`` are the runtime's words."""

    state: str
    done: Sequence[str] = ()
    errors: Sequence[str] = ()


class Guard:
    """Tells the page's own forms from others'.  ``secret`` is the same in all processes."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def token(self, proxy: str, user: str) -> str:
        text = f"{proxy}\0{user}".encode("utf-8", "surrogateescape")
        return hmac.new(self._secret, text, hashlib.sha256).hexdigest()

    def admits(self, environ: Mapping[str, str], proxy: str, user: str, token: str) -> bool:
        """Whether a form may be followed."""
        expected = self.token(proxy, user)
        return same_origin(environ) and hmac.compare_digest(
            expected.encode(), token.encode("utf-8", "replace")
        )


def same_origin(environ: Mapping[str, str]) -> bool:
    """Whether the browser says that the request comes from a page of this site, if it says anything."""
    if environ.get("HTTP_SEC_FETCH_SITE", "same-origin") != "same-origin":
        return False
    origin = environ.get("HTTP_ORIGIN")
    if origin is None:
        return True
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == environ.get("HTTP_HOST", "").lower()


def run(execute: Execute, form: Mapping[str, Sequence[str]], known: set[str]) -> Outcome:
    """Do what a form says: ``action`` to each server ``s`` of backend ``b`` (``s`` may be the whole
    ``backend/server``), or ``do``, an action and one server.  ``known`` are the servers of the page."""
    names = list(form.get("s", ()))
    wanted = form.get("action", [""])[-1]
    if "do" in form:
        wanted, _, name = form["do"][-1].partition(" ")
        names = [name]
    backend = form.get("b", [""])[-1]
    names = [name if "/" in name or not backend else f"{backend}/{name}" for name in names]
    action = ACTIONS.get(wanted)
    if action is None or not all(name in known for name in names):
        return Outcome("ERRP")
    if not names:
        return Outcome("NONE")
    done, errors = [], []
    for name in dict.fromkeys(names):
        answer = execute(action.command.format(name), "admin").strip()
        if answer:
            errors.append(f"{name}: {answer}")
        else:
            done.append(f"{name} {action.done}.")
    return Outcome("DONE" if not errors else "PART" if done else "UNKN", done, errors)
