"""``python -m aaetools`` is the command line."""

import sys

from aaetools.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
