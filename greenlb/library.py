"""What ``import greenlb`` offers to check and to run a configuration, as the command does."""

from __future__ import annotations

import os
import subprocess
import sys

from greenlb.cli.configuration import examine, facts
from greenlb.config.load import load
from greenlb.config.problems import Problem


def check(*files: str | os.PathLike[str]) -> list[Problem]:
    """The errors of a configuration, as ``greenlb -c`` finds them: its certificates are read, and the Python
    that it names is imported in a process that is thrown away.  An empty list: it may run."""
    return examine(load([os.fspath(file) for file in files], facts()))[0]


def run(*files: str | os.PathLike[str]) -> int:
    """Serve in the foreground, in a process of its own, until that ends; its exit status.  It says on
    standard error what is wrong with the configuration.  An exception here, such as KeyboardInterrupt, ends
    it."""
    words = [word for file in files for word in ("-f", os.fspath(file))]
    with subprocess.Popen([sys.executable, "-m", "greenlb", "-db", *words]) as process:
        try:
            return process.wait()
        except BaseException:
            process.terminate()
            raise
