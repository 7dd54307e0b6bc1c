"""What a runtime command is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from greenlb.admin.runtime.session import Session

Function = Callable[["Session", Sequence[str]], str]
"""Does a command, given the words after its own; the answer's lines, without the empty one at its end."""

DENIED = "Permission denied\n"


@dataclass(frozen=True, slots=True)
class Command:
    """``words`` are what it begins with, ``level`` is who may use it, at least (one of
    greenlb.runtime.LEVELS); ``usage`` and ``help`` are its line of ``help``."""

    words: tuple[str, ...]
    level: str
    usage: str
    help: str
    function: Function

    @property
    def line(self) -> str:
        return f"  {self.usage:<40}: {self.help}\n"


def command(
    words: str, level: str, arguments: str, help: str, function: Function, usage: str = ""
) -> Command:
    """A Command; its usage is its words and ``arguments`` unless it is given."""
    return Command(tuple(words.split()), level, usage or f"{words} {arguments}".rstrip(), help, function)
