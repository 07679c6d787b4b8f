"""`python -m netts` is the command `netts`."""

import sys

from netts.cli import main

if __name__ == "__main__":
    sys.exit(main())
