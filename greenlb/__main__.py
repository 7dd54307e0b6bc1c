"""``python -m greenlb``: the same command as ``greenlb``."""

import sys

from greenlb.cli.command import main

if __name__ == "__main__":
    sys.exit(main())
