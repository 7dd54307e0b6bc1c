"""Cookies that nobody but us can have made: signed on their way out, verified on their way in.

http-response = python signed_cookies:sign session SECRET
http-request = python signed_cookies:verify session SECRET
"""

import hashlib
import hmac

from greenlb import Transaction


def _signature(value: str, secret: str) -> str:
    return hmac.new(secret.encode(), value.encode(), hashlib.sha256).hexdigest()[:32]


def sign(txn: Transaction, name: str, secret: str) -> None:
    """Put a signature behind the value of a cookie that the server sets."""
    headers = txn.response.headers
    lines = headers.all("set-cookie")
    if not any(line.startswith(f"{name}=") for line in lines):
        return
    del headers["set-cookie"]
    for line in lines:
        pair, semicolon, attributes = line.partition(";")
        key, _, value = pair.partition("=")
        if key == name:
            pair = f"{name}={value}.{_signature(value, secret)}"
        headers.add("Set-Cookie", pair + semicolon + attributes)


def verify(txn: Transaction, name: str, secret: str) -> None:
    """Take the signature off again; a cookie without a good one does not reach the server."""
    cookies = txn.request.cookies
    if name not in cookies:
        return
    value, _, signature = cookies.pop(name).rpartition(".")
    if hmac.compare_digest(signature.encode(), _signature(value, secret).encode()):
        cookies[name] = value
        txn.variables["txn.session"] = "signed"
    else:
        txn.variables["txn.session"] = "forged"
    del txn.request.headers["cookie"]
    if cookies:
        txn.request.headers["Cookie"] = "; ".join(f"{key}={value}" for key, value in cookies.items())
