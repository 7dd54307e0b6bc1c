"""Only requests with a JSON Web Token of ours (HS256, RFC 7519) reach the servers; they are told whose it is.

http-request = python jwt_check:require SECRET if { path_beg /api/ }
"""

import base64
import binascii
import hashlib
import hmac
import json
import time
from typing import Any

from greenlb import Transaction


def _part(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _claims(token: str, secret: str) -> dict[str, Any]:
    """What a token claims.  Raises ValueError: it is not ours, or not valid now."""
    try:
        head, body, signature = token.split(".")
        expected = hmac.new(secret.encode(), f"{head}.{body}".encode(), hashlib.sha256).digest()
        if json.loads(_part(head))["alg"] != "HS256" or not hmac.compare_digest(_part(signature), expected):
            raise ValueError("not signed by us")
        claims: dict[str, Any] = json.loads(_part(body))
        now = time.time()
        if now >= float(claims.get("exp", now + 1)) or now < float(claims.get("nbf", 0)):
            raise ValueError("not valid now")
    except (KeyError, TypeError, AttributeError, UnicodeError, binascii.Error) as error:
        raise ValueError("not a token") from error
    return claims


def require(txn: Transaction, secret: str) -> None:
    """Answer 401 unless there is a good token."""
    scheme, _, token = txn.request.headers.get("authorization", "").partition(" ")
    txn.request.headers.pop("X-User", None)  # nobody says who he is but the token
    try:
        if scheme.lower() != "bearer":
            raise ValueError("no token")
        user = str(_claims(token.strip(), secret)["sub"])
    except (ValueError, KeyError) as error:
        txn.variables["txn.tag"] = f"jwt: {error}"
        txn.answer(401, "A valid token is needed.\n", {"WWW-Authenticate": 'Bearer realm="api"'})
        return
    txn.request.headers["X-User"] = user
    txn.variables["txn.tag"] = f"user {user}"
