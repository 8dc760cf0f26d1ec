"""`python -m marconi_server` is the command `marconi-server`."""

import sys

from marconi_server.cli import main

if __name__ == "__main__":
    sys.exit(main())
