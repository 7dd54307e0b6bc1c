"""What the JSON forms look like, in the words of JSON Schema (draft 4)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from greenlb.admin.figures.text import KINDS, NATURES, ORIGINS, SCOPES, compact

_NUMBERS: Final = {"u32": (0, 2**32 - 1), "u64": (0, 2**64 - 1), "s32": (-(2**31), 2**31 - 1)}
_ORDER: Final = "FBSL"


def _texts(words: Iterable[str]) -> dict[str, Any]:
    return {"type": "string", "enum": list(words)}


def _list(title: str, items: dict[str, Any]) -> dict[str, Any]:
    return {"title": title, "type": "array", "items": items}


def _object(title: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {"title": title, "type": "object", "properties": properties, "required": list(properties)}


def _whole(least: int, most: int | None = None) -> dict[str, Any]:
    """A number without a fraction."""
    return {"type": "integer", "minimum": least} | ({} if most is None else {"maximum": most})


def schema() -> str:
    """The answer to ``show schema json``."""
    common = {
        name: {"$ref": f"#/definitions/{kind}"}
        for name, kind in (
            ("field", "field"),
            ("processNum", "processNum"),
            ("tags", "tags"),
            ("value", "typedValue"),
        )
    }
    whose = {"objType": _texts(KINDS[kind] for kind in _ORDER), "proxyId": _whole(0), "id": _whole(0)}
    tags = {
        name: _texts(words.values())
        for name, words in (("origin", ORIGINS), ("nature", NATURES), ("scope", SCOPES))
    }
    values = [
        _object(f"typed {name}", {"type": _texts([name]), "value": _whole(*limits)})
        for name, limits in _NUMBERS.items()
    ]
    values.append(_object("typed string", {"type": _texts(["str"]), "value": {"type": "string"}}))
    return compact(
        {
            "$schema": "http://json-schema.org/draft-04/schema#",
            "oneOf": [
                _list("Info", _object("InfoItem", common)),
                _list("Stat", _list("InfoItems", _object("StatItem", whose | common))),
            ],
            "definitions": {
                "field": _object("field", {"pos": _whole(0), "name": {"type": "string"}}),
                "processNum": _whole(1),
                "tags": _object("tags", tags),
                "typedValue": {"oneOf": values},
            },
        }
    )
