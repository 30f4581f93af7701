"""The program runmask, as ``python -m runmask`` and as the console script."""

import sys

from ._runmask import main as _main


def main() -> int:
    """Runs the program with the arguments of this process and returns its exit status."""
    return _main(["runmask", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
