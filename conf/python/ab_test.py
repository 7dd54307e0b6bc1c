"""An experiment: some of the visitors get the other farm, and stay with it.

http-request = python ab_test:split 10 new
http-response = python ab_test:remember
"""

import hashlib

from greenlb import Transaction

_COOKIE = "experiment"


def split(txn: Transaction, percent: str, backend: str) -> None:
    """Who was chosen before keeps his group; the others are drawn by their address and browser."""
    group = txn.request.cookies.get(_COOKIE, "")
    if group not in ("a", "b"):
        who = txn.connection.src + txn.request.headers.get("user-agent", "")
        draw = int.from_bytes(hashlib.sha256(who.encode()).digest()[:4]) % 100
        group = "b" if draw < int(percent) else "a"
        txn.variables["txn.new_group"] = group
    txn.variables["txn.tag"] = f"group {group}"
    if group == "b":
        txn.use_backend(backend)


def remember(txn: Transaction) -> None:
    """Tell the browser its group when it was drawn just now."""
    group = txn.variables.get("txn.new_group")
    if group is not None:
        txn.response.headers.add("Set-Cookie", f"{_COOKIE}={group}; Path=/; Max-Age=2592000; SameSite=Lax")
