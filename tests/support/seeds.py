"""Configurations that people have published (tests/seeds), run as they stand or converted to INI."""

from __future__ import annotations

from pathlib import Path

from greenlb.config.convert import convert
from greenlb.config.predicates import Facts
from greenlb.config.problems import Problems
from tests.support.lb import PROJECT, Balancer, HasPort, Launcher

SEEDS = PROJECT / "tests" / "seeds"


class Published(Balancer):
    """greenlb with the haproxy.cfg that it is given."""

    def complete(self, ini: str) -> str:
        return ini

    def write(self, ini: str) -> Path:
        path = self.directory / "haproxy.cfg"
        path.write_text(ini)
        return path


class Converted(Published):
    """greenlb with what ``greenlb convert`` makes of it."""

    def write(self, ini: str) -> Path:
        problems = Problems()
        path = self.directory / "greenlb.ini"
        path.write_text(convert(ini, "haproxy.cfg", problems, {}, Facts({})))
        assert not problems.errors
        return path


class Seeds(Launcher):
    """Starts seeds.  Addresses and paths are replaced, nothing else is."""

    def seed(self, file: str, replaced: dict[str, str], **given: HasPort | str | int | Path) -> Balancer:
        """Start one with each key of ``replaced`` exchanged for its value, in which a name in braces is as
        everywhere; a key that stands there twice is given twice, by a line break between its values."""
        text = (SEEDS / file).read_text()
        for old, new in replaced.items():
            for value in new.split("\n"):
                assert old in text, f"{old} is not in {file}"
                text = text.replace(old, value, 1)
            assert old not in text.replace(new, ""), f"{old} is in {file} more often"
        return self(text, None, **given)


class AsPublished(Seeds):
    balancer = Published


class AsConverted(Seeds):
    balancer = Converted
