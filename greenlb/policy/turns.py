"""In which order servers of different weights take turns."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from math import gcd


def smooth_cycle(weights: Sequence[int]) -> list[int]:
    """Indexes 0..n-1, each as often as its weight says (common factors taken out), spread evenly: the
    order of HAProxy's ``roundrobin``, in which 2, 1, 1 is 0, 1, 0, 2.

    A server of weight ``w`` out of ``total`` is due again ``total / w`` slots after it was due.  A slot
    goes to who is due, the heaviest first among equals; one that nobody is due at to the heaviest that
    had no turn yet.  How they begin is not yet how they go on: the cycle is the second round.
    """
    factor = gcd(*weights)
    shares = [weight // factor for weight in weights]
    total = sum(shares)
    fresh = sorted(range(len(shares)), key=lambda index: (shares[index], -index))
    waiting: list[tuple[int, int, int, int, int]] = []
    turns = []
    for slot in range(2 * total):
        if waiting and (waiting[0][0] <= slot or not fresh):
            due, _, _, left, index = heapq.heappop(waiting)
        else:
            due, left, index = slot, 0, fresh.pop()
        share = shares[index]
        step, left = divmod(total + left, share)
        heapq.heappush(waiting, (due + step, left - share, slot, left, index))
        turns.append(index)
    return turns[total:]


def map_cycle(weights: Sequence[int]) -> list[int]:
    """Indexes 0..n-1, each as often as its weight says (common factors taken out), spread evenly.

    A server of weight ``w`` out of ``total`` earns its turns at the slots 0, total/w, 2*total/w ...
    (rounded up).  Each slot goes to the server with the most turns unused, the first declared among
    equals.  It is the order of HAProxy's map, hence also what a hash is looked up in.
    """
    factor = gcd(*weights)
    shares = [weight // factor for weight in weights]
    total = sum(shares)
    earned: list[list[int]] = [[] for _ in range(total)]
    for index, share in enumerate(shares):
        for turn in range(share):
            slot = -(-turn * total // share)
            earned[slot - 1 if slot else 0].append(index)
    unused = [0] * len(shares)
    waiting: list[tuple[int, int]] = []
    cycle = []
    for earning in earned:
        for index in earning:
            unused[index] += 1
            heapq.heappush(waiting, (-unused[index], index))
        while True:
            turns, index = heapq.heappop(waiting)
            if unused[index] == -turns:  # else the entry is out of date
                break
        cycle.append(index)
        unused[index] -= 1
        if unused[index]:
            heapq.heappush(waiting, (-unused[index], index))
    return cycle
