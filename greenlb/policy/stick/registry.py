"""All stick tables of a configuration, by name."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from greenlb.model import StickTable
from greenlb.policy.stick.owners import Owners
from greenlb.policy.stick.table import Log, Table
from greenlb.policy.vocabulary import nearest


class Tables:
    """They are declared before the rules that name them are compiled."""

    def __init__(self) -> None:
        self._named: dict[str, Table] = {}
        self._owners: Owners | None = None

    def __iter__(self) -> Iterator[Table]:
        """In the order of the configuration."""
        return iter(self._named.values())

    def __len__(self) -> int:
        return len(self._named)

    def specs(self) -> list[StickTable]:
        """What each is, in the same order."""
        return [table.spec for table in self]

    def declare(self, spec: StickTable) -> Table:
        """Make a table.  Raises ValueError when its name is taken."""
        other = self._named.get(spec.name)
        if other is not None:
            raise ValueError(f"stick table '{spec.name}' is declared already, at {other.spec.where}")
        table = self._named[spec.name] = Table(spec)
        return table

    def find(self, name: str) -> Table | None:
        """The table of that name, None when there is none."""
        return self._named.get(name)

    def named(self, name: str) -> Table:
        """The table of that name.  Raises ValueError when there is none."""
        table = self._named.get(name)
        if table is None:
            raise ValueError(
                f"there is no stick table '{name}'{nearest(name, self._named)}: "
                f"a section of that name with a 'stick-table' is expected"
            )
        return table

    def open(self, folder: str, log: Log) -> None:
        """Open every table's file below ``folder``, in the process that is to use them.  Never raises:
        without the files, entries live in the process."""
        if not self._named:
            return
        try:
            prepare_folder(folder)
            self._owners = owners = Owners(os.path.join(folder, "owners"))
        except OSError as error:
            log(
                3,
                f"Stick tables: cannot use the state folder '{folder}': {error.strerror or error}; "
                "each process has its own.",
            )
            return
        for table in self:
            table.open(folder, owners, log)

    def flush(self) -> bool:
        """Bring what happened in this process into the files, and the other way round; to be called some
        times a second.  True when there is more to write: call again soon."""
        more = [table.flush() for table in self._named.values()]
        return any(more)

    def close(self) -> None:
        for table in self:
            table.close()
        if self._owners is not None:
            self._owners.close()
            self._owners = None


def prepare_folder(folder: str) -> None:
    """Make it, for us alone.  Raises OSError: it cannot be made, or somebody else might write there."""
    os.makedirs(folder, 0o700, exist_ok=True)
    about = os.lstat(folder)
    if about.st_uid not in (os.geteuid(), 0) or about.st_mode & 0o022:
        with contextlib.suppress(OSError):
            os.chmod(folder, 0o700)
        about = os.lstat(folder)
        if about.st_uid not in (os.geteuid(), 0) or about.st_mode & 0o022:
            raise PermissionError(f"others than we may write to '{folder}'")
