"""What a configuration says of how servers are chosen: the words after ``balance`` and ``hash-type``.

``hash EXPRESSION`` needs the sample compiler, which the caller passes bound to its scope::

    parse(words, parse_hash_type(hash_words), lambda text: compile_sample(text, scope)[0])
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from typing import NamedTuple

from greenlb.model import Balance
from greenlb.policy import hashing
from greenlb.policy.balance import ALGORITHMS
from greenlb.policy.hooks import Hook


class HashType(NamedTuple):
    """``hash-type``.  HAProxy's defaults: sdbm, with the avalanche step when consistent."""

    consistent: bool = False
    function: str = "sdbm"
    avalanche: bool = False


def _expected(what: str, known: Iterable[str], got: str) -> ValueError:
    choices = list(known)
    near = get_close_matches(got, choices, 1)
    hint = f", did you mean '{near[0]}'?" if near else ""
    return ValueError(f"{what}: expected {', '.join(choices)}, not '{got}'{hint}")


def parse_hash_type(words: Sequence[str]) -> HashType:
    """The words after ``hash-type``: ``map-based|consistent [sdbm|djb2|wt6|crc32 [avalanche]]``.
    Raises ValueError."""
    method = words[0] if words else ""
    if method not in ("map-based", "consistent"):
        raise _expected("hash-type", ("map-based", "consistent"), method)
    consistent = method == "consistent"
    if len(words) == 1:
        return HashType(consistent, avalanche=consistent)
    if words[1] not in hashing.FUNCTIONS:
        raise _expected("hash-type: function", hashing.FUNCTIONS, words[1])
    if list(words[2:]) not in ([], ["avalanche"]):
        raise _expected("hash-type: modifier", ("avalanche",), " ".join(words[2:]))
    return HashType(consistent, words[1], len(words) > 2)


def parse(
    words: Sequence[str],
    hash_type: HashType = HashType(),  # noqa: B008
    compile_sample: Callable[[str], hashing.Sample] | None = None,
    hook: Callable[[str], Hook] | None = None,
) -> Balance:
    """The words after ``balance``; ``hook`` makes the place of a Python function.  Raises ValueError, as
    ``compile_sample`` does for a bad expression."""
    words = list(words) or ["roundrobin"]
    name, argument = _call(words[0])
    if name == "rdp-cookie":
        raise ValueError("balance rdp-cookie is not supported")
    if name not in ALGORITHMS:
        raise _expected("balance", ALGORITHMS, name)
    if argument is not None and name not in ("hdr", "random"):
        raise ValueError(f"balance {name}: no argument in parentheses expected, got '({argument})'")
    key: hashing.Key | None = None
    draws = 2
    rest = words[1:]
    if name == "python":
        if len(rest) != 1 or hook is None:
            raise ValueError("balance python: expected one function, module:function")
        return Balance(name, hook=hook(rest[0]))
    if name == "uri":
        key = _parse_uri(rest)
    elif name == "url_param":
        key = _parse_url_param(rest)
    elif name == "hdr":
        key = _parse_header(argument, rest)
    elif name == "hash":
        key = _parse_hash(rest, compile_sample)
    else:
        if name == "random" and argument is not None:
            draws = _count("balance random", "number of draws", argument)
        if rest:
            raise ValueError(f"balance {name}: unexpected '{rest[0]}'")
    return Balance(name, key, hash_type.consistent, hash_type.function, hash_type.avalanche, draws)


def _call(word: str) -> tuple[str, str | None]:
    """``name(argument)`` in two, or the name and None."""
    match = re.fullmatch(r"([^()]*)(?:\((.*)\))?", word)
    if not match:
        raise ValueError(f"balance: expected NAME or NAME(ARGUMENT), not '{word}'")
    return match[1], match[2] or None


def _count(what: str, of: str, word: str) -> int:
    if not (word.isascii() and word.isdigit()) or int(word) < 1:
        raise ValueError(f"{what}: {of} must be a positive integer, not '{word}'")
    return int(word)


def _parse_uri(words: list[str]) -> hashing.Key:
    numbers = {"len": 0, "depth": 0}
    flags = {"whole": False, "path-only": False}
    rest = iter(words)
    for word in rest:
        if word in numbers:
            numbers[word] = _count("balance uri", f"'{word}'", next(rest, ""))
        elif word in flags:
            flags[word] = True
        else:
            raise _expected("balance uri", (*numbers, *flags), word)
    return hashing.key_uri(numbers["len"], numbers["depth"], flags["whole"], flags["path-only"])


def _parse_url_param(words: list[str]) -> hashing.Key:
    if not words:
        raise ValueError("balance url_param: expected the name of a parameter")
    if words[1:2] == ["check_post"]:
        raise ValueError("balance url_param: check_post is not supported: a body is never held to be read")
    if words[1:]:
        raise ValueError(f"balance url_param: unexpected '{words[1]}'")
    return hashing.key_url_param(words[0].encode())


def _parse_header(name: str | None, words: list[str]) -> hashing.Key:
    if not name:
        raise ValueError("balance hdr: expected the name of a field, as in hdr(User-Agent)")
    if words and words != ["use_domain_only"]:
        raise _expected(f"balance hdr({name})", ("use_domain_only",), " ".join(words))
    return hashing.key_header(name.encode(), bool(words))


def _parse_hash(words: list[str], compile_sample: Callable[[str], hashing.Sample] | None) -> hashing.Key:
    if len(words) != 1:
        raise ValueError("balance hash: expected one sample expression, as in 'hash req.hdr(x-user)'")
    if compile_sample is None:
        raise ValueError("balance hash: sample expressions cannot be used here")
    return hashing.key_sample(compile_sample(words[0]))
