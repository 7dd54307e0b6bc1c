"""Where an option may stand."""

from __future__ import annotations

from typing import Final

FRONT: Final = ("defaults", "frontend", "listen")
BACK: Final = ("defaults", "listen", "backend")
EVERY: Final = ("defaults", "frontend", "listen", "backend")
RULES: Final = ("named defaults", "frontend", "listen", "backend")
