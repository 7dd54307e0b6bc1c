"""Orders that are no good are refused before they reach a server.

http-request = wait-for-body time 5s if { path /orders } METH_POST
               python body_inspection:order 1000 if { path /orders } METH_POST
"""

import json

from greenlb import Transaction


def order(txn: Transaction, most: str) -> None:
    """An order is JSON with a number of items between 1 and ``most``."""
    try:
        items = json.loads(txn.request.body)["items"]
        good = isinstance(items, int) and 1 <= items <= int(most)
    except (ValueError, KeyError, TypeError):
        good = False
    if not good:
        txn.answer(422, json.dumps({"error": f"items: 1 to {most}"}), content_type="application/json")
