"""Which country a client is in, by a table of networks, and the farm that is near.

    http-request = python geo:route /etc/greenlb/countries.csv
    use_backend = europe if { py(geo:country,/etc/greenlb/countries.csv) -m str at ch de fr }

The table has a network and a country a line, as the free ones of the regional registries do.
"""

import bisect
import csv
import functools
import ipaddress

from greenlb import Transaction

_NEAR = {"at": "europe", "ch": "europe", "de": "europe", "fr": "europe"}


@functools.cache
def _table(path: str) -> tuple[list[int], list[tuple[int, str]]]:
    """The beginnings of all IPv4 networks, in order, and the end and the country of each."""
    rows = []
    with open(path, newline="") as file:
        for text, country in csv.reader(file):
            network = ipaddress.IPv4Network(text)
            rows.append((int(network[0]), int(network[-1]), country.lower()))
    rows.sort()
    return [row[0] for row in rows], [row[1:] for row in rows]


def country(txn: Transaction, path: str) -> str | None:
    """The country of the client, None where the table does not say."""
    try:
        number = int(ipaddress.IPv4Address(txn.connection.src))
    except ValueError:
        return None
    starts, rows = _table(path)
    place = bisect.bisect(starts, number) - 1
    return rows[place][1] if place >= 0 and number <= rows[place][0] else None


def route(txn: Transaction, path: str) -> None:
    """Tell the server, and send the client to the farm that is near."""
    found = country(txn, path) or "unknown"
    txn.request.headers["X-Country"] = found
    if found in _NEAR:
        txn.use_backend(_NEAR[found])
